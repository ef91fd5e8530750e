//! What arrives on a kept connection before the next request is sent is never that request's answer, and costs no call.

use crate::client::{fails, manager, send};
use crate::frames::FrameServer;
use crate::records::{ALERT, DATA, HANDSHAKE, Records, session_ticket};
use crate::scripted::{Line, Scripted, Signal, Then, kept};
use crate::torn::server_config;
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::error::Status;

const REAL: &str = "the real answer";
const STALE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthe stale";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How long the connection idles once the early bytes are there: within and beyond what an engine may call recent.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(1200)];

/// A server's side of the first exchange, and what comes before anything else was asked for.
#[derive(Clone, Copy)]
struct Early {
    method: &'static str,
    answer: &'static str,
    early: fn(&mut Line),
    then: Then,
}

/// Has each combination of scheme, next method and pause come across it, all at once.
fn costs_no_call(schemes: &[&str], early: Early) {
    let authority = Authority::new();
    thread::scope(|scope| {
        for scheme in schemes {
            for method in ["GET", "POST"] {
                for pause in PAUSES {
                    let authority = &authority;
                    scope.spawn(move || comes_early(authority, *scheme == "https", early, method, pause));
                }
            }
        }
    });
}

fn comes_early(authority: &Authority, has_tls: bool, early: Early, method: &str, pause: Duration) {
    let (has_answer, sent) = (Signal::default(), Signal::default());
    let (may_send, is_sent) = (has_answer.clone(), sent.clone());
    let tls = has_tls.then(|| server_config(&authority.server()));
    let server = Scripted::start(tls, move |request, line| {
        if request.path() != "/first" {
            line.say(kept("200 OK", REAL));
            return Then::Stay;
        }
        line.say(early.answer);
        if may_send.wait() {
            (early.early)(line);
        }
        if early.then == Then::Stay {
            is_sent.give();
        } else {
            // What is sent before the end of a connection arrives before it.
            let _ = line.socket().shutdown(std::net::Shutdown::Both);
            is_sent.give();
        }
        early.then
    });
    let folder = Folder::new();
    let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
    manager.login().expect("a login");
    let first = send(&manager, early.method, "/first", "", json!({})).expect("the first answer");
    assert!([200, 204, 304].contains(&first.status));
    has_answer.give();
    assert!(sent.wait());
    thread::sleep(pause);
    let what = format!("{method} {pause:?} later, {}", server.url());
    let second = send(&manager, method, "/second", "", json!({})).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(String::from_utf8_lossy(&second.body), REAL, "{what}");
    assert_ne!(server.came_over("/second").last(), server.came_over("/first").first(), "{what}");
}

const BOTH: [&str; 2] = ["http", "https"];

#[test]
fn a_second_answer() {
    let early = |line: &mut Line| line.say(STALE);
    costs_no_call(&BOTH, Early { method: "GET", answer: OK, early, then: Then::Stay });
}

#[test]
fn a_body_behind_the_answer_to_a_head() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n";
    let early = |line: &mut Line| line.say(STALE);
    costs_no_call(&BOTH, Early { method: "HEAD", answer, early, then: Then::Stay });
    let early = |line: &mut Line| line.say("<html>no answer at all, but a page</html>\r\n\r\n\r\n");
    costs_no_call(&BOTH, Early { method: "HEAD", answer, early, then: Then::Stay });
}

#[test]
fn a_body_behind_a_204_or_a_304() {
    for answer in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 47\r\n\r\n"] {
        let early = |line: &mut Line| line.say(STALE);
        costs_no_call(&BOTH, Early { method: "GET", answer, early, then: Then::Stay });
    }
}

#[test]
fn a_408_before_the_server_closes() {
    const TIMEOUT: &str = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let early = |line: &mut Line| line.say(TIMEOUT);
    for then in [Then::Stay, Then::Close] {
        costs_no_call(&BOTH, Early { method: "GET", answer: OK, early, then });
    }
}

#[test]
fn a_single_byte() {
    let early = |line: &mut Line| line.say("\n");
    costs_no_call(&BOTH, Early { method: "GET", answer: OK, early, then: Then::Stay });
}

