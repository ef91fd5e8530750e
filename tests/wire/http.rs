//! What a call looks like on the wire, and what comes back.

use crate::client::{demo, echo, fails, get, manager, send, stat};
use crate::nginx::{Nginx, passing};
use crate::recorder::{Recorder, login_reply, reply};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;
use support::server::header;
use tokenmgr::error::Status;

const ECHO: &str = "/api/v1/echo";

#[test]
fn methods_of_every_kind_in_any_case() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "pOsT", "delete"] {
        assert_eq!(echo(&manager, method, ECHO, b"", json!({}))["method"], method.to_ascii_uppercase());
    }
    for method in ["", "G T", "GET\r\nX: 1", "CONNECT", "connect", "é"] {
        let outcome = manager.request(method, ECHO, Bytes::new(), None);
        fails(outcome, Status::TM_INVALID_ARGUMENT, &["method", "pass GET, POST"]);
    }
}

#[test]
fn head_brings_headers_and_no_body() {
    let api = demo();
    // A limit that the body would break, if there were one.
    let manager = manager(&api.url(), json!({"max_response_bytes": 4096}));
    let answer = send(&manager, "head", "/api/v1/blob?bytes=1000000", "", json!({})).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-length"], "1000000");
    assert_eq!(get(&manager, "/api/v1/status/204").unwrap().status, 204);
    assert_eq!(get(&manager, "/api/v1/status/304").unwrap().status, 304);
}

#[test]
fn bodies_are_sent_and_read_byte_for_byte() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let every_byte: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    for body in [&b""[..], b"\0", &every_byte] {
        let heard = echo(&manager, "POST", ECHO, body, json!({"content_type": "application/octet-stream"}));
        assert_eq!(heard["body_bytes"], body.len());
        assert_eq!(STANDARD.decode(heard["body_base64"].as_str().unwrap()).unwrap(), body);
    }
    for bytes in [0, 1, 100_000, 5_000_000] {
        let answer = get(&manager, &format!("/api/v1/blob?bytes={bytes}")).unwrap();
        assert!(answer.body.len() == bytes && is_pattern(&answer.body), "{bytes}");
    }
}

fn is_pattern(body: &[u8]) -> bool {
    body.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 251)
}

#[test]
fn gzip_is_decoded_and_not_mentioned_any_more() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let answer = get(&manager, "/api/v1/blob?bytes=100000&gzip=1").unwrap();
    assert!(answer.body.len() == 100_000 && is_pattern(&answer.body));
    assert!(!answer.headers.contains_key("content-encoding"));
    assert!(!answer.headers.contains_key("content-length"), "it would be another body's");
    let heard = echo(&manager, "GET", ECHO, b"", json!({}));
    assert!(heard["headers"]["accept-encoding"][0].as_str().unwrap().contains("gzip"));
}

#[test]
fn s4_the_limit_counts_what_is_unpacked_and_is_exact() {
    let api = demo();
    let manager = manager(&api.url(), json!({"max_response_bytes": 50_000}));
    for gzip in [0, 1] {
        let path = |bytes: usize| format!("/api/v1/blob?bytes={bytes}&gzip={gzip}");
        assert_eq!(get(&manager, &path(50_000)).unwrap().body.len(), 50_000);
        fails(get(&manager, &path(50_001)), Status::TM_RESPONSE_TOO_LARGE, &["50000 bytes", "max_response_bytes"]);
    }
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
}

#[test]
fn query_parameters_are_encoded_and_appended() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let query = json!({"query": {"a": ["1", "2"], "b&=": "x y+ü/?#%", "empty": "", "n": 5, "none": [], "t": true}});
    let heard = echo(&manager, "GET", &format!("{ECHO}?own=%2F"), b"", query);
    let expected =
        json!([["own", "/"], ["a", "1"], ["a", "2"], ["b&=", "x y+ü/?#%"], ["empty", ""], ["n", "5"], ["t", "true"]]);
    assert_eq!(heard["query"], expected);
    assert_eq!(echo(&manager, "GET", ECHO, b"", json!({"query": []}))["query_string"], "");
    let in_front = echo(&manager, "GET", &format!("{ECHO}#fragment"), b"", json!({"query": {"a": "1"}}));
    assert_eq!(in_front["query_string"], "a=1");
}

