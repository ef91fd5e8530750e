//! The store in a Vault, against a real OpenBao on loopback: real processes that share it, the library's own token there,
//! and what happens when it is away or somebody changes things in it; the rules of sharing are in tests/stores. A process
//! here is mostly a manager of its own; the demo API's counters are the oracle.

mod cutter;

mod credentials;
mod outages;
mod processes;
mod refused;
mod secret;
mod tls;

#[test]
#[ignore = "the other side of the tests that need a process of their own; they run it"]
fn carries_out_an_order() {
    support::process::carry_out();
}
