//! HTTP/2: answers without a body, whatever they say of its length.

use crate::client::{manager, send};
use crate::frames::FrameServer;
use serde_json::json;
use support::folder::Folder;
use support::pki::Authority;

/// The same answer to everything, twice over one connection. `body`: whether an empty piece of body ends the stream, or
/// the headers themselves do.
fn is_empty_with(
    method: &str,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Option<&'static str>,
) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    let server = FrameServer::start(&authority.server(), move |frames, stream| {
        frames.answer(stream, status, headers, body);
    });
    let manager = manager(&server.url(), json!({"ca_file": ca_file}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    for _ in 0..2 {
        let answer = send(&manager, method, "/x", "", json!({}));
        let answer = answer.unwrap_or_else(|error| panic!("{method} {status} {headers:?} {body:?}: {error}"));
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {headers:?} {body:?}");
    }
    assert_eq!(server.came_over(), [0, 0], "{method} {status} {headers:?}");
}

fn is_empty(method: &str, status: u16, headers: &'static [(&'static str, &'static str)]) {
    is_empty_with(method, status, headers, None);
}

#[test]
fn the_answer_to_a_head_has_the_length_of_another() {
    is_empty("HEAD", 200, &[("content-length", "5000")]);
    is_empty("HEAD", 200, &[("content-length", "0")]);
    is_empty("HEAD", 200, &[("content-length", "100000000000")]);
    is_empty("HEAD", 200, &[("content-length", "5000"), ("content-encoding", "gzip")]);
    is_empty("HEAD", 404, &[("content-length", "5000")]);
    is_empty("HEAD", 200, &[]);
    is_empty_with("HEAD", 200, &[("content-length", "5000")], Some(""));
    is_empty_with("HEAD", 200, &[], Some(""));
}

#[test]
fn a_304_has_the_length_of_what_was_not_modified() {
    for method in ["GET", "HEAD"] {
        is_empty(method, 304, &[("content-length", "5000")]);
        is_empty(method, 304, &[("content-length", "0"), ("content-encoding", "gzip")]);
        is_empty(method, 304, &[("content-length", "100000000000")]);
        is_empty(method, 304, &[]);
    }
}

#[test]
fn a_204_may_say_a_length() {
    for method in ["GET", "DELETE", "HEAD"] {
        is_empty(method, 204, &[("content-length", "0")]);
        is_empty(method, 204, &[("content-length", "5000")]);
        is_empty(method, 204, &[("content-length", "100000000000")]);
        is_empty(method, 204, &[]);
    }
}

/// The server takes no more requests at the moment, and leaves before this one's turn came.
#[test]
fn a_request_whose_turn_did_not_come_is_sent_over_another_connection() {
    const SETTINGS: u8 = 4;
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    let server = FrameServer::start(&authority.server(), |frames, stream| {
        if frames.connection == 0 {
            frames.send(SETTINGS, 0, 0, &[&MAX_CONCURRENT_STREAMS[..], &0u32.to_be_bytes()].concat());
            frames.answer(stream, 200, &[], Some("first"));
            // Its end of the connection ends with the client's second request in the queue.
            std::thread::sleep(std::time::Duration::from_millis(500));
            frames.close();
        } else {
            frames.answer(stream, 200, &[], Some("second"));
        }
    });
    let manager = manager(&server.url(), json!({"ca_file": ca_file}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    for expected in ["first", "second"] {
        let answer = send(&manager, "GET", "/x", "", json!({})).unwrap();
        assert_eq!(answer.body, expected.as_bytes());
    }
    assert_eq!(server.came_over(), [0, 1]);
}
