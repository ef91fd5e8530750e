//! The store in a Vault, against a real OpenBao on loopback: real processes that share it, the library's own token there,
//! and what happens when it is away or somebody changes things in it; the rules of sharing are in tests/stores. A process
//! here is mostly a manager of its own; the demo API's counters are the oracle.

#[path = "../../examples/demo-api/api.rs"]
mod api;
#[path = "../wire/folder.rs"]
mod folder;
#[path = "../wire/pki.rs"]
#[allow(dead_code)] // shared with tests/wire
mod pki;
#[path = "../rules/shelf.rs"]
#[allow(dead_code)] // shared with tests/rules, as the next
mod shelf;
#[path = "../rules/support.rs"]
#[allow(dead_code)]
mod support;

mod bao;
mod child;
mod cutter;

mod credentials;
mod outages;
mod processes;
mod refused;
mod secret;
mod tls;
