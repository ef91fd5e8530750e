//! A server that refuses an upload before it has read it, and closes: its answer is read, and not the broken pipe.

use crate::client::{fails, manager, stat};
use crate::scripted::{Arrived, Line, Scripted, Signal, Then, kept};
use crate::torn::server_config;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::convert::Infallible;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::folder::Folder;
use support::pki::{Authority, Issued};
use tokenmgr::error::{Result, Status};
use tokenmgr::{Manager, Response};

const SIZE: usize = 8 << 20;

/// How the server goes once it has refused.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Closed with the rest of the upload unread, which the kernel makes a reset.
    Reset,
    /// Says that it sends no more, and reads what still comes.
    Linger,
    /// Neither reads nor closes until the client is through.
    Stay,
}

/// How much of the upload is read before it is refused.
const READ: [usize; 2] = [0, 64 << 10];

fn upload(manager: &Manager) -> Result<Response> {
    let options = json!({"content_type": "application/octet-stream", "timeout_ms": 10000}).to_string();
    manager.request("POST", "/upload", Bytes::from(vec![b'x'; SIZE]), Some(&options))
}

fn refuse(line: &mut Line, read: usize, end: End, status: &str, is_over: &Signal) -> Then {
    let _ = line.read_body(read);
    line.say(format!("HTTP/1.1 {status}\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused"));
    match end {
        End::Reset => {}
        End::Linger => {
            line.close_notify();
            let _ = line.socket().shutdown(Shutdown::Write);
            line.drain();
        }
        End::Stay => assert!(is_over.wait()),
    }
    Then::Close
}

/// However much is read of it, over http and https.
fn each(check: impl Fn(bool, usize, &Authority, &str)) {
    let authority = Authority::new();
    let folder = Folder::new();
    let ca_file = folder.file("ca.pem", &authority.certificate);
    for has_tls in [false, true] {
        for read in READ {
            println!("TLS: {has_tls}, {read} bytes read");
            check(has_tls, read, &authority, &ca_file);
        }
    }
}

fn server(
    has_tls: bool,
    authority: &Authority,
    script: impl Fn(&Arrived, &mut Line) -> Then + Send + Sync + 'static,
) -> Scripted {
    Scripted::start(has_tls.then(|| server_config(&authority.server())), script)
}

fn refusals_are_answers(end: End) {
    each(|has_tls, read, authority, ca_file| {
        for (status, line) in [(413, "413 Content Too Large"), (417, "417 Expectation Failed")] {
            let over = Signal::default();
            let is_over = over.clone();
            let server = server(has_tls, authority, move |request, wire| match request.path() {
                "/upload" => refuse(wire, read, end, line, &is_over),
                _ => {
                    wire.say(kept("200 OK", "{}"));
                    Then::Stay
                }
            });
            let manager = manager(&server.url(), json!({"ca_file": ca_file}));
            let answer = upload(&manager).unwrap_or_else(|error| panic!("{status} {read} {end:?}: {error}"));
            over.give();
            assert_eq!((answer.status, &answer.body[..]), (status, &b"refused"[..]), "{read} {end:?}");
            // An upload that was refused may have been cut off in its middle: nothing else goes over that connection.
            assert_eq!(crate::client::get(&manager, "/next").unwrap().status, 200);
            assert_eq!(server.came_over("/upload").len(), 1, "{status} {read} {end:?}");
            assert_eq!(stat(&manager, "calls_failed"), 0);
        }
    });
}

#[test]
fn a_413_or_417_before_a_reset_is_the_answer() {
    refusals_are_answers(End::Reset);
}

#[test]
fn a_413_or_417_before_an_orderly_end_is_the_answer() {
    refusals_are_answers(End::Linger);
}

#[test]
fn a_413_or_417_of_a_server_that_stops_reading_is_the_answer() {
    refusals_are_answers(End::Stay);
}

