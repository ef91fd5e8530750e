//! Feeds one target, which FUZZ_TARGET names, with whatever the fuzzer comes up with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tokenmgr::fuzzing::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    TARGETS.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("there is no target {name}")).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
