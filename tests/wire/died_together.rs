//! Kept connections that died without a word, as behind a firewall that forgot them: found together, and paid for by
//! hardly any call.

use crate::client::{PATIENCE, fails, get, manager, send, until};
use crate::frames::FrameServer;
use crate::scripted::{Arrived, Line, Scripted, Then, kept};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;
use tokenmgr::error::Status;

const KEPT: usize = 12;

/// Answers the first `KEPT` calls of `/together` once all of them are there, and everything else at once.
fn together() -> impl Fn(&Arrived, &mut Line) -> Then + Send + Sync + 'static {
    let all = Barrier::new(KEPT);
    move |request, line| {
        if request.path() == "/together" {
            all.wait();
        }
        line.say(kept("200 OK", "{}"));
        Then::Stay
    }
}

/// A manager with that many kept connections.
fn with_kept_connections(server: &Scripted, options: Value) -> Manager {
    let manager = manager(&server.url(), options);
    manager.login().expect("a login");
    thread::scope(|scope| {
        for _ in 0..KEPT {
            scope.spawn(|| assert_eq!(get(&manager, "/together").unwrap().status, 200));
        }
    });
    assert!(server.connections() >= KEPT, "{} connections", server.connections());
    manager
}

/// One after the other; how many came to nothing.
fn failures(manager: &Manager, calls: usize, method: &str, path: &str) -> usize {
    let outcomes = (0..calls).map(|_| send(manager, method, path, "", json!({"timeout_ms": 1500})));
    outcomes
        .filter(|outcome| match outcome {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                false
            }
            Err(error) => {
                assert_eq!(error.status(), Status::TM_TIMEOUT, "{}", error.message());
                true
            }
        })
        .count()
}

#[test]
fn connections_that_died_together_cost_two_calls_at_the_most() {
    for (method, pause) in [("GET", 0), ("POST", 0), ("GET", 1200)] {
        let server = Scripted::http(together());
        let manager = with_kept_connections(&server, json!({}));
        server.black_hole();
        thread::sleep(Duration::from_millis(pause));
        let failed = failures(&manager, 16, method, "/x");
        assert!(failed <= 2, "{failed} {method}s timed out after {pause} ms");
        assert_eq!(failures(&manager, 5, method, "/y"), 0);
    }
}

#[test]
fn connections_that_died_together_over_tls_cost_two_calls_at_the_most() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = Scripted::https(&authority.server(), together());
    let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate)});
    let manager = with_kept_connections(&server, options);
    server.black_hole();
    let failed = failures(&manager, 16, "GET", "/x");
    assert!(failed <= 2, "{failed} calls timed out");
}

#[test]
fn a_reset_on_one_kept_connection_spares_calls_the_others() {
    let died = Arc::new(AtomicUsize::new(0));
    let (resets, before, ready) = (Arc::clone(&died), together(), Barrier::new(6));
    let server = Scripted::http(move |request, line| match request.path() {
        "/dies" if request.connection < KEPT => {
            resets.fetch_add(1, Ordering::SeqCst);
            Then::Close
        }
        // Nothing comes back over any of the others.
        "/at-once" if request.connection < KEPT => Then::Stay,
        "/at-once" => {
            ready.wait();
            line.say(kept("200 OK", "{}"));
            Then::Stay
        }
        "/dies" => {
            line.say(kept("200 OK", "{}"));
            Then::Stay
        }
        _ => before(request, line),
    });
    let manager = with_kept_connections(&server, json!({}));
    // A body that is not read makes the close a reset.
    let options = json!({"idempotent": true, "timeout_ms": 3000});
    assert_eq!(send(&manager, "PUT", "/dies", &"x".repeat(100_000), options).unwrap().status, 200);
    assert_eq!(died.load(Ordering::SeqCst), 1);
    thread::scope(|scope| {
        for _ in 0..6 {
            let manager = &manager;
            scope.spawn(move || send(manager, "POST", "/at-once", "", json!({"timeout_ms": 3000})).expect("an answer"));
        }
    });
    assert!(
        server.came_over("/at-once").iter().all(|connection| *connection >= KEPT),
        "{:?}",
        server.came_over("/at-once")
    );
}

