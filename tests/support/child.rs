//! One of a test program's own ignored tests, in a process of its own: for what hangs on the environment, which belongs to the
//! whole process, for how much memory something takes, for limits of the process, and for processes that are killed.

use serde_json::{Value, json};
use std::ffi::OsString;
use std::process::{Child, Command, Output, Stdio};

const ORDER: &str = "TOKENMGR_TEST_ORDER";
const REPORT: &str = "the report: ";

/// The command that runs `test`, which finds `order` with [`order`]; `wrapper` is a command, with its arguments, that runs the
/// one behind it.
fn command(wrapper: &[&str], test: &str, order: &Value) -> Command {
    let program = std::env::current_exe().expect("this program's own path");
    let words: Vec<OsString> = wrapper.iter().map(|word| (*word).into()).chain([program.into()]).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ORDER, order.to_string());
    command
}

/// What `test` reported with [`report`], or what it said where it did not come to that.
pub fn reported(output: &Output) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let report = text.split_once(REPORT).and_then(|(_, rest)| rest.lines().next());
    let report = report.ok_or_else(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(serde_json::from_str(report).expect("a report in JSON"))
}

/// Begins it, in the environment of the tests.
pub fn begin(wrapper: &[&str], test: &str, order: &Value) -> Child {
    command(wrapper, test, order)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|cause| panic!("{wrapper:?}: {cause}; run scripts/setup test"))
}

/// Runs it to its end, with nothing in its environment that the library obeys but `environment`.
pub fn run<V: Into<OsString>>(
    wrapper: &[&str],
    test: &str,
    environment: impl IntoIterator<Item = (&'static str, V)>,
    order: &Value,
) -> Result<Value, String> {
    let mut command = command(wrapper, test, order);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_uppercase();
        if text.ends_with("_PROXY") || text.starts_with("TOKENMGR_") || text.starts_with("SSL_CERT_") {
            command.env_remove(name);
        }
    }
    command.env(ORDER, order.to_string());
    command.envs(environment.into_iter().map(|(name, value)| (name, value.into())));
    reported(&command.output().map_err(|error| error.to_string())?)
}

/// The other side: what it was given; `None` where it was not one of these that started it.
pub fn order() -> Option<Value> {
    let order = std::env::var(ORDER).ok()?;
    Some(serde_json::from_str(&order).expect("an order in JSON"))
}

pub fn report(report: Value) {
    println!("\n{REPORT}{report}");
}

pub fn failure(error: &tokenmgr::error::Error) -> Value {
    json!({"status": format!("{:?}", error.status()), "message": error.message(), "http_status": error.http_status()})
}

/// The most that this process has ever held in memory.
pub fn most_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the high-water mark");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
