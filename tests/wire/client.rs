//! A manager as the tests make it, and what they ask of every answer.

pub use support::managers::{get, stat};
pub use support::wait::{PATIENCE, until};

use bytes::Bytes;
use serde_json::{Value, json};
use support::api::{Config, DemoApi};
use tokenmgr::error::{Error, Result, Status};
use tokenmgr::{Manager, Response};

pub const USERNAME: &str = "demo";
pub const PASSWORD: &str = "demo-password";

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

/// The error that something ended in, which has that status and says all of that.
#[track_caller]
pub fn fails<T>(outcome: Result<T>, status: Status, says: &[&str]) -> Error {
    let error = support::managers::fails(outcome, status);
    for words in says {
        assert!(error.message().contains(words), "\"{words}\" is not in: {}", error.message());
    }
    error
}
