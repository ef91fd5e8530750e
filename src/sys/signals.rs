//! Signal masks, which std does not have.

use std::mem::MaybeUninit;
use std::ptr;

/// Calls `work` with every signal blocked. A thread that it starts inherits that, so that no handler of the host's runs on
/// it. None of the host's code may run in here, as it could leave by `longjmp`.
pub fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    let _mask = Mask::all();
    work()
}

/// Blocks every signal until it is dropped, also by a panic: the thread is the host's.
struct Mask {
    before: libc::sigset_t,
}

impl Mask {
    fn all() -> Mask {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are valid for the calls: the first initialises `all`, the second `before`, as `how` is known.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Mask { before: before.assume_init() }
        }
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        // SAFETY: the set is valid for the call; a NULL for the old mask is allowed.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}

/// Blocks SIGXFSZ on this thread until it is dropped, and discards one that came meanwhile: a write over the process's limit
/// (`ulimit -f`) would end a host that does not ignore the signal, and an error is enough.
///
/// No callback may run while it exists: if that left by `longjmp`, the signal would stay blocked.
pub struct NoSigxfsz {
    /// Whether it was blocked before: then it stays blocked, and pending signals stay pending.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked(signal: libc::c_int) -> bool {
        let mut now = MaybeUninit::uninit();
        // SAFETY: a NULL for the new mask is allowed; the old one is initialised by the call.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), now.as_mut_ptr());
            libc::sigismember(now.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn p4_the_hosts_signals_come_back_also_after_a_panic() {
        assert!(without_signals(|| is_blocked(libc::SIGUSR1)) && !is_blocked(libc::SIGUSR1));
        let outcome = std::panic::catch_unwind(|| without_signals(|| std::panic::resume_unwind(Box::new(()))));
        assert!(outcome.is_err() && !is_blocked(libc::SIGUSR1));
    }
}
