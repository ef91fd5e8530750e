//! libtokenmgr: token management for API clients, behind a C ABI.
//!
//! It logs in with a username and a password, keeps the access token fresh, rotates the refresh token
//! without ever losing a pair or using one twice, and recovers from 401, 403 and 429 without hammering.
//!
//! The modules in reading order: `manager` (what can be asked), `request` (an API call and its recovery),
//! `refresh` (the transaction that gets a new pair), `freshness` (when), `dialect` (what it looks like on
//! the wire), `http` (connections), `store` (where pairs are kept), and `ffi` (what C sees).

#![deny(unsafe_code)]
// What only a store that was left out uses.
#![cfg_attr(not(all(feature = "store-redis", feature = "store-vault")), allow(dead_code))]

#[allow(dead_code, unused_imports)] // until the refresh transaction speaks it
mod auth;
mod backoff;
mod call;
mod callback;
mod clock;
mod credentials;
mod dialect;
pub mod error;
pub mod ffi;
mod files;
mod fork;
mod freshness;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod http;
mod instance;
mod jwt;
mod log;
mod manager;
mod net;
mod noted;
pub mod options;
mod persistent;
mod refresh;
mod request;
mod response;
mod scrub;
mod secret;
mod stats;
mod steps;
mod store;
mod sys;
mod token;

// What Rust programs, our own tests first, can use of it beside the C interface.
pub use call::{Hooks, InterruptHook, LogHook};
pub use http::message::{Sink, Source, Streams, Upload};
pub use log::Level;
pub use manager::Manager;
pub use response::Response;
pub use secret::Secret;
pub use stats::{COUNTERS, GAUGES};
pub use store::callback::{CallbackStore, Callbacks, Reply};
pub use token::Pair;
