//! Dialects end to end: the option `auth` against scripted servers that answer as the real ones do. What arrived is the
//! oracle: how often, where, and with what.
//!
//! In reading order: `server` (who answers), `tokens` (who issues), `client` (who calls), then the tests by subject.

#[allow(dead_code)] // shared with tests/wire
#[path = "../wire/folder.rs"]
mod folder;
#[allow(dead_code)] // shared with tests/rules
#[path = "../rules/shelf.rs"]
mod shelf;

mod client;
mod server;
mod tokens;

mod carriers;
mod check;
mod discovery;
mod dpop;
mod meanings;
mod oauth2;
mod pauses;
mod presets;
mod steps;
mod vault;
