//! Connections: kept, found dead, made anew; and which HTTP is spoken over them (R6).

use crate::client::{PATIENCE, demo, echo, fails, get, manager, send, stat, until};
use crate::nginx::{Nginx, passing};
use serde_json::json;
use std::thread;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;
use tokenmgr::error::Status;

fn order(manager: &Manager, options: serde_json::Value) -> tokenmgr::error::Result<tokenmgr::Response> {
    send(manager, "POST", "/api/v1/orders", "{}", options)
}

/// A manager with a kept connection.
fn warm(api: &DemoApi) -> Manager {
    let manager = manager(&api.url(), json!({}));
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
    manager
}

#[test]
fn a_connection_is_kept_and_used_again() {
    let api = demo();
    let manager = warm(&api);
    let (connections, opened) = (api.counter("connections"), stat(&manager, "connections_opened"));
    for _ in 0..10 {
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
        assert_eq!(order(&manager, json!({})).unwrap().status, 200);
    }
    assert_eq!((api.counter("connections"), stat(&manager, "connections_opened")), (connections, opened));
    assert_eq!(stat(&manager, "connections_idle"), 1);
}

#[test]
fn r6_a_connection_that_the_server_closed_while_idle_costs_no_call() {
    let api = demo();
    api.control(json!({"idle_close_ms": 0}));
    let manager = manager(&api.url(), json!({}));
    for round in 1..=5 {
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
        assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
        assert_eq!(order(&manager, json!({})).unwrap().status, 200);
        assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
        assert_eq!(api.counter("orders_created"), round);
    }
    assert_eq!(stat(&manager, "calls_failed"), 0);
}

#[test]
fn r6_a_connection_that_was_reset_while_idle_costs_no_call() {
    let api = demo();
    let manager = warm(&api);
    for round in 1..=5 {
        for method in ["GET", "POST"] {
            api.control(json!({"cut_connections": true}));
            assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
            let path = if method == "GET" { "/api/v1/products" } else { "/api/v1/orders" };
            assert_eq!(send(&manager, method, path, "{}", json!({})).unwrap().status, 200, "{method}");
        }
        assert_eq!(api.counter("orders_created"), round);
    }
}

#[test]
fn r6_a_kept_connection_that_dies_under_an_idempotent_call_is_replaced_once() {
    for deed in ["reset", "close"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let api = demo();
            let manager = warm(&api);
            api.control(json!({"faults": [{"route": "/api/v1/echo", "do": deed}]}));
            assert_eq!(send(&manager, method, "/api/v1/echo", "", json!({})).unwrap().status, 200, "{method} {deed}");
            assert_eq!((stat(&manager, "resends"), api.counter("api_lost")), (1, 1), "{method} {deed}");
            api.control(json!({"faults": [{"route": "/api/v1/echo", "do": deed, "times": 3}]}));
            let outcome = send(&manager, method, "/api/v1/echo", "", json!({}));
            fails(outcome, Status::TM_NETWORK, &[method, "lost its connection"]);
            assert_eq!(api.counter("api_lost"), 3, "{method} {deed}");
        }
    }
}

#[test]
fn r6_a_call_that_may_have_done_its_work_is_not_repeated() {
    for process in [false, true] {
        for method in ["POST", "PATCH"] {
            let api = demo();
            let manager = warm(&api);
            let path = if method == "POST" { "/api/v1/orders" } else { "/api/v1/echo" };
            api.control(json!({"faults": [{"route": path, "do": "reset", "process": process}]}));
            let error = fails(send(&manager, method, path, "{}", json!({})), Status::TM_NETWORK, &[method]);
            assert!(error.message().contains("what became of the request is unknown"), "{}", error.message());
            assert_eq!(api.counter("api_arrivals"), 2);
            assert_eq!(api.counter("orders_created"), u64::from(process && method == "POST"));
        }
    }
}

#[test]
fn r6_a_caller_can_say_that_a_call_may_be_repeated() {
    let api = demo();
    let manager = warm(&api);
    api.control(json!({"faults": [{"route": "/api/v1/orders", "do": "reset", "process": true}]}));
    let options = json!({"idempotent": true, "headers": {"Idempotency-Key": "one"}});
    assert_eq!(order(&manager, options).unwrap().status, 200);
    assert_eq!((api.counter("orders_created"), api.counter("orders_replayed")), (1, 1));
}

#[test]
fn r6_a_new_connection_that_dies_is_not_tried_again() {
    let api = demo();
    api.control(json!({"announce_close": true}));
    let manager = warm(&api);
    api.control(json!({"faults": [{"route": "/api/v1/products", "do": "close"}]}));
    fails(get(&manager, "/api/v1/products"), Status::TM_NETWORK, &["before an answer came"]);
    assert_eq!((api.counter("api_arrivals"), stat(&manager, "resends")), (2, 0));
}

