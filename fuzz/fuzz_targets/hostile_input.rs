//! Feeds one parser with whatever the fuzzer comes up with; the first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((which, rest)) = data.split_first() {
        tokenmgr::fuzzing::feed(*which, rest);
    }
});
