//! What the integration tests share. In reading order: `wait`, `managers` (what any manager is asked), `demo` (the demo API, and
//! managers of it), `dialects` (managers of other APIs), `server` (which answers what a test says) and `tokens` (which it
//! issues), `caller_store` (a store that can fail), `folder`, `program`, `bao`, `pki`, `child` and `process` (processes of their own).

// A folder or an authority is another one each time: there is no default.
#![allow(clippy::new_without_default)]

#[path = "../../examples/demo-api/api.rs"]
pub mod api;
pub mod bao;
pub mod caller_store;
pub mod child;
pub mod demo;
pub mod dialects;
#[path = "../../src/http/decode/encoders.rs"]
pub mod encoders;
pub mod folder;
pub mod managers;
pub mod pki;
pub mod process;
pub mod program;
pub mod server;
pub mod tokens;
pub mod wait;

/// The project's own folder.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
