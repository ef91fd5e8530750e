//! SIGPIPE, which would end a host that does not ignore it when a server has closed a connection that is
//! written to. P4 leaves signal handlers alone: the signal is kept from this thread while it writes.

#![allow(unsafe_code)] // std has no signal masks

use std::mem::MaybeUninit;
use std::ptr;

/// Keeps SIGPIPE from this thread until dropped, and takes one that came meanwhile with it.
///
/// Nothing that could jump away (a callback) may run while it lives: the signal would stay blocked.
pub struct NoSigpipe {
    /// Whether it was blocked before: then it stays so, and is its blocker's business.
    was_blocked: bool,
}

fn sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that it is given; SIGPIPE is a valid signal for `sigaddset`.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}

impl NoSigpipe {
    pub fn new() -> NoSigpipe {
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, which initialises `before` on success; it fails only for
        // an unknown `how`.
        let was_blocked = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe(), before.as_mut_ptr()) == 0
                && libc::sigismember(before.as_ptr(), libc::SIGPIPE) == 1
        };
        NoSigpipe { was_blocked }
    }
}

impl Drop for NoSigpipe {
    fn drop(&mut self) {
        if self.was_blocked {
            return;
        }
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are valid for both calls; a NULL info is allowed. The kernel sends
        // SIGPIPE to the thread that wrote, so one that is pending here is ours.
        unsafe {
            libc::sigtimedwait(&sigpipe(), ptr::null_mut(), &now);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &sigpipe(), ptr::null_mut());
        }
    }
}
