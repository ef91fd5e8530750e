//! Panics stop here: none leaves an exported function.

use crate::error::{Error, Result, Status};
use crate::sys::thread::{is_in_library, set_in_library};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Runs the body of an exported function that cannot fail; a panic becomes `fallback`.
pub fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    contain(body).unwrap_or(fallback)
}

/// Runs what may fail within an exported function; a panic becomes an error like any other.
pub fn attempt<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    contain(body).unwrap_or_else(|| Err(panicked()))
}

fn contain<T>(body: impl FnOnce() -> T) -> Option<T> {
    silence_panics();
    let before = set_in_library(true);
    // What a panic leaves half done is not used again: connections are closed. Poisoned locks are used: nothing under them panics.
    let outcome = catch_unwind(AssertUnwindSafe(body)).ok();
    set_in_library(before);
    outcome
}

/// P4: a panic inside an exported function prints nothing; for any other the hook before it runs. The hook stays for the life
/// of the process.
fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_in_library() {
                others(panic);
            }
        }));
    });
}

fn panicked() -> Error {
    Error::new(
        Status::TM_PANIC,
        "the library met a bug of its own and contained it; the manager can be used on, and a report would help",
    )
}
