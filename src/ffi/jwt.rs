//! The JWT helpers: offline, without a manager.

use crate::ffi::boundary::fallible;
use crate::ffi::error::tm_error;
use crate::ffi::panics::guard;
use crate::ffi::strings::{owned_string, string};
use crate::sys::clock::unix_seconds;
use crate::token::jwt;
use std::ffi::c_char;

/// Whether a JWT has expired, by this machine's clock (RFC 7519, 4.1.4). Its signature is not checked.
///
/// @param token the JWT, or NULL
/// @return true from its `exp` on, and for NULL, anything malformed, or a token without `exp`
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_jwt_is_expired(token: *const c_char) -> bool {
    // SAFETY: the header asks for NULL or a NUL-terminated string.
    guard(true, || unsafe { string(token, "token") }.map_or(true, |token| jwt::is_expired(token, unix_seconds())))
}

/// How long a JWT is still valid, by this machine's clock.
///
/// @param token the JWT, or NULL
/// @return seconds, never below 0; 0 for NULL, anything malformed, or a token without `exp`
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_jwt_seconds_left(token: *const c_char) -> i64 {
    // SAFETY: the header asks for NULL or a NUL-terminated string.
    guard(0, || unsafe { string(token, "token") }.map_or(0, |token| jwt::seconds_left(token, unix_seconds())))
}

/// Whether a JWT has no more than so many seconds left.
///
/// @param token the JWT, or NULL
/// @param buffer_seconds the seconds; below 0 counts as 0
/// @return true if so, and for NULL, anything malformed, or a token without `exp`
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_jwt_should_refresh(token: *const c_char, buffer_seconds: i64) -> bool {
    let should = |token: &str| jwt::should_refresh(token, buffer_seconds, unix_seconds());
    // SAFETY: the header asks for NULL or a NUL-terminated string.
    guard(true, || unsafe { string(token, "token") }.map_or(true, should))
}

/// The payload of a JWT as JSON text, as the token carries it. Its signature is not checked.
///
/// @param token the JWT
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_BAD_TOKEN
/// @return an owned string for tm_string_free(), or NULL
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_jwt_payload_json(token: *const c_char, err: *mut *mut tm_error) -> *mut c_char {
    // SAFETY: the header asks for NULL or a NUL-terminated string, and a NULL or writable `err`.
    unsafe {
        fallible(err, std::ptr::null_mut(), || {
            let token = string(token, "token")?;
            Ok(owned_string(jwt::payload_json(token)?))
        })
    }
}
