//! What a dialect adds to a pair's identity in every store.

use crate::auth::member::is_sensitive;
use crate::sys::secret::{Secret, hex};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::collections::BTreeMap;

/// A stable text for what was given, without what is secret in it: whoever reads a store must not be able to guess that.
/// Presets are known by their names, so that a new version of the library finds the pairs of the old one.
pub fn of(preset: Option<&str>, given: &Value, params: &BTreeMap<String, Secret>) -> String {
    let members = given.as_object().map_or(0, |map| map.keys().filter(|name| *name != "preset").count());
    match preset {
        Some("popup") if members == 0 => return String::new(),
        Some(name) if members == 0 => return name.to_owned(),
        _ => {}
    }
    let mut text = String::new();
    write(given, false, &mut text);
    for (name, value) in params.iter().filter(|(name, _)| !is_sensitive(name)) {
        text.push_str(&format!("\n{name:?}={:?}", value.as_str()));
    }
    let hash = hex(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
    format!("{}:{hash}", preset.unwrap_or("own"))
}

/// Below these there may be secrets that are written out.
const HOLDERS: [&str; 9] = ["json", "form", "query", "headers", "basic", "client", "extra", "text", "assertion"];

/// JSON whose members are in the order of their names, whatever map they came from.
fn write(value: &Value, may_hold_secrets: bool, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                out.push_str(&format!("{name:?}:"));
                let may_hold = may_hold_secrets || HOLDERS.contains(&name.as_str());
                // A template says where a secret comes from, and is none.
                match &map[name] {
                    Value::String(text) if may_hold && is_secret(name) && !text.contains('{') => out.push('*'),
                    Value::Array(parts) if name == "basic" && parts.len() == 2 => write(&parts[0], false, out),
                    below => write(below, may_hold, out),
                }
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, may_hold_secrets, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn is_secret(name: &str) -> bool {
    is_sensitive(name) || name == "text"
}