/// Answers at once; a manager with one kept connection, over which nothing comes back any more.
fn silent(options: Value) -> (Scripted, Manager) {
    let server = Scripted::http(|_, line| {
        line.say(kept("200 OK", "{}"));
        Then::Stay
    });
    let manager = manager(&server.url(), options);
    assert_eq!(get(&manager, "/before").unwrap().status, 200);
    assert_eq!(server.connections(), 1);
    server.black_hole();
    (server, manager)
}

#[test]
fn an_idempotent_call_over_a_silent_kept_connection_is_sent_once_more_over_a_new_one() {
    for (method, options) in [
        ("GET", json!({"timeout_ms": 5000})),
        ("HEAD", json!({"timeout_ms": 5000})),
        ("PUT", json!({"timeout_ms": 5000})),
        ("POST", json!({"timeout_ms": 5000, "idempotent": true})),
    ] {
        let (server, manager) = silent(json!({"kept_timeout_ms": 300}));
        assert_eq!(send(&manager, method, "/x", "", options).expect("an answer").status, 200, "{method}");
        assert_eq!(server.came_over("/x"), [0, 1], "{method}");
        // The next one knows. (The script has a body behind the answer to a HEAD, which ends that connection.)
        let next = if method == "HEAD" { 2 } else { 1 };
        assert_eq!(send(&manager, method, "/y", "", json!({})).unwrap().status, 200, "{method}");
        assert_eq!(server.came_over("/y"), [next], "{method}");
    }
}

#[test]
fn a_call_that_may_not_be_repeated_is_not_sent_twice() {
    let (server, manager) = silent(json!({"kept_timeout_ms": 300}));
    let outcome = send(&manager, "POST", "/x", "{}", json!({"timeout_ms": 1200}));
    fails(outcome, Status::TM_TIMEOUT, &["1200 ms"]);
    assert_eq!(server.came_over("/x"), [0]);
    // The next call is another one, and knows better than to go the same way.
    assert_eq!(send(&manager, "POST", "/y", "{}", json!({})).expect("an answer").status, 200);
    assert_eq!(server.came_over("/y"), [1]);
}

