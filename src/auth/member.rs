//! Reading the option: a JSON value together with where it stands, so that a mistake is answered with the member, the
//! *kind* of what it got (never the value: it may be a secret) and what it takes.

use crate::error::{Error, Result, Status};
use crate::options::wrong::{kind, nearest};
use crate::redact::scrub;
use serde_json::Value;

/// A member of the option, and where it stands: its path is put together for a message only.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    parent: Option<&'a Member<'a>>,
    name: &'a str,
    /// Of an array's item.
    index: Option<usize>,
    pub value: &'a Value,
}

impl<'a> Member<'a> {
    pub fn new(name: &'a str, value: &'a Value) -> Member<'a> {
        Member { parent: None, name, index: None, value }
    }

    /// One below this.
    pub fn at<'b>(&'b self, name: &'b str, value: &'b Value) -> Member<'b> {
        Member { parent: Some(self), name, index: None, value }
    }

    fn path(&self) -> String {
        let name = match (self.index, self.parent) {
            (Some(index), _) => index.to_string(),
            (None, Some(_)) => scrub(self.name, &[]),
            (None, None) => self.name.to_owned(),
        };
        match self.parent {
            None => name,
            Some(parent) => format!("{}.{name}", parent.path()),
        }
    }

    /// "the option auth.login got a number; it takes …"
    pub fn takes(&self, takes: &str) -> Error {
        self.refuse(&format!("got {}; it takes {takes}", kind(self.value)))
    }

    /// "the option auth.login …"
    pub fn refuse(&self, why: &str) -> Error {
        Error::new(Status::TM_INVALID_OPTIONS, format!("the option {} {why}", self.path()))
    }

    /// One of an object's members; null is none.
    pub fn get<'b>(&'b self, name: &'b str) -> Option<Member<'b>> {
        let value = self.value.get(name)?;
        if value.is_null() { None } else { Some(self.at(name, value)) }
    }

    /// The members of an object, or of the empty array that PHP's `json_encode([])` makes of an empty map. Null is none.
    pub fn entries(&self, takes: &str) -> Result<Vec<(&'a str, Member<'_>)>> {
        let mut entries = Vec::new();
        match self.value {
            Value::Object(map) => {
                for (name, value) in map {
                    if !value.is_null() {
                        entries.push((name.as_str(), self.at(name, value)));
                    }
                }
            }
            Value::Array(items) if items.is_empty() => {}
            _ => return Err(self.takes(takes)),
        }
        Ok(entries)
    }

    /// Refuses what is no object, and members that there are not.
    pub fn check_names(&self, known: &[&str]) -> Result<()> {
        let Value::Object(map) = self.value else {
            return self.entries("an object").map(drop);
        };
        for name in map.keys() {
            if !known.contains(&name.as_str()) {
                return Err(self.at(name, self.value).refuse(&match nearest(name, known) {
                    Some(near) => format!("is unknown; did you mean {near}?"),
                    None => format!("is unknown; there are {}", known.join(", ")),
                }));
            }
        }
        Ok(())
    }

    /// The items of an array, or the one value that stands for an array of one.
    pub fn one_or_many(&self) -> Vec<Member<'_>> {
        let Value::Array(items) = self.value else {
            return vec![*self];
        };
        let mut members = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            members.push(Member { parent: Some(self), name: "", index: Some(index), value });
        }
        members
    }

    pub fn text(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.takes("a string")),
        }
    }

    pub fn flag(&self) -> Result<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.takes("true or false")),
        }
    }

    /// A whole number of seconds, from 1 on. A float that is one counts.
    pub fn seconds(&self, most: u64) -> Result<u64> {
        match self.value.as_f64() {
            Some(float) if float.fract() == 0.0 && float >= 1.0 && float <= most as f64 => Ok(float as u64),
            _ => Err(self.takes(&format!("a whole number of seconds, from 1 to {most}"))),
        }
    }

    /// A string, or what is written as one: a number, true or false.
    pub fn scalar(&self) -> Result<String> {
        scalar(self.value).ok_or_else(|| self.takes("a string, a number, true or false"))
    }

    /// One of some names.
    pub fn one_of<T: Copy>(&self, names: &[(&str, T)]) -> Result<T> {
        for (name, one) in names {
            if self.value.as_str() == Some(name) {
                return Ok(*one);
            }
        }
        Err(self.none_of(&names.iter().map(|(name, _)| *name).collect::<Vec<_>>()))
    }

    fn none_of(&self, names: &[&str]) -> Error {
        let takes = format!("\"{}\"", names.join("\" or \""));
        match self.value {
            Value::String(_) => self.refuse(&format!("got a name that it does not know; it takes {takes}")),
            _ => self.takes(&takes),
        }
    }
}

/// A string, a number, true or false as text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// RFC 7396: objects merge, everything else replaces, null removes.
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Value::Object(into) = into else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                into.remove(name);
            }
            value => merge(into.entry(name.clone()).or_insert(Value::Null), value),
        }
    }
}

/// Whether a member of this name holds what nobody else should see.
pub fn is_sensitive(name: &str) -> bool {
    const MARKS: [&str; 10] =
        ["pass", "pwd", "secret", "key", "token", "credential", "auth", "cookie", "otp", "signature"];
    let name = name.to_ascii_lowercase();
    // What OAuth calls so and is public.
    const PUBLIC: [&str; 6] = ["type", "hint", "method", "alg", "url", "endpoint"];
    MARKS.iter().any(|mark| name.contains(mark)) && !PUBLIC.iter().any(|end| name.ends_with(end))
        || matches!(name.as_str(), "pin" | "assertion" | "client_assertion")
}

/// Whether a text looks drawn by lot: in eight characters or more without a break there are letters and digits.
pub fn looks_like_key(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
        run.len() >= 8 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merging_is_that_of_rfc_7396() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut got = target.clone();
            merge(&mut got, &patch);
            assert_eq!(got, merged, "{target} {patch}");
        }
    }
}
