//! The preset `vault`: a token that renews itself, and a 403 that may mean anything.

use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::caller_store::{CallerStore, Step};
use support::dialects::{PASSWORD, USER, get, on, speaks, stat, status, together, try_manager_at, until};
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

/// Vault's answers. `renews`: whether tokens can be renewed still.
fn vault(tokens: &Tokens) -> Server {
    let tokens = tokens.clone();
    Server::start(move |request| {
        let token = request.header("x-vault-token").unwrap_or_default();
        let auth = |token: &str| {
            json!({"request_id": "1", "renewable": false, "auth": {"client_token": token, "renewable": true,
                "lease_duration": tokens.lifetime(), "accessor": "a", "policies": ["default"]}})
        };
        match request.path() {
            "/v1/auth/userpass/login/ann" if request.json() == json!({"password": PASSWORD}) => {
                Answer::json(200, auth(&tokens.issue().0))
            }
            "/v1/auth/userpass/login/ann" => Answer::json(400, json!({"errors": ["invalid username or password"]})),
            _ if !tokens.is_good(token) => Answer::json(403, json!({"errors": ["permission denied"]})),
            "/v1/auth/token/renew-self" => Answer::json(200, auth(token)),
            "/v1/auth/token/revoke-self" => {
                tokens.revoke(token);
                Answer::empty(204)
            }
            _ => Answer::json(200, json!({"data": {}})),
        }
    })
}

#[test]
fn it_logs_in_calls_and_logs_out() {
    let tokens = Tokens::new();
    let server = vault(&tokens);
    let manager = speaks(&server, json!("vault"));
    assert_eq!(status(&manager), 200);
    let token = manager.peek().unwrap().unwrap().access.as_str().to_owned();
    assert_eq!(server.last("GET /items").header("authorization"), None);
    manager.logout().unwrap();
    assert!(!tokens.is_good(&token));
    assert_eq!(USER, "ann");
    let wrong = try_manager_at(&server.url(), "wrong", json!({"auth": "vault"})).unwrap();
    assert_eq!(get(&wrong).unwrap_err().status(), Status::TM_LOGIN_REJECTED);
    assert_eq!(get(&wrong).unwrap_err().status(), Status::TM_LOGIN_SUSPENDED);
}

#[test]
fn a_token_that_is_due_renews_itself_again_and_again_and_once_for_all() {
    let tokens = Tokens::new();
    let server = vault(&tokens);
    let caller_store = CallerStore::new();
    let managers = [(), ()].map(|()| on(&caller_store, speaks(&server, json!("vault"))));
    together(16, |at| assert_eq!(status(&managers[at % 2]), 200));
    let token = managers[0].peek().unwrap().unwrap().access.as_str().to_owned();
    for times in 1..=3 {
        caller_store.grow_older(3590);
        let manager = on(&caller_store, speaks(&server, json!("vault")));
        until("it is renewed", || status(&manager) == 200 && stat(&manager, "refreshes") == 1);
        assert_eq!(server.count("POST /v1/auth/token/renew-self"), times);
        assert_eq!(manager.peek().unwrap().unwrap().access.as_str(), token);
        assert!(manager.peek().unwrap().unwrap().seconds_left().unwrap() > 3500);
    }
    // Renewing it now, as the caller wants it: no theft, and no login.
    let manager = on(&caller_store, speaks(&server, json!("vault")));
    assert_eq!(status(&manager), 200);
    manager.refresh().unwrap();
    manager.refresh().unwrap();
    assert_eq!(server.count("POST /v1/auth/token/renew-self"), 5);
    assert_eq!(server.count("POST /v1/auth/userpass/login/ann"), 1);
    assert_eq!(caller_store.record()["spent"], json!(null));
}

/// The record counts the lifetime from when the token was stored, which is later than when it came.
#[test]
fn a_short_token_is_renewed_ahead_although_the_store_was_slow() {
    let tokens = Tokens::new();
    tokens.live(4);
    let server = vault(&tokens);
    let (caller_store, locks) = (CallerStore::new(), AtomicUsize::new(0));
    caller_store.watch(move |step| {
        let is_after_login = step == Step::Lock && locks.fetch_add(1, Ordering::Relaxed) == 1;
        if is_after_login {
            thread::sleep(Duration::from_millis(800));
        }
    });
    let manager = on(&caller_store, speaks(&server, json!("vault")));
    let login = "POST /v1/auth/userpass/login/ann";
    let renewals = || server.count("POST /v1/auth/token/renew-self");
    until("a renewal, or another login", || status(&manager) == 200 && renewals() + server.count(login) > 1);
    assert_eq!((server.count(login), renewals()), (1, 1));
}

#[test]
fn a_403_leads_to_one_login_and_no_renewal_of_a_dead_token() {
    let tokens = Tokens::new();
    let server = vault(&tokens);
    let manager = speaks(&server, json!("vault"));
    assert_eq!(status(&manager), 200);
    tokens.kill_access();
    together(16, |_| assert_eq!(status(&manager), 200));
    assert_eq!(server.count("POST /v1/auth/userpass/login/ann"), 2);
    assert_eq!(server.count("POST /v1/auth/token/renew-self"), 0);
}

#[test]
fn a_token_that_cannot_be_renewed_any_more_gives_way_to_a_login() {
    let tokens = Tokens::new();
    let server = vault(&tokens);
    let caller_store = CallerStore::new();
    assert_eq!(status(&on(&caller_store, speaks(&server, json!("vault")))), 200);
    caller_store.grow_older(3590);
    tokens.kill_access();
    let manager = on(&caller_store, speaks(&server, json!("vault")));
    until("a login", || status(&manager) == 200 && stat(&manager, "logins") == 1);
    assert!(server.count("POST /v1/auth/token/renew-self") <= 1);
    // And one that has run out is not renewed at all.
    caller_store.grow_older(4000);
    let other = on(&caller_store, speaks(&server, json!("vault")));
    assert_eq!(status(&other), 200);
    assert!(server.count("POST /v1/auth/token/renew-self") <= 1);
}
