//! S4: hostile answers end in an error that tells what to do, in bounded memory, and leave nothing behind.

use crate::child;
use crate::client::{PASSWORD, USERNAME, demo, fails, get, manager, stat, until, with};
use crate::recorder::{Recorder, login_reply};
use serde_json::{Value, json};
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;
use tokenmgr::error::Status;

/// The demo API over HTTP/1 and over HTTP/2, each with a manager.
fn both(check: impl Fn(&DemoApi, &Manager, &str)) {
    let plain = demo();
    check(&plain, &manager(&plain.url(), json!({"max_response_bytes": 1 << 20})), "HTTP/1");
    let (authority, folder) = (Authority::new(), Folder::new());
    let tls = Some(authority.server().tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate), "max_response_bytes": 1 << 20});
    check(&api, &manager(&api.url(), options), "HTTP/2");
}

/// What a login is answered, and how it ends.
fn login_ends(deed: &str, status: Status, says: &[&str]) {
    both(|api, manager, version| {
        println!("{version}");
        api.control(json!({"faults": [{"route": "POST /auth/login", "do": deed}]}));
        let error = fails(manager.login(), status, says);
        assert!(error.message().contains("/auth/login"), "{}", error.message());
        assert!(error.message().len() < 1000, "{}", error.message());
        assert_eq!(stat(manager, "logins_refused"), 0, "it is no refusal of the credentials");
        // It was the server's affair, and it is over; the next login comes after a pause (R5).
        until("the next login", || manager.login().is_ok());
    });
}

/// What a call is answered, and how it ends.
fn call_ends(deed: &str, status: Status, says: &[&str]) {
    both(|api, manager, version| {
        println!("{version}");
        api.control(json!({"faults": [{"route": "/api/v1/products", "do": deed, "times": null}]}));
        let error = fails(get(manager, "/api/v1/products"), status, says);
        assert!(error.message().contains("GET "), "{}", error.message());
        assert!(error.message().len() < 1000, "{}", error.message());
        assert_eq!(get(manager, "/api/v1/categories").unwrap().status, 200, "the next call");
        assert_eq!(api.counter("logins"), 1);
    });
}

#[test]
fn s4_endless_bodies() {
    call_ends("endless", Status::TM_RESPONSE_TOO_LARGE, &["more than 1048576 bytes", "raise max_response_bytes"]);
    login_ends("endless", Status::TM_RESPONSE_TOO_LARGE, &["more than 1048576 bytes"]);
}

#[test]
fn s4_gzip_bombs() {
    call_ends("bomb", Status::TM_RESPONSE_TOO_LARGE, &["more than 1048576 bytes", "raise max_response_bytes"]);
    login_ends("bomb", Status::TM_RESPONSE_TOO_LARGE, &["more than 1048576 bytes"]);
}

#[test]
fn s4_the_advice_for_an_auth_answer_that_is_too_large_is_of_use() {
    let api = demo();
    api.control(json!({"faults": [{"route": "POST /auth/login", "do": "bomb"}]}));
    let error = manager(&api.url(), json!({})).login().unwrap_err();
    // No option moves the limit of an auth answer, and no less can be asked for.
    assert!(!error.message().contains("max_response_bytes"), "{}", error.message());
    assert!(error.message().contains("check that the host is the API's address"), "{}", error.message());
}

#[test]
fn s4_headers_of_a_megabyte() {
    login_ends("big_header", Status::TM_NETWORK, &["an answer"]);
    call_ends("big_header", Status::TM_NETWORK, &["an answer"]);
}

#[test]
fn s4_deep_json() {
    login_ends("deep", Status::TM_BAD_RESPONSE, &["no JSON", "check that the host is the API's address"]);
    both(|api, manager, _| {
        for status in [200, 404, 500] {
            api.control(json!({"faults": [{"route": "/api/v1/products", "do": "deep", "status": status}]}));
            let answer = get(manager, "/api/v1/products").unwrap();
            assert_eq!((answer.status, answer.body.len()), (status, 200_000));
        }
    });
}

#[test]
fn s4_nuls() {
    login_ends("nul", Status::TM_BAD_RESPONSE, &["usable token", "check that the host is the API's address"]);
    both(|api, manager, _| {
        for token in ["access_token", "refresh_token"] {
            api.control(json!({"patch": {token: "a\0b"}}));
            // Other credentials, or R5's pause would answer in the server's place.
            manager.set_credentials(None, PASSWORD).unwrap();
            fails(manager.login(), Status::TM_BAD_RESPONSE, &["a token holds a NUL"]);
        }
        manager.set_credentials(None, PASSWORD).unwrap();
        api.control(json!({"patch": {}, "faults": [{"route": "/api/v1/products", "do": "nul"}]}));
        let answer = get(manager, "/api/v1/products").unwrap();
        assert!(answer.body.windows(3).any(|bytes| bytes == b"\0\0\0"));
    });
}

#[test]
fn s4_answers_that_break_off() {
    login_ends("truncate", Status::TM_NETWORK, &["broke off"]);
    call_ends("truncate", Status::TM_NETWORK, &["broke off"]);
}

#[test]
fn s4_garbage() {
    login_ends("garbage", Status::TM_NETWORK, &["check what stands between"]);
    call_ends("garbage", Status::TM_NETWORK, &["check what stands between"]);
}

