//! A manager as the tests make it, and what they ask of every answer.

use crate::api::{Config, DemoApi};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokenmgr::error::{Error, Result, Status};
use tokenmgr::{Manager, Response};

pub const USERNAME: &str = "demo";
pub const PASSWORD: &str = "demo-password";

/// More than anything here should ever take: only a failure waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn demo() -> DemoApi {
    DemoApi::start(Config::default()).expect("a free port")
}

/// The options of a test, over what every test wants: no proxy of whoever runs it.
pub fn with(options: Value) -> String {
    let mut all = json!({"proxy": "none"});
    let Value::Object(options) = options else { panic!("options are an object") };
    all.as_object_mut().expect("an object").extend(options);
    all.to_string()
}

/// A manager of the demo account that must be made.
pub fn manager(host: &str, options: Value) -> Manager {
    try_manager(host, options).expect("a manager")
}

pub fn try_manager(host: &str, options: Value) -> Result<Manager> {
    Manager::new(Some(host), Some(USERNAME), Some(PASSWORD), Some(&with(options)))
}

pub fn get(manager: &Manager, url: &str) -> Result<Response> {
    manager.request("GET", url, Bytes::new(), None)
}

pub fn send(manager: &Manager, method: &str, url: &str, body: &str, options: Value) -> Result<Response> {
    manager.request(method, url, Bytes::copy_from_slice(body.as_bytes()), Some(&options.to_string()))
}

/// What the demo API's echo says that it was asked.
pub fn echo(manager: &Manager, method: &str, url: &str, body: &[u8], options: Value) -> Value {
    let answer = manager.request(method, url, Bytes::copy_from_slice(body), Some(&options.to_string()));
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    data(&answer)
}

pub fn data(response: &Response) -> Value {
    let json: Value = serde_json::from_slice(&response.body).expect("a JSON body");
    json["data"].clone()
}

pub fn stat(manager: &Manager, name: &str) -> u64 {
    let stats: Value = serde_json::from_str(&manager.stats_json().expect("stats")).expect("JSON");
    stats[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {stats}"))
}

/// The error that something ended in, which has that status and says all of that.
#[track_caller]
pub fn fails<T>(outcome: Result<T>, status: Status, says: &[&str]) -> Error {
    match outcome {
        Ok(_) => panic!("it succeeded; {status:?} was expected"),
        Err(error) => {
            assert_eq!(error.status(), status, "{}", error.message());
            for words in says {
                assert!(error.message().contains(words), "\"{words}\" is not in: {}", error.message());
            }
            error
        }
    }
}

/// Waits for a condition that something else brings about.
#[track_caller]
pub fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a condition; only a failure waits long.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
