//! A manager in a process of its own that shares a store with the test's: for what cannot be tried within one.

use crate::child::{self, reported};
use crate::demo::PRODUCTS;
use crate::managers::stats;
use serde_json::{Value, json};
use std::process::{Child, Command};
use tokenmgr::Manager;

/// The ignored test of each program whose body [`carry_out`] is.
const TEST: &str = "carries_out_an_order";

/// Has a process of its own make a manager of `order`'s `host`, `username`, `password` and `options`, and do each
/// of its `steps`: `get` or `refresh`.
/// `before`: a program, with its arguments, that it is run under.
pub fn begin(before: &[&str], order: &Value) -> Child {
    child::begin(before, TEST, order)
}

/// The same, to its end: how each step ended, and the statistics.
pub fn run(before: &[&str], order: &Value) -> Value {
    let output = begin(before, order).wait_with_output().expect("a child of ours");
    reported(&output).unwrap_or_else(|said| panic!("no report: {said}"))
}

/// What a process is run under whose wall clock is so far off, such as `-3m`.
pub fn with_clock(off: &str) -> [&str; 5] {
    remove_leftovers();
    ["env", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", off]
}

/// faketime names what it shares with its child by its own number, and leaves it where it is killed: it fails where
/// another had the number before.
fn remove_leftovers() {
    let Ok(files) = std::fs::read_dir("/dev/shm") else { return };
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some((kind, number)) = name.rsplit_once('_') else { continue };
        let is_of_faketime = matches!(kind, "sem.faketime_sem" | "faketime_shm");
        if is_of_faketime && !std::path::Path::new("/proc").join(number).exists() {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

pub fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("Linux");
    stat.rsplit_once(") ").expect("a state").1.starts_with('T')
}

pub fn resume(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "CONT", &id]).status().expect("kill").success());
}

/// The other side.
pub fn carry_out() {
    let Some(order) = child::order() else { return };
    let text = |name: &str| order[name].as_str();
    let options = order["options"].to_string();
    let manager = Manager::new(text("host"), text("username"), text("password"), Some(&options)).expect("a manager");
    // A path of the demo API, unless another is given.
    let path = text("path").unwrap_or(PRODUCTS);
    let mut ends = Vec::new();
    for step in order["steps"].as_array().expect("a list of steps") {
        let outcome = match step.as_str().expect("a name") {
            "get" => manager.request("GET", path, Default::default(), None).map(|answer| answer.status.to_string()),
            "refresh" => manager.refresh().map(|()| "refreshed".to_owned()),
            other => panic!("no step {other}"),
        };
        ends.push(outcome.unwrap_or_else(|error| format!("{:?}: {error}", error.status())));
    }
    child::report(json!({"ends": ends, "stats": stats(&manager)}));
}
