//! The rules of sharing for every store, and the store in Redis, against real servers of a test's own. A process here is
//! a manager of its own; the demo API's counters are the oracle, as in tests/rules.

#[path = "../../examples/demo-api/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "../vault/bao.rs"]
mod bao;
#[allow(dead_code)]
#[path = "../vault/child.rs"]
mod child;
#[path = "../wire/folder.rs"]
mod folder;
#[allow(dead_code)]
#[path = "../wire/pki.rs"]
mod pki;
#[path = "../wire/program.rs"]
mod program;
#[allow(dead_code)]
#[path = "../rules/shelf.rs"]
mod shelf;
#[allow(dead_code)]
#[path = "../rules/support.rs"]
mod support;

/// What tests/wire/program.rs takes from its neighbour there.
mod client {
    pub use crate::support::PATIENCE;
}

mod redis;
mod sharing;
