//! `tm_manager`: the main job, and the tokens behind it.

use crate::error::{Error, Result, Status};
use crate::ffi::boundary::{bytes, doing, fallible, handle};
use crate::ffi::error::tm_error;
use crate::ffi::panics::guard;
use crate::ffi::response::tm_response;
use crate::ffi::strings::{optional_string, owned_string, string};
use crate::ffi::token::tm_token;
use crate::http::message::{Source, Streams, Upload};
use crate::manager::Manager;
use crate::request::response::Response;
use crate::sys::cancel::NoCancel;
use crate::sys::zeroing::SecretWork;
use crate::token::pair::Pair;
use bytes::Bytes;
use std::ffi::{c_char, c_void};
use std::ptr::{from_ref, null_mut};

/// Credentials, tokens, store and connections of one API client.
pub struct tm_manager {
    pub(super) manager: Manager,
}

/// Makes a manager. It reads the files that it was told to use (credentials, keys, CA) and closes them; it
/// sends nothing, opens no socket and starts no thread.
///
/// @param host `scheme://authority[/prefix]`: https, or http on loopback. NULL: from `TOKENMGR_HOST`
/// @param username NULL: from `TOKENMGR_USERNAME`, or the file that `TOKENMGR_USERNAME_FILE` names
/// @param password NULL: from `TOKENMGR_PASSWORD`, or the file that `TOKENMGR_PASSWORD_FILE` names. None at
///        all: tokens come from tm_set_tokens() or the store, and where only a login could help the call
///        fails with #TM_LOGIN_REJECTED
/// @param options_json NULL for the defaults, or one JSON object (docs/OPTIONS.md); an unknown key is an
///        error, `[]` is taken as `{}`, whole floats as integers. With `"persistent": true` handles with equal
///        host, username, password and options share one client; callbacks stay with the handle
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_INVALID_OPTIONS, #TM_URL_NOT_ALLOWED
/// @return an owned manager for tm_free(), or NULL
/// @par Threads and forks any thread; the manager may be used by any number of threads at once, and by
///      parent and child after a fork()
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_new(
    host: *const c_char,
    username: *const c_char,
    password: *const c_char,
    options_json: *const c_char,
    err: *mut *mut tm_error,
) -> *mut tm_manager {
    // SAFETY: the header asks for NULL or NUL-terminated strings, and a NULL or writable `err`.
    unsafe {
        fallible(err, null_mut(), || {
            let host = optional_string(host, "host")?;
            let username = optional_string(username, "username")?;
            let password = optional_string(password, "password")?;
            let options = optional_string(options_json, "options_json")?;
            let _no_cancel = NoCancel::begin();
            let manager = Manager::new(host, username, password, options)?;
            Ok(Box::into_raw(Box::new(tm_manager { manager })))
        })
    }
}

/// Frees a manager. It never logs out. In a forked child it frees the child's copy. The client of a persistent manager
/// (tokens, password, connections) stays in the process for the next manager with equal settings.
///
/// @param tm an owned manager, or NULL. No call on it may be running or begin, its callbacks included
/// @par Threads and forks any thread, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_free(tm: *mut tm_manager) {
    guard((), || {
        if !tm.is_null() {
            let _no_cancel = NoCancel::begin();
            let _work = SecretWork::begin();
            // SAFETY: a manager comes from `tm_new`, and the caller gives it back once.
            drop(unsafe { Box::from_raw(tm) });
        }
    });
}

/// Sends an API call with a valid Bearer token (RFC 6750) and reads the whole answer. It logs in and
/// refreshes when due. On a 401 it renews the token and sends again: at most 3 sends, 1 refresh and 1 login.
/// Redirects of GET and HEAD are followed within the allowed origins, at most 5.
///
/// @param tm the manager
/// @param method such as `"GET"`, in any case
/// @param url a path that starts with one `/`, appended to the host's prefix; or absolute, on the host's
///        origin or one in allowed_origins
/// @param body the body, copied; may be NULL if `body_len` is 0
/// @param body_len its size in bytes
/// @param request_options_json NULL, or `{"headers":{},"query":{},"content_type":"…","timeout_ms":n,
///        "idempotent":true}`; header and query values may be arrays (repeated). With a body and no content
///        type: application/json
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_INVALID_OPTIONS, #TM_URL_NOT_ALLOWED
///        (nothing was sent); #TM_NETWORK, #TM_TIMEOUT, #TM_TLS, #TM_RESPONSE_TOO_LARGE, #TM_CANCELLED; from
///        getting a token also #TM_LOGIN_REJECTED, #TM_LOGIN_SUSPENDED, #TM_FORBIDDEN, #TM_RATE_LIMITED,
///        #TM_SERVER_ERROR, #TM_BAD_RESPONSE, #TM_STORE, #TM_LOCK_TIMEOUT, #TM_REENTRANT, #TM_UNAUTHORIZED
/// @return an owned response for tm_response_free() whatever its HTTP status, a 404 or a 403 too (see
///         tm_response_error()); NULL only where there is none to give
/// @par Threads and forks any thread; blocks for `timeout_ms` at the most
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_request(
    tm: *mut tm_manager,
    method: *const c_char,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    request_options_json: *const c_char,
    err: *mut *mut tm_error,
) -> *mut tm_response {
    // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings, `body_len` bytes at `body`,
    // and a NULL or writable `err`.
    unsafe {
        fallible(err, null_mut(), || {
            let response = request(tm, method, url, body, body_len, request_options_json)?;
            Ok(tm_response::into_raw(response))
        })
    }
}

