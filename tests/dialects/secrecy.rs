//! S2 of dialects: what is secret in them shows in no error, log line, statistic or Debug text, whatever the server repeats of it.

use crate::assertions::KEYS;
use serde_json::{Value, json};
use std::sync::Mutex;
use support::dialects::{CALL, PASSWORD, get, listen, manager, stats};
use support::server::{Answer, Server};

const CLIENT: &str = "secret-of-the-client";
const PARAM: &str = "secret-of-the-params";
const EXTRA: &str = "secret-of-extra";
const LITERAL: &str = "secret-in-a-header";

/// A service that grants the first login, refuses all that follows, and repeats in each refusal all that it was sent.
fn echoing() -> Server {
    let granted = Mutex::new(false);
    Server::start(move |request| {
        if request.path() == "/token" && !std::mem::replace(&mut *granted.lock().unwrap(), true) {
            return Answer::json(
                200,
                json!({"access_token": "granted-access-1", "refresh_token": "granted-refresh-1", "expires_in": 600, "k": "kept-value-1"}),
            );
        }
        let said = format!("{} {} {}", request.head.replace("\r\n", " "), request.body, request.target());
        Answer::json(401, json!({"error": "invalid_client", "error_description": said, "again": {"message": said}}))
            .with("X-Echo", &request.body.replace(['\r', '\n'], " "))
            .with("Location", &format!("/elsewhere?{}", request.body.replace(['\r', '\n', ' '], "+")))
    })
}

/// All that a manager tells of itself while its login goes well, its calls are refused, and its next login too.
fn told(auth: Value) -> (String, Server) {
    let server = echoing();
    let params = json!({"api_key": PARAM, "signing_pem": {"file": format!("{KEYS}ed25519.pkcs8.pem")}});
    let manager = manager(&server, json!({"auth": auth, "auth_params": params}));
    let heard = listen(&manager);
    let mut shown = String::new();
    for _ in 0..3 {
        shown.push_str(&match get(&manager) {
            Ok(response) => format!("{response:?} {:?} {}\n", response.error, response.url),
            Err(error) => format!("{error} {error:?} {:?}\n", error.server_code()),
        });
    }
    for outcome in [manager.refresh(), manager.login(), manager.logout()] {
        shown.push_str(&format!("{outcome:?} {}\n", outcome.as_ref().err().map_or(String::new(), ToString::to_string)));
    }
    shown.push_str(&format!("{manager:?} {} {:?}", stats(&manager), heard.lock().unwrap()));
    (shown, server)
}

#[track_caller]
fn assert_hides(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        let at = shown.find(secret);
        assert!(at.is_none(), "{secret}: …{}", &shown[at.unwrap_or(0).saturating_sub(80)..]);
    }
    assert!(shown.len() > 500, "it tells nothing at all: {shown}");
}

/// What no one may see of the private key, whatever its form.
fn key_material() -> Vec<String> {
    let pem = std::fs::read_to_string(format!("{KEYS}ed25519.pkcs8.pem")).unwrap();
    let jwk: Value = serde_json::from_slice(&std::fs::read(format!("{KEYS}ed25519.jwk.json")).unwrap()).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned);
    lines.chain([jwk["d"].as_str().unwrap().to_owned()]).collect()
}

#[test]
fn client_secrets_extra_fields_and_parameters() {
    for (client_auth, body) in [("basic", "form"), ("basic_raw", "json"), ("post", "json"), ("post", "query")] {
        let (shown, server) =
            told(json!({"preset": "oauth2", "token_url": "/token", "revocation_url": "/revoke", "body": body,
            "client": {"id": "app", "secret": CLIENT}, "client_auth": client_auth,
            "extra": {"pin_secret": EXTRA, "more": "{params.api_key}"}, "call": {"headers": {"X-Api-Key": LITERAL}}}));
        assert_hides(&shown, &[CLIENT, EXTRA, PARAM, LITERAL, PASSWORD, "granted-access-1", "granted-refresh-1"]);
        // They did go to the server.
        let heard = server.heard();
        assert!(heard.contains(PARAM) && heard.contains(EXTRA) && heard.contains(LITERAL), "{heard}");
    }
}

