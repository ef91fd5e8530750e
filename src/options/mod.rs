//! The language of the options: types with units and ranges, the parser, and its messages. The options
//! themselves are in the folders that they are for: `client::options` has the root.

mod node;
pub mod reader;
mod source;
pub mod tree;
mod units;
pub mod wrong;

pub use source::SecretSource;
pub use units::{Bytes, Count, Millis, Seconds};

use serde::Deserialize;
use std::fmt;

/// The bounds of what is counted in seconds and in milliseconds.
pub const WEEK: u64 = 7 * 24 * 3600;
pub const DAY_MS: u64 = 24 * 3600 * 1000;

/// The lowest TLS version to speak.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
pub enum MinTls {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Any JSON, which another module reads.
#[derive(Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(serde::Serialize))]
#[serde(transparent)]
pub struct Json(pub serde_json::Value);

impl fmt::Debug for Json {
    /// Secrets may be written into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[json]")
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "object"] })
    }
}

/// A string, or an array of them.
#[derive(Clone, PartialEq)]
#[cfg_attr(feature = "schema", derive(serde::Serialize))]
pub struct OneOrMany(pub Vec<String>);

impl fmt::Debug for OneOrMany {
    /// A header may be an API's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} values]", self.0.len())
    }
}

/// A proxy's URL, which may hold its password.
#[derive(Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(transparent)]
pub struct ProxyUrl(pub String);

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[proxy]")
    }
}
