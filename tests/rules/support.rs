//! What every test here begins with: a server, managers, and waiting for a condition.

use crate::api::{Config, DemoApi};
use crate::shelf::Shelf;
use serde_json::{Value, json};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokenmgr::error::{Result, Status};
use tokenmgr::{CallbackStore, Level, Manager, Pair, Response};

/// More than anything here should ever take: only a failure waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const USER: &str = "demo";
pub const PASSWORD: &str = "demo-password";
pub const PRODUCTS: &str = "/api/v1/products";
/// An API call that is answered 401 whatever token it carries.
pub const ALWAYS_401: &str = "/api/v1/status/401";

pub fn start(settings: Value) -> DemoApi {
    let api = DemoApi::start(Config::default()).expect("a free port");
    api.control(settings);
    api
}

/// A manager without jitter, so that a token is due in the last quarter of its life, and not before.
pub fn manager(api: &DemoApi, options: Value) -> Manager {
    manager_as(api, PASSWORD, options)
}

pub fn manager_as(api: &DemoApi, password: &str, options: Value) -> Manager {
    let mut all = json!({"timeout_ms": 10_000, "refresh_jitter_seconds": 0, "proxy": "none"});
    all.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    Manager::new(Some(&api.url()), Some(USER), Some(password), Some(&all.to_string())).expect("a manager")
}

/// A manager that keeps its pair on a shelf. Two on one shelf are as two processes with one store.
pub fn manager_on(api: &DemoApi, shelf: &Arc<Shelf>, options: Value) -> Manager {
    on(shelf, manager(api, options))
}

pub fn on(shelf: &Arc<Shelf>, manager: Manager) -> Manager {
    manager.set_store(Arc::new(CallbackStore::new(shelf.clone()))).expect("a store");
    manager
}

/// The clock of a store that goes by the machine's.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

pub fn get(manager: &Manager, path: &str) -> Result<Response> {
    manager.request("GET", path, Default::default(), None)
}

/// The HTTP status of a call that must be answered.
pub fn status(manager: &Manager) -> u16 {
    get(manager, PRODUCTS).expect("an answer").status
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

/// Asserts several counters of the server at once; what differs is shown beside all others.
#[track_caller]
pub fn assert_counters<const N: usize>(api: &DemoApi, expected: [(&str, u64); N]) {
    let got = expected.map(|(name, _)| (name, api.counter(name)));
    assert_eq!(got, expected, "all: {}", api.counters());
}

/// The rule above all: no refresh token was sent twice.
#[track_caller]
pub fn assert_no_reuse(api: &DemoApi) {
    assert_eq!(api.counter("reuse"), 0, "all: {}", api.counters());
    assert!(api.counter("max_arrivals_of_one_refresh_token") <= 1, "all: {}", api.counters());
}

/// What a manager says, in order.
pub fn listen(manager: &Manager) -> Arc<Mutex<Vec<(Level, String)>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    manager
        .set_hooks(move |hooks| {
            let heard = heard.clone();
            hooks.log = Some((
                Level::Debug,
                Arc::new(move |level, line: &str| heard.lock().unwrap().push((level, line.to_owned()))),
            ));
        })
        .expect("hooks");
    lines
}

/// Waits until the token that is held is so old that a 401 says something of it: a new one is sent twice (R1).
pub fn age(manager: &Manager) {
    const NEW: Duration = Duration::from_secs(2);
    let (held, since) = (held(manager), Instant::now());
    until("the token is 2 s old", || since.elapsed() >= NEW);
    assert_eq!(self::held(manager).access, held.access, "it is another by now");
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
    let (start, work) = (Barrier::new(threads), &work);
    thread::scope(|scope| {
        let one = |at| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                work(at)
            })
        };
        let all: Vec<_> = (0..threads).map(one).collect();
        all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// How many tries a back-off of `first` doubling, a quarter shorter at the most, allows in this time.
pub fn tries_within(elapsed: Duration, first: Duration) -> u64 {
    let (mut tries, mut at) = (1, Duration::ZERO);
    loop {
        at += first.mul_f64(0.75) * 2u32.pow(tries as u32 - 1);
        if at > elapsed {
            return tries;
        }
        tries += 1;
    }
}

/// Two minutes of life: due after 90 s, dead 2 s before the end. Records of it are made older, not waited for.
pub fn two_minutes() -> Value {
    json!({"access_ms": 120_000, "fractional_seconds": true})
}
pub const DUE: i64 = 95;
pub const LATE: i64 = 116;
pub const DEAD: i64 = 119;

/// A manager that finds a pair of this age in the store, by which it is due, late or dead, while the
/// server would still take its access token.
pub fn finds(api: &DemoApi, shelf: &Arc<Shelf>, age: i64, options: Value) -> Manager {
    let other = manager_on(api, shelf, json!({}));
    other.token().expect("a login");
    shelf.grow_older(age);
    let manager = manager_on(api, shelf, options);
    if age < DEAD {
        let found = manager.token_found(shelf);
        assert!(found, "the pair in the store was not taken over");
    }
    manager
}

trait Found {
    fn token_found(&self, shelf: &Shelf) -> bool;
}

impl Found for Manager {
    /// Takes the stored pair over. A pair that is merely due serves who has none, so nothing is sent.
    fn token_found(&self, shelf: &Shelf) -> bool {
        let pair = self.token().expect("a pair");
        Some(pair.access.as_str()) == shelf.record()["access_token"].as_str()
    }
}
