//! A server that never stops: its bytes end neither the time limit nor the interrupt callback, however fast they come.

use crate::client::{PATIENCE, fails, get, manager};
use crate::frames::{FrameServer, PING, frame};
use crate::scripted::{Scripted, Then};
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;
use tokenmgr::error::Status;

/// A call to a server that floods whoever asks ends by its time limit, and by its interrupt callback.
#[track_caller]
fn ends(manager: &Manager) {
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let begun = Instant::now();
    fails(get(manager, "/flood"), Status::TM_TIMEOUT, &[]);
    assert!(begun.elapsed() < PATIENCE / 2, "the time limit ended it after {:?}", begun.elapsed());
    let begun = Instant::now();
    let interrupt = Arc::new(move || begun.elapsed() > Duration::from_millis(200));
    manager.set_hooks(|hooks| hooks.interrupt = Some(interrupt.clone())).unwrap();
    fails(get(manager, "/flood"), Status::TM_CANCELLED, &[]);
}

/// In a thread of its own: what does not end must not hang the tests.
#[track_caller]
fn ends_in_time(url: &str, options: Value) {
    let manager = manager(url, options);
    let call = thread::spawn(move || ends(&manager));
    let begun = Instant::now();
    while !call.is_finished() {
        assert!(begun.elapsed() < PATIENCE, "the call does not end");
        thread::sleep(Duration::from_millis(10));
    }
    call.join().unwrap();
}

fn flood(first: &'static str, unit: &'static [u8]) -> Scripted {
    Scripted::http(move |_, line| {
        line.say(first);
        let block = unit.repeat((4 << 20) / unit.len());
        while line.try_say(&block).is_ok() {}
        Then::Close
    })
}

#[test]
fn interim_answers_for_ever() {
    let server = flood("", b"HTTP/1.1 103 Early Hints\r\n\r\n");
    ends_in_time(&server.url(), json!({"timeout_ms": 700}));
}

#[test]
fn zeros_before_the_size_of_a_chunk_for_ever() {
    let server = flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0");
    ends_in_time(&server.url(), json!({"timeout_ms": 700}));
}

#[test]
fn http2_pings_for_ever() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = FrameServer::start(&authority.server(), |frames, _| {
        let acknowledged = frame(PING, 1, 0, &[0; 8]).repeat(10_000);
        while frames.try_say(&acknowledged).is_ok() {}
    });
    ends_in_time(&server.url(), json!({"timeout_ms": 700, "ca_file": folder.file("ca.pem", &authority.certificate)}));
}
