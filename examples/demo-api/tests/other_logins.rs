//! The other ways in: OAuth 2, and sessions.

use super::*;
use base64::engine::general_purpose::STANDARD;

fn ask(api: &DemoApi, line: &str, headers: &str, body: &str) -> Reply {
    try_call_with(api, line, headers, body).expect("an answer")
}

fn basic(secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("demo:{secret}")))
}

#[test]
fn oauth_2_grants_to_clients_and_revokes() {
    let api = start();
    let token = |headers: &str, body: &str| ask(&api, "POST /oauth2/token", headers, body);
    let grant = "grant_type=client_credentials";
    let granted = token(&basic("demo%2Dpassword"), grant).json();
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert!(granted.get("refresh_token").is_none());
    assert_eq!(products(&api, &granted), 200);
    let in_body = format!("{grant}&client_id=demo&client_secret=demo-password");
    let other = token("", &in_body).json();

    let revoked = format!("token={}", granted["access_token"].as_str().expect("a token"));
    assert_eq!(ask(&api, "POST /oauth2/revoke", "", &revoked).status, 401, "it wants the client, too");
    assert_eq!(ask(&api, "POST /oauth2/revoke", &basic("demo-password"), &revoked).status, 200);
    assert_eq!((products(&api, &granted), products(&api, &other)), (401, 200));

    let wrong = token(&basic("x"), grant);
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!(token(&basic("demo-password"), "grant_type=magic").json()["error"], "unsupported_grant_type");
    assert_eq!(ask(&api, "GET /oauth2/token", "", "").status, 405);
    api.control(json!({"whitelist": ["192.0.2.1"]}));
    assert_eq!(token("", &in_body).json()["error"], "access_denied");
    assert_eq!((api.counter("oauth2_tokens"), api.counter("oauth2_revocations")), (2, 1));
}

#[test]
fn a_session_is_found_opened_renewed_and_closed() {
    let api = start();
    api.control(json!({"access_ms": 90_000}));
    let found = ask(&api, "GET /regions/?team=shop", "", "").json();
    // The test's own Host.
    assert_eq!(found["region"]["url"], "http://x/regions/eu-1");
    assert_eq!(ask(&api, "GET /regions/", "", "").code(), "missing_field");

    let of = |reply: &Reply| format!("X-Session: {}\r\n", reply.header("x-session").expect("a token"));
    let call = |headers: &str| ask(&api, "GET /api/v1/products", headers, "").status;
    let opened = ask(&api, "POST /regions/eu-1/session", "", "user=demo&pass=demo-password");
    assert_eq!((opened.status, &opened.json()["lives_ms"]), (201, &json!(90_000)));
    let renewed = ask(&api, "PUT /regions/eu-1/session", &of(&opened), "");
    assert_ne!(of(&opened), of(&renewed));
    assert_eq!((call(&of(&opened)), call(&of(&renewed))), (200, 200));

    assert_eq!(ask(&api, "DELETE /regions/eu-1/session", &of(&renewed), "").status, 200);
    assert_eq!((call(&of(&opened)), call(&of(&renewed))), (401, 401));
    assert_eq!(ask(&api, "PUT /regions/eu-1/session", &of(&opened), "").status, 401);
    assert_eq!(ask(&api, "POST /regions/eu-1/session", "", "user=demo&pass=x").status, 401);
    for name in ["sessions_opened", "sessions_renewed", "sessions_closed"] {
        assert_eq!(api.counter(name), 1, "{name}");
    }
}