fn a_401_is_recovered_from(end: End) {
    each(|has_tls, read, authority, ca_file| {
        let (over, received) = (Signal::default(), Arc::new(AtomicUsize::new(0)));
        let (is_over, counted) = (over.clone(), Arc::clone(&received));
        let server = server(has_tls, authority, move |request, line| {
            if request.header("authorization") == Some("Bearer access-0") {
                return refuse(line, read, end, "401 Unauthorized", &is_over);
            }
            let body = line.read_body(request.body_length()).unwrap_or_default();
            counted.fetch_add(body.iter().filter(|byte| **byte == b'x').count(), Ordering::SeqCst);
            line.say(kept("200 OK", "{}"));
            Then::Stay
        });
        let manager = manager(&server.url(), json!({"ca_file": ca_file}));
        let answer = upload(&manager).unwrap_or_else(|error| panic!("{read} {end:?}: {error}"));
        over.give();
        assert_eq!((answer.status, received.load(Ordering::SeqCst)), (200, SIZE), "{read} {end:?}");
        assert_eq!((stat(&manager, "refreshes"), stat(&manager, "logins")), (1, 1), "{read} {end:?}");
    });
}

#[test]
fn a_401_before_a_reset_is_recovered_from() {
    a_401_is_recovered_from(End::Reset);
}

#[test]
fn a_401_before_an_orderly_end_is_recovered_from() {
    a_401_is_recovered_from(End::Linger);
}

#[test]
fn a_401_of_a_server_that_stops_reading_is_recovered_from() {
    a_401_is_recovered_from(End::Stay);
}

/// A real HTTP/2 server that answers as soon as it has a head; 200 only to a token that was refreshed, and then it reads.
fn http2(certificate: &Issued, status: u16) -> String {
    http2_server(certificate, move |request| answer(request, status))
}

/// A real HTTP/2 server, and its URL.
pub fn http2_server<F, B>(
    certificate: &Issued,
    answer: impl Fn(hyper::Request<hyper::body::Incoming>) -> F + Clone + Send + 'static,
) -> String
where
    F: Future<Output = std::result::Result<hyper::Response<B>, Infallible>> + Send + 'static,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut config = server_config(certificate);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // How it ended is the client's to judge.
                    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                });
            }
        });
    });
    url
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    status: u16,
) -> std::result::Result<hyper::Response<Full<Bytes>>, Infallible> {
    let is_new = request.headers().get("authorization").is_some_and(|value| value == "Bearer access-new");
    let (status, body) = match request.uri().path() {
        "/auth/refresh" => {
            (200, json!({"access_token": "access-new", "refresh_token": "r2", "expires_in": 3600}).to_string())
        }
        "/upload" if status != 401 || !is_new => (status, "refused".to_owned()),
        _ => (200, request.into_body().collect().await.map_or(0, |body| body.to_bytes().len()).to_string()),
    };
    let answer = hyper::Response::builder().status(status).body(Full::new(body.into()));
    Ok(answer.expect("a status and a body"))
}

#[test]
fn over_http2_a_refusal_is_the_answer_and_a_401_is_recovered_from() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    for (refusal, status, body) in [(413, 413, "refused"), (417, 417, "refused"), (401, 200, "8388608")] {
        let url = http2(&authority.server(), refusal);
        let manager = manager(&url, json!({"ca_file": ca_file}));
        manager.set_tokens("access-old", Some("r1"), 0, 0).unwrap();
        for _ in 0..2 {
            let answer = upload(&manager).unwrap_or_else(|error| panic!("{refusal}: {error}"));
            assert_eq!((answer.status, &answer.body[..]), (status, body.as_bytes()), "{refusal}");
            assert_eq!(crate::client::get(&manager, "/next").unwrap().status, 200);
        }
    }
}

/// The other side of the rule: without an answer, an upload that broke off is an error.
#[test]
fn an_upload_that_is_cut_off_without_an_answer_is_an_error() {
    for read in READ {
        let server = Scripted::http(move |_, line| {
            let _ = line.read_body(read);
            Then::Close
        });
        let outcome = upload(&manager(&server.url(), json!({})));
        fails(outcome, Status::TM_NETWORK, &["POST"]);
        assert_eq!(server.came_over("/upload").len(), 1);
    }
}
