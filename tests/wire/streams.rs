//! Bodies that pass through: uploads that are read while they are sent, and answers that go to a sink.

use crate::client::{PATIENCE, fails, manager};
use crate::frames::{FrameServer, Frames, PING};
use crate::scripted::{Arrived, Line, Scripted, Signal, Then, kept};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::error::{Result, Status};
use tokenmgr::{Manager, Response, Sink, Source, Streams, Upload};

/// Keeps the length of every piece.
#[derive(Default)]
struct Lengths(Vec<usize>);

impl Sink for Lengths {
    fn take(&mut self, piece: &[u8]) -> Result<()> {
        self.0.push(piece.len());
        Ok(())
    }
}

fn download(manager: &Manager, options: Value) -> (Result<Response>, Lengths) {
    let mut lengths = Lengths::default();
    let mut streams = Streams { sink: Some(&mut lengths), upload: None };
    let outcome = manager.request_stream("GET", "/x", &mut streams, Some(&options.to_string()));
    (outcome, lengths)
}

#[test]
fn a_sink_gets_pieces_of_64_kib_at_the_most() {
    let server = Scripted::http(|_, line| {
        line.say(kept("200 OK", &"x".repeat(20 << 20)));
        Then::Stay
    });
    let (outcome, lengths) = download(&manager(&server.url(), json!({})), json!({}));
    assert_eq!(outcome.unwrap().status, 200);
    assert_eq!(lengths.0.iter().sum::<usize>(), 20 << 20);
    assert!(lengths.0.iter().all(|length| *length <= 64 << 10), "{:?}", lengths.0.iter().max());
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A small body that would become 100 GB: the time limit and the interrupt callback end that, too.
#[test]
fn a_sink_is_spared_a_body_that_unpacks_without_end() {
    let inner = gzip(&vec![0; 100 << 20]);
    let bomb = gzip(&inner.repeat(1000));
    let server = Scripted::http(move |_, line| {
        line.say(format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: {}\r\n\r\n", bomb.len()));
        line.say(&bomb);
        Then::Stay
    });
    let manager = manager(&server.url(), json!({}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let begun = Instant::now();
    fails(download(&manager, json!({"timeout_ms": 700})).0, Status::TM_TIMEOUT, &[]);
    assert!(begun.elapsed() < PATIENCE / 2, "the time limit ended it after {:?}", begun.elapsed());
    let begun = Instant::now();
    let interrupt = Arc::new(move || begun.elapsed() > Duration::from_millis(200));
    manager.set_hooks(|hooks| hooks.interrupt = Some(interrupt.clone())).unwrap();
    fails(download(&manager, json!({})).0, Status::TM_CANCELLED, &[]);
}

/// Gives so many bytes, in pieces of one length.
struct Zeros {
    left: usize,
    all: usize,
    piece: usize,
    /// What was taken of them.
    given: Arc<AtomicUsize>,
}

impl Zeros {
    fn upload(all: usize, piece: usize, is_known: bool) -> Upload {
        Upload::new(Box::new(Zeros { left: all, all, piece, given: Arc::default() }), is_known.then_some(all as u64))
    }
}

impl Source for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let length = self.piece.min(self.left).min(buffer.len());
        buffer[..length].fill(0);
        self.left -= length;
        self.given.fetch_add(length, Ordering::SeqCst);
        Ok(length)
    }

    fn rewind(&mut self) -> bool {
        self.left = self.all;
        true
    }
}

fn send_stream(manager: &Manager, upload: Upload, timeout_ms: u64) -> Result<Response> {
    let options = json!({"timeout_ms": timeout_ms}).to_string();
    manager.request_stream("PUT", "/x", &mut Streams { sink: None, upload: Some(upload) }, Some(&options))
}

const SETTINGS: u8 = 4;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const DATA: u8 = 0;
const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
const INITIAL_WINDOW: [u8; 2] = [0, 4];

/// HTTP/2: a stream that is reset within its answer has none, whatever the reason says.
#[test]
fn an_answer_that_a_reset_cut_off_is_no_answer() {
    for reason in [0u32, 2, 8] {
        let (authority, folder) = (Authority::new(), Folder::new());
        let server = FrameServer::start(&authority.server(), move |frames, stream| {
            frames.head(stream, 200, &[]);
            frames.send(DATA, 0, stream, b"half of i");
            frames.send(RST_STREAM, 0, stream, &reason.to_be_bytes());
        });
        let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
        manager.set_tokens("the-token", None, 0, 0).unwrap();
        let outcome = crate::client::get(&manager, "/x");
        fails(outcome, Status::TM_NETWORK, &[]);
    }
}

/// HTTP/2: a server that answers before it has the whole upload, serves one request at a time, and does not reset the
/// stream: what is left of the upload must not stand in the way of the next request.
#[test]
fn the_rest_of_an_upload_that_was_answered_early_holds_nothing_up() {
    for streamed in [true, false] {
        let (authority, folder) = (Authority::new(), Folder::new());
        let requests = AtomicUsize::new(0);
        let server = FrameServer::start(&authority.server(), move |frames, stream| {
            frames.send(SETTINGS, 0, 0, &[&MAX_CONCURRENT_STREAMS[..], &1u32.to_be_bytes()].concat());
            match requests.fetch_add(1, Ordering::SeqCst) {
                0 => frames.answer(stream, 413, &[], Some("too large")),
                _ => frames.answer(stream, 200, &[], Some("real")),
            }
        });
        let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
        manager.set_tokens("the-token", None, 0, 0).unwrap();
        let first = match streamed {
            true => send_stream(&manager, Zeros::upload(8 << 20, 64 << 10, true), 5000),
            false => {
                let body = bytes::Bytes::from(vec![0; 8 << 20]);
                manager.request("PUT", "/x", body, Some(r#"{"timeout_ms": 5000}"#))
            }
        };
        assert_eq!(first.unwrap().status, 413);
        let second = manager.request("GET", "/x", bytes::Bytes::new(), Some(r#"{"timeout_ms": 5000}"#));
        assert_eq!(second.unwrap().status, 200, "streamed: {streamed}");
        assert_eq!(server.came_over(), [0, 1]);
    }
}

/// How long this thread has computed.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// An HTTP/2 server that has room for any upload but reads none of it, and what it does once the client has noticed.
fn unread(
    authority: &Authority,
    given: &Arc<AtomicUsize>,
    then: impl Fn(&mut Frames, u32) + Send + Sync + 'static,
) -> FrameServer {
    let taken = Arc::clone(given);
    FrameServer::start(&authority.server(), move |frames, stream| {
        frames.send(SETTINGS, 0, 0, &[&INITIAL_WINDOW[..], &0x7fff_ffffu32.to_be_bytes()].concat());
        frames.send(WINDOW_UPDATE, 0, 0, &0x7000_0000u32.to_be_bytes());
        // The client has no room left once it reads no more of the body.
        let mut before = 0;
        while before == 0 || before != taken.load(Ordering::SeqCst) {
            before = taken.load(Ordering::SeqCst);
            thread::sleep(Duration::from_millis(300));
        }
        then(frames, stream);
    })
}

fn ping(frames: &mut Frames) {
    for _ in 0..100 {
        frames.send(PING, 0, 0, &[0; 8]);
        thread::sleep(Duration::from_millis(1));
    }
}

fn send_gigabyte(manager: &Manager, given: Arc<AtomicUsize>, timeout_ms: u64) -> Result<Response> {
    let source = Zeros { left: 1 << 30, all: 1 << 30, piece: 64 << 10, given };
    send_stream(manager, Upload::new(Box::new(source), None), timeout_ms)
}

/// HTTP/2: the server takes no more of an upload, but sends pings, which the client cannot answer for as long.
#[test]
fn a_connection_that_can_be_read_but_not_written_does_not_spin() {
    let (authority, folder, given) = (Authority::new(), Folder::new(), Arc::default());
    let is_over = Signal::default();
    let may_leave = is_over.clone();
    let server = unread(&authority, &given, move |frames, _| {
        ping(frames);
        may_leave.wait();
    });
    let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let before = computed();
    let outcome = send_gigabyte(&manager, given, 6000);
    let computed = computed() - before;
    is_over.give();
    fails(outcome, Status::TM_TIMEOUT, &[]);
    assert!(computed < Duration::from_secs(1), "it computed for {computed:?} while it could do nothing");
}

/// HTTP/2: the server sends pings, answers, and closes with the upload unread, which resets the connection.
#[test]
fn an_answer_behind_pings_that_cannot_be_answered_any_more_is_read() {
    let (authority, folder, given) = (Authority::new(), Folder::new(), Arc::default());
    let server = unread(&authority, &given, |frames, stream| {
        ping(frames);
        frames.answer(stream, 413, &[], Some("too large"));
        frames.close();
    });
    let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let answer = send_gigabyte(&manager, given, 8000).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (413, &b"too large"[..]));
}

/// Counts, and checks that it is all zeros.
#[derive(Default)]
struct Counter(usize);

impl Sink for Counter {
    fn take(&mut self, piece: &[u8]) -> Result<()> {
        assert!(piece.iter().all(|byte| *byte == 0));
        self.0 += piece.len();
        Ok(())
    }
}

const BOTH_WAYS: usize = 64 << 20;

fn is_echoed(url: &str, options: Value) {
    let manager = manager(url, options);
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    for is_known in [true, false] {
        let mut counter = Counter::default();
        let upload = Zeros::upload(BOTH_WAYS, 64 << 10, is_known);
        let mut streams = Streams { sink: Some(&mut counter), upload: Some(upload) };
        let answer = manager.request_stream("POST", "/x", &mut streams, Some(r#"{"timeout_ms": 60000}"#)).unwrap();
        assert_eq!((answer.status, counter.0), (200, BOTH_WAYS));
    }
}

/// A server that sends back what it reads while it reads, and holds almost nothing of it: who does not read while it
/// sends gets stuck.
#[test]
fn a_body_comes_back_while_it_is_sent() {
    let authority = Authority::new();
    let folder = Folder::new();
    let script = |request: &Arrived, line: &mut Line| {
        line.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let is_chunked = request.header("transfer-encoding").is_some();
        let mut left = BOTH_WAYS;
        while left > 0 {
            let length = match is_chunked {
                true => usize::from_str_radix(&line.read_line().unwrap(), 16).unwrap(),
                false => left.min(64 << 10),
            };
            let block = line.read_body(length).unwrap();
            if is_chunked {
                line.read_line().unwrap();
            }
            line.say(format!("{length:x}\r\n"));
            line.say(block);
            line.say("\r\n");
            left -= length;
        }
        if is_chunked {
            assert_eq!(line.read_line().unwrap() + &line.read_line().unwrap(), "0");
        }
        line.say("0\r\n\r\n");
        Then::Stay
    };
    is_echoed(&Scripted::http(script).url(), json!({}));
    let server = Scripted::https(&authority.server(), script);
    is_echoed(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
}

#[test]
fn over_http2_a_body_comes_back_while_it_is_sent() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let url = crate::early_refusal::http2_server(
        &authority.server(),
        |request: hyper::Request<hyper::body::Incoming>| async {
            Ok::<_, std::convert::Infallible>(hyper::Response::new(request.into_body()))
        },
    );
    is_echoed(&url, json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
}

/// Every send of an upload over a scripted server: 401 to the first token, or a kept connection that closes unread.
#[test]
fn an_upload_is_sent_again_from_its_beginning() {
    let server = Scripted::http(|request, line| {
        let body = line.read_body(request.body_length()).unwrap_or_default();
        let is_old = request.header("authorization") == Some("Bearer the-token");
        line.say(kept(if is_old { "401 Unauthorized" } else { "200 OK" }, &body.len().to_string()));
        Then::Stay
    });
    let manager = manager(&server.url(), json!({}));
    manager.set_tokens("the-token", Some("refresh"), 0, 0).unwrap();
    // The token is new, so it is sent twice before it is renewed.
    let answer = send_stream(&manager, Zeros::upload(300_000, 7000, true), 5000).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"300000"[..]));
    assert_eq!(server.came_over("/x").len(), 3);
}

/// Where a kept connection dies with part of an upload sent, a PUT is sent again, a POST is not.
#[test]
fn an_upload_over_a_connection_that_dies_is_sent_again_where_that_is_safe() {
    for (method, is_safe) in [("PUT", true), ("POST", false)] {
        let server = Scripted::http(|request, line| {
            if request.path() == "/x" && request.connection == 0 {
                let _ = line.read_body(100_000);
                return Then::Close;
            }
            let body = line.read_body(request.body_length()).unwrap_or_default();
            line.say(kept("200 OK", &body.len().to_string()));
            Then::Stay
        });
        let manager = manager(&server.url(), json!({}));
        manager.set_tokens("the-token", None, 0, 0).unwrap();
        assert_eq!(crate::client::get(&manager, "/first").unwrap().status, 200);
        let upload = Zeros::upload(300_000, 7000, true);
        let mut streams = Streams { sink: None, upload: Some(upload) };
        let outcome = manager.request_stream(method, "/x", &mut streams, None);
        if is_safe {
            assert_eq!(outcome.unwrap().body, b"300000");
            assert_eq!(server.came_over("/x"), [0, 1]);
        } else {
            fails(outcome, Status::TM_NETWORK, &["POST"]);
            assert_eq!(server.came_over("/x"), [0]);
        }
    }
}

/// A body that is not as long as was said ends its own call only, and is never taken for a whole one.
#[test]
fn a_body_of_another_length_ends_the_call() {
    let server = Scripted::http(|request, line| {
        let _ = line.read_body(request.body_length());
        line.say(kept("200 OK", "{}"));
        Then::Stay
    });
    let manager = manager(&server.url(), json!({}));
    for (said, has) in [(1000, 999), (1000, 1001), (200_000, 100_000), (100_000, 200_000)] {
        let source = Zeros { left: has, all: has, piece: 64 << 10, given: Arc::default() };
        let outcome = send_stream(&manager, Upload::new(Box::new(source), Some(said)), 5000);
        fails(outcome, Status::TM_INVALID_ARGUMENT, &[&format!("{said} bytes")]);
        assert_eq!(crate::client::get(&manager, "/next").unwrap().status, 200);
    }
}
