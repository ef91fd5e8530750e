//! The heads of HTTP/1.1: how names are written, and how much of an answer's head is taken.

use crate::child;
use crate::client::{PASSWORD, USERNAME, fails, get, manager, send};
use crate::hostile::bounded;
use crate::recorder::{Recorder, login_reply, reply};
use crate::scripted::{Scripted, Then, kept};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokenmgr::error::Status;

#[test]
fn names_of_headers_are_written_in_title_case() {
    let server = Recorder::start(|request| match request.starts_with("POST /auth/") {
        true => login_reply("the-token", "the-refresh-token"),
        false => reply("200 OK", "", "{}"),
    });
    let manager = manager(&server.url(), json!({"headers": {"x-from-options": "1"}}));
    let headers = json!({"headers": {"x-trace-id": "7", "X-SHOP": "8", "accept-language": "de"}});
    send(&manager, "POST", "/orders", "{}", headers).unwrap();
    manager.refresh().unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let names = request.lines().skip(1).take_while(|line| !line.is_empty());
        for name in names.map(|line| line.split(':').next().unwrap_or_default()) {
            let is_title = name.split('-').all(|word| word == title(word));
            assert!(is_title, "{name} in {request}");
        }
    }
    let call = &requests[1];
    for line in [
        format!("Host: {}", server.url().trim_start_matches("http://")),
        "Authorization: Bearer the-token".to_owned(),
        "Content-Type: application/json".to_owned(),
        "Content-Length: 2".to_owned(),
        "User-Agent: libtokenmgr/".to_owned(),
        "X-Trace-Id: 7".to_owned(),
        "X-Shop: 8".to_owned(),
        "Accept-Language: de".to_owned(),
        "X-From-Options: 1".to_owned(),
    ] {
        assert!(call.contains(&format!("\r\n{line}")), "{line} is not in {call}");
    }
}

fn title(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
}

/// Answers `/long` with this head, and nothing behind it; the connection stays open.
fn with_head(head: String) -> Scripted {
    Scripted::http(move |request, line| {
        match request.path() {
            "/long" => line.say(&head),
            _ => line.say(kept("200 OK", "{}")),
        }
        Then::Stay
    })
}

#[track_caller]
fn is_refused(head: String) {
    let server = with_head(head);
    let manager = manager(&server.url(), json!({}));
    let begun = Instant::now();
    let error = fails(get(&manager, "/long"), Status::TM_NETWORK, &["GET"]);
    // The call's time is 30 s: this is not what ended it.
    assert!(begun.elapsed() < Duration::from_secs(20), "{}", error.message());
    assert_eq!(get(&manager, "/next").unwrap().status, 200);
}

#[test]
fn s4_more_than_500_headers_are_refused() {
    let headers = |count| (0..count).map(|n| format!("X-{n}: a\r\n")).collect::<String>();
    is_refused(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", headers(600)));
    // Refused before it ends, for it never does.
    is_refused(format!("HTTP/1.1 200 OK\r\n{}", headers(60_000)));
}

#[test]
fn s4_a_head_of_more_than_400_kb_is_refused() {
    is_refused(format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n", "y".repeat(600_000)));
    is_refused(format!("HTTP/1.1 200 OK\r\nX-Big: {}", "y".repeat(1_000_000)));
    is_refused(format!("HTTP/1.1 200 {}", "y".repeat(1_000_000)));
    let headers = (0..90).map(|n| format!("X-{n}: {}\r\n", "y".repeat(7_000))).collect::<String>();
    is_refused(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"));
}

#[test]
fn s4_endless_trailers_are_refused() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    is_refused(format!("{head}{}", "X-T: a\r\n".repeat(200_000)));
    is_refused(format!("{head}X-T: {}", "y".repeat(2_000_000)));
}

#[test]
fn s4_an_endless_chunk_size_is_refused() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_refused(format!("{head}1;{}", "y".repeat(2_000_000)));
    is_refused(format!("{head}ffffffffffffffffff\r\n"));
}

/// As many bytes as anyone takes, in the ways that make a reader keep most beside them.
#[test]
fn s4_answers_grow_in_bounded_memory() {
    let server = Scripted::http(|request, line| {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        match request.path() {
            "/bytes" => {
                // A chunk for each byte.
                line.say(chunked);
                line.say("1\r\nx\r\n".repeat(1 << 16));
                line.say("0\r\n\r\n");
            }
            "/extensions" => {
                line.say(chunked);
                (0..100).for_each(|_| line.say(format!("1;{}\r\nx\r\n", "y".repeat(10_000))));
                line.say("0\r\n\r\n");
            }
            "/announced" => line.say("HTTP/1.1 200 OK\r\nContent-Length: 67000000\r\n\r\nx"),
            "/endless" => {
                line.say(chunked);
                while line.try_say("10000\r\n".as_bytes()).and_then(|()| line.try_say(&[b'x'; 0x10000])).is_ok() {
                    line.say("\r\n");
                }
            }
            _ => line.say(kept("200 OK", "{}")),
        }
        if request.path() == "/announced" { Then::Close } else { Then::Stay }
    });
    // So many extensions may be taken or refused.
    for (path, is_whole) in
        [("/bytes", Some(true)), ("/extensions", None), ("/announced", Some(false)), ("/endless", Some(false))]
    {
        let limit = if path == "/announced" { 67_108_864 } else { 2 << 20 };
        let order = json!({
            "host": server.url(), "username": USERNAME, "password": PASSWORD,
            "options": {"proxy": "none", "max_response_bytes": limit, "timeout_ms": 120_000}, "urls": ["/small", path],
        });
        let outcomes: Vec<Value> = child::ask(Vec::<(&str, String)>::new(), order);
        if let Some(is_whole) = is_whole {
            assert_eq!(outcomes[1]["http_status"] == 200, is_whole, "{path}: {}", outcomes[1]);
        }
        bounded(&outcomes, path);
    }
}
