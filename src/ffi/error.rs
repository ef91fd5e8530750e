//! `tm_error`: why a call failed.

use crate::error::{Error, Status};
use crate::ffi::panics::guard;
use crate::ffi::strings::c_string;
use std::ffi::{CStr, CString, c_char};

/// Why a call failed.
pub struct tm_error {
    error: Error,
    message: CString,
    server_code: Option<CString>,
}

impl tm_error {
    pub fn new(error: Error) -> tm_error {
        tm_error {
            message: c_string(error.message().to_owned()),
            server_code: error.server_code().map(|code| c_string(code.to_owned())),
            error,
        }
    }

    pub fn into_raw(error: Error) -> *mut tm_error {
        Box::into_raw(Box::new(tm_error::new(error)))
    }
}

/// Reads a getter's handle, or gives what it answers to NULL.
///
/// # Safety
/// `e` is NULL or a live error.
unsafe fn read<T>(e: *const tm_error, nothing: T, read: impl FnOnce(&tm_error) -> T) -> T {
    // SAFETY: the caller of this function vouches for it.
    unsafe { e.as_ref() }.map_or(nothing, read)
}

/// The status that the failed call ended with.
///
/// @param e an error, or NULL
/// @return the status; #TM_OK for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_code(e: *const tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live error.
    guard(Status::TM_OK, || unsafe { read(e, Status::TM_OK, |e| e.error.status()) })
}

/// One sentence: what failed, on what, and what to do. It never holds a password, a token, a key or a body.
///
/// @param e an error, or NULL
/// @return a string that lives as long as the error; NULL for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_message(e: *const tm_error) -> *const c_char {
    // SAFETY: the header asks for NULL or a live error.
    guard(std::ptr::null(), || unsafe { read(e, std::ptr::null(), |e| e.message.as_ptr()) })
}

/// The HTTP status of the answer that the error came from.
///
/// @param e an error, or NULL
/// @return the status; 0 if there was no answer, or for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_http_status(e: *const tm_error) -> i32 {
    // SAFETY: the header asks for NULL or a live error.
    guard(0, || unsafe { read(e, 0, |e| i32::from(e.error.http_status())) })
}

/// The API's own error code, as the answer gives it, shortened and redacted.
///
/// @param e an error, or NULL
/// @return a string that lives as long as the error; NULL if there was none, or for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_server_code(e: *const tm_error) -> *const c_char {
    let code = |e: &tm_error| e.server_code.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the header asks for NULL or a live error.
    guard(std::ptr::null(), || unsafe { read(e, std::ptr::null(), code) })
}

/// How long to wait before the next try.
///
/// @param e an error, or NULL
/// @return milliseconds; -1 if unknown, or for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_retry_after_ms(e: *const tm_error) -> i64 {
    let wait = |e: &tm_error| {
        let wait = e.error.retry_after().map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        wait.unwrap_or(-1)
    };
    // SAFETY: the header asks for NULL or a live error.
    guard(-1, || unsafe { read(e, -1, wait) })
}

/// Whether the same call may succeed later without anyone changing anything: #TM_NETWORK, #TM_TIMEOUT,
/// #TM_RATE_LIMITED, #TM_SERVER_ERROR, #TM_STORE, #TM_LOCK_TIMEOUT.
///
/// @param e an error, or NULL
/// @return true if so; false for NULL
/// @par Threads and forks any thread: an error never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_is_retryable(e: *const tm_error) -> bool {
    // SAFETY: the header asks for NULL or a live error.
    guard(false, || unsafe { read(e, false, |e| e.error.is_retryable()) })
}

/// Frees an error that a tm_* function put into `*err`.
///
/// @param e an owned error, or NULL; not one from tm_response_error()
/// @par Threads and forks any thread, once; also in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_error_free(e: *mut tm_error) {
    guard((), || {
        if !e.is_null() {
            // SAFETY: an owned error comes from `into_raw`, and the caller gives it back once.
            drop(unsafe { Box::from_raw(e) });
        }
    });
}

/// The name of a status, such as `"TM_LOGIN_REJECTED"`.
///
/// @param status any number
/// @return a static string; `"TM_UNKNOWN"` for a number that is no status; never NULL
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tm_status_name(status: i32) -> *const c_char {
    const UNKNOWN: &CStr = c"TM_UNKNOWN";
    const NAMES: [&CStr; Status::ALL.len()] = [
        c"TM_OK",
        c"TM_INVALID_ARGUMENT",
        c"TM_INVALID_OPTIONS",
        c"TM_URL_NOT_ALLOWED",
        c"TM_NETWORK",
        c"TM_TIMEOUT",
        c"TM_TLS",
        c"TM_LOGIN_REJECTED",
        c"TM_FORBIDDEN",
        c"TM_RATE_LIMITED",
        c"TM_SERVER_ERROR",
        c"TM_BAD_RESPONSE",
        c"TM_UNAUTHORIZED",
        c"TM_HTTP_ERROR",
        c"TM_STORE",
        c"TM_LOCK_TIMEOUT",
        c"TM_LOGIN_SUSPENDED",
        c"TM_REENTRANT",
        c"TM_BAD_TOKEN",
        c"TM_RESPONSE_TOO_LARGE",
        c"TM_PANIC",
        c"TM_CANCELLED",
    ];
    guard(UNKNOWN.as_ptr(), || Status::from_number(status).map_or(UNKNOWN, |status| NAMES[status as usize]).as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_statuses() {
        for status in Status::ALL {
            // SAFETY: a static string.
            let name = unsafe { CStr::from_ptr(tm_status_name(status as i32)) };
            assert_eq!(name.to_str().unwrap(), format!("{status:?}"));
        }
        for odd in [-1, 22, i32::MIN, i32::MAX] {
            // SAFETY: a static string.
            assert_eq!(unsafe { CStr::from_ptr(tm_status_name(odd)) }, c"TM_UNKNOWN");
        }
    }
}
