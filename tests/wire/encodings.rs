//! Bodies that come encoded: whatever is common is decoded, whatever is cut is an error, and no answer without a body
//! fails for what its headers say of one.

use crate::child;
use crate::client::{PASSWORD, USERNAME, fails, get, manager, send};
use crate::hostile::bounded;
use crate::scripted::{Scripted, Then, kept};
use flate2::Compression;
use serde_json::{Value, json};
use std::io::Write;
use support::encoders::{deflate, gzip, zlib};
use tokenmgr::error::{Result, Status};
use tokenmgr::{Manager, Response};

const TEXT: &[u8] =
    br#"{"ok": true, "of": "a body that is long enough to be cut anywhere and to compress: aaaaaaaaaaaaaaaa"}"#;

/// An answer whose body is announced by its length.
fn with_length(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The same in chunks of a few bytes.
fn chunked(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut all = head.into_bytes();
    for chunk in body.chunks(7) {
        all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        all.extend_from_slice(chunk);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

/// Asks for one answer twice, so that what is left over of the first would be noticed.
fn asked_twice(answer: Vec<u8>, method: &str) -> [Result<Response>; 2] {
    let server = Scripted::http(move |_, line| {
        line.say(&answer);
        Then::Stay
    });
    let manager = manager(&server.url(), json!({}));
    let outcomes = [0; 2].map(|_| send(&manager, method, "/x", "", json!({})));
    if outcomes.iter().all(Result::is_ok) {
        assert_eq!(server.connections(), 1, "an answer that is whole leaves its connection");
    }
    outcomes
}

#[track_caller]
fn is_decoded(encoding: &str, body: &[u8]) {
    for answer in [with_length(encoding, body), chunked(encoding, body)] {
        for outcome in asked_twice(answer, "GET") {
            let answer = outcome.unwrap_or_else(|error| panic!("{encoding}: {error}"));
            assert_eq!((answer.status, &answer.body[..]), (200, TEXT), "{encoding}");
            assert!(!answer.headers.contains_key("content-encoding"), "{encoding}");
        }
    }
}

#[track_caller]
fn is_empty(answer: &str, method: &str, status: u16) {
    for outcome in asked_twice(answer.into(), method) {
        let answer = outcome.unwrap_or_else(|error| panic!("{method}: {error}"));
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method}");
    }
}

#[track_caller]
fn is_cut(encoding: &str, whole: &[u8]) {
    for length in [1, 5, 12, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        let body = &whole[..length];
        for answer in [with_length(encoding, body), chunked(encoding, body)] {
            for outcome in asked_twice(answer, "GET") {
                if let Ok(answer) = &outcome {
                    panic!("{encoding}, {length} of {}: {:?}", whole.len(), String::from_utf8_lossy(&answer.body));
                }
                fails(outcome, Status::TM_NETWORK, &["GET"]);
            }
        }
    }
}

#[test]
fn gzip_is_decoded() {
    is_decoded("gzip", &gzip(TEXT));
}

#[test]
fn gzip_is_decoded_however_its_name_is_written() {
    for encoding in ["GZIP", "Gzip", "x-gzip", "X-GZip"] {
        is_decoded(encoding, &gzip(TEXT));
    }
}

#[test]
fn gzip_of_several_members_is_decoded() {
    let (front, back) = TEXT.split_at(20);
    is_decoded("gzip", &[gzip(front), gzip(back)].concat());
    is_decoded("gzip", &[gzip(front), gzip(b""), gzip(back), gzip(b"")].concat());
    is_decoded("gzip", &TEXT.chunks(1).flat_map(gzip).collect::<Vec<u8>>());
}

#[test]
fn zeros_behind_gzip_are_padding() {
    is_decoded("gzip", &[gzip(TEXT), vec![0; 8]].concat());
}

#[test]
fn gzip_with_a_name_and_a_comment_is_decoded() {
    let header = flate2::GzBuilder::new().filename("body.json").comment("as gzip(1) writes").extra(vec![1, 2, 3]);
    let mut encoder = header.write(Vec::new(), Compression::default());
    encoder.write_all(TEXT).unwrap();
    is_decoded("gzip", &encoder.finish().unwrap());
}

#[test]
fn deflate_is_decoded_with_and_without_its_header() {
    is_decoded("deflate", &zlib(TEXT));
    is_decoded("deflate", &deflate(TEXT));
    is_decoded("Deflate", &zlib(TEXT));
}

#[test]
fn identity_is_no_encoding() {
    for outcome in asked_twice(with_length("identity", TEXT), "GET") {
        assert_eq!(outcome.unwrap().body, TEXT);
    }
}

#[test]
fn an_empty_body_that_says_gzip_is_empty() {
    for encoding in ["gzip", "deflate"] {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n");
        is_empty(&format!("{said}Content-Length: 0\r\n\r\n"), "GET", 200);
        is_empty(&format!("{said}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "GET", 200);
    }
}

#[test]
fn answers_without_a_body_may_say_gzip() {
    const SAID: &str = "Content-Encoding: gzip\r\n";
    is_empty(&format!("HTTP/1.1 200 OK\r\n{SAID}Content-Length: 5000\r\n\r\n"), "HEAD", 200);
    is_empty(&format!("HTTP/1.1 200 OK\r\n{SAID}Transfer-Encoding: chunked\r\n\r\n"), "HEAD", 200);
    is_empty(&format!("HTTP/1.1 204 No Content\r\n{SAID}\r\n"), "GET", 204);
    is_empty(&format!("HTTP/1.1 304 Not Modified\r\n{SAID}Content-Length: 5000\r\n\r\n"), "GET", 304);
}

#[test]
fn gzip_that_is_cut_is_an_error() {
    is_cut("gzip", &gzip(TEXT));
}

#[test]
fn gzip_that_is_cut_in_a_later_member_is_an_error() {
    let first = gzip(TEXT);
    let whole = [first.clone(), gzip(TEXT)].concat();
    for length in [first.len() + 1, first.len() + 12, whole.len() - 8, whole.len() - 1] {
        for outcome in asked_twice(with_length("gzip", &whole[..length]), "GET") {
            fails(outcome, Status::TM_NETWORK, &["GET"]);
        }
    }
}

#[test]
fn deflate_that_is_cut_is_an_error() {
    is_cut("deflate", &zlib(TEXT));
}

#[test]
fn gzip_whose_checksum_is_wrong_is_an_error() {
    let mut body = gzip(TEXT);
    let checksum = body.len() - 8;
    body[checksum] ^= 1;
    for outcome in asked_twice(with_length("gzip", &body), "GET") {
        fails(outcome, Status::TM_NETWORK, &["GET"]);
    }
}

/// What unpacks to some 100 MB and more.
fn bombs() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let zeros = vec![0; 32 << 20];
    vec![
        ("/gzip", "gzip", gzip(&[&zeros[..], &zeros, &zeros, &zeros].concat())),
        ("/members", "gzip", gzip(&zeros[..1000]).repeat(200_000)),
        ("/zlib", "deflate", zlib(&[&zeros[..], &zeros, &zeros, &zeros].concat())),
    ]
}

fn dropping_bombs() -> Scripted {
    let bombs = bombs();
    Scripted::http(move |request, line| {
        match bombs.iter().find(|(path, ..)| *path == request.path()) {
            Some((_, encoding, body)) => line.say(with_length(encoding, body)),
            None => line.say(kept("200 OK", "{}")),
        }
        Then::Stay
    })
}

fn ends_at_the_limit(manager: &Manager, path: &str) {
    fails(get(manager, path), Status::TM_RESPONSE_TOO_LARGE, &["1048576 bytes", "max_response_bytes"]);
    assert_eq!(get(manager, "/next").unwrap().status, 200);
}

#[test]
fn s4_a_gzip_bomb_ends_at_max_response_bytes() {
    let server = dropping_bombs();
    ends_at_the_limit(&manager(&server.url(), json!({"max_response_bytes": 1 << 20})), "/gzip");
}

#[test]
fn s4_bombs_of_other_kinds_end_at_max_response_bytes() {
    let server = dropping_bombs();
    let manager = manager(&server.url(), json!({"max_response_bytes": 1 << 20}));
    ["/members", "/zlib"].iter().for_each(|path| ends_at_the_limit(&manager, path));
}

fn takes_bounded_memory(path: &str) {
    let server = dropping_bombs();
    let order = json!({
        "host": server.url(), "username": USERNAME, "password": PASSWORD,
        "options": {"proxy": "none", "max_response_bytes": 1 << 20}, "urls": ["/small", path],
    });
    let outcomes: Vec<Value> = child::ask(Vec::<(&str, String)>::new(), order);
    assert_eq!(outcomes[1]["status"], "TM_RESPONSE_TOO_LARGE", "{path}: {}", outcomes[1]);
    bounded(&outcomes, path);
}

#[test]
fn s4_a_gzip_bomb_takes_bounded_memory() {
    takes_bounded_memory("/gzip");
}

#[test]
fn s4_bombs_of_other_kinds_take_bounded_memory() {
    ["/members", "/zlib"].iter().for_each(|path| takes_bounded_memory(path));
}
