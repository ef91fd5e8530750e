//! Answers of old and of home-made servers that curl takes: they are taken, too, and two of them in a row.

use crate::client::{fails, get, manager, send};
use crate::scripted::{Scripted, Then};
use serde_json::json;
use std::net::Shutdown;
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::error::Status;

const BODY: &str = r#"{"ok": true}"#;
/// The length of `BODY`.
const LENGTH: &str = "Content-Length: 12\r\n";

/// Each of two calls in a row is answered that, byte for byte, and gets `BODY` with the status 200.
#[track_caller]
fn is_taken(answer: impl AsRef<[u8]>, then: Then) {
    let answer = answer.as_ref().to_vec();
    let server = Scripted::http(move |_, line| {
        line.say(&answer);
        if then == Then::Close {
            let _ = line.socket().shutdown(Shutdown::Write);
            line.drain();
        }
        then
    });
    let manager = manager(&server.url(), json!({"timeout_ms": 5000}));
    for _ in 0..2 {
        let answer = get(&manager, "/x").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((answer.status, &answer.body[..]), (200, BODY.as_bytes()));
    }
}

/// An answer with these lines in its head.
#[track_caller]
fn is_taken_with(lines: impl AsRef<[u8]>) {
    let front = b"HTTP/1.1 200 OK\r\n".as_slice();
    is_taken([front, lines.as_ref(), LENGTH.as_bytes(), b"\r\n", BODY.as_bytes()].concat(), Then::Stay);
}

#[test]
fn no_reason_phrase() {
    is_taken(format!("HTTP/1.1 200\r\n{LENGTH}\r\n{BODY}"), Then::Stay);
    is_taken(format!("HTTP/1.1 200 \r\n{LENGTH}\r\n{BODY}"), Then::Stay);
}

#[test]
fn a_hundred_and_fifty_headers() {
    is_taken_with((0..150).map(|n| format!("X-Trace-{n}: a\r\n")).collect::<String>());
}

#[test]
fn four_hundred_headers() {
    is_taken_with((0..400).map(|n| format!("X-Trace-{n}: a\r\n")).collect::<String>());
}

#[test]
fn forty_cookies_and_a_header_of_60_kb() {
    let cookies = (0..40).map(|n| format!("Set-Cookie: c{n}={}\r\n", "x".repeat(200))).collect::<String>();
    is_taken_with(format!("{cookies}X-Big: {}\r\n", "y".repeat(60_000)));
}

#[test]
fn a_folded_header() {
    is_taken_with("X-A: one\r\n two\r\n");
    is_taken_with("X-A: one\r\n\ttwo\r\n  three\r\n");
}

#[test]
fn a_blank_before_the_colon() {
    is_taken_with("X-A : one\r\n");
}

#[test]
fn a_blank_in_the_name_of_a_header() {
    is_taken_with("X A: one\r\n");
}

#[test]
fn bare_line_feeds() {
    is_taken(format!("HTTP/1.1 200 OK\n{}\n{BODY}", LENGTH.replace('\r', "")), Then::Stay);
}

#[test]
fn latin_1_in_a_header() {
    is_taken_with(b"X-Name: M\xfcller\r\n");
}

#[test]
fn latin_1_in_the_reason() {
    let answer = [b"HTTP/1.1 200 Erf\xfcllt\r\n", LENGTH.as_bytes(), b"\r\n", BODY.as_bytes()].concat();
    is_taken(answer, Then::Stay);
}

#[test]
fn the_same_length_twice() {
    is_taken_with(LENGTH);
}

#[test]
fn chunked_in_any_case() {
    for chunked in ["chunked", "Chunked", "CHUNKED"] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {chunked}\r\n\r\n");
        is_taken(format!("{head}c\r\n{BODY}\r\n0\r\n\r\n"), Then::Stay);
    }
}

#[test]
fn chunk_extensions_and_trailers() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_taken(format!("{head}c;a=b\r\n{BODY}\r\n0\r\nX-T: 1\r\n\r\n"), Then::Stay);
    is_taken(format!("{head}00C ; a=\"b c\"\r\n{BODY}\r\n000;x\r\nX-T: 1\r\nX-U: 2\r\n\r\n"), Then::Stay);
}

#[test]
fn chunked_and_a_length_beside_it() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    for lines in [format!("{chunked}{LENGTH}"), format!("{LENGTH}{chunked}")] {
        is_taken(format!("HTTP/1.1 200 OK\r\n{lines}\r\nc\r\n{BODY}\r\n0\r\n\r\n"), Then::Stay);
    }
}

#[test]
fn http_1_0_until_the_connection_ends() {
    is_taken(format!("HTTP/1.0 200 OK\r\n\r\n{BODY}"), Then::Close);
    is_taken(format!("HTTP/1.1 200 OK\r\n\r\n{BODY}"), Then::Close);
}

#[test]
fn http_1_0_with_a_length_that_stays() {
    is_taken(format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{LENGTH}\r\n{BODY}"), Then::Stay);
}

#[test]
fn early_hints_before() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    is_taken(format!("{hints}{hints}HTTP/1.1 200 OK\r\n{LENGTH}\r\n{BODY}"), Then::Stay);
}

#[test]
fn an_upgrade_that_was_not_asked_for() {
    is_taken_with("Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive\r\n");
}

#[test]
fn a_header_without_a_value() {
    is_taken_with("X-A:\r\n");
}

#[test]
fn more_body_than_was_announced() {
    is_taken(format!("HTTP/1.1 200 OK\r\n{LENGTH}\r\n{BODY}\r\n"), Then::Stay);
}

#[test]
fn a_connection_that_ends_with_a_longer_body_promised_is_an_error() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate)});
    for has_tls in [false, true] {
        for promised in ["Content-Length: 13\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nd\r\n"] {
            let tls = has_tls.then(|| crate::torn::server_config(&authority.server()));
            let server = Scripted::start(tls, move |_, line| {
                line.say(format!("HTTP/1.1 200 OK\r\n{promised}{BODY}"));
                line.close_notify();
                Then::Close
            });
            let manager = manager(&server.url(), options.clone());
            for method in ["GET", "POST"] {
                fails(send(&manager, method, "/x", "", json!({})), Status::TM_NETWORK, &["broke off"]);
            }
            assert_eq!(server.came_over("/x").len(), 2, "neither is asked again");
        }
    }
}

#[test]
fn tls_that_ends_without_a_close_notify_is_no_fault_of_an_answer_that_is_whole() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    for answer in [
        format!("HTTP/1.1 200 OK\r\n{LENGTH}\r\n{BODY}"),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{LENGTH}\r\n{BODY}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{BODY}\r\n0\r\n\r\n"),
    ] {
        let server = Scripted::https(&authority.server(), move |_, line| {
            line.say(&answer);
            Then::Close
        });
        for first in ["GET", "POST"] {
            let manager = manager(&server.url(), json!({"ca_file": ca_file}));
            // A GET, which is sent once more where it met the end of a kept connection; a POST never is.
            for method in [first, "GET"] {
                let answer = send(&manager, method, "/x", "", json!({})).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!((answer.status, &answer.body[..]), (200, BODY.as_bytes()));
            }
        }
    }
}
