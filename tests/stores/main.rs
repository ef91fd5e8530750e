//! The rules of sharing for every store, and the store in Redis, against real servers of a test's own. A process here is
//! a manager of its own; the demo API's counters are the oracle, as in tests/rules.

mod redis;
mod sharing;

#[test]
#[ignore = "the other side of the tests that need a process of their own; they run it"]
fn carries_out_an_order() {
    support::process::carry_out();
}