/// tm_request() and tm_request_into(), but for where the response goes.
///
/// # Safety
/// `tm` is NULL or a live manager, `body` is valid for `body_len` bytes, the others are NULL or NUL-terminated strings.
pub unsafe fn request(
    tm: *const tm_manager,
    method: *const c_char,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    request_options_json: *const c_char,
) -> Result<Response> {
    // SAFETY: the caller of this function vouches for it.
    let (tm, method, url, body, options) = unsafe {
        (
            handle(tm, "tm")?,
            string(method, "method")?,
            string(url, "url")?,
            bytes(body, body_len, "body")?,
            optional_string(request_options_json, "request_options_json")?,
        )
    };
    if body.len() < LARGE {
        return tm.manager.request(method, url, Bytes::copy_from_slice(body), options);
    }
    let source = Box::new(CallersBody { body: from_ref(body), at: 0 });
    let mut streams = Streams { sink: None, upload: Some(Upload::new(source, Some(body.len() as u64))) };
    tm.manager.request_stream(method, url, &mut streams, options)
}

/// A body from this size on is copied while it is sent, and not before.
const LARGE: usize = 256 << 10;

/// A body that its caller keeps for as long as the call goes on.
struct CallersBody {
    body: *const [u8],
    at: usize,
}

impl Source for CallersBody {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: it is made for one call, within which the header asks for the body to stay; what a call that never
        // returns leaves behind is not polled again.
        let left = unsafe { &(&*self.body)[self.at..] };
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.at += length;
        Ok(length)
    }

    fn rewind(&mut self) -> bool {
        self.at = 0;
        true
    }
}

/// A token that is good now; logs in or refreshes when due. For callers with their own HTTP client; see
/// tm_reject().
///
/// @param tm the manager
/// @param err NULL, or where an error goes: as for tm_request()
/// @return an owned token for tm_token_free(), or NULL
/// @par Threads and forks any thread; blocks only while no usable token is held, for `timeout_ms` at the most
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_get_token(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut tm_token {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe { fallible(err, null_mut(), || Ok(tm_token::into_raw(handle(tm, "tm")?.manager.token()?))) }
}

/// The token that is held, good or not. No I/O, never waits.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return an owned token for tm_token_free(); NULL without an error if none is held
/// @par Threads and forks any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_peek_token(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut tm_token {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe {
        fallible(err, null_mut(), || {
            let held = handle(tm, "tm")?.manager.peek()?;
            Ok(held.map_or(null_mut(), tm_token::into_raw))
        })
    }
}

/// The fast path: as tm_get_token(), but copies the access token into the caller's buffer, with a NUL.
///
/// @param tm the manager
/// @param buf the buffer; may be NULL if `buf_size` is 0
/// @param buf_size its size in bytes
/// @param err NULL, or where an error goes: as for tm_get_token()
/// @return the token's length without the NUL; if that is not less than `buf_size`, nothing was copied and a
///         larger buffer is needed; 0 on failure
/// @par Threads and forks any thread, without contention; blocks as tm_get_token() does
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_copy_access_token(
    tm: *mut tm_manager,
    buf: *mut c_char,
    buf_size: usize,
    err: *mut *mut tm_error,
) -> usize {
    // SAFETY: the header asks for NULL or a live manager, `buf_size` writable bytes at `buf`, and a NULL or
    // writable `err`.
    unsafe {
        fallible(err, 0, || {
            let tm = handle(tm, "tm")?;
            check_buffer(buf, buf_size)?;
            let copy = |pair: &Pair| copy_token(pair, buf, buf_size);
            match tm.manager.with_good_token(copy) {
                Some(length) => Ok(length),
                None => tm.manager.token().map(|pair| copy(&pair)),
            }
        })
    }
}

/// As tm_copy_access_token(), but never blocks, sends or waits.
///
/// @param tm the manager
/// @param buf the buffer; may be NULL if `cap` is 0
/// @param cap its size in bytes
/// @return the token's length without the NUL; if that is not less than `cap`, nothing was copied and a larger buffer is
///         needed; 0 if no token is held that is good and not yet due for a refresh, and for arguments that are not valid:
///         tm_copy_access_token() then gets one, or says why not
/// @par Threads and forks any thread, without contention; never waits
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_try_copy_access_token(tm: *mut tm_manager, buf: *mut c_char, cap: usize) -> usize {
    guard(0, || {
        // SAFETY: the header asks for NULL or a live manager.
        let Ok(tm) = (unsafe { handle(tm, "tm") }) else { return 0 };
        if check_buffer(buf, cap).is_err() {
            return 0;
        }
        // SAFETY: the header asks for `cap` writable bytes at `buf`.
        tm.manager.with_good_token(|pair| unsafe { copy_token(pair, buf, cap) }).unwrap_or(0)
    })
}