#[test]
fn five_seconds_is_how_long_a_kept_connection_may_be_silent() {
    let (server, manager) = silent(json!({}));
    let begun = Instant::now();
    assert_eq!(send(&manager, "GET", "/x", "", json!({"timeout_ms": 30000})).expect("an answer").status, 200);
    // That it was not sent earlier is what the default means.
    assert!(begun.elapsed() >= Duration::from_millis(4900) && begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(server.came_over("/x"), [0, 1]);
}

#[test]
fn the_option_for_silent_connections_is_a_number_of_milliseconds() {
    for wrong in [json!("x"), json!(-1), json!(null), json!(1.5)] {
        let made = crate::client::try_manager("http://127.0.0.1:1", json!({"kept_timeout_ms": wrong}));
        if wrong != json!(null) {
            fails(made, Status::TM_INVALID_OPTIONS, &["kept_timeout_ms"]);
        }
    }
    manager("http://127.0.0.1:1", json!({"kept_timeout_ms": 300}));
}

/// A server that takes a second for everything over the connections that it is slow on.
fn slow(is_slow: fn(usize) -> bool, never: fn(usize) -> bool) -> Scripted {
    Scripted::http(move |request, line| {
        if request.path() == "/slow" {
            if never(request.connection) {
                return Then::Stay;
            }
            if is_slow(request.connection) {
                thread::sleep(Duration::from_secs(1));
            }
        }
        line.say(kept("200 OK", &request.connection.to_string()));
        Then::Stay
    })
}

fn ask_slow(server: &Scripted) -> String {
    let manager = manager(&server.url(), json!({"kept_timeout_ms": 300}));
    assert_eq!(get(&manager, "/before").unwrap().status, 200);
    let answer = send(&manager, "GET", "/slow", "", json!({"timeout_ms": 10000})).expect("an answer");
    assert_eq!(answer.status, 200);
    for _ in 0..3 {
        assert_eq!(get(&manager, "/after").expect("the next call").status, 200);
    }
    assert!(server.came_over("/slow").len() <= 2, "{:?}", server.came_over("/slow"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[test]
fn a_server_that_is_only_slow_answers_its_caller() {
    let everywhere = ask_slow(&slow(|_| true, |_| false));
    assert!(everywhere == "0" || everywhere == "1", "{everywhere}");
}

#[test]
fn whichever_connection_answers_first_is_the_one_that_counts() {
    assert_eq!(ask_slow(&slow(|connection| connection == 0, |_| false)), "1", "the new one is quicker");
    assert_eq!(ask_slow(&slow(|_| true, |connection| connection > 0)), "0", "the new one never answers");
}

#[test]
fn a_kept_connection_that_answers_late_but_while_the_new_one_is_tried_costs_nothing() {
    // New connections are refused, once the first is there: only the kept one can answer.
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut line = Line::plain(listener.accept().unwrap().0);
        drop(listener);
        while let Some(head) = line.read_head() {
            thread::sleep(Duration::from_millis(if head.contains("/slow") { 1000 } else { 0 }));
            line.say(kept("200 OK", "{}"));
        }
    });
    let manager = manager(&url, json!({"kept_timeout_ms": 300}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    assert_eq!(get(&manager, "/before").unwrap().status, 200);
    assert_eq!(get(&manager, "/slow").expect("the answer of the kept connection").status, 200);
}

#[test]
fn a_new_connection_may_be_silent_for_as_long_as_the_call_may_take() {
    let server = slow(|_| true, |_| false);
    let manager = manager(&server.url(), json!({"kept_timeout_ms": 300}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    assert_eq!(get(&manager, "/slow").expect("an answer").status, 200);
    assert_eq!(server.came_over("/slow"), [0]);
}

#[test]
fn an_answer_that_began_is_waited_for() {
    let server = Scripted::http(|request, line| {
        line.say("HTTP/1.1 200 OK\r\nContent-");
        if request.path() == "/trickles" {
            thread::sleep(Duration::from_secs(1));
        }
        line.say("Length: 2\r\n\r\n{}");
        Then::Stay
    });
    let manager = manager(&server.url(), json!({"kept_timeout_ms": 300}));
    assert_eq!(get(&manager, "/before").unwrap().status, 200);
    assert_eq!(get(&manager, "/trickles").unwrap().status, 200);
    assert_eq!(server.came_over("/trickles"), [0]);
}

#[test]
fn a_silent_http2_connection_is_replaced_likewise() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = FrameServer::start(&authority.server(), |frames, stream| {
        // Stream 1 is the first request of a connection.
        if frames.connection > 0 || stream == 1 {
            frames.answer(stream, 200, &[], Some("{}"));
        }
    });
    let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate), "kept_timeout_ms": 300});
    let manager = manager(&server.url(), options);
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    assert_eq!(get(&manager, "/before").unwrap().status, 200);
    assert_eq!(send(&manager, "GET", "/x", "", json!({"timeout_ms": 5000})).expect("an answer").status, 200);
    until("the second sending", || server.came_over() == [0, 0, 1]);
}

/// A server whose queue of connections is full once it has one: the next connection takes as long as it may.
#[test]
fn a_slow_answer_is_not_missed_while_another_connection_is_made() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut line = Line::plain(listener.accept().unwrap().0);
        line.read_head().unwrap();
        line.say(kept("200 OK", "first"));
        line.read_head().unwrap();
        thread::sleep(Duration::from_secs(1));
        line.say(kept("200 OK", "second"));
        listener // kept until the queue is no longer needed
    });
    let manager = manager(&format!("http://{address}"), json!({"kept_timeout_ms": 300}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    assert_eq!(get(&manager, "/x").unwrap().body, b"first");
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue does not fill");
    }
    let begun = Instant::now();
    assert_eq!(get(&manager, "/x").unwrap().body, b"second");
    assert!(begun.elapsed() < Duration::from_secs(8), "it came after {:?}", begun.elapsed());
    server.join().unwrap();
}
