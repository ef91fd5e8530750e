//! Logins of several steps, what they keep, and token services elsewhere.

use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use support::caller_store::CallerStore;
use support::dialects::{PASSWORD, USER, fails, get, listen, manager, on, speaks, stat, stats, status, try_manager_at};
use support::folder::Folder;
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

/// The last example of section 4, with a refresh and a logout at the kept address.
struct Elsewhere {
    tokens: Tokens,
    api: Server,
    service: Server,
}

fn elsewhere() -> Elsewhere {
    let tokens = Tokens::new();
    let (mine, theirs) = (tokens.clone(), tokens.clone());
    let address = Arc::<OnceLock<String>>::default();
    let known = Arc::clone(&address);
    let service = Server::start(move |request| match request.path() {
        "/tenants/red%20team" => {
            Answer::json(200, json!({"endpoints": [{"url": known.get(), "secret": "kept-secret-1"}]}))
        }
        "/session" => {
            assert_eq!(request.header("x-tenant"), Some("kept-secret-1"));
            match (request.field("user").as_str(), request.field("pass").as_str()) {
                (USER, PASSWORD) => {
                    let token = theirs.issue().0;
                    Answer::json(200, json!({})).with("Set-Cookie", &format!("SID={token}; Path=/; HttpOnly"))
                }
                _ => Answer::json(401, json!({"message": "no kept-secret-1"})),
            }
        }
        "/renew" => {
            assert_eq!(request.header("x-tenant"), Some("kept-secret-1"));
            match theirs.is_good(request.cookie("SID")) {
                true => Answer::empty(204).with("Set-Cookie", &format!("SID={}", theirs.issue().0)),
                false => Answer::json(401, json!({"message": "no"})),
            }
        }
        "/end" => Answer::empty(204),
        _ => Answer::empty(404),
    });
    let _ = address.set(format!("{}/", service.url()));
    let api = Server::start(move |request| match mine.is_good(request.cookie("SID")) {
        true => Answer::json(200, json!({})),
        false => Answer::json(401, json!({"message": "no kept-secret-1"})),
    });
    Elsewhere { tokens, api, service }
}

impl Elsewhere {
    fn auth(&self) -> Value {
        json!({"login": [{"method": "GET", "url": format!("{}/tenants/{{params.team}}", self.service.url()),
                    "keep": {"api": "/endpoints/0/url", "secret": "/endpoints/0/secret"}},
                {"url": "{kept.api}/session", "headers": {"X-Tenant": "{kept.secret}"}, "form": {"user": "{username}", "pass": "{password}"}}],
            "refresh": {"url": "{kept.api}/renew", "headers": {"Cookie": "SID={access_token}", "X-Tenant": "{kept.secret}"}},
            "logout": {"url": "{kept.api}/end", "headers": {"Cookie": "SID={access_token}"}},
            "answer": {"access_token": {"cookie": "SID"}, "lifetime_seconds": 1700},
            "call": {"headers": {"Cookie": "SID={access_token}", "X-Tenant": "{kept.secret}"}}})
    }

    fn options(&self, more: Value) -> Value {
        let mut options = json!({"auth": self.auth(), "auth_params": {"team": "red team"}});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    }
}

#[test]
fn steps_keep_values_for_those_that_follow_for_refresh_and_for_calls() {
    let world = elsewhere();
    let caller_store = CallerStore::new();
    let make =
        || on(&caller_store, manager(&world.api, world.options(json!({"headers": {"X-Own": "of-the-options"}}))));
    let manager = make();
    assert_eq!(status(&manager), 200);
    assert_eq!(world.api.last("GET /items").header("x-tenant"), Some("kept-secret-1"));
    assert_eq!(world.api.last("GET /items").header("x-own"), Some("of-the-options"));
    assert_eq!(caller_store.record()["kept"]["secret"], "kept-secret-1");
    // Another process takes what was kept out of the store.
    caller_store.grow_older(3590);
    let other = make();
    support::dialects::until("it is renewed", || status(&other) == 200 && stat(&other, "refreshes") == 1);
    assert_eq!(stat(&other, "logins"), 0);
    assert_eq!(caller_store.record()["kept"]["secret"], "kept-secret-1");
    assert_eq!(world.api.last("GET /items").header("x-tenant"), Some("kept-secret-1"));
    other.logout().unwrap();
    assert_eq!(world.service.count("POST /end"), 1);
    assert_eq!(world.service.lines(), ["GET /tenants/red%20team", "POST /session", "POST /renew", "POST /end"]);
    // It gets the credentials, and nothing that the options add to calls.
    assert!(!world.service.heard().contains("of-the-options"), "{}", world.service.heard());
    assert!(!world.api.heard().contains(PASSWORD) && !world.api.heard().contains("pass%3A"));
}

