//! pthread_cancel(3): a thread that is cancelled in the middle of a call would unwind through Rust, which ends the
//! process. So no call can be cancelled, nor the callbacks within it: the request waits until the call has returned. A
//! callback that never returns (`longjmp`) leaves its thread like that, until the thread makes its next call.

use std::ffi::c_int;

/// `PTHREAD_CANCEL_DISABLE`, with every C library of Linux.
const DISABLED: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// Whether a thread can be cancelled.
pub type State = c_int;

/// Sets it, and returns what it was before.
pub fn set(state: State) -> State {
    let mut before = state;
    // SAFETY: `before` is valid for the call, which fails for unknown states only: these come from itself.
    unsafe { pthread_setcancelstate(state, &mut before) };
    before
}

/// While it lives, this thread cannot be cancelled.
#[derive(Debug)]
pub struct NoCancel {
    before: State,
}

impl NoCancel {
    pub fn begin() -> NoCancel {
        NoCancel { before: set(DISABLED) }
    }

    pub fn before(&self) -> State {
        self.before
    }
}

impl Drop for NoCancel {
    fn drop(&mut self) {
        set(self.before);
    }
}
