//! A client in a process of its own: for what hangs on the environment, which belongs to the whole process,
//! for how much memory something takes, and for limits of the process.

use serde_json::{Value, json};
use std::ffi::OsString;
use std::process::Command;
use tokenmgr::Manager;

const ORDER: &str = "TOKENMGR_WIRE_ORDER";
const REPORT: &str = "the report: ";

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

/// Has `wrapper`, a command that runs the one behind it, run one of our own ignored tests in such a process. What it
/// reported with `report`, or what it said where it did not come to that.
pub fn run<V: Into<OsString>>(
    wrapper: &[&str],
    test: &str,
    environment: impl IntoIterator<Item = (&'static str, V)>,
    order: &Value,
) -> Result<Value, String> {
    let program = std::env::current_exe().expect("this program's own path");
    let mut words: Vec<OsString> = wrapper.iter().map(|word| (*word).into()).collect();
    words.push(program.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if text.ends_with("_PROXY") || text.starts_with("TOKENMGR_") || text.starts_with("SSL_CERT_") {
            command.env_remove(name);
        }
    }
    command.env(ORDER, order.to_string());
    command.envs(environment.into_iter().map(|(name, value)| (name, value.into())));
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.split_once(REPORT).and_then(|(_, rest)| rest.lines().next());
    let report = report.ok_or_else(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(serde_json::from_str(report).expect("a report in JSON"))
}

/// The other side of `run`: what it was given; `None` where it was not `run` that started this.
pub fn order() -> Option<Value> {
    let order = std::env::var(ORDER).ok()?;
    Some(serde_json::from_str(&order).expect("an order in JSON"))
}

pub fn report(report: Value) {
    println!("\n{REPORT}{report}");
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

pub fn failure(error: &tokenmgr::error::Error) -> Value {
    json!({"status": format!("{:?}", error.status()), "message": error.message(), "http_status": error.http_status()})
}

/// The most that this process has ever held in memory.
fn most_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the high-water mark");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
