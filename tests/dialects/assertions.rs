//! Signed JWTs: as a client's proof, as a grant, and as a value in any dialect.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use std::collections::HashSet;
use support::dialects::{CALL, fails, get, speaks, stat, status};
use support::server::{Answer, Arrived, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

pub const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/tests/keys/");

/// The header and the claims of a JWT; `None`: its signature is not good.
fn verified(token: &str) -> Option<(Value, Value)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return None };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let der = std::fs::read(format!("{KEYS}ed25519.public.der")).expect("the key");
    let key = UnparsedPublicKey::new(&ED25519, &der[der.len() - 32..]);
    key.verify(format!("{header}.{claims}").as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let json = |part: &str| serde_json::from_slice(&decode(part)).expect("JSON");
    Some((json(header), json(claims)))
}

/// A server that takes no assertion twice, and grants where `asserted` finds a good one in a token request. It hands out no
/// refresh tokens.
fn service(tokens: &Tokens, asserted: fn(&Arrived) -> String) -> Server {
    let (tokens, used) = (tokens.clone(), std::sync::Mutex::new(HashSet::new()));
    Server::start(move |request| match request.path() {
        "/token" => {
            let claims = verified(&asserted(request)).map(|(_, claims)| claims);
            match claims.filter(|claims| used.lock().unwrap().insert(claims["jti"].to_string())) {
                Some(_) => Answer::json(
                    200,
                    json!({"access_token": tokens.issue().0, "token_type": "Bearer", "expires_in": 600}),
                ),
                None => Answer::json(401, json!({"error": "invalid_client"})),
            }
        }
        _ if tokens.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401).with("WWW-Authenticate", "Bearer error=\"invalid_token\""),
    })
}

fn key(file: &str) -> Value {
    json!({"alg": "EdDSA", "key": {"file": format!("{KEYS}{file}")}})
}

/// What was asserted in each token request so far.
fn claims(server: &Server, asserted: fn(&Arrived) -> String) -> Vec<(Value, Value)> {
    let requests = server.requests();
    requests
        .iter()
        .filter(|request| request.path() == "/token")
        .filter_map(|request| verified(&asserted(request)))
        .collect()
}

#[test]
fn jwt_bearer_signs_a_grant_anew_for_each_login() {
    const ASSERTED: fn(&Arrived) -> String = |request| request.field("assertion");
    let tokens = Tokens::new();
    let server = service(&tokens, ASSERTED);
    let mut assertion = key("ed25519.pkcs8.pem");
    assertion["claims"] = json!({"scope": "s", "sub": null});
    let robot = speaks(
        &server,
        json!({"preset": "oauth2", "token_url": "/token?v=1", "grant": "jwt_bearer",
        "client": {"id": "robot"}, "assertion": assertion}),
    );
    assert_eq!(status(&robot), 200);
    tokens.kill_access();
    assert_eq!(status(&robot), 200);
    assert_eq!((stat(&robot, "logins"), stat(&robot, "logins_refused")), (2, 0), "{:?}", server.lines());
    let all = claims(&server, ASSERTED);
    let [(header, first), (_, second)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(server.last("POST /token").field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("JWT")));
    assert_eq!((&first["iss"], &first["aud"]), (&json!("robot"), &json!(format!("{}/token", server.url()))));
    assert_eq!((&first["scope"], first.get("sub")), (&json!("s"), None));
    assert_eq!(first["exp"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 300);
    assert_ne!(first["jti"], second["jti"]);
}

#[test]
fn private_key_jwt_proves_the_client() {
    const ASSERTED: fn(&Arrived) -> String = |request| request.field("client_assertion");
    let tokens = Tokens::new();
    let server = service(&tokens, ASSERTED);
    let auth = json!({"preset": "oauth2", "token_url": "/token", "client_auth": "private_key_jwt",
        "client": {"id": "robot"}, "assertion": key("ed25519.jwk.json")});
    let robot = speaks(&server, auth);
    assert_eq!(status(&robot), 200);
    tokens.kill_access();
    assert_eq!(status(&robot), 200);
    let request = server.last("POST /token");
    assert_eq!(request.field("grant_type"), "client_credentials");
    assert_eq!(request.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!((request.field("client_id").as_str(), request.header("authorization")), ("robot", None));
    let all = claims(&server, ASSERTED);
    assert_eq!((all.len(), &all[0].1["sub"], &all[0].1["iss"]), (2, &json!("robot"), &json!("robot")));
}

#[test]
fn any_dialect_signs_its_logins_and_its_calls() {
    const ASSERTED: fn(&Arrived) -> String = |request| request.json()["proof"].as_str().unwrap_or_default().to_owned();
    let tokens = Tokens::new();
    let server = service(&tokens, ASSERTED);
    let mut assertion = key("ed25519.pkcs8.pem");
    assertion["lifetime_seconds"] = 60.into();
    let auth = json!({"login": {"url": "/token", "json": {"proof": "{assertion}"}}, "assertion": assertion,
        "answer": {"access_token": "/access_token", "expires_in": "/expires_in"},
        "call": {"headers": {"Authorization": "Bearer {access_token}", "X-Proof": "{assertion}"}}});
    let manager = speaks(&server, auth);
    for _ in 0..2 {
        assert_eq!(status(&manager), 200);
    }
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!(claims(&server, ASSERTED).len(), 2);
    let requests = server.requests();
    let calls = requests.iter().filter(|request| request.path() == CALL);
    let proofs: Vec<Value> = calls.map(|call| verified(call.header("x-proof").unwrap()).expect("signed").1).collect();
    let ids: HashSet<String> = proofs.iter().map(|claims| claims["jti"].to_string()).collect();
    assert_eq!(ids.len(), proofs.len(), "one was sent twice");
    assert!(proofs.iter().all(|claims| claims["aud"] == format!("{}{CALL}", server.url()).as_str()), "{proofs:?}");
}

#[test]
fn a_key_that_the_server_does_not_know_is_refused_once_and_shown_nowhere() {
    let server = service(&Tokens::new(), |request| format!("{}x", request.field("client_assertion")));
    let auth = json!({"preset": "oauth2", "token_url": "/token", "client_auth": "private_key_jwt",
        "client": {"id": "robot"}, "assertion": key("ed25519.pkcs8.pem")});
    let manager = speaks(&server, auth);
    let error = fails(get(&manager), Status::TM_LOGIN_REJECTED);
    assert!(error.message().contains("the client and its secret or key"), "{error}");
    fails(get(&manager), Status::TM_LOGIN_SUSPENDED);
    assert_eq!(server.requests().len(), 1);
}
