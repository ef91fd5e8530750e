//! Signal masks, which std does not have.

use std::mem::MaybeUninit;
use std::ptr;

/// Does something with every signal blocked: a thread that is started meanwhile inherits that, so that no handler of the
/// host's ever runs on it. None of the host's code may run in here, as it could jump away.
pub fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: both sets are valid for the calls: the first initialises `all`, the second `before`, as `how` is known.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let output = work();
    // SAFETY: `before` was initialised above; a NULL for the old mask is allowed.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    output
}

/// Keeps SIGXFSZ from this thread until dropped, and takes one that came meanwhile with it: a file that would grow over
/// the process's limit (`ulimit -f`) ends a host that does not ignore it, where an error is enough.
///
/// Nothing that could jump away (a callback) may run while it lives: the signal would stay blocked.
pub struct NoSigxfsz {
    /// Whether it was blocked before: then it stays so, and is its blocker's business.
    was_blocked: bool,
}

impl NoSigxfsz {
    pub fn new() -> NoSigxfsz {
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call, which initialises `before` on success; it fails only for an unknown
        // `how`.
        let was_blocked = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigxfsz(), before.as_mut_ptr()) == 0
                && libc::sigismember(before.as_ptr(), libc::SIGXFSZ) == 1
        };
        NoSigxfsz { was_blocked }
    }
}

impl Drop for NoSigxfsz {
    fn drop(&mut self) {
        if self.was_blocked {
            return;
        }
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set and the time are valid for both calls; a NULL info is allowed. The kernel sends the signal to the
        // thread that wrote, so one that is pending here is ours.
        unsafe {
            libc::sigtimedwait(&sigxfsz(), ptr::null_mut(), &now);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &sigxfsz(), ptr::null_mut());
        }
    }
}

fn sigxfsz() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that it is given; SIGXFSZ is valid for `sigaddset`.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGXFSZ);
        set.assume_init()
    }
}
