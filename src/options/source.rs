//! A secret in the options: the secret itself, or where it is.

use crate::error::{Error, Result, Status};
use crate::sys::files;
use crate::sys::secret::Secret;
use once_cell::sync::OnceCell;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Unexpected, Visitor};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A string, `{"env": NAME}` or `{"file": PATH}`.
#[derive(Clone, PartialEq)]
pub enum SecretSource {
    Given(Secret),
    Environment(Variable),
    File(String),
}

/// A variable of the environment, and what it held when it was first read, in `tm_new`: another thread of the host may
/// change the environment at any time.
#[derive(Clone)]
pub struct Variable {
    name: String,
    held: Arc<OnceCell<Secret>>,
}

impl PartialEq for Variable {
    fn eq(&self, other: &Variable) -> bool {
        self.name == other.name
    }
}

impl SecretSource {
    /// The secret itself, without the line end that editors put into files; `option` names it in messages. It waits
    /// for nothing: a file has to be a regular one.
    pub fn read(&self, option: &str) -> Result<Secret> {
        let refuse = |why: String| Error::new(Status::TM_INVALID_OPTIONS, format!("the option {option} {why}"));
        let text = match self {
            SecretSource::Given(secret) => return Ok(secret.clone()),
            SecretSource::Environment(Variable { name, held }) => {
                if let Some(secret) = held.get() {
                    return Ok(secret.clone());
                }
                let text = std::env::var(name).map(Zeroizing::new).map_err(|_| {
                    refuse(format!(
                        "names the environment variable {name}, which is not set, or not UTF-8 text; set it"
                    ))
                })?;
                Zeroizing::new(files::without_line_end(&text).to_owned())
            }
            SecretSource::File(path) => files::read_secret(Path::new(path)).map_err(|cause| {
                refuse(format!(
                    "names the file {path}, which could not be read ({cause}); check its path and permissions"
                ))
            })?,
        };
        let secret = Secret::new(&text)
            .filter(|secret| !secret.as_bytes().is_empty())
            .ok_or_else(|| refuse("names a secret that is empty or holds a NUL character".to_owned()))?;
        if let SecretSource::Environment(Variable { held, .. }) = self {
            let _ = held.set(secret.clone());
        }
        Ok(secret)
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<SecretSource, D::Error> {
        struct Sources;
        impl<'de> Visitor<'de> for Sources {
            type Value = SecretSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, {\"env\": NAME} or {\"file\": PATH}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<SecretSource, E> {
                Secret::new(text).map(SecretSource::Given).ok_or_else(|| E::invalid_value(Unexpected::Str(""), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<SecretSource, A::Error> {
                let source = match map.next_key::<String>()?.as_deref() {
                    Some("env") => {
                        SecretSource::Environment(Variable { name: map.next_value()?, held: Arc::default() })
                    }
                    Some("file") => SecretSource::File(map.next_value()?),
                    _ => return Err(de::Error::invalid_type(Unexpected::Map, &self)),
                };
                match map.next_key::<de::IgnoredAny>()? {
                    None => Ok(source),
                    Some(_) => Err(de::Error::invalid_type(Unexpected::Map, &self)),
                }
            }
        }
        deserializer.deserialize_any(Sources)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SecretSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretSource".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let place = |name: &str| {
            serde_json::json!({
                "type": "object", "required": [name], "additionalProperties": false,
                "properties": {name: {"type": "string"}}
            })
        };
        schemars::json_schema!({
            "anyOf": [{"type": "string"}, place("env"), place("file")], "x-kind": "secret"
        })
    }
}

#[cfg(feature = "schema")]
impl serde::Serialize for SecretSource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}
