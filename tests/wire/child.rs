//! A client in a process of its own: for what hangs on the environment, which belongs to the whole process,
//! for how much memory something takes, and for limits of the process.

pub use support::child::{failure, order, report, run};

use support::child::most_memory_kb;

use serde_json::{Value, json};
use std::ffi::OsString;
use tokenmgr::Manager;

/// The outcome of a call that was answered 200.
#[track_caller]
pub fn went_well(outcome: &Value) {
    assert_eq!(outcome["http_status"], 200, "{outcome}");
}

/// That of one that failed, and said so in these words.
#[track_caller]
pub fn failed(outcome: &Value, status: &str, says: &[&str]) {
    assert_eq!(outcome["status"], status, "{outcome}");
    let message = outcome["message"].as_str().unwrap();
    says.iter().for_each(|words| assert!(message.contains(words), "\"{words}\" is not in: {message}"));
}

/// Has a process with nothing of ours in its environment but `environment` make a manager of `order`'s
/// `host`, `username`, `password` and `options`, and GET each of its `urls`. The outcomes, in their order;
/// the manager's error is the only one where it could not be made.
pub fn ask<V: Into<OsString>>(environment: impl IntoIterator<Item = (&'static str, V)>, order: Value) -> Vec<Value> {
    let report = run(&[], "child::carries_out_an_order", environment, &order);
    match report {
        Ok(Value::Array(outcomes)) => outcomes,
        other => panic!("no report: {other:?}"),
    }
}

/// As `ask`, for the one URL `/api/v1/echo`.
pub fn ask_echo<V: Into<OsString>>(
    environment: impl IntoIterator<Item = (&'static str, V)>,
    mut order: Value,
) -> Value {
    order["urls"] = json!(["/api/v1/echo"]);
    let outcomes = ask(environment, order);
    outcomes.into_iter().next().expect("an outcome")
}

#[test]
#[ignore = "the other side of the tests that need a process of their own; they run it"]
fn carries_out_an_order() {
    let Some(order) = order() else {
        return;
    };
    let text = |name: &str| order[name].as_str();
    let options = order.get("options").filter(|options| !options.is_null()).map(Value::to_string);
    let outcomes = match Manager::new(text("host"), text("username"), text("password"), options.as_deref()) {
        Err(error) => vec![failure(&error)],
        Ok(manager) => {
            order["urls"].as_array().expect("a list of URLs").iter().map(|url| call(&manager, url)).collect()
        }
    };
    report(outcomes.into());
}

fn call(manager: &Manager, url: &Value) -> Value {
    let outcome = crate::client::get(manager, url.as_str().expect("a URL"));
    let mut report = match outcome {
        Err(error) => failure(&error),
        Ok(response) => json!({
            "http_status": response.status,
            "body": String::from_utf8_lossy(&response.body),
            "error": response.error.as_ref().map(failure),
        }),
    };
    report["most_memory_kb"] = most_memory_kb().into();
    report
}
