//! Assertions and proofs: that they say what they should, and verify.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

fn assertion(auth: Value) -> String {
    let prepared = prepare(&compile(auth), Stage::Login(0)).unwrap();
    String::from_utf8(prepared.body.to_vec()).unwrap()
}

fn signed(assertion: Value) -> String {
    self::assertion(
        json!({"login": {"url": "/l?q=1", "text": "{assertion}"}, "answer": {"access_token": "/t"}, "assertion": assertion}),
    )
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

fn verify(token: &str, algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(algorithm, key).verify(message.as_bytes(), &signature).unwrap();
}

#[test]
fn every_kind_of_key_signs() {
    let rsa = include_bytes!("keys/rsa.public.der");
    let ec = include_bytes!("keys/ec.public.der");
    let ed = include_bytes!("keys/ed25519.public.der");
    for (alg, file, algorithm, public, kid) in [
        (
            "RS256",
            "rsa.pkcs1.pem",
            &signature::RSA_PKCS1_2048_8192_SHA256 as &'static dyn VerificationAlgorithm,
            &rsa[..],
            None,
        ),
        ("RS256", "rsa.pkcs8.pem", &signature::RSA_PKCS1_2048_8192_SHA256, rsa, None),
        ("RS256", "rsa.jwk.json", &signature::RSA_PKCS1_2048_8192_SHA256, rsa, Some("rsa-1")),
        ("PS256", "rsa.pkcs8.pem", &signature::RSA_PSS_2048_8192_SHA256, rsa, None),
        ("ES256", "ec.sec1.pem", &signature::ECDSA_P256_SHA256_FIXED, ec, None),
        ("ES256", "ec.pkcs8.pem", &signature::ECDSA_P256_SHA256_FIXED, ec, None),
        ("ES256", "ec.jwk.json", &signature::ECDSA_P256_SHA256_FIXED, ec, Some("ec-1")),
        ("EdDSA", "ed25519.pkcs8.pem", &signature::ED25519, ed, None),
        ("EdDSA", "ed25519.jwk.json", &signature::ED25519, ed, None),
    ] {
        // Often enough to meet signatures whose numbers are short.
        for _ in 0..if alg == "ES256" { 300 } else { 1 } {
            let token = signed(json!({"alg": alg, "key": {"file": file}}));
            verify(&token, algorithm, public);
            assert_eq!(part(&token, 0).get("kid").and_then(Value::as_str), kid, "{file}");
            assert_eq!(part(&token, 0)["alg"], alg);
        }
    }
}

#[test]
fn a_shared_key_is_text_or_a_jwk() {
    use ring::hmac;
    for (key, bytes) in [
        (json!({"env": "KEY"}), &b"shared-key"[..]),
        (json!("shared-key"), b"shared-key"),
        (json!({"env": "{\"kty\":\"oct\",\"k\":\"_wD-\",\"kid\":\"k7\"}"}), &[255, 0, 254]),
    ] {
        let token = signed(json!({"alg": "HS256", "key": key}));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        hmac::verify(&key, message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    }
}

#[test]
fn claims_are_filled_in_unless_given_or_left_out() {
    let token = signed(json!({"alg": "HS256", "key": {"env": "KEY"}}));
    assert_eq!(part(&token, 0), json!({"alg": "HS256", "typ": "JWT"}));
    assert_eq!(
        part(&token, 1),
        json!({"iss": "shop", "sub": "shop", "aud": "https://api.example.com/base/l", "iat": 1_767_225_600, "exp": 1_767_225_900,
               "jti": "07070707-0707-4707-8707-070707070707"})
    );
    let token = signed(
        json!({"alg": "HS256", "key": {"env": "KEY"}, "lifetime_seconds": 60, "header": {"kid": "{params.code}", "typ": null},
        "claims": {"iss": "{params.domain}", "sub": null, "jti": null, "aud": ["x"], "scope": "a b", "n": 7}}),
    );
    assert_eq!(part(&token, 0), json!({"alg": "HS256", "kid": "x.1"}));
    assert_eq!(
        part(&token, 1),
        json!({"iss": "default", "aud": ["x"], "iat": 1_767_225_600, "exp": 1_767_225_660, "scope": "a b", "n": 7})
    );
    // Under a preset null leaves out as well, and `client.id` is the issuer.
    let body = assertion(
        json!({"preset": "oauth2", "token_url": "https://id.example.com/t?x=y", "grant": "jwt_bearer", "client": {"id": "c7"},
        "assertion": {"alg": "HS256", "key": {"env": "KEY"}, "claims": {"sub": null, "who": "{client_id}"}}}),
    );
    let token = body.strip_prefix("assertion=").unwrap().split('&').next().unwrap();
    let claims = part(token, 1);
    assert_eq!(
        (&claims["iss"], &claims["aud"], claims.get("sub")),
        (&json!("c7"), &json!("https://id.example.com/t"), None)
    );
    assert_eq!(claims["who"], "c7");
}

#[test]
fn an_assertion_is_one_a_request_and_a_secret() {
    let dialect =
        compile(json!({"login": {"url": "/l?q={assertion}", "text": "{assertion}"}, "answer": {"access_token": "/t"},
        "assertion": {"alg": "ES256", "key": {"file": "ec.sec1.pem"}}}));
    let prepared = prepare(&dialect, Stage::Login(0)).unwrap();
    let token = String::from_utf8(prepared.body.to_vec()).unwrap();
    assert_eq!(*prepared.url, format!("/l?q={token}"));
    assert!(prepared.secrets.iter().any(|secret| secret.as_str() == token));
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let with = |alg: &str, key: Value| {
        refusal(
            json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"}, "assertion": {"alg": alg, "key": key}}),
        )
    };
    for (alg, key, said) in [
        ("RS256", json!({"env": "KEY"}), "holds no private key; it takes a private key in PEM"),
        ("RS256", json!("hunter2"), "holds no private key"),
        ("RS256", json!({"file": "ec.sec1.pem"}), "holds a key of another kind than RS256 is for"),
        ("ES256", json!({"file": "ec384.pkcs8.pem"}), "holds a key of another kind than ES256 is for"),
        ("ES256", json!({"file": "ec.encrypted.pem"}), "encrypted with a passphrase"),
        ("EdDSA", json!({"file": "ec.jwk.json"}), "another kind than EdDSA"),
        ("RS256", json!({"env": "{\"kty\":\"RSA\",\"n\":\"AQAB\"}"}), "holds a JWK that is no private key"),
        (
            "ES256",
            json!({"env": "{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"AA\",\"x\":\"AA\",\"y\":\"AA\"}"}),
            "no private key",
        ),
        ("HS256", json!({"env": "{\"kty\":\"RSA\"}"}), "no symmetric key"),
        ("HS256", json!({"env": "{\"kty\":\"oct\",\"k\":\"\"}"}), "no symmetric key"),
    ] {
        let refusal = with(alg, key.clone());
        assert!(
            refusal.starts_with("the option auth.assertion.key holds") && refusal.contains(said),
            "{key}: {refusal}"
        );
        assert!(!refusal.contains("hunter2"));
    }
    let auth =
        |assertion: Value| json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"}, "assertion": assertion});
    for (assertion, said) in [
        (json!({"alg": "none", "key": "x"}), "auth.assertion.alg got a name that it does not know; it takes \"RS256\""),
        (json!({"key": "x"}), "auth.assertion has no alg"),
        (json!({"alg": "HS256", "key": "x", "claims": [1]}), "auth.assertion.claims got an array"),
        (json!({"alg": "HS256", "key": "x", "claims": {"a": "{x}"}}), "auth.assertion.claims.a has a name in braces"),
        (
            json!({"alg": "HS256", "key": "x", "claims": {"a": "{assertion}"}}),
            "auth.assertion.claims.a uses {assertion} within",
        ),
        (json!({"alg": "HS256", "key": "x", "lifetime_seconds": 0}), "auth.assertion.lifetime_seconds got a number"),
        (json!({"alg": "HS256", "key": "x", "kid": "y"}), "auth.assertion.kid is unknown"),
    ] {
        let refusal = refusal(auth(assertion.clone()));
        assert!(refusal.starts_with(&format!("the option {said}")), "{assertion}: {refusal}");
    }
}

#[test]
fn a_proof_of_dpop_says_what_rfc_9449_wants_and_verifies() {
    let key = dpop::Key::generate().unwrap();
    let token = secret("the-token");
    let whole = dpop::Proof {
        method: "POST",
        url: "https://api.example.com/x?y=z#f",
        access_token: Some(&token),
        nonce: Some("n-1"),
        now: 7,
        jti: "j-1",
    };
    let proof = key.prove(&whole).unwrap();
    let header = part(&proof, 0);
    assert_eq!(
        (&header["typ"], &header["alg"], header["jwk"].as_object().unwrap().len()),
        (&json!("dpop+jwt"), &json!("ES256"), 4)
    );
    let claims = part(&proof, 1);
    let hash = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, b"the-token"));
    assert_eq!(
        claims,
        json!({"jti": "j-1", "htm": "POST", "htu": "https://api.example.com/x", "iat": 7, "ath": hash, "nonce": "n-1"})
    );
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(header["jwk"][name].as_str().unwrap()).unwrap();
    let public = [vec![4], coordinate("x"), coordinate("y")].concat();
    verify(&proof, &signature::ECDSA_P256_SHA256_FIXED, &public);
    let bare = key.prove(&dpop::Proof { access_token: None, nonce: None, ..whole }).unwrap();
    assert_eq!(part(&bare, 1).as_object().unwrap().len(), 4);
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, header["jwk"]["x"], header["jwk"]["y"]);
    let thumbprint = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, jwk.as_bytes()));
    assert_eq!(key.thumbprint(), thumbprint);
    assert_eq!(format!("{key:?}"), "[key]");
}