#[test]
fn r6_an_answer_that_broke_off_is_not_asked_for_again() {
    let api = demo();
    let manager = warm(&api);
    api.control(json!({"faults": [{"route": "/api/v1/products", "do": "truncate"}]}));
    fails(get(&manager, "/api/v1/products"), Status::TM_NETWORK, &["broke off"]);
    assert_eq!(api.counter("api_arrivals"), 2);
}

#[test]
fn r6_http2_connections_that_die_are_treated_alike() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (api, options) = with_tls(&authority, &folder);
    let manager = manager(&api.url(), options);
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
    api.control(json!({"faults": [{"route": "/api/v1/products", "do": "reset"}]}));
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
    api.control(json!({"faults": [{"route": "/api/v1/orders", "do": "reset", "process": true}]}));
    fails(order(&manager, json!({})), Status::TM_NETWORK, &["POST"]);
    assert_eq!(api.counter("orders_created"), 1);
    api.control(json!({"cut_connections": true}));
    assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
    assert_eq!(order(&manager, json!({})).unwrap().status, 200);
    assert_eq!(api.counter("orders_created"), 2);
}

fn with_tls(authority: &Authority, folder: &Folder) -> (DemoApi, serde_json::Value) {
    let tls = Some(authority.server().tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    (api, json!({"ca_file": folder.file("ca.pem", &authority.certificate)}))
}

#[test]
fn http2_is_spoken_where_tls_offers_it() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (api, options) = with_tls(&authority, &folder);
    let manager = manager(&api.url(), options);
    for _ in 0..5 {
        assert_eq!(echo(&manager, "POST", "/api/v1/echo", b"{}", json!({}))["version"], "HTTP/2.0");
    }
    // The login's connection may serve the calls too.
    assert!(api.counter("connections") <= 2);
    assert_eq!((api.counter("requests_h1"), api.counter("requests_h2")), (0, 6));
}

#[test]
fn http1_is_spoken_where_it_does_not() {
    let (api, authority, folder) = (demo(), Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    for (listen, version) in [("", "HTTP/1.1"), ("http2", "HTTP/2.0")] {
        let server = format!("ssl_protocols TLSv1.3; {}", passing("/", &api.url()));
        let nginx = Nginx::with_tls(&authority.server(), listen, &server);
        let manager = manager(&format!("https://127.0.0.1:{}", nginx.port()), json!({"ca_file": ca_file}));
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
        let line = format!("{version} TLSv1.3 GET /api/v1/products 200");
        until(&line, || nginx.log().contains(&line));
    }
}

#[test]
fn no_more_connections_are_kept_than_asked_for() {
    for (most, callers) in [(0, 1), (1, 4), (2, 4), (16, 4)] {
        let api = demo();
        let manager = manager(&api.url(), json!({"max_idle_connections": most}));
        manager.login().unwrap();
        // All of them are at it at once: none is answered before the last has arrived.
        api.control(json!({"faults": [{"route": "/api/v1/products", "do": "hang", "times": callers}]}));
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| send(&manager, "GET", "/api/v1/products", "", json!({"timeout_ms": 700})).unwrap_err());
            }
        });
        let made = stat(&manager, "connections_opened");
        assert!(made >= callers, "{made} connections for {callers} callers");
        assert_eq!(stat(&manager, "connections_idle"), 0, "one whose call was ended is not kept");
        api.control(json!({"faults": [{"route": "/api/v1/products", "delay_before_ms": 700, "times": callers}]}));
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200));
            }
            assert!(api.wait_until("requests_current", callers, PATIENCE));
        });
        assert_eq!(stat(&manager, "connections_idle"), callers.min(most));
        // What is not kept is closed.
        assert!(api.wait_until_at_most("connections_current", callers.min(most), PATIENCE));
    }
}

#[test]
fn a_connection_serves_one_call_at_a_time_and_answers_are_never_mixed_up() {
    let api = demo();
    let manager = warm(&api);
    thread::scope(|scope| {
        for caller in 0..8 {
            let manager = &manager;
            scope.spawn(move || {
                for turn in 0..25 {
                    let body = format!("{caller}-{turn}");
                    assert_eq!(echo(manager, "POST", "/api/v1/echo", body.as_bytes(), json!({}))["body"], body);
                }
            });
        }
    });
    assert!(stat(&manager, "connections_opened") <= 9);
    assert_eq!(api.counter("logins"), 1);
}

#[test]
fn a_refresh_leaves_no_connection_more_than_there_was() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    for _ in 0..6 {
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
        manager.refresh().expect("a refresh");
    }
    assert_eq!(stat(&manager, "connections_idle"), 1);
    assert!(api.wait_until_at_most("connections_current", 1, PATIENCE), "{}", api.counters());
    // The first login's connection served the first call.
    assert_eq!(api.counter("connections"), 7);
}
