//! S4: a server that answers without end, or what is no answer. The call goes on without the store, and the connection is
//! closed.

use super::fake::FakeRedis;
use super::server::options;
use serde_json::json;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use support::demo::*;

/// A manager whose store is there goes on without it, says why, and leaves.
fn goes_on(fake: &FakeRedis, why: &str) {
    let api = start(json!({}));
    let first = manager(&api, options(json!({"url": fake.url()}), json!({})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    says(&lines, &[why, &format!("127.0.0.1:{}", fake.port)]);
    assert_eq!(stats(&first)["token_is_private"], true);
    until("the connection is closed", || fake.left() > 0);
    assert_no_reuse(&api);
}

#[test]
fn s4_an_answer_without_end_is_left() {
    for (head, piece, why) in [
        ("$900000000\r\n", "x", "more than 1 MiB"),
        ("+", "x", "more than 1 MiB"),
        ("*9999\r\n", "$2000\r\n", "more than 1 MiB"),
        ("", "*1\r\n", "more than 8 deep"),
        ("*2\r\n", "*9998\r\n", "more than 10,000 elements"),
    ] {
        let sent = Arc::new(AtomicU64::new(0));
        let count = sent.clone();
        let fake = FakeRedis::by(move |client, _| {
            let piece = match piece.strip_prefix('$') {
                Some(_) => format!("{piece}{}\r\n", "x".repeat(2000)),
                None => piece.repeat(100),
            };
            let _ = client.write_all(head.as_bytes());
            while client.write_all(piece.as_bytes()).is_ok() {
                count.fetch_add(piece.len() as u64, SeqCst);
            }
            false
        });
        goes_on(&fake, why);
        assert!(sent.load(SeqCst) < 64 << 20, "{why}: the connection was read on");
    }
}

#[test]
fn s4_what_is_no_answer_is_said() {
    for nonsense in
        ["HTTP/1.1 400 Bad Request\r\n\r\n", "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", "+OK\r\n", "%1\r\n+a\r\n+b\r\n"]
    {
        let fake = FakeRedis::start(move |_| nonsense.as_bytes().to_vec());
        let api = start(json!({}));
        let first = manager(&api, options(json!({"url": fake.url()}), json!({})));
        let lines = listen(&first);
        assert_eq!(status(&first), 200, "{nonsense:?}");
        says(&lines, &["no Redis answer", "check the URL's port"]);
    }
}
