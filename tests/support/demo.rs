//! The demo API, and managers of its account.

pub use crate::api::{Config, DemoApi};
pub use crate::caller_store::CallerStore;
pub use crate::managers::{age, fails, get, held, listen, on, refusal, says, stat, stats};
pub use crate::wait::{PATIENCE, together, unix_ms, until};

use crate::managers::make;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokenmgr::Manager;

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

pub fn manager(api: &DemoApi, options: Value) -> Manager {
    manager_as(api, PASSWORD, options)
}

pub fn manager_as(api: &DemoApi, password: &str, options: Value) -> Manager {
    make(&api.url(), USER, password, options).expect("a manager")
}

/// A manager that keeps its pair in a caller store. Two on one are as two processes with one store.
pub fn manager_on(api: &DemoApi, caller_store: &Arc<CallerStore>, options: Value) -> Manager {
    on(caller_store, manager(api, options))
}

/// The HTTP status of a call that must be answered.
pub fn status(manager: &Manager) -> u16 {
    get(manager, PRODUCTS).expect("an answer").status
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
pub fn finds(api: &DemoApi, caller_store: &Arc<CallerStore>, age: i64, options: Value) -> Manager {
    let other = manager_on(api, caller_store, json!({}));
    other.token().expect("a login");
    caller_store.grow_older(age);
    let manager = manager_on(api, caller_store, options);
    if age < DEAD {
        // A pair that is merely due serves who has none, so nothing is sent.
        let taken = manager.token().expect("a pair");
        assert_eq!(
            caller_store.record()["access_token"],
            taken.access.as_str(),
            "the pair in the store was not taken over"
        );
    }
    manager
}
