//! For callers with their own HTTP client, beside tm_get_token() and tm_copy_access_token(): where a token may go, and what
//! became of it there.

use crate::error::Status;
use crate::ffi::boundary::{doing, handle};
use crate::ffi::error::tm_error;
use crate::ffi::manager::tm_manager;
use crate::ffi::strings::string;
use std::ffi::c_char;

/// Whether this manager's token may be sent to a URL, by whatever HTTP client: to its host's own origin or one in
/// `allowed_origins`. A URL in which HTTP clients may see different hosts (a backslash before the end of its host, a blank or
/// a control character) is refused. Nothing is sent.
///
/// @param tm the manager
/// @param url absolute, or a path that starts with one `/`
/// @param err NULL, or where an error goes: #TM_URL_NOT_ALLOWED, #TM_INVALID_ARGUMENT for what is no URL
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; never waits
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_check_url(tm: *mut tm_manager, url: *const c_char, err: *mut *mut tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live manager, a NUL-terminated string, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            tm.manager.check_url(string(url, "url")?)
        })
    }
}

/// For callers with their own HTTP client: the server answered this access token with something other than 401. So
/// the token is known to work, and a later 401 to it is a revocation, not a server that refuses every token. Nothing
/// happens if it is no longer the current one.
///
/// @param tm the manager
/// @param access_token the token that was accepted
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; never waits, and is cheap enough to be called for every answer
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_accept(
    tm: *mut tm_manager,
    access_token: *const c_char,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, a NUL-terminated string, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            tm.manager.accept(string(access_token, "access_token")?)
        })
    }
}

/// For callers with their own HTTP client: the server answered 401 to this access token. The next call that
/// needs a token renews it. Nothing happens if it is no longer the current one, so a late 401 does not cost
/// the fresh token.
///
/// @param tm the manager
/// @param access_token the token that was refused
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; never waits
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_reject(
    tm: *mut tm_manager,
    access_token: *const c_char,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, a NUL-terminated string, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            tm.manager.reject(string(access_token, "access_token")?)
        })
    }
}
