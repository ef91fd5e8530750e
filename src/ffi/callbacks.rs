//! The callbacks that are set on a handle: log and interrupt.

use crate::call::hooks::{InterruptHook, LogHook};
use crate::call::log::Level;
use crate::error::{Error, Status};
use crate::ffi::boundary::{doing, handle};
use crate::ffi::error::tm_error;
use crate::ffi::manager::tm_manager;
use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

/// Takes log lines. `level`: 1 error, 2 warning, 3 info, 4 debug. `message` is valid until it returns.
pub type tm_log_callback = Option<unsafe extern "C" fn(userdata: *mut c_void, level: i32, message: *const c_char)>;

/// Called about every 50 ms while a call waits for the network, a lock or another caller; non-zero ends that
/// call with #TM_CANCELLED.
pub type tm_interrupt_callback = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i32>;

/// The caller's userdata: a pointer that is carried around and handed back, never followed.
#[derive(Clone, Copy)]
pub struct Userdata(*mut c_void);

// SAFETY: the pointer is only handed back to the callbacks that it was given with. The header says that these
// run on whatever thread is inside a call, so the caller that sets them vouches for what it points to.
unsafe impl Send for Userdata {}
// SAFETY: as above.
unsafe impl Sync for Userdata {}

impl Userdata {
    pub fn new(pointer: *mut c_void) -> Userdata {
        Userdata(pointer)
    }

    pub fn pointer(self) -> *mut c_void {
        self.0
    }
}

/// Sets, replaces or (with NULL) removes the log callback of this handle. Nothing is ever written anywhere
/// else. Lines never hold a secret; tokens appear as short fingerprints.
///
/// The callback runs only on a thread that is inside a call on this handle, with no lock held. It may call
/// other managers, and this one too (see #TM_REENTRANT). Calls that it makes on this handle log no lines, or each
/// line would cause another. It must not throw. A replaced callback and
/// its userdata must stay valid until every call begun before has returned.
///
/// @param tm the manager
/// @param callback the callback, or NULL
/// @param userdata handed to the callback as it is
/// @param max_level the least important level wanted, 1 to 4; 0: none
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; the callback stays set in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_set_log_callback(
    tm: *mut tm_manager,
    callback: tm_log_callback,
    userdata: *mut c_void,
    max_level: i32,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            let most = match max_level {
                0 => None,
                1 => Some(Level::Error),
                2 => Some(Level::Warning),
                3 => Some(Level::Info),
                4 => Some(Level::Debug),
                _ => {
                    return Err(Error::invalid_argument(
                        "the argument max_level is not 0 to 4; pass 0 for none, 4 for everything",
                    ));
                }
            };
            let hook = callback.zip(most).map(|(callback, most)| (most, log_hook(callback, Userdata::new(userdata))));
            tm.manager.set_hooks(|hooks| hooks.log = hook.clone())
        })
    }
}

fn log_hook(callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char), userdata: Userdata) -> LogHook {
    Arc::new(move |level, line| {
        // A line holds no NUL: it is made of names, numbers and redacted text.
        let line = CString::new(line.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the caller that set the callback vouches for it and its userdata; the line lives until it returns.
        unsafe { callback(userdata.pointer(), level as i32, line.as_ptr()) }
    })
}

/// Sets, replaces or (with NULL) removes the interrupt callback of this handle.
///
/// It is called about every 50 ms while a call on this handle waits. What holds for the log callback holds for
/// it, too. Other callers that wait for the same refresh are not affected by the call that it ends.
///
/// @param tm the manager
/// @param callback the callback, or NULL
/// @param userdata handed to the callback as it is
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; the callback stays set in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_set_interrupt_callback(
    tm: *mut tm_manager,
    callback: tm_interrupt_callback,
    userdata: *mut c_void,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            let userdata = Userdata::new(userdata);
            let hook: Option<InterruptHook> = callback.map(|callback| -> InterruptHook {
                // SAFETY: the caller that set the callback vouches for it and its userdata.
                Arc::new(move || callback(userdata.pointer()) != 0)
            });
            tm.manager.set_hooks(|hooks| hooks.interrupt = hook.clone())
        })
    }
}