fn check_buffer(buf: *const c_char, size: usize) -> Result<()> {
    if size > isize::MAX as usize {
        return Err(Error::invalid_argument("buf_size is larger than memory can be; pass the buffer's size"));
    }
    if buf.is_null() && size > 0 {
        return Err(Error::invalid_argument("the argument buf is NULL, but buf_size is not 0; pass a buffer"));
    }
    Ok(())
}

/// Copies an access token where it fits, and says how long it is.
///
/// # Safety
/// `buf` is valid for writes of `size` bytes.
unsafe fn copy_token(pair: &Pair, buf: *mut c_char, size: usize) -> usize {
    let token = pair.access.as_bytes_with_nul();
    if token.len() <= size {
        // SAFETY: the token is no longer than the buffer, for which the caller of this function vouches.
        unsafe { std::ptr::copy_nonoverlapping(token.as_ptr(), buf.cast(), token.len()) };
    }
    token.len() - 1
}

/// Runs a body that needs only the manager.
///
/// # Safety
/// `tm` is NULL or a live manager; `err` is NULL or writable.
unsafe fn with(tm: *mut tm_manager, err: *mut *mut tm_error, body: impl FnOnce(&Manager) -> Result<()>) -> Status {
    // SAFETY: the caller of this function vouches for both.
    unsafe { doing(err, || body(&handle(tm, "tm")?.manager)) }
}

/// Logs in now, whatever is held.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: as for tm_get_token()
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; callers at the same moment share one login
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_login(tm: *mut tm_manager, err: *mut *mut tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    guard(Status::TM_PANIC, || unsafe { with(tm, err, Manager::login) })
}

/// Refreshes now, however long the token would still live; falls back to a login.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: as for tm_get_token()
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; callers at the same moment share one refresh
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_refresh(tm: *mut tm_manager, err: *mut *mut tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    guard(Status::TM_PANIC, || unsafe { with(tm, err, Manager::refresh) })
}

/// Revokes the tokens at the server: every token of the client, not only this one. The local and the stored
/// tokens are dropped whatever the server answers. Waits for a running refresh. If the logout
/// takes an access token that has expired, the token is refreshed first if possible; the library does not log in for a
/// logout. With nothing held: #TM_OK, and nothing is sent. Calls that began before it do not log in again: they return
/// their 401. The next call logs in.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_STORE, #TM_REENTRANT, and the errors of
///        an exchange with the server, as for tm_request()
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_logout(tm: *mut tm_manager, err: *mut *mut tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    guard(Status::TM_PANIC, || unsafe { with(tm, err, Manager::logout) })
}

/// Takes over a token pair from elsewhere, in place of what is held and stored. From then on the refresh token
/// is the library's: nobody else may use it.
///
/// @param tm the manager
/// @param access_token the access token
/// @param refresh_token the refresh token, or NULL
/// @param expires_at Unix seconds by this machine's clock; 0: unknown (then a JWT's own `exp` counts)
/// @param refresh_expires_at Unix seconds; 0: unknown
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_STORE, #TM_LOCK_TIMEOUT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_set_tokens(
    tm: *mut tm_manager,
    access_token: *const c_char,
    refresh_token: *const c_char,
    expires_at: i64,
    refresh_expires_at: i64,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            let access = string(access_token, "access_token")?;
            let refresh = optional_string(refresh_token, "refresh_token")?;
            if expires_at < 0 || refresh_expires_at < 0 {
                return Err(Error::invalid_argument("a time is negative; pass Unix seconds, or 0 for unknown"));
            }
            tm.manager.set_tokens(access, refresh, expires_at, refresh_expires_at)
        })
    }
}

/// Replaces the credentials. Calls that are running end with the credentials that they began with. Another
/// username drops the tokens. Suspended logins are allowed again. A persistent handle moves to the client of the
/// new credentials.
///
/// @param tm the manager
/// @param username the username, or NULL to keep it
/// @param password the password
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks any thread; never waits
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_set_credentials(
    tm: *mut tm_manager,
    username: *const c_char,
    password: *const c_char,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            let username = optional_string(username, "username")?;
            tm.manager.set_credentials(username, string(password, "password")?)
        })
    }
}

/// Counters and gauges of this manager as one JSON object (docs/STATS.md). It holds no secret.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return an owned string for tm_string_free(), or NULL
/// @par Threads and forks any thread; never waits
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_stats_json(tm: *mut tm_manager, err: *mut *mut tm_error) -> *mut c_char {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe { fallible(err, null_mut(), || Ok(owned_string(handle(tm, "tm")?.manager.stats_json()?))) }
}