#[test]
fn assertions_and_the_keys_that_sign_them() {
    let assertion =
        json!({"alg": "EdDSA", "key": {"file": format!("{KEYS}ed25519.pkcs8.pem")}, "claims": {"pin": PARAM}});
    let shared = json!({"alg": "HS256", "key": "a-shared-key-that-signs-all-of-it"});
    for auth in [
        json!({"preset": "oauth2", "token_url": "/token", "revocation_url": "/revoke", "client_auth": "private_key_jwt", "client": {"id": "app"}, "assertion": assertion}),
        json!({"preset": "oauth2", "token_url": "/token", "grant": "jwt_bearer", "client": {"id": "app"}, "assertion": shared}),
        json!({"login": {"url": "/token?p={assertion}", "json": {"proof": "{assertion}"}, "keep": {"k": "/k"}}, "assertion": assertion,
            "refresh": {"url": "/renew", "text": "{refresh_token} {assertion} {kept.k}"},
            "answer": {"access_token": "/access_token", "refresh_token": "/refresh_token"},
            "call": {"headers": {"Authorization": "Bearer {access_token}", "X-Proof": "{assertion}"}}}),
    ] {
        let (shown, server) = told(auth);
        let mut secrets = key_material();
        secrets.extend(
            ["a-shared-key-that-signs-all-of-it", "granted-access-1", "granted-refresh-1", "kept-value-1"]
                .map(str::to_owned),
        );
        // Every JWT that was sent, whole and by its signature.
        let heard = server.heard();
        let jwts = heard
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .filter(|word| word.starts_with("eyJ") && word.matches('.').count() == 2);
        let jwts: Vec<&str> = jwts.collect();
        assert!(!jwts.is_empty(), "{heard}");
        secrets.extend(jwts.iter().flat_map(|jwt| [(*jwt).to_owned(), jwt.rsplit('.').next().unwrap().to_owned()]));
        assert_hides(&shown, &secrets.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn values_made_of_secrets_by_functions() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let (shown, server) = told(json!({
        "login": {"url": "/token", "headers": {"X-Key": "{base64(params.api_key ':' password)}"}, "json": {"digest": "{sha256(password)}"}},
        "answer": {"access_token": "/access_token"},
        "call": {"headers": {"X-Token": "{base64(access_token)}"}, "query": {"sig": "{sha256(access_token path)}"}}}));
    let made = [format!("{PARAM}:{PASSWORD}"), "granted-access-1".to_owned()].map(|text| STANDARD.encode(text));
    let digest = |text: &str| {
        ring::digest::digest(&ring::digest::SHA256, text.as_bytes())
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    let digests = [digest(PASSWORD), digest(&format!("granted-access-1{CALL}"))];
    let heard = server.heard();
    for secret in made.iter().chain(&digests) {
        assert!(heard.contains(secret), "{secret} was not sent: {heard}");
        assert_hides(&shown, &[secret, PARAM, PASSWORD]);
    }
}

/// The keys of errors, too: a mistake in an option tells the member, not what it holds.
#[test]
fn mistakes_in_the_options() {
    for auth in [
        json!({"preset": "oauth2", "token_url": "/token", "client": {"id": "app", "secret": CLIENT, "secrett": CLIENT}}),
        json!({"preset": "oauth2", "token_url": "/token", "client": {"id": "app", "secret": format!("{CLIENT}{{nothing}}")}}),
        json!({"preset": "oauth2", "token_url": "/token", "extra": {"pin": [[EXTRA]]}}),
        json!({"preset": "oauth2", "token_url": "/token", "grant": "jwt_bearer", "assertion": {"alg": "RS256", "key": CLIENT}}),
        json!({"preset": "oauth2", "token_url": "/token", "grant": "jwt_bearer", "assertion": {"alg": "EdDSA", "key": {"file": format!("{KEYS}ec.encrypted.pem")}}}),
        json!({"preset": "oauth2", "token_url": format!("http://{CLIENT}@127.0.0.1/token")}),
    ] {
        let error = support::dialects::try_manager_at("http://127.0.0.1:9", PASSWORD, json!({"auth": auth}))
            .expect_err("a mistake");
        for secret in [CLIENT, EXTRA, PASSWORD] {
            assert!(!format!("{error} {error:?}").contains(secret), "{auth}: {error}");
        }
    }
}
