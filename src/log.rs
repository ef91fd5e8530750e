//! The log levels, and whose lines are heard. Lines go to the caller's callback and nowhere else (P4).

use crate::call::LogHook;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error = 1,
    Warning = 2,
    Info = 3,
    Debug = 4,
}

thread_local! {
    /// The log callbacks that this thread is in.
    static INSIDE: RefCell<Vec<Inside>> = const { RefCell::new(Vec::new()) };
}

/// Being in a log callback, for a call that stands at `frame` on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inside {
    hook: usize,
    frame: usize,
    /// A callback that was left by `longjmp` never ends: it counts no longer than this.
    until: Instant,
}

/// Serves a line. What the callback calls on the same handle meanwhile is not heard, or one line would lead to the next
/// for ever.
pub fn hand_over(hook: &LogHook, frame: usize, patience: Duration, level: Level, line: &str) {
    let inside = Inside { hook: name_of(hook), frame, until: Instant::now() + patience };
    // Without the thread's memory, which it is about to end, the line is served all the same.
    let _ = INSIDE.try_with(|all| all.borrow_mut().push(inside));
    hook(level, line);
    let _ = INSIDE.try_with(|all| all.borrow_mut().retain(|one| *one != inside));
}

/// Whether a call that stands at `frame` was made by this very callback.
pub fn is_inside(hook: &LogHook, frame: usize) -> bool {
    let found = INSIDE.try_with(|all| {
        let mut all = all.borrow_mut();
        // A call that was made inside stands deeper on the stack (which grows downwards). One that does not was made
        // after the callback was jumped out of.
        all.retain(|one| frame < one.frame && Instant::now() < one.until);
        all.iter().any(|one| one.hook == name_of(hook))
    });
    found.unwrap_or(false)
}

fn name_of(hook: &LogHook) -> usize {
    std::sync::Arc::as_ptr(hook).cast::<()>().addr()
}
