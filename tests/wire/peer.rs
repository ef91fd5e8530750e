//! What a call brings back, beside what a client brings back that shares no code of ours: reqwest, blocking.

use crate::client::{demo, manager};
use crate::recorder::{Recorder, login_reply, reply};
use bytes::Bytes;
use serde_json::json;
use tokenmgr::Manager;

/// Status, what the answer says of its type, and its body.
type Seen = (u16, Option<String>, Vec<u8>);

fn ours(manager: &Manager, method: &str, url: &str, body: &[u8]) -> Seen {
    let answer = manager.request(method, url, Bytes::copy_from_slice(body), None).expect("an answer");
    let kind = answer.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
    (answer.status, kind, answer.body)
}

fn theirs(client: &reqwest::blocking::Client, token: &str, method: &str, url: &str, body: &[u8]) -> Seen {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client.request(method, url).bearer_auth(token);
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body.to_vec());
    }
    let answer = request.send().expect("an answer");
    let kind = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), kind, answer.bytes().expect("a body").to_vec())
}

fn peer() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::limited(5)).build().unwrap()
}

#[test]
fn the_demo_apis_answers_are_what_another_client_gets() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let token = manager.token().unwrap();
    let token = std::str::from_utf8(token.access.as_bytes()).unwrap();
    let peer = peer();
    for (method, path, body) in [
        ("GET", "/api/v1/products", ""),
        ("GET", "/api/v1/categories", ""),
        ("GET", "/api/v1/status/204", ""),
        ("GET", "/api/v1/status/304", ""),
        ("GET", "/api/v1/status/404", ""),
        ("GET", "/api/v1/status/500", ""),
        ("GET", "/api/v1/nothing-here", ""),
        ("GET", "/api/v1/blob?bytes=0", ""),
        ("GET", "/api/v1/blob?bytes=300000", ""),
        ("GET", "/api/v1/blob?bytes=300000&gzip=1", ""),
        ("HEAD", "/api/v1/blob?bytes=1000", ""),
        ("POST", "/api/v1/orders", "{\"product\":1}"),
        ("DELETE", "/api/v1/products", ""),
    ] {
        let url = format!("{}{path}", api.url());
        let (ours, theirs) =
            (ours(&manager, method, path, body.as_bytes()), theirs(&peer, token, method, &url, body.as_bytes()));
        assert_eq!((ours.0, &ours.1), (theirs.0, &theirs.1), "{method} {path}");
        // An order's number and a time are another's the next time.
        assert!(ours.2 == theirs.2 || ours.2.len().abs_diff(theirs.2.len()) < 40, "{method} {path}");
    }
}

#[test]
fn answers_of_another_make_are_what_another_client_gets() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let server = Recorder::start(move |request| match request.split(' ').nth(1).unwrap_or("") {
        "/auth/login" => login_reply("a", "r"),
        "/chunked" => chunked.into(),
        "/early-hints" => format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}", reply("200 OK", "", "{}")),
        "/odd-status" => reply("299 Whatever", "Content-Type: text/odd\r\n", "odd"),
        "/moved" => reply("302 Found", "Location: /chunked\r\n", ""),
        _ => reply("404 Not Found", "", "{}"),
    });
    let manager = manager(&server.url(), json!({}));
    let peer = peer();
    for path in ["/chunked", "/early-hints", "/odd-status", "/moved", "/missing"] {
        let url = format!("{}{path}", server.url());
        assert_eq!(ours(&manager, "GET", path, b""), theirs(&peer, "t", "GET", &url, b""), "{path}");
    }
}
