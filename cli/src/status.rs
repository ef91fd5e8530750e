//! tokenmgr status: for how long the token is good, and what it took.
//!
//! The token is had the way a call has it. What lies in a store cannot be told otherwise, and the answer that matters,
//! whether a call would work now, neither.

use crate::ffi::{Failure, LogLine, Manager, Token};
use crate::output::Output;
use crate::{moment, report, session, state};
use clap::ArgMatches;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::Mutex;

pub fn run(given: &ArgMatches) -> i32 {
    let output = Output::new(given.get_one("output").cloned().unwrap_or_else(|| "-".into()));
    let format = given.get_one::<String>("format").map(String::as_str);
    let found = find(given, format.is_none() && !given.get_flag("json"));
    if let Err(failure) = &found {
        let code = report::failure(failure);
        // Who collects figures has to see that there is no token; the exit code still says why.
        if format == Some("prometheus") && code < 128 {
            output.put(as_metrics(None).as_bytes());
        }
        return code;
    }
    let text = found.ok().map(|(token, statistics)| match format {
        Some("prometheus") => as_metrics(Some((&token, &statistics))),
        Some(_) => format!("{}\n", as_json(&token, &statistics)),
        None if given.get_flag("json") => format!("{statistics}\n"),
        None => readable(&token, &statistics),
    });
    output.put(text.unwrap_or_default().as_bytes())
}

/// What the log said of the store.
static TROUBLE: Mutex<String> = Mutex::new(String::new());

fn find(given: &ArgMatches, for_people: bool) -> Result<(Token, String), Failure> {
    static NOTE: LogLine = note_trouble;
    let manager: Manager = session::open_for_token(given)?;
    // Whoever asked for log lines reads it there.
    if for_people && session::verbosity(given) == 0 {
        manager.set_log(&NOTE, 1);
    }
    let token = manager.token()?;
    let statistics = manager.statistics()?.as_str().to_owned();
    Ok((token, statistics))
}

fn note_trouble(_: i32, message: &str) {
    let mut trouble = TROUBLE.lock().expect("nothing panics while it is held");
    *trouble += &format!("token store:   {message}\n");
}

fn readable(token: &Token, statistics: &str) -> String {
    let mut text = TROUBLE.lock().expect("nothing panics while it is held").clone();
    text += &expiry("access token: ", token.expires_at(), token.seconds_left());
    if token.has_refresh() {
        let at = token.refresh_expires_at();
        text += &expiry("refresh token:", at, (at.unwrap_or(0) - moment::now()).max(0));
    } else {
        text += "refresh token: none\n";
    }
    let _ = writeln!(text, "statistics:    {statistics}");
    text
}

fn expiry(what: &str, at: Option<i64>, seconds_left: i64) -> String {
    match at.and_then(moment::readable) {
        Some(at) => format!("{what} {} left, until {at}\n", moment::duration(seconds_left)),
        None => format!("{what} expiry unknown\n"),
    }
}

fn as_json(token: &Token, statistics: &str) -> Value {
    let time = |at: Option<i64>| json!({"expires_at": at.and_then(moment::rfc3339)});
    let mut access = time(token.expires_at());
    access["expires_in"] = json!(token.expires_at().map(|_| token.seconds_left()));
    let refresh = if token.has_refresh() { time(token.refresh_expires_at()) } else { Value::Null };
    json!({"access_token": access, "refresh_token": refresh, "statistics": read(statistics)})
}

fn read(statistics: &str) -> Map<String, Value> {
    serde_json::from_str(statistics).unwrap_or_default()
}

/// What Prometheus' text format holds. The counts are of this run: a command begins at zero each time, so they are
/// gauges to a collector.
fn as_metrics(found: Option<(&Token, &str)>) -> String {
    let label = |value: Vec<u8>| label(&String::from_utf8_lossy(&value));
    let labels = format!("{{host={},username={}}}", label(state::host()), label(state::setting("TOKENMGR_USERNAME")));
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, value: &Value| {
        let _ = write!(
            text,
            "# HELP tokenmgr_{name} {help}\n# TYPE tokenmgr_{name} gauge\ntokenmgr_{name}{labels} {value}\n"
        );
    };
    metric("up", "Whether there is a token that is good now.", &json!(i32::from(found.is_some())));
    metric("run_timestamp_seconds", "When this was found out.", &json!(moment::now()));
    let Some((token, statistics)) = found else { return text };
    if let Some(at) = token.expires_at() {
        metric("access_token_expires_timestamp_seconds", "When the access token expires.", &json!(at));
    }
    if let Some(at) = token.refresh_expires_at().filter(|_| token.has_refresh()) {
        metric("refresh_token_expires_timestamp_seconds", "When the refresh token expires.", &json!(at));
    }
    for (name, value) in read(statistics) {
        let number = match value {
            Value::Bool(is_so) => json!(i32::from(is_so)),
            Value::Number(_) if name != "seconds_left" => value,
            _ => continue,
        };
        // Prometheus counts in seconds.
        let (name, number) = match (name.strip_suffix("_ms"), number.as_f64()) {
            (Some(name), Some(ms)) => (format!("{name}_seconds"), json!(ms / 1000.0)),
            _ => (name, number),
        };
        metric(&format!("run_{name}"), "A statistic of this run; docs/STATS.md says of what.", &number);
    }
    text
}

/// In quotes, with what the format wants escaped.
fn label(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
