//! What the tests ask of any manager.

use crate::caller_store::CallerStore;
use crate::wait::until;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokenmgr::error::{Error, Result, Status};
use tokenmgr::{CallbackStore, Level, Manager, Pair, Response};

/// A manager of the options that every test wants and of more: no proxy of whoever runs it, and no jitter, so that a token is
/// due in the last quarter of its life, and not before.
pub fn make(host: &str, username: &str, password: &str, options: Value) -> Result<Manager> {
    let mut all = json!({"timeout_ms": 10_000, "refresh_jitter_seconds": 0, "proxy": "none"});
    all.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    Manager::new(Some(host), Some(username), Some(password), Some(&all.to_string()))
}

/// Has a manager keep its pair in a caller store. Two on one are as two processes with one store.
pub fn on(caller_store: &Arc<CallerStore>, manager: Manager) -> Manager {
    manager.set_store(Arc::new(CallbackStore::new(caller_store.clone()))).expect("a store");
    manager
}

pub fn get(manager: &Manager, url: &str) -> Result<Response> {
    manager.request("GET", url, Bytes::new(), None)
}

/// The error that something ended in, which has that status.
#[track_caller]
pub fn fails<T>(outcome: Result<T>, status: Status) -> Error {
    match outcome {
        Ok(_) => panic!("it succeeded; {status:?} was expected"),
        Err(error) => {
            assert_eq!(error.status(), status, "{error}");
            error
        }
    }
}

/// Why a call that must fail did.
pub fn refusal<T>(outcome: Result<T>) -> Status {
    outcome.map(|_| ()).expect_err("a failure").status()
}

pub fn held(manager: &Manager) -> Arc<Pair> {
    manager.peek().expect("no failure").expect("a pair")
}

pub fn stat(manager: &Manager, name: &str) -> u64 {
    stats(manager)[name].as_u64().unwrap_or_else(|| panic!("no number {name}"))
}

pub fn stats(manager: &Manager) -> Value {
    serde_json::from_str(&manager.stats_json().expect("figures")).expect("JSON")
}

/// What a manager says, in order.
pub type Lines = Arc<Mutex<Vec<(Level, String)>>>;

pub fn listen(manager: &Manager) -> Lines {
    let lines = Lines::default();
    let heard = lines.clone();
    manager
        .set_hooks(move |hooks| {
            let heard = heard.clone();
            let write = move |level: Level, line: &str| heard.lock().unwrap().push((level, line.to_owned()));
            hooks.log = Some((Level::Debug, Arc::new(write)));
        })
        .expect("hooks");
    lines
}

/// Whether one of the lines holds all of these.
#[track_caller]
pub fn says(lines: &Lines, all: &[&str]) {
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|(_, line)| all.iter().all(|one| line.contains(one))), "{all:?}: {lines:?}");
}

/// Waits until the token that is held is so old that a 401 says something of it: a new one is sent twice (R1).
pub fn age(manager: &Manager) {
    const NEW: Duration = Duration::from_secs(2);
    let (held, since) = (held(manager), Instant::now());
    until("the token is 2 s old", || since.elapsed() >= NEW);
    assert_eq!(self::held(manager).access, held.access, "it is another by now");
}