#[test]
fn the_url_is_sent_as_it_is_written() {
    let server = Recorder::start(|_| reply("200 OK", "", "{}"));
    let manager = manager(&server.url(), json!({}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    for path in ["/a%2Fb/c", "/a;b=c/d,e", "/x?q=a+b&r=%20", "/x?"] {
        get(&manager, path).unwrap();
        let line = server.requests().pop().unwrap();
        assert!(line.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{line}");
    }
    let answer = get(&manager, &format!("{}/abs?x=1", server.url())).unwrap();
    assert_eq!(answer.url.as_str(), format!("{}/abs?x=1", server.url()));
}

#[test]
fn headers_are_repeated_replaced_and_defaulted() {
    let api = demo();
    let manager = manager(
        &api.url(),
        json!({"headers": {"X-Default": "d", "X-Both": ["m1", "m2"], "Accept": "text/csv"}, "user_agent": "shop/1"}),
    );
    let heard = echo(&manager, "GET", ECHO, b"", json!({"headers": {"x-both": "c", "X-Many": ["1", "2"], "X-N": 7}}));
    let headers = &heard["headers"];
    assert_eq!(headers["x-default"], json!(["d"]));
    assert_eq!(headers["x-both"], json!(["c"]));
    assert_eq!(headers["x-many"], json!(["1", "2"]));
    assert_eq!(headers["x-n"], json!(["7"]));
    assert_eq!(headers["accept"], json!(["text/csv"]));
    assert_eq!(headers["user-agent"], json!(["shop/1"]));
    // And the call's own did not stay.
    let heard = echo(&manager, "GET", ECHO, b"", json!({}));
    assert_eq!(heard["headers"]["x-both"], json!(["m1", "m2"]));
    assert!(heard["headers"].get("x-many").is_none());
}

#[test]
fn the_managers_headers_go_with_logins_too() {
    let server = Recorder::start(|request| match request.starts_with("POST /auth/login") {
        true => login_reply("the-token", "the-refresh-token"),
        false => reply("200 OK", "", "{}"),
    });
    let manager = manager(&server.url(), json!({"headers": {"X-Default": "d"}}));
    get(&manager, "/x").unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(header(&request, "x-default"), Some("d"), "{request}");
        assert_eq!(header(&request, "user-agent"), Some(concat!("libtokenmgr/", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn headers_that_are_the_librarys_own_are_refused() {
    let api = demo();
    let client = manager(&api.url(), json!({}));
    for name in ["Authorization", "HOST", "content-length", "Transfer-Encoding", "Connection"] {
        let options = json!({"headers": {name: "x"}});
        let says = ["the option headers", &name.to_ascii_lowercase(), "leave it out"];
        fails(send(&client, "GET", ECHO, "", options.clone()), Status::TM_INVALID_OPTIONS, &says);
        let made = crate::client::try_manager(&api.url(), options);
        fails(made, Status::TM_INVALID_OPTIONS, &says);
    }
    for (name, value) in [("a b", "x"), ("", "x"), ("x\r\ny", "x"), ("X-A", "a\r\nb")] {
        let outcome = send(&client, "GET", ECHO, "", json!({"headers": {name: value}}));
        fails(outcome, Status::TM_INVALID_OPTIONS, &["headers", "no header can"]);
    }
    assert_eq!(api.counter("login_arrivals"), 0, "a wrong call costs no login");
}

#[test]
fn content_types() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let sent = |body: &[u8], options| echo(&manager, "POST", ECHO, body, options)["headers"]["content-type"].clone();
    assert_eq!(sent(b"{}", json!({})), json!(["application/json"]));
    assert_eq!(sent(b"", json!({})), json!(null));
    assert_eq!(sent(b"x", json!({"content_type": "text/plain"})), json!(["text/plain"]));
    assert_eq!(sent(b"x", json!({"headers": {"Content-Type": "text/csv"}})), json!(["text/csv"]));
    assert_eq!(sent(b"", json!({"content_type": "text/plain"})), json!(["text/plain"]));
    let wrong = send(&manager, "POST", ECHO, "x", json!({"content_type": "a\nb"}));
    fails(wrong, Status::TM_INVALID_OPTIONS, &["content_type"]);
}

#[test]
fn a_post_without_a_body_says_so() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    for method in ["POST", "PUT", "PATCH"] {
        let heard = echo(&manager, method, ECHO, b"", json!({}));
        // RFC 9110, 8.6: a method that gives a body a meaning sends its length; some servers answer 411 else.
        assert_eq!(heard["headers"]["content-length"], json!(["0"]), "{method}");
    }
    let heard = echo(&manager, "GET", ECHO, b"", json!({}));
    assert!(heard["headers"].get("content-length").is_none());
}

#[test]
fn a_hosts_prefix_goes_before_every_path() {
    let api = demo();
    let nginx = Nginx::plain(&passing("/base/v2/", &api.url()));
    let host = format!("http://127.0.0.1:{}/base/v2", nginx.port());
    for host in [host.clone(), format!("{host}/")] {
        let manager = manager(&host, json!({}));
        assert_eq!(
            get(&manager, "/api/v1/products").unwrap().url.as_str(),
            format!("{}/api/v1/products", host.trim_end_matches('/'))
        );
        manager.refresh().unwrap();
        manager.logout().unwrap();
    }
    assert_eq!((api.counter("api_200"), api.counter("refreshes"), api.counter("logouts")), (2, 2, 2));
    let expected =
        ["POST /base/v2/auth/login 200", "GET /base/v2/api/v1/products 200", "POST /base/v2/auth/refresh 200"];
    crate::client::until("the log", || expected.iter().all(|line| nginx.log().matches(line).count() == 2));
}

#[test]
fn answers_of_every_status_are_responses() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    for (code, status) in [
        (200, None),
        (299, None),
        (302, None),
        (400, Some(Status::TM_HTTP_ERROR)),
        (404, Some(Status::TM_HTTP_ERROR)),
        (403, Some(Status::TM_FORBIDDEN)),
        (429, Some(Status::TM_RATE_LIMITED)),
        (500, Some(Status::TM_SERVER_ERROR)),
        (599, Some(Status::TM_SERVER_ERROR)),
    ] {
        let answer = get(&manager, &format!("/api/v1/status/{code}")).unwrap();
        assert_eq!((answer.status, answer.error.as_ref().map(|error| error.status())), (code, status));
        if let Some(error) = &answer.error {
            assert_eq!(error.http_status(), code);
            assert_eq!(error.server_code(), Some("as_requested"));
            assert!(error.message().contains(&code.to_string()), "{}", error.message());
        }
    }
    assert_eq!(api.counter("logins"), 1);
    assert_eq!(stat(&manager, "calls_4xx"), 4);
}
