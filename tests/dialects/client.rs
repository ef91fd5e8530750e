//! A manager as the tests make it, and what they ask of it.

use crate::server::Server;
use crate::shelf::Shelf;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokenmgr::error::{Error, Result, Status};
use tokenmgr::{CallbackStore, Level, Manager, Response};

pub const USER: &str = "ann";
pub const PASSWORD: &str = "pass:word+% 1";
pub const CALL: &str = "/items";

/// More than anything here should ever take: only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn try_manager_at(host: &str, password: &str, options: Value) -> Result<Manager> {
    let mut all = json!({"proxy": "none", "refresh_jitter_seconds": 0, "timeout_ms": 10_000});
    all.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    Manager::new(Some(host), Some(USER), Some(password), Some(&all.to_string()))
}

#[track_caller]
pub fn manager(server: &Server, options: Value) -> Manager {
    try_manager_at(&server.url(), PASSWORD, options).expect("a manager")
}

/// A manager that speaks this dialect.
#[track_caller]
pub fn speaks(server: &Server, auth: Value) -> Manager {
    manager(server, json!({"auth": auth}))
}

pub fn on(shelf: &Arc<Shelf>, manager: Manager) -> Manager {
    manager.set_store(Arc::new(CallbackStore::new(shelf.clone()))).expect("a store");
    manager
}

pub fn get(manager: &Manager) -> Result<Response> {
    manager.request("GET", CALL, Bytes::new(), None)
}

/// The HTTP status of a call that must be answered.
#[track_caller]
pub fn status(manager: &Manager) -> u16 {
    get(manager).expect("an answer").status
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

/// The error of a call that was answered.
#[track_caller]
pub fn answered(manager: &Manager, status: Status) -> Error {
    let error = get(manager).expect("an answer").error.expect("an error");
    assert_eq!(error.status(), status, "{error}");
    error
}

pub fn stats(manager: &Manager) -> Value {
    serde_json::from_slice(manager.stats_json().expect("figures").as_bytes()).expect("JSON")
}

pub fn stat(manager: &Manager, name: &str) -> u64 {
    stats(manager)[name].as_u64().unwrap_or_else(|| panic!("no number {name}"))
}

/// What a manager says, in order.
pub fn listen(manager: &Manager) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let heard = lines.clone();
    manager
        .set_hooks(move |hooks| {
            let heard = heard.clone();
            hooks.log =
                Some((Level::Debug, Arc::new(move |_, line: &str| heard.lock().unwrap().push(line.to_owned()))));
        })
        .expect("hooks");
    lines
}

/// Waits until the token that is held is so old that a 401 says something of it: a new one is sent twice (R1).
pub fn age() {
    thread::sleep(Duration::from_millis(2_050));
}

#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never so: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Runs it on so many threads that begin at the same moment.
pub fn together<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (start, work) = (&Barrier::new(threads), &work);
    thread::scope(|scope| {
        let one = |at| {
            scope.spawn(move || {
                start.wait();
                work(at)
            })
        };
        let all: Vec<_> = (0..threads).map(one).collect();
        all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
