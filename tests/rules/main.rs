//! The rules of freshness, recovery and rotation, and of living in other people's processes, tried from
//! outside against the demo API. Its counters are the oracle: what arrived, how often, and what was used twice.

#[path = "../../examples/demo-api/api.rs"]
mod api;
#[allow(dead_code)] // shared with tests/wire
#[path = "../wire/folder.rs"]
mod folder;
mod shelf;
mod support;

mod check;
mod file;
mod freshness;
mod outage;
mod patience;
mod process;
mod recovery;
mod refusals;
mod rotation;
mod shared;
