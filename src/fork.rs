//! P1: how the library notices that it lives on in a forked child.
//!
//! A child inherits memory, but none of the threads that were changing it: a lock may be held by
//! nobody, a connection is shared with the parent. So nothing that was made before the fork is ever
//! locked, driven or dropped in the child. A counter tells: it rises in every child, and whoever holds
//! state with an older count leaks that state and builds its own.

#![allow(unsafe_code)]

use once_cell::sync::OnceCell;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static WATCHED: OnceCell<()> = OnceCell::new();

/// How often this process's line has forked since [`watch`] was first called.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Begins to watch for forks. Idempotent; called when a manager is made.
pub fn watch() {
    WATCHED.get_or_init(|| {
        // SAFETY: the handler is a plain function that only touches an atomic, which is allowed in a
        // forked child of a threaded process. It stays mapped: the library is linked with `-z nodelete`.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        // Only out of memory can refuse it, where Rust aborts anyway. To go on would risk what P1 forbids.
        assert_eq!(refused, 0, "pthread_atfork was refused");
    });
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
