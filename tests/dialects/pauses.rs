//! R5 in every dialect: one login, however often is called, and what a pause ends with.

use serde_json::{Value, json};
use std::time::Duration;
use support::caller_store::CallerStore;
use support::dialects::{fails, get, on, speaks, status, together};
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::Manager;
use tokenmgr::error::Status;

const DIALECTS: [&str; 3] = ["simplejwt", "directus", "vault"];

fn oauth2() -> Value {
    json!({"preset": "oauth2", "token_url": "/token"})
}

fn dialects() -> impl Iterator<Item = Value> {
    DIALECTS.into_iter().map(Value::from).chain([oauth2()])
}

fn answers(status: u16) -> Answer {
    match status {
        200 => Answer::json(200, json!({"detail": "welcome"})),
        // A gateway's page.
        401 => Answer::new(401, "text/html", "<html><h1>401 Authorization Required</h1></html>"),
        status => Answer::json(status, json!({"detail": "no"})),
    }
}

#[test]
fn one_login_however_often_is_called() {
    for auth in dialects() {
        for (code, first) in [
            (403, Status::TM_FORBIDDEN),
            (404, Status::TM_BAD_RESPONSE),
            (423, Status::TM_BAD_RESPONSE),
            (429, Status::TM_RATE_LIMITED),
            (503, Status::TM_SERVER_ERROR),
            (200, Status::TM_BAD_RESPONSE),
            (302, Status::TM_BAD_RESPONSE),
        ] {
            let server = Server::start(move |_| answers(code));
            let caller_store = CallerStore::new();
            let mut managers: Vec<Manager> = (0..2).map(|_| speaks(&server, auth.clone())).collect();
            // Two that share a store are as two processes. One dialect shows it: an open record names credentials by a slow hash.
            match auth == DIALECTS[0] {
                true => managers = managers.into_iter().map(|manager| on(&caller_store, manager)).collect(),
                false => managers.truncate(1),
            }
            let error = fails(get(&managers[0]), first);
            assert_eq!(error.http_status(), code, "{error}");
            let refused = |manager: &Manager| fails(get(manager), first);
            together(8, |at| assert!(refused(&managers[at % managers.len()]).retry_after().is_some(), "{auth} {code}"));
            assert_eq!(server.requests().len(), 1, "{auth} {code}: {:?}", server.lines());
        }
    }
}

#[test]
fn a_gateways_page_blames_no_password_and_is_asked_once() {
    for auth in ["simplejwt", "directus"] {
        let server = Server::start(move |_| answers(401));
        let manager = speaks(&server, json!(auth));
        for _ in 0..10 {
            fails(get(&manager), Status::TM_BAD_RESPONSE);
        }
        assert_eq!(server.requests().len(), 1, "{auth}");
    }
}

#[test]
fn other_credentials_end_the_pause() {
    for auth in dialects() {
        for code in [403, 404, 503, 200] {
            let server = Server::start(move |_| answers(code));
            let manager = speaks(&server, auth.clone());
            let _ = get(&manager).expect_err("a refusal");
            let _ = get(&manager).expect_err("a pause");
            manager.set_credentials(None, "other").unwrap();
            let _ = get(&manager).expect_err("a refusal");
            let _ = get(&manager).expect_err("a pause");
            assert_eq!(server.requests().len(), 2, "{auth} {code}");
        }
    }
}

#[test]
fn retry_after_is_obeyed_in_all_its_forms() {
    for (given, seconds) in
        [("120", 120..=121), ("120.5", 119..=122), ("Fri, 31 Dec 2100 23:59:59 GMT", 3600..=604_800)]
    {
        for code in [429, 503] {
            let server = Server::start(move |_| answers(code).with("Retry-After", given));
            let manager = speaks(&server, json!("simplejwt"));
            let error = get(&manager).expect_err("a refusal");
            let wait = error.retry_after().unwrap_or(Duration::ZERO).as_secs();
            // A fraction is no form of RFC 9110: it may be taken or left.
            let is_so = seconds.contains(&wait) || given == "120.5";
            assert!(is_so, "{given}: {wait}");
            let _ = get(&manager).expect_err("a pause");
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[test]
fn a_refresh_that_finds_the_server_away_costs_one_login_at_the_most() {
    for code in [404, 423, 503] {
        let tokens = Tokens::new();
        let issue = tokens.clone();
        let server = Server::start(move |request| match request.path() {
            "/api/token/" => {
                let (access, refresh) = issue.issue();
                Answer::json(200, json!({"access": access, "refresh": refresh}))
            }
            "/api/token/refresh/" => answers(code),
            _ if issue.is_good(request.bearer()) => Answer::json(200, json!({})),
            _ => Answer::json(401, json!({"detail": "no"})),
        });
        let manager = speaks(&server, json!("simplejwt"));
        assert_eq!(status(&manager), 200);
        tokens.kill_access();
        assert_eq!(status(&manager), 200);
        assert_eq!(server.count("POST /api/token/refresh/"), 1);
        assert_eq!(server.count("POST /api/token/"), 2);
    }
}
