//! Dialects: what an API's login, refresh, logout and calls look like on the wire. Pure: options, bytes and times in,
//! requests and verdicts out. The language is described in docs/DIALECTS.md.
//! Secrets pass through all of it: what its entry points leave behind in memory is zeroed (S2).
//!
//! In reading order: `dialect` (what it can be asked), `compile` (the option, checked), `endpoint` (a request, from `template`s
//! that `render` fills in with `values`), `verdict` (what an answer means: `meaning`, then `answer`, which looks into its
//! `place`s), `call` (how API calls carry the token), `oauth2` (a preset that is made from its own members), and `presets/`,
//! which hold all that is known about any one API.

mod address;
mod answer;
mod assertion;
mod body;
mod call;
mod compile;
mod cookie;
mod dialect;
pub mod discovery;
pub mod dpop;
mod endpoint;
mod fields;
mod identity;
mod inspect;
mod instants;
mod json;
mod key;
mod meaning;
mod member;
mod message;
mod oauth2;
mod parse;
mod place;
mod render;
#[cfg(any(test, feature = "schema"))]
pub mod schema;
mod setting;
mod source;
mod template;
mod values;
mod verdict;

pub use answer::{Grant, fits_a_header};
pub use call::Filled;
pub use compile::Environment;
pub use cookie::cookies;
pub use dialect::{Dialect, RenewsBy, Stage};
pub use endpoint::Prepared;
pub use inspect::Meant;
#[cfg(any(feature = "store-vault", feature = "fuzzing"))]
pub use instants::http_date;
pub use instants::parse as instant;
#[cfg(feature = "fuzzing")]
pub use instants::retry_after;
pub use json::Document;
pub use meaning::Means;
pub use member::is_sensitive;
pub use message::{ServerMessage, is_word};
pub use place::pause;
pub use render::json_string;
pub use source::{Read, Source};
pub use template::Name;
pub use values::{Kept, Moment, Values};
pub use verdict::{Brought, Refusal, RefusalKind, Reply, forbidden, is_page, location};

use crate::error::Result;
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the option `auth_params`.
pub fn params(auth_params: &Value, read: Read<'_>) -> Result<BTreeMap<String, Secret>> {
    let _work = SecretWork::begin();
    source::params(&member::Member::new("auth_params", auth_params), read)
}

#[cfg(test)]
mod tests;
