//! `tm_token`: an immutable snapshot of a token pair.

use crate::ffi::panics::guard;
use crate::token::pair::Pair;
use std::ffi::c_char;
use std::sync::Arc;

/// An immutable snapshot of a token pair.
pub struct tm_token {
    pair: Arc<Pair>,
}

impl tm_token {
    pub fn into_raw(pair: Arc<Pair>) -> *mut tm_token {
        Box::into_raw(Box::new(tm_token { pair }))
    }
}

/// Reads a getter's handle, or gives what it answers to NULL.
///
/// # Safety
/// `t` is NULL or a live token.
unsafe fn read<T>(t: *const tm_token, nothing: T, read: impl FnOnce(&Pair) -> T) -> T {
    // SAFETY: the caller of this function vouches for it.
    unsafe { t.as_ref() }.map_or(nothing, |token| read(&token.pair))
}

/// The access token: what stands behind `Bearer` in an Authorization header (RFC 6750).
///
/// @param t a token, or NULL
/// @return a string that lives as long as the token; NULL for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_access(t: *const tm_token) -> *const c_char {
    // SAFETY: the header asks for NULL or a live token.
    guard(std::ptr::null(), || unsafe {
        read(t, std::ptr::null(), |pair| pair.access.as_bytes_with_nul().as_ptr().cast())
    })
}

/// The refresh token, for moving a pair elsewhere. Never use it beside this library: the server treats
/// the second use of a refresh token as theft and revokes everything that came from its login.
///
/// @param t a token, or NULL
/// @return a string that lives as long as the token; NULL if the API gave none, if this process must not
///         use it (a forked child with the memory store), or for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_refresh(t: *const tm_token) -> *const c_char {
    let refresh = |pair: &Pair| match &pair.refresh {
        Some(token) => token.as_bytes_with_nul().as_ptr().cast(),
        None => std::ptr::null(),
    };
    // SAFETY: the header asks for NULL or a live token.
    guard(std::ptr::null(), || unsafe { read(t, std::ptr::null(), refresh) })
}

/// When the access token expires, by this machine's clock.
///
/// @param t a token, or NULL
/// @return Unix seconds; 0 if unknown, or for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_expires_at(t: *const tm_token) -> i64 {
    // SAFETY: the header asks for NULL or a live token.
    guard(0, || unsafe { read(t, 0, |pair| pair.expires_at.unwrap_or(0)) })
}

/// When the refresh token expires, by this machine's clock.
///
/// @param t a token, or NULL
/// @return Unix seconds; 0 if unknown, or for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_refresh_expires_at(t: *const tm_token) -> i64 {
    // SAFETY: the header asks for NULL or a live token.
    guard(0, || unsafe { read(t, 0, |pair| pair.refresh_expires_at.unwrap_or(0)) })
}

/// How long the access token still lives, counted on a clock that no one can set.
///
/// @param t a token, or NULL
/// @return seconds, never below 0; 0 if unknown, or for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_seconds_left(t: *const tm_token) -> i64 {
    // SAFETY: the header asks for NULL or a live token.
    guard(0, || unsafe { read(t, 0, |pair| pair.seconds_left().unwrap_or(0)) })
}

/// Whether the access token has no more than so many seconds left.
///
/// @param t a token, or NULL
/// @param buffer_seconds the seconds; below 0 counts as 0
/// @return true if so; false if the lifetime is unknown, or for NULL
/// @par Threads and forks any thread: a token never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_should_refresh(t: *const tm_token, buffer_seconds: i64) -> bool {
    // SAFETY: the header asks for NULL or a live token.
    guard(false, || unsafe { read(t, false, |pair| pair.should_refresh(buffer_seconds)) })
}

/// Frees a token. Its bytes are zeroed when nobody else uses them any more.
///
/// @param t an owned token, or NULL
/// @par Threads and forks any thread, once; also in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_token_free(t: *mut tm_token) {
    guard((), || {
        if !t.is_null() {
            // SAFETY: an owned token comes from `into_raw`, and the caller gives it back once.
            drop(unsafe { Box::from_raw(t) });
        }
    });
}
