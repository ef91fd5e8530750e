//! libtokenmgr: token management for API clients, behind a C ABI.
//!
//! It logs in with a username and a password, keeps the access token fresh, rotates the refresh token
//! without ever losing a pair or using one twice, and recovers from 401, 403 and 429 without hammering.
//!
//! The modules in reading order: `manager` (what can be asked), `request` (an API call and its recovery), `refresh` (the
//! transaction that gets a new pair), `client` (what both work on), `token` (freshness, the stored record), `auth` (what
//! login and refresh look like on the wire), `http` (connections), `store` (where pairs are kept), and `ffi` (what C sees).
//! docs/ARCHITECTURE.md has the picture.

#![deny(unsafe_code)]
// What only a store that was left out uses.
#![cfg_attr(not(all(feature = "store-redis", feature = "store-vault")), allow(dead_code))]

mod auth;
mod call;
mod check;
mod client;
pub mod error;
pub mod ffi;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod manager;
mod net;
mod options;
mod redact;
mod refresh;
mod request;
mod stats;
mod store;
mod sys;
mod token;

// What Rust programs, our own tests first, can use of it beside the C interface.
pub use call::hooks::{Hooks, InterruptHook, LogHook};
pub use call::log::Level;
pub use client::options::Options;
pub use http::message::{Sink, Source, Streams, Upload};
pub use manager::Manager;
pub use request::options::RequestOptions;
pub use request::response::Response;
pub use stats::{COUNTERS, GAUGES};
pub use store::callback::{CallbackStore, Callbacks, Reply};
pub use sys::secret::Secret;
pub use token::pair::Pair;