#[test]
fn the_servers_nonces_are_obeyed() {
    let mut nonces = dpop::Nonces::default();
    let origin = "https://api.example.com";
    assert_eq!(nonces.get(origin), None);
    nonces.note(origin, &headers(&[("DPoP-Nonce", "one")]));
    nonces.note(origin, &headers(&[]));
    nonces.note(origin, &headers(&[("DPoP-Nonce", "a b")]));
    assert_eq!((nonces.get(origin), nonces.get("https://other")), (Some("one"), None));
    nonces.note(origin, &headers(&[("DPoP-Nonce", "two")]));
    for n in 0..15 {
        nonces.note(&format!("https://{n}"), &headers(&[("DPoP-Nonce", "x")]));
    }
    assert_eq!(nonces.get(origin), Some("two"));
    nonces.note("https://15", &headers(&[("DPoP-Nonce", "x")]));
    assert_eq!(nonces.get(origin), None, "the oldest goes");
    let challenge = headers(&[("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\""), ("DPoP-Nonce", "n")]);
    let body = br#"{"error":"use_dpop_nonce"}"#;
    assert!(dpop::wants_nonce(401, &challenge, b""));
    assert!(dpop::wants_nonce(400, &headers(&[("DPoP-Nonce", "n")]), body));
    assert!(!dpop::wants_nonce(400, &headers(&[]), body));
    assert!(!dpop::wants_nonce(200, &challenge, body));
    assert!(!dpop::wants_nonce(400, &headers(&[("DPoP-Nonce", "n")]), b"{}"));
}