#[test]
fn a_close_notify_on_a_connection_that_stays_open() {
    costs_no_call(&["https"], Early { method: "GET", answer: OK, early: Line::close_notify, then: Then::Stay });
}

#[test]
fn bytes_that_are_no_tls_record() {
    let early = |line: &mut Line| line.say_raw(STALE.as_bytes());
    costs_no_call(&["https"], Early { method: "GET", answer: OK, early, then: Then::Stay });
}

/// The second answer comes with the first, in one piece.
#[test]
fn a_second_answer_in_the_same_segment() {
    let server = Scripted::http(|request, line| {
        match request.path() {
            "/first" => line.say(format!("{OK}{STALE}")),
            _ => line.say(kept("200 OK", REAL)),
        }
        Then::Stay
    });
    for method in ["GET", "POST"] {
        let manager = manager(&server.url(), json!({}));
        assert_eq!(send(&manager, "GET", "/first", "", json!({})).unwrap().body, b"ok");
        assert_eq!(send(&manager, method, "/second", "", json!({})).unwrap().body, REAL.as_bytes());
    }
}

/// Two calls on a kept TLS 1.3 connection, with records in between that only TLS itself has to do with. How many
/// connections that took.
fn with_records_between(method: &'static str, pause: Duration, records: Vec<(u8, Vec<u8>)>) -> usize {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (authority, folder) = (Authority::new(), Folder::new());
    let mut config = server_config(&authority.server());
    config.enable_secret_extraction = true;
    let config = Arc::new(config);
    let (has_answer, sent, connections) = (Signal::default(), Signal::default(), Arc::new(AtomicUsize::new(0)));
    let (may_send, is_sent, counted) = (has_answer.clone(), sent.clone(), Arc::clone(&connections));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            let mut line = Line::tls(stream, Arc::clone(&config));
            let (may_send, is_sent, records) = (may_send.clone(), is_sent.clone(), records.clone());
            thread::spawn(move || {
                if line.read_head().is_none() {
                    return;
                }
                line.say(kept("200 OK", REAL));
                let mut by_hand = Records::take_over(line.into_tls());
                if is_first && may_send.wait() {
                    records.iter().for_each(|(kind, content)| by_hand.send(*kind, content));
                }
                is_sent.give();
                while by_hand.receive().is_some() {
                    by_hand.send(DATA, kept("200 OK", REAL).as_bytes());
                }
            });
        }
    });
    let manager = manager(&url, json!({"ca_file": folder.file("ca.pem", &authority.certificate), "min_tls": "1.3"}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    assert_eq!(send(&manager, "GET", "/first", "", json!({})).unwrap().body, REAL.as_bytes());
    has_answer.give();
    assert!(sent.wait());
    thread::sleep(pause);
    for _ in 0..2 {
        let second = send(&manager, method, "/second", "", json!({}));
        assert_eq!(second.expect("the second answer").body, REAL.as_bytes(), "{method} {pause:?}");
    }
    connections.load(Ordering::SeqCst)
}

fn every_method_and_pause(check: impl Fn(&'static str, Duration) + Sync) {
    thread::scope(|scope| {
        for method in ["GET", "POST"] {
            for pause in PAUSES {
                let check = &check;
                scope.spawn(move || check(method, pause));
            }
        }
    });
}

#[test]
fn session_tickets_that_come_early_do_not_cost_the_connection() {
    every_method_and_pause(|method, pause| {
        let tickets = (1..=2).map(|number| (HANDSHAKE, session_ticket(number))).collect();
        assert_eq!(with_records_between(method, pause, tickets), 1, "{method} {pause:?}");
    });
}

#[test]
fn a_fatal_alert_costs_no_call() {
    every_method_and_pause(|method, pause| {
        // Internal error.
        assert_eq!(with_records_between(method, pause, vec![(ALERT, vec![2, 80])]), 2, "{method} {pause:?}");
    });
}

#[test]
fn an_answer_behind_session_tickets_costs_no_call() {
    every_method_and_pause(|method, pause| {
        let records = vec![(HANDSHAKE, session_ticket(1)), (DATA, STALE.as_bytes().to_vec())];
        assert_eq!(with_records_between(method, pause, records), 2, "{method} {pause:?}");
    });
}

#[test]
fn tls_1_3_connections_are_used_again_however_many_tickets_the_server_sends() {
    for tickets in [0, 1, 4] {
        let (authority, folder) = (Authority::new(), Folder::new());
        let mut config = server_config(&authority.server());
        config.send_tls13_tickets = tickets;
        let server = Scripted::start(Some(config), |_, line| {
            line.say(kept("200 OK", REAL));
            Then::Stay
        });
        let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate), "min_tls": "1.3"});
        let manager = manager(&server.url(), options);
        for turn in 0..4 {
            thread::sleep(Duration::from_millis(if turn == 2 { 1200 } else { 0 }));
            for method in ["GET", "POST"] {
                assert_eq!(send(&manager, method, "/x", "", json!({})).unwrap().body, REAL.as_bytes());
            }
        }
        assert_eq!(server.connections(), 1, "{tickets} tickets");
    }
}

