//! The options of one request.

use crate::error::Result;
use crate::options::{DAY_MS, Millis, OneOrMany, reader};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The JSON object given to `tm_request`. Every key is optional.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct RequestOptions {
    /// Headers of this call, in place of the manager's of the same name; a value may be an array (repeated).
    #[serde(deserialize_with = "reader::map_or_empty_array")]
    pub headers: BTreeMap<String, OneOrMany>,
    /// Query parameters, appended to the URL's own; a value may be an array (repeated).
    #[serde(deserialize_with = "reader::map_or_empty_array")]
    pub query: BTreeMap<String, OneOrMany>,
    /// The body's `Content-Type`; `application/json` unless given here or in the headers.
    pub content_type: Option<String>,
    /// How long this call may take in all, in place of the manager's.
    pub timeout_ms: Option<Millis<1, DAY_MS>>,
    /// Says that the call may safely reach the server twice, whatever its method.
    pub idempotent: bool,
}

impl RequestOptions {
    /// Reads the options of a request. `None` and an empty array stand for the defaults.
    pub fn parse(json: Option<&str>) -> Result<RequestOptions> {
        match json {
            None => Ok(RequestOptions::default()),
            Some(_) => reader::parse(json, "request options"),
        }
    }
}
