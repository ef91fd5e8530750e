//! RFC 9449: proofs on token requests and calls, and the server's nonces.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use support::dialects::{CALL, PASSWORD, age, speaks, stat, status};
use support::server::{Answer, Arrived, Server};
use support::tokens::Tokens;

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The claims of a request's proof, whose signature is good, and its key.
fn proof(request: &Arrived) -> Option<(Value, Value)> {
    let parts: Vec<&str> = request.header("dpop")?.split('.').collect();
    let header: Value = serde_json::from_slice(&decode(parts[0])).expect("JSON");
    let claims: Value = serde_json::from_slice(&decode(parts[1])).expect("JSON");
    let point = |name: &str| decode(header["jwk"][name].as_str().expect("a coordinate"));
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], point("x"), point("y")].concat());
    key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2])).expect("a good signature");
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    Some((claims, header["jwk"].clone()))
}

/// A server that binds tokens to keys, and wants a nonce of its own on both kinds of request.
fn service(tokens: &Tokens, nonce: &Arc<AtomicU32>) -> Server {
    let (tokens, nonce) = (tokens.clone(), Arc::clone(nonce));
    let bound = Mutex::new(None);
    let used = Mutex::new(Vec::new());
    Server::start(move |request| {
        let wanted = format!("nonce-{}", nonce.load(Ordering::SeqCst));
        let Some((claims, jwk)) = proof(request) else {
            return Answer::json(400, json!({"error": "invalid_dpop_proof"}));
        };
        assert_eq!(claims["htm"], request.method());
        assert!(claims["htu"].as_str().unwrap().ends_with(request.path()), "{claims}");
        let mut used = used.lock().unwrap();
        assert!(!used.contains(&claims["jti"]), "a proof came twice");
        used.push(claims["jti"].clone());
        let is_token = request.path() == "/token";
        if claims["nonce"] != wanted.as_str() {
            return match is_token {
                true => Answer::json(400, json!({"error": "use_dpop_nonce"})),
                false => Answer::empty(401).with("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\""),
            }
            .with("DPoP-Nonce", &wanted);
        }
        if is_token {
            *bound.lock().unwrap() = Some(jwk);
            let issued = match request.field("refresh_token").as_str() {
                "" => Some(tokens.issue()),
                token => tokens.rotate(token),
            };
            return issued.map_or_else(
                || Answer::json(400, json!({"error": "invalid_grant"})),
                |(access, refresh)| {
                    Answer::json(200, json!({"access_token": access, "refresh_token": refresh, "token_type": "DPoP", "expires_in": 3600}))
                },
            );
        }
        let token = request.credentials("DPoP").unwrap_or_default();
        let is_its = claims["ath"] == URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
        match tokens.is_good(token) && is_its && *bound.lock().unwrap() == Some(jwk) {
            true if request.path() == "/away" => Answer::empty(302).with("Location", "/there?y=2"),
            true => Answer::json(200, json!({})),
            false => Answer::empty(401).with("WWW-Authenticate", "DPoP error=\"invalid_token\""),
        }
    })
}

#[test]
fn proofs_and_nonces_on_tokens_and_calls() {
    let (tokens, nonce) = (Tokens::new(), Arc::<AtomicU32>::default());
    let server = service(&tokens, &nonce);
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token", "dpop": true}));
    for _ in 0..3 {
        assert_eq!(status(&manager), 200);
    }
    // Once for want of the nonce, which then is known.
    assert_eq!((server.count("POST /token"), server.count(&format!("GET {CALL}"))), (2, 3));
    // Another nonce costs no token.
    nonce.store(7, Ordering::SeqCst);
    assert_eq!(status(&manager), 200);
    assert_eq!((server.count("POST /token"), server.count(&format!("GET {CALL}"))), (2, 5));
    tokens.kill_access();
    age(&manager);
    nonce.store(8, Ordering::SeqCst);
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes")), (1, 1), "{:?}", server.lines());
}

#[test]
fn a_token_outlives_a_change_of_the_password_as_its_key_does() {
    let (tokens, nonce) = (Tokens::new(), Arc::<AtomicU32>::default());
    let server = service(&tokens, &nonce);
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token", "dpop": true}));
    assert_eq!(status(&manager), 200);
    manager.set_credentials(None, PASSWORD).unwrap();
    assert_eq!(status(&manager), 200);
    assert_eq!(server.count("POST /token"), 2);

    let options = json!({"persistent": true, "auth": {"preset": "oauth2", "token_url": "/token", "dpop": true}});
    let shared = support::dialects::manager(&server, options);
    assert_eq!(status(&shared), 200);
    let logins = server.count("POST /token");
    shared.set_credentials(None, "another password").unwrap();
    assert_eq!(status(&shared), 200);
    assert_eq!(server.count("POST /token"), logins);
}

#[test]
fn a_bearer_token_is_sent_as_what_it_is() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/token" => Answer::json(200, json!({"access_token": issue.issue().0, "token_type": "bearer"})),
        _ if issue.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401),
    });
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token", "dpop": true}));
    assert_eq!(status(&manager), 200);
}

#[test]
fn a_redirected_call_proves_the_url_that_is_asked_then() {
    let (tokens, nonce) = (Tokens::new(), Arc::<AtomicU32>::default());
    let server = service(&tokens, &nonce);
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token", "dpop": true}));
    let answer = manager.request("GET", "/away?x=1", Default::default(), None).expect("an answer");
    // The server takes no proof twice, and none for another URL.
    assert_eq!((answer.status, answer.url.path()), (200, "/there"));
    assert_eq!((server.count("GET /away"), server.count("GET /there")), (1, 1), "{:?}", server.lines());
    let proofs = ["/away", "/there"].map(|path| proof(&server.last(&format!("GET {path}"))).expect("a proof").0);
    assert_eq!(proofs[1]["htu"], format!("{}/there", server.url()).as_str());
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
}