/// HTTP/2: the server says between two calls that it takes no more requests, and perhaps leaves.
fn goes_away(closes: bool) {
    every_method_and_pause(|method, pause| {
        let (authority, folder) = (Authority::new(), Folder::new());
        let (has_answer, sent) = (Signal::default(), Signal::default());
        let (may_send, is_sent) = (has_answer.clone(), sent.clone());
        let server = FrameServer::start(&authority.server(), move |frames, stream| {
            frames.answer(stream, 200, &[], Some(REAL));
            if frames.connection == 0 {
                assert!(may_send.wait());
                frames.go_away(stream);
                if closes {
                    frames.close();
                }
                is_sent.give();
            }
        });
        let manager = manager(&server.url(), json!({"ca_file": folder.file("ca.pem", &authority.certificate)}));
        manager.set_tokens("the-token", None, 0, 0).unwrap();
        assert_eq!(send(&manager, "GET", "/first", "", json!({})).unwrap().body, REAL.as_bytes());
        has_answer.give();
        assert!(sent.wait());
        thread::sleep(pause);
        let second = send(&manager, method, "/second", "", json!({}));
        assert_eq!(second.expect("the second answer").body, REAL.as_bytes(), "{method} {pause:?}");
        assert_eq!(server.came_over(), [0, 1], "{method} {pause:?}");
    });
}

#[test]
fn a_goaway_costs_no_call() {
    goes_away(false);
}

#[test]
fn a_goaway_and_the_end_of_the_connection_cost_no_call() {
    goes_away(true);
}

#[test]
fn early_bytes_of_a_server_that_always_sends_some_do_not_make_calls_fail() {
    let server = Scripted::http(|_, line| {
        line.say(format!("{}{STALE}", kept("200 OK", REAL)));
        Then::Stay
    });
    let manager = manager(&server.url(), json!({}));
    for _ in 0..5 {
        assert_eq!(send(&manager, "GET", "/x", "", json!({})).unwrap().body, REAL.as_bytes());
    }
}

/// The other side of the rule: what comes after the request was sent is its answer, however wrong it is.
#[test]
fn a_408_in_place_of_an_answer_is_the_answer() {
    let server = Scripted::http(|request, line| {
        match request.path() {
            "/second" => line.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            "/third" => line.say("not HTTP at all\r\n\r\n"),
            _ => line.say(OK),
        }
        if request.path() == "/first" { Then::Stay } else { Then::Close }
    });
    let manager = manager(&server.url(), json!({}));
    assert_eq!(send(&manager, "GET", "/first", "", json!({})).unwrap().status, 200);
    assert_eq!(send(&manager, "POST", "/second", "", json!({})).unwrap().status, 408);
    let outcome = send(&manager, "POST", "/third", "", json!({}));
    fails(outcome, Status::TM_NETWORK, &["POST"]);
}