#[test]
fn kept_values_do_not_show() {
    let world = elsewhere();
    let manager = manager(&world.api, world.options(json!({})));
    let heard = listen(&manager);
    assert_eq!(status(&manager), 200);
    world.tokens.kill_all();
    manager.set_credentials(None, "wrong-password").unwrap();
    let response = get(&manager);
    let shown = format!("{response:?} {} {manager:?} {:?}", stats(&manager), heard.lock().unwrap());
    assert!(!shown.contains("kept-secret-1"), "{shown}");
    assert!(!shown.contains("wrong-password"), "{shown}");
}

#[test]
fn a_step_that_says_no_ends_the_login() {
    let server = Server::start(|request| match request.path() {
        "/one" => Answer::json(401, json!({"error": "no"})),
        _ => panic!("it went on"),
    });
    let manager = speaks(
        &server,
        json!({"login": [{"url": "/one", "json": {"p": "{password}"}}, {"url": "/two"}], "answer": {"access_token": "/t"}}),
    );
    fails(get(&manager), Status::TM_LOGIN_REJECTED);
    fails(get(&manager), Status::TM_LOGIN_SUSPENDED);
    assert_eq!(server.lines(), ["POST /one"]);
}

#[test]
fn a_kept_address_must_be_https_or_loopback() {
    for (given, expected) in [
        (json!("http://evil.example.com"), Status::TM_URL_NOT_ALLOWED),
        (json!("ftp://127.0.0.1"), Status::TM_URL_NOT_ALLOWED),
        (json!("https://u:p@evil.example.com"), Status::TM_URL_NOT_ALLOWED),
        (json!(null), Status::TM_BAD_RESPONSE),
    ] {
        let server = Server::start(move |_| Answer::json(200, json!({"url": given})));
        let auth = json!({"login": [{"url": "/one", "keep": {"api": "/url"}}, {"url": "{kept.api}/two", "json": {"p": "{password}"}}],
            "answer": {"access_token": "/t"}});
        let manager = speaks(&server, auth);
        fails(get(&manager), expected);
        for _ in 0..5 {
            let _ = get(&manager).expect_err("a pause");
        }
        assert_eq!(server.lines(), ["POST /one"]);
    }
    let plain = json!({"login": {"url": "http://id.example.com/t"}, "answer": {"access_token": "/t"}});
    fails(try_manager_at("https://api.example.com", PASSWORD, json!({"auth": plain})), Status::TM_INVALID_OPTIONS);
}

#[test]
fn a_refresh_with_what_was_kept_outlives_the_access_token() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/login" => Answer::json(200, json!({"token": issue.issue().0})).with("Set-Cookie", "device=dev-1; Path=/"),
        "/renew" if request.cookie("device") == "dev-1" => Answer::json(200, json!({"token": issue.issue().0})),
        "/renew" => Answer::json(401, json!({"message": "no"})),
        _ if issue.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::json(401, json!({"message": "no"})),
    });
    let auth = json!({"login": {"url": "/login", "json": {"p": "{password}"}, "keep": {"device": {"cookie": "device"}}},
        "refresh": {"url": "/renew", "headers": {"Cookie": "device={kept.device}"}}, "answer": {"access_token": "/token"}});
    let manager = speaks(&server, auth);
    assert_eq!(status(&manager), 200);
    for refreshes in 1..=2 {
        tokens.kill_access();
        assert_eq!(status(&manager), 200);
        assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes")), (1, refreshes), "{:?}", server.lines());
    }
}

#[test]
fn params_come_from_the_environment_files_and_the_options() {
    let folder = Folder::new();
    let server = Server::start(|_| Answer::json(200, json!({"t": "token-1"})));
    let auth = json!({"login": {"url": "/login", "json": {"a": "{params.a}", "b": "{params.b}", "n": 1, "x": null, "q": "{json(password)}"},
        "query": {"k": "{params.a}&"}}, "answer": {"access_token": "/t"}});
    let params = json!({"a": "literal \"a\"", "b": {"file": folder.file("b", "from a file\n")}});
    assert_eq!(status(&manager(&server, json!({"auth": auth, "auth_params": params}))), 200);
    let login = server.last("POST /login");
    assert_eq!(login.json(), json!({"a": "literal \"a\"", "b": "from a file", "n": 1, "x": null, "q": PASSWORD}));
    assert_eq!(login.query("k"), "literal \"a\"&");
    let file = folder.file("auth.json", auth.to_string());
    assert_eq!(status(&manager(&server, json!({"auth": {"file": file}, "auth_params": params}))), 200);
}
