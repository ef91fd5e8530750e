//! A record as a hash: one field for each of its parts. The three that PHP code reads and writes are plain text;
//! of ours, text is plain, too, and everything else is JSON. Other fields are left as they are.

use crate::store::contract::to_json;
use crate::store::seal::{self, Seal};
use crate::sys::secret::Secret;
use crate::token::record::Record;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// The fields that hold text as it is.
const TEXTS: [&str; 9] =
    ["access_token", "refresh_token", "token_type", "for", "family", "spent", "inc", "host", "user"];
/// The fields that hold JSON.
const OTHERS: [&str; 13] = [
    "expires_at",
    "refresh_expires_at",
    "stored_at",
    "lifetime_ms",
    "seq",
    "written",
    "replays",
    "claim",
    "tombstone",
    "hold_until",
    "hold_fails",
    "kept",
    "suspensions",
];
/// Unix seconds that a foreign writer may have written in any form.
const TIMES: [&str; 2] = ["expires_at", "refresh_expires_at"];
/// What a sealed value begins with.
const SEALED: &str = "tms1:";

pub type Bytes = Zeroizing<Vec<u8>>;

/// The fields of a hash, as they were read.
#[derive(Debug, Default)]
pub struct Hash(pub Vec<(Vec<u8>, Bytes)>);

/// The changes that turn the hash that was read into that of a record.
#[derive(Debug, Default, PartialEq)]
pub struct Edit {
    pub set: Vec<(&'static str, Bytes)>,
    pub delete: Vec<&'static str>,
}

/// The tokens in a hash that is not sealed.
pub fn tokens<'a>(fields: impl Iterator<Item = (&'a [u8], &'a Bytes)>) -> Vec<Secret> {
    let tokens = fields.filter(|(name, _)| matches!(*name, b"access_token" | b"refresh_token"));
    tokens.filter_map(|(_, value)| Secret::new(std::str::from_utf8(value).ok()?)).collect()
}

impl Hash {
    fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value)
    }
}

/// Parts of a record as JSON, some of them tokens: zeroed when they go.
#[derive(Clone, Default)]
struct Parts(Map<String, Value>);

impl Drop for Parts {
    fn drop(&mut self) {
        for part in self.0.values_mut() {
            if let Value::String(text) = part {
                text.zeroize();
            }
        }
    }
}

/// The record in a hash, or why it cannot be used.
pub fn decode(client_id: &str, hash: &Hash, seal: Option<&Seal>) -> Result<Record, String> {
    let mut parts = Parts::default();
    for name in TEXTS.into_iter().chain(OTHERS) {
        let Some(value) = hash.get(name) else {
            continue;
        };
        let plain = open(client_id, name, value, seal)?;
        let text = Zeroizing::new(String::from_utf8_lossy(&plain).into_owned());
        if let Some(part) = read_part(name, &text) {
            parts.0.insert(name.to_owned(), part);
        }
    }
    let record = Record::from_parts(parts.clone());
    // Another program has damaged a field of ours. The fields that name the pair and what is spent are enough to go on; as
    // nothing describes the pair then, its refresh token is not sent.
    record
        .or_else(|| {
            parts.0.retain(|name, _| ["access_token", "refresh_token", "expires_at", "spent"].contains(&name.as_str()));
            Record::from_parts(parts)
        })
        .ok_or_else(|| "is damaged".to_owned())
}

/// A field's value as the record has it; `None`: it cannot be understood, and counts as absent.
fn read_part(name: &str, text: &str) -> Option<Value> {
    if TEXTS.contains(&name) {
        return Some(Value::from(text));
    }
    if TIMES.contains(&name) {
        let text = text.trim();
        let seconds = text.parse::<i64>().ok().or_else(|| {
            let number = text.parse::<f64>().ok()?;
            (number.is_finite() && number.abs() < 1e15).then_some(number as i64)
        });
        return seconds.map(Value::from);
    }
    serde_json::from_slice(text.as_bytes()).ok()
}

/// What has to be written for the hash to hold this record. Values that stay are not written again, unless they are
/// sealed: then all are, so that none is left under an old key.
pub fn encode(client_id: &str, record: &Record, read: &Hash, seal: Option<&Seal>) -> Edit {
    // A record is plain data: it always serialises to an object.
    let Ok(Value::Object(parts)) = serde_json::to_value(record) else {
        return Edit::default();
    };
    let mut parts = Parts(parts);
    let mut edit = Edit::default();
    for name in TEXTS.into_iter().chain(OTHERS) {
        let before = read.get(name);
        let Some(part) = parts.0.remove(name) else {
            if before.is_some() {
                edit.delete.push(name);
            }
            continue;
        };
        let plain = match part {
            Value::String(text) => Zeroizing::new(text.into_bytes()),
            other => to_json(&other),
        };
        match seal {
            Some(seal) => {
                let sealed = STANDARD.encode(seal.seal(&bound_to(client_id, name), &plain));
                edit.set.push((name, Zeroizing::new(format!("{SEALED}{sealed}").into_bytes())));
            }
            None if before.is_some_and(|before| **before == *plain) => {}
            None => edit.set.push((name, plain)),
        }
    }
    edit
}

/// What a sealed value is bound to, so that it cannot be moved to another client or field.
fn bound_to(client_id: &str, name: &str) -> String {
    format!("{client_id}\0{name}")
}

fn open(client_id: &str, name: &str, value: &Bytes, seal: Option<&Seal>) -> Result<Bytes, String> {
    // What is no base64 opens under no key.
    let sealed = value.strip_prefix(SEALED.as_bytes()).map(|text| STANDARD.decode(text).unwrap_or_default());
    let plain = seal::open(seal, &bound_to(client_id, name), sealed.as_deref())?;
    Ok(plain.unwrap_or_else(|| value.clone()))
}

impl Record {
    fn from_parts(mut parts: Parts) -> Option<Record> {
        // The record that takes the tokens out of it zeroes them.
        Record::try_from(std::mem::take(&mut parts.0)).ok()
    }
}

#[cfg(test)]
mod tests;
