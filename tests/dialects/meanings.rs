//! What answers mean where their status does not say it, and what none of them shows.

use serde_json::{Value, json};
use support::caller_store::CallerStore;
use support::dialects::{answered, fails, get, listen, manager, on, speaks, stat, stats, status, together};
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

fn dialect(meanings: Value) -> Value {
    json!({"login": {"url": "/login", "json": {"p": "{password}"}}, "answer": {"access_token": "/token"}, "meanings": meanings})
}

fn start(tokens: &Tokens, refused: fn() -> Answer) -> Server {
    let tokens = tokens.clone();
    Server::start(move |request| match request.path() {
        "/login" => Answer::json(200, json!({"token": tokens.issue().0})),
        _ if tokens.is_good(request.bearer()) => Answer::json(200, json!({"code": 0})),
        _ => refused(),
    })
}

#[test]
fn a_login_that_says_no_in_its_body() {
    for (means, first, then) in [
        ("rejected", Status::TM_LOGIN_REJECTED, Status::TM_LOGIN_SUSPENDED),
        ("forbidden", Status::TM_FORBIDDEN, Status::TM_FORBIDDEN),
        ("rate_limited", Status::TM_RATE_LIMITED, Status::TM_RATE_LIMITED),
        ("unavailable", Status::TM_SERVER_ERROR, Status::TM_SERVER_ERROR),
    ] {
        let server = Server::start(|_| Answer::json(200, json!({"ok": false, "token": "not-a-token"})));
        let manager = speaks(&server, dialect(json!([{"of": "login", "body": {"/ok": false}, "means": means}])));
        fails(get(&manager), first);
        fails(get(&manager), then);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_calls_403_or_200_that_means_expired_is_recovered_from() {
    let cases: [(Value, fn() -> Answer); 2] = [
        (json!([{"of": "call", "status": 403, "body": {"/code": "expired"}, "means": "expired"}]), || {
            Answer::json(403, json!({"code": "expired"}))
        }),
        (json!([{"of": "call", "status": 200, "body": {"/code": 1001}, "means": "expired"}]), || {
            Answer::json(200, json!({"code": 1001}))
        }),
    ];
    for (meanings, refused) in cases {
        let tokens = Tokens::new();
        let server = start(&tokens, refused);
        let manager = speaks(&server, dialect(meanings));
        assert_eq!(status(&manager), 200);
        tokens.kill_access();
        together(8, |_| assert!(get(&manager).unwrap().error.is_none()));
        assert_eq!(server.count("POST /login"), 2);
    }
}

#[test]
fn a_redirect_that_means_expired_is_not_followed_to_the_form_it_leads_to() {
    let tokens = Tokens::new();
    let known = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/login" => Answer::json(200, json!({"token": known.issue().0})),
        "/form" => Answer::new(200, "text/html", "<html><form></form></html>"),
        _ if known.is_good(request.bearer()) => Answer::json(200, json!({"code": 0})),
        _ => Answer::empty(302).with("location", "/form"),
    });
    let manager = speaks(&server, dialect(json!([{"of": "call", "status": 302, "means": "expired"}])));
    assert_eq!(status(&manager), 200);
    tokens.kill_access();
    let response = get(&manager).expect("an answer");
    assert_eq!(&response.body[..], br#"{"code":0}"#);
    assert_eq!((server.count("GET /form"), server.count("POST /login")), (0, 2));
}

#[test]
fn a_401_that_means_forbidden_or_a_limit_costs_no_login() {
    for (means, expected) in [("forbidden", Status::TM_FORBIDDEN), ("rate_limited", Status::TM_RATE_LIMITED)] {
        let tokens = Tokens::new();
        let server = start(&tokens, || Answer::json(401, json!({"code": "no-such-right"})));
        let meanings = json!([{"of": "call", "body": {"/code": "no-such-right"}, "means": means}]);
        let manager = speaks(&server, dialect(meanings));
        assert_eq!(status(&manager), 200);
        tokens.kill_access();
        for _ in 0..3 {
            answered(&manager, expected);
        }
        assert_eq!((server.count("POST /login"), stat(&manager, "recoveries")), (1, 0));
    }
}

#[test]
fn old_records_without_the_new_fields_still_serve() {
    let tokens = Tokens::new();
    let server = start(&tokens, || Answer::empty(401));
    let caller_store = CallerStore::new();
    assert_eq!(status(&on(&caller_store, speaks(&server, dialect(json!([]))))), 200);
    caller_store.edit(|record| {
        let map = record.as_object_mut().unwrap();
        map.remove("kept");
        map.remove("token_type");
    });
    assert_eq!(status(&on(&caller_store, speaks(&server, dialect(json!([]))))), 200);
    assert_eq!(server.count("POST /login"), 1);
}

#[test]
fn secrets_of_the_dialect_show_nowhere() {
    let server = Server::start(|request| {
        let said =
            format!("{} {} {}", request.body, request.target(), request.header("authorization").unwrap_or_default());
        Answer::json(401, json!({"error": "invalid_client", "error_description": said}))
    });
    let secrets = ["secret-of-the-client", "secret-of-the-params", "secret-of-extra"];
    for client_auth in ["basic", "post"] {
        let auth = json!({"preset": "oauth2", "token_url": "/token", "client": {"id": "app", "secret": secrets[0]}, "client_auth": client_auth,
            "extra": {"pin_secret": secrets[2], "more": "{params.api_key}"}});
        let manager = manager(&server, json!({"auth": auth, "auth_params": {"api_key": secrets[1]}}));
        let heard = listen(&manager);
        let error = fails(get(&manager), Status::TM_LOGIN_REJECTED);
        let again = get(&manager).expect_err("a pause");
        let shown = format!("{error} {error:?} {again:?} {manager:?} {} {:?}", stats(&manager), heard.lock().unwrap());
        for secret in secrets {
            assert!(!shown.contains(secret), "{client_auth} {secret}: {shown}");
        }
    }
}
