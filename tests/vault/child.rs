//! A process of its own that shares the Vault: for what can not be tried within one.

use crate::support::PRODUCTS;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use tokenmgr::Manager;

const ORDER: &str = "TOKENMGR_VAULT_ORDER";
const REPORT: &str = "the report: ";

/// Has a process of its own make a manager of `order`'s `host`, `username`, `password` and `options`, and do each
/// of its `steps`: `get` or `refresh`.
/// `before`: a program, with its arguments, that it is run under.
pub fn begin(before: &[&str], order: &Value) -> Child {
    let this = std::env::current_exe().expect("this program's own path");
    let this = this.to_str().expect("a path in UTF-8");
    let run = ["--exact", "child::carries_out_an_order", "--ignored", "--nocapture", "--test-threads=1"];
    let all: Vec<&str> = before.iter().copied().chain([this]).chain(run).collect();
    Command::new(all[0])
        .args(&all[1..])
        .env(ORDER, order.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("{}: {cause}; run scripts/setup test", all[0]))
}

/// The same, to its end: how each step ended, and the statistics.
pub fn run(before: &[&str], order: &Value) -> Value {
    let output = begin(before, order).wait_with_output().expect("a child of ours");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.split_once(REPORT).and_then(|(_, rest)| rest.lines().next());
    let report = report.unwrap_or_else(|| panic!("no report: {text}{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(report).expect("a report in JSON")
}

#[cfg(feature = "failpoints")]
pub fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("Linux");
    stat.rsplit_once(") ").expect("a state").1.starts_with('T')
}

#[cfg(feature = "failpoints")]
pub fn go_on(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "CONT", &id]).status().expect("kill").success());
}

#[test]
#[ignore = "the other side of the tests that need a process of their own; they run it"]
fn carries_out_an_order() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    let order: Value = serde_json::from_str(&order).expect("an order in JSON");
    let text = |name: &str| order[name].as_str();
    let options = order["options"].to_string();
    let manager = Manager::new(text("host"), text("username"), text("password"), Some(&options)).expect("a manager");
    let mut ends = Vec::new();
    for step in order["steps"].as_array().expect("a list of steps") {
        let outcome = match step.as_str().expect("a name") {
            "get" => manager.request("GET", PRODUCTS, Default::default(), None).map(|answer| answer.status.to_string()),
            "refresh" => manager.refresh().map(|()| "refreshed".to_owned()),
            other => panic!("no step {other}"),
        };
        ends.push(outcome.unwrap_or_else(|error| format!("{:?}: {error}", error.status())));
    }
    let stats: Value = serde_json::from_str(&manager.stats_json().expect("figures")).expect("JSON");
    println!("\n{REPORT}{}", serde_json::json!({ "ends": ends, "stats": stats }));
}