#[test]
fn s4_connections_that_die_without_an_answer() {
    for deed in ["reset", "close"] {
        login_ends(deed, Status::TM_NETWORK, &["before an answer came"]);
        call_ends(deed, Status::TM_NETWORK, &["before an answer came"]);
    }
}

#[test]
fn s4_a_web_page_in_place_of_json() {
    login_ends("html", Status::TM_BAD_RESPONSE, &["200", "no JSON", "check that the host is the API's address"]);
}

#[test]
fn s4_tokens_that_no_header_can_carry() {
    let api = demo();
    let says = |token: Value, says: &str| {
        api.control(json!({"patch": {"access_token": token}}));
        fails(manager(&api.url(), json!({})).login(), Status::TM_BAD_RESPONSE, &[says]);
    };
    for token in ["a\r\nX-Evil: 1", "a b", "é", "\u{7f}"] {
        says(json!(token), "no header can carry");
    }
    for token in [json!({}), json!([]), json!(null), json!("")] {
        says(token, "without a usable token");
    }
}

#[test]
fn s4_absurd_lifetimes_are_survived() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    for patch in [
        json!({"access_expires_at": "9999-12-31T23:59:59Z", "refresh_expires_at": "0001-01-01T00:00:00Z"}),
        json!({"access_expires_at": i64::MAX, "refresh_expires_at": i64::MIN}),
        json!({"access_expires_at": 1e300, "expires_in": -1e300}),
        json!({"access_expires_at": null, "expires_in": u64::MAX}),
        json!({"access_expires_at": "not a time", "expires_in": "not a number"}),
    ] {
        api.control(json!({"patch": patch}));
        manager.login().expect("a login");
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200, "{patch}");
    }
}

#[test]
fn s4_a_hang_or_a_trickle_ends_with_the_calls_time() {
    for deed in ["hang", "trickle_head", "trickle_body"] {
        let api = demo();
        let manager = manager(&api.url(), json!({"timeout_ms": 400}));
        let faults = |route: &str| json!({"faults": [{"route": route, "do": deed, "every_ms": 60}]});
        api.control(faults("POST /auth/login"));
        fails(manager.login(), Status::TM_TIMEOUT, &["400 ms", "raise timeout_ms"]);
        manager.login().expect("the next login");
        api.control(faults("/api/v1/products"));
        fails(get(&manager, "/api/v1/products"), Status::TM_TIMEOUT, &["400 ms", "raise timeout_ms"]);
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200, "the next call");
    }
}

#[test]
fn s4_t3_a_hostile_answer_to_a_refresh_ends_in_a_login() {
    for deed in ["endless", "bomb", "deep", "big_header", "nul", "truncate", "garbage", "html", "reset", "close"] {
        both(|api, manager, version| {
            manager.login().unwrap();
            api.control(json!({"faults": [{"route": "POST /auth/refresh", "do": deed}]}));
            manager.refresh().unwrap_or_else(|error| panic!("{version} {deed}: {error}"));
            assert_eq!((api.counter("faults"), api.counter("logins")), (1, 2), "{version} {deed}");
            assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 1, "{version} {deed}");
            assert_eq!(api.counter("reuse"), 0, "{version} {deed}");
        });
    }
}

#[test]
fn s4_a_body_that_is_announced_to_be_huge_is_not_waited_for() {
    let server = Recorder::start(|request| match request.starts_with("POST /auth/login") {
        true => login_reply("the-token", "the-refresh-token"),
        false => "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n".to_owned(),
    });
    let manager = manager(&server.url(), json!({}));
    fails(get(&manager, "/x"), Status::TM_RESPONSE_TOO_LARGE, &["67108864 bytes"]);
}

#[test]
fn s4_memory_stays_bounded() {
    for deed in ["endless", "bomb", "big_header", "deep"] {
        let api = demo();
        let order = |host: &str, warm: &str| {
            json!({
                "host": host, "username": USERNAME, "password": PASSWORD,
                "options": {"proxy": "none", "max_response_bytes": 1 << 20},
                "urls": [warm, "/api/v1/categories"],
            })
        };
        let nothing = || Vec::<(&str, String)>::new();
        // A call: the first shows what an ordinary one takes.
        api.control(json!({"faults": [{"route": "/api/v1/categories", "do": deed}]}));
        bounded(&child::ask(nothing(), order(&api.url(), "/api/v1/products")), deed);
        // A login: what is refused before it shows what the process takes by itself.
        api.control(json!({"reset": true, "faults": [{"route": "POST /auth/login", "do": deed}]}));
        bounded(&child::ask(nothing(), order(&api.url(), "https://elsewhere.example/")), deed);
        assert_eq!(api.counter("faults"), 1);
    }
}

#[track_caller]
pub fn bounded(outcomes: &[Value], deed: &str) {
    let most: Vec<u64> = outcomes.iter().map(|outcome| outcome["most_memory_kb"].as_u64().unwrap()).collect();
    let grown = most[1] - most[0];
    assert!(grown < 16 << 10, "{deed} took {grown} kB more: {outcomes:?}");
}

#[test]
fn s4_a_flood_of_interim_answers_ends() {
    let server = Recorder::start(|_| "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000));
    let manager = Manager::new(Some(&server.url()), Some("demo"), Some("x"), Some(&with(json!({})))).unwrap();
    fails(manager.login(), Status::TM_NETWORK, &["POST "]);
}
