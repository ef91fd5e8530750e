//! tokenmgr check: tries what the options say of the API's login, calls, refresh and logout, and prints step by step what
//! was sent, answered and understood. The library leaves secrets out of its report.

use crate::ffi::Failure;
use crate::{output, remedies, report, session, state};
use clap::ArgMatches;
use serde_json::{Value, json};

pub fn run(given: &ArgMatches) -> i32 {
    let text = match try_out(given) {
        Ok(text) => text,
        Err(failure) => return report::failure(&failure),
    };
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = if given.get_flag("json") { output::print_line(&text) } else { output::print(&readable(&found)) };
    if code == report::DONE && found["ok"] != true { report::FOUND } else { code }
}

fn try_out(given: &ArgMatches) -> Result<String, Failure> {
    let manager = match (given.get_one::<String>("auth"), state::given_options()) {
        // Tokens of an API that is being described are not for keeping.
        (Some(file), Some(mut options)) => {
            options.insert("auth".to_owned(), json!({"file": file}));
            options.insert("store".to_owned(), json!({"type": "memory"}));
            session::open_with(Value::Object(options).to_string().into_bytes(), given)?
        }
        // Options that are no object are left for the library to refuse.
        _ => session::open(given)?,
    };
    let found = manager.check(given.get_one::<String>("call").map(String::as_str))?;
    Ok(remedies::of_this_command(found.as_str()))
}

/// One block a step, and then in short what did not fit.
fn readable(found: &Value) -> String {
    let steps = list(&found["steps"]);
    let text: String = steps.iter().map(block).collect();
    let with_problem = steps.iter().filter(|step| !step["problem"].is_null());
    let problems: String =
        with_problem.map(|step| format!("{}: {}\n", plain(&step["name"]), plain(&step["problem"]))).collect();
    text + if problems.is_empty() { "ok\n" } else { &problems }
}

fn block(step: &Value) -> String {
    let name = plain(&step["name"]);
    if let Some(why) = step["skipped"].as_str() {
        return format!("{name}: left out, as {why}\n\n");
    }
    let mut text = format!("{name}: {}\n", if step["ok"] == true { "ok" } else { "WRONG" });
    let sent = &step["sent"];
    if sent.is_object() {
        text += &message("sent", &format!("{} {}", plain(&sent["method"]), plain(&sent["url"])), sent);
    }
    for redirect in list(&step["redirected"]) {
        text += &line("redirected", &plain(redirect));
    }
    let answered = &step["answered"];
    if answered.is_object() {
        text += &message("answered", &plain(&answered["status"]), answered);
    }
    for one in list(&step["understood"]) {
        text += &line(
            "understood",
            &format!("{}: {} (from {})", plain(&one["what"]), plain(&one["value"]), plain(&one["from"])),
        );
    }
    for name in ["problem", "change"] {
        if !step[name].is_null() {
            text += &line(name, &plain(&step[name]));
        }
    }
    text + "\n"
}

/// A request or an answer: its first line, headers and body.
fn message(name: &str, first: &str, message: &Value) -> String {
    let mut text = line(name, first);
    for (header, value) in message["headers"].as_object().into_iter().flatten() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            text += &line("", &format!("{header}: {}", plain(&value)));
        }
    }
    for part in body(&message["body"]).lines() {
        text += &line("", part);
    }
    text
}

/// JSON that is too long for a line is laid out.
fn body(body: &Value) -> String {
    let text = plain(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(json) if text.len() > 80 => format!("{json:#}"),
        _ => text,
    }
}

fn line(name: &str, text: &str) -> String {
    format!("  {name:<12}{text}\n")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Texts as they are, all else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => format!("{value:#}"),
        other => other.to_string(),
    }
}
