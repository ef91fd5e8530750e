//! The store in a Vault, against a real OpenBao on loopback: the rules across its processes, the library's own
//! token there, and what happens when the Vault is away or somebody changes things in it. A process here is mostly
//! a manager of its own; the demo API's counters are the oracle.

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
mod sharing;
mod tls;
