//! How long a call takes at the most, and who can end it.

use crate::client::{PATIENCE, demo, fails, get, manager, send, stat};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokenmgr::Manager;
use tokenmgr::error::{Result, Status};

/// A port that takes no connection and refuses none: its queue is full, and nobody empties it.
struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    fn new() -> Full {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            socket.listen(0).unwrap().into_std().unwrap()
        });
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the queue does not fill");
        }
        Full { address, _listener: listener, _queue: queue }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Has an interrupt callback that says no until told otherwise.
fn interruptible(manager: &Manager) -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_over);
    let interrupt = Arc::new(move || asked.load(Ordering::Relaxed));
    manager.set_hooks(|hooks| hooks.interrupt = Some(interrupt.clone())).unwrap();
    is_over
}

/// Something that takes no time at all ended long before the time that it would have been given.
#[track_caller]
fn well_within<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let outcome = work();
    assert!(begun.elapsed() < PATIENCE, "it was waited for to the end");
    outcome
}

#[test]
fn connecting_ends_with_connect_timeout_ms() {
    let full = Full::new();
    let manager = manager(&full.url(), json!({"connect_timeout_ms": 200, "timeout_ms": 60000}));
    let error = fails(well_within(|| manager.login()), Status::TM_TIMEOUT, &["connect", "connect_timeout_ms"]);
    assert!(error.is_retryable());
}

#[test]
fn connecting_ends_with_the_calls_time_if_that_is_shorter() {
    let full = Full::new();
    let manager = manager(&full.url(), json!({"connect_timeout_ms": 60000, "timeout_ms": 200}));
    fails(well_within(|| manager.login()), Status::TM_TIMEOUT, &["200 ms", "timeout_ms"]);
}

#[test]
fn a_call_may_have_a_time_of_its_own() {
    let api = demo();
    let manager = manager(&api.url(), json!({"timeout_ms": 60000}));
    manager.login().unwrap();
    api.control(json!({"faults": [{"route": "/api/v1/products", "do": "hang"}]}));
    let outcome = well_within(|| send(&manager, "GET", "/api/v1/products", "", json!({"timeout_ms": 150})));
    let error = fails(outcome, Status::TM_TIMEOUT, &["150 ms", "raise timeout_ms"]);
    assert!(error.is_retryable());
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
}

#[test]
fn a_call_may_take_longer_than_the_manager_says() {
    let api = demo();
    let manager = manager(&api.url(), json!({"timeout_ms": 200}));
    api.control(json!({"faults": [{"route": "/api/v1/products", "delay_before_ms": 500}]}));
    let answer = send(&manager, "GET", "/api/v1/products", "", json!({"timeout_ms": 60000})).unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn the_time_is_for_everything_a_call_does() {
    let api = demo();
    let manager = manager(&api.url(), json!({"timeout_ms": 500}));
    // Each for itself would be in time.
    api.control(json!({"faults": [
        {"route": "/auth/login", "delay_before_ms": 300},
        {"route": "/api/v1/products", "delay_before_ms": 300},
    ]}));
    fails(get(&manager, "/api/v1/products"), Status::TM_TIMEOUT, &["500 ms"]);
    assert_eq!(stat(&manager, "logins"), 1);
}

/// Interrupts a call once the server has it, and says how it ended.
fn interrupted(route: &str, deed: &str, call: impl Fn(&Manager) -> Result<()> + Sync) {
    let api = demo();
    let manager = manager(&api.url(), json!({"timeout_ms": 600_000}));
    if route != "/auth/login" {
        manager.login().unwrap();
    }
    let is_over = interruptible(&manager);
    api.control(json!({"faults": [{"route": route, "do": deed}]}));
    thread::scope(|scope| {
        scope.spawn(|| fails(well_within(|| call(&manager)), Status::TM_CANCELLED, &["interrupt callback"]));
        assert!(api.wait_until("faults", 1, PATIENCE));
        is_over.store(true, Ordering::Relaxed);
    });
    is_over.store(false, Ordering::Relaxed);
    assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200, "the next call");
}

#[test]
fn an_interrupt_ends_a_call_a_login_and_a_refresh() {
    interrupted("/api/v1/products", "hang", |manager| get(manager, "/api/v1/products").map(drop));
    interrupted("/api/v1/products", "trickle_body", |manager| get(manager, "/api/v1/products").map(drop));
    interrupted("/auth/login", "hang", Manager::login);
    interrupted("/auth/refresh", "hang", Manager::refresh);
    interrupted("/auth/logout", "hang", Manager::logout);
}

#[test]
fn an_interrupt_ends_connecting() {
    let full = Full::new();
    let manager = manager(&full.url(), json!({"timeout_ms": 600_000, "connect_timeout_ms": 600_000}));
    interruptible(&manager).store(true, Ordering::Relaxed);
    fails(well_within(|| manager.login()), Status::TM_CANCELLED, &["interrupt callback"]);
}

#[test]
fn t3_an_interrupt_while_connecting_does_not_cost_the_refresh_token() {
    let full = Full::new();
    let manager = manager(&full.url(), json!({"timeout_ms": 600_000, "connect_timeout_ms": 2000}));
    manager.set_tokens("the-access-token", Some("the-refresh-token"), 0, 0).unwrap();
    let is_over = interruptible(&manager);
    is_over.store(true, Ordering::Relaxed);
    fails(well_within(|| manager.refresh()), Status::TM_CANCELLED, &["interrupt callback"]);
    is_over.store(false, Ordering::Relaxed);
    // Were it spent, this would be a login.
    fails(manager.refresh(), Status::TM_TIMEOUT, &["/auth/refresh", "connect_timeout_ms"]);
}

#[test]
fn a_name_that_does_not_exist_is_named_in_the_error() {
    let manager = manager("https://api.nowhere.invalid", json!({}));
    let error = fails(manager.login(), Status::TM_NETWORK, &["api.nowhere.invalid", "could not find the host"]);
    assert!(error.is_retryable() && error.message().contains("check its name"), "{}", error.message());
}

#[test]
fn a_port_that_nobody_listens_on_is_named_in_the_error() {
    let url = format!("http://127.0.0.1:{}", support::program::free_port());
    let manager = manager(&url, json!({}));
    let error = fails(manager.login(), Status::TM_NETWORK, &[&url, "refused", "check the host, the port"]);
    assert!(error.is_retryable());
}
