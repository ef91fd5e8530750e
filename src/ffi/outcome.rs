//! `tm_outcome`: what a request came to, for callers to whom every call costs.

use super::boundary::{attempt, guard};
use super::error::tm_error;
use super::manager::{request, tm_manager};
use super::response::tm_response;
use crate::error::Status;
use std::ffi::{c_char, c_void};
use std::ptr::{from_ref, null, null_mut};

/// What a request came to: a response or an error. The library makes it with tm_outcome_new(), fills it in
/// tm_request_into(), and may give it more members at its end; read it, and leave it as it is.
///
/// What its pointers lead to is borrowed, until the next tm_request_into() with this outcome, or
/// tm_outcome_free().
#[repr(C)]
pub struct tm_outcome {
    /// The HTTP status, such as 200; 0 if there is no response.
    status: i32,
    /// The body, decompressed, and behind it a NUL that is not counted. NULL if there is no response.
    body: *const c_void,
    /// The body's size in bytes.
    body_len: usize,
    /// The URL that answered, after redirects; then the name of each header, in lower case, and its value, as
    /// received: maybe not UTF-8. Behind each stands a NUL. NULL if there is no response.
    head: *const c_char,
    /// The size of all that in bytes, the last NUL included.
    head_len: usize,
    /// Why there is no response, or what one of 400 and above means: see tm_response_error(). NULL below 400.
    /// Not to be freed.
    error: *const tm_error,
}

impl tm_outcome {
    const NOTHING: tm_outcome =
        tm_outcome { status: 0, body: null(), body_len: 0, head: null(), head_len: 0, error: null() };

    /// Points into what `held` holds, which does not move while it is held.
    fn of(held: &Result<Box<tm_response>, Box<tm_error>>) -> tm_outcome {
        match held {
            Ok(response) => tm_outcome {
                status: i32::from(response.status),
                body: response.body().as_ptr().cast(),
                body_len: response.body().len(),
                head: response.head.text().as_ptr().cast(),
                head_len: response.head.text().len(),
                error: response.error.as_ref().map_or(null(), from_ref),
            },
            Err(error) => tm_outcome { error: from_ref(&**error), ..tm_outcome::NOTHING },
        }
    }
}

/// What is really behind a `tm_outcome *`.
#[repr(C)]
struct Place {
    shown: tm_outcome,
    held: Option<Result<Box<tm_response>, Box<tm_error>>>,
}

/// A place for what requests come to, one after another: see tm_request_into().
///
/// @return an owned, empty outcome for tm_outcome_free()
/// @par Threads and forks any thread; also in a forked child
/// @since 0.1, interface 2
#[unsafe(no_mangle)]
pub extern "C" fn tm_outcome_new() -> *mut tm_outcome {
    guard(null_mut(), || Box::into_raw(Box::new(Place { shown: tm_outcome::NOTHING, held: None })).cast())
}

/// As tm_request(), but puts response or error into an outcome of the caller's, whose members then take no calls to
/// read and whose next use frees them: for bindings, where each call of a C function costs more than what it does.
///
/// @param tm the manager
/// @param method as for tm_request()
/// @param url as for tm_request()
/// @param body as for tm_request()
/// @param body_len as for tm_request()
/// @param request_options_json as for tm_request()
/// @param outcome what is filled, for one call at a time; what it held before is freed first. A callback that
///        makes a request within this call takes another
/// @return #TM_OK if there is a response, whatever its HTTP status; else the code of the outcome's error: see
///         tm_request(). With a NULL outcome #TM_INVALID_ARGUMENT, and nothing is sent
/// @par Threads and forks any thread; blocks for `timeout_ms` at the most
/// @since 0.1, interface 2
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_request_into(
    tm: *mut tm_manager,
    method: *const c_char,
    url: *const c_char,
    body: *const c_void,
    body_len: usize,
    request_options_json: *const c_char,
    outcome: *mut tm_outcome,
) -> Status {
    guard(Status::TM_PANIC, || {
        if outcome.is_null() {
            return Status::TM_INVALID_ARGUMENT;
        }
        // SAFETY: the header asks for an outcome that tm_outcome_new() made, which is a `Place`, and that no other call
        // uses. Callbacks run between these two blocks, and no reference to it lives on meanwhile.
        unsafe { *outcome.cast::<Place>() = Place { shown: tm_outcome::NOTHING, held: None } };
        // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings and `body_len` bytes at `body`.
        let held = attempt(|| unsafe { request(tm, method, url, body, body_len, request_options_json) })
            .map(Box::new)
            .map_err(|error| Box::new(tm_error::new(error)));
        let status = held.as_ref().map_or_else(|error| error.status(), |_| Status::TM_OK);
        // SAFETY: as above.
        unsafe { *outcome.cast::<Place>() = Place { shown: tm_outcome::of(&held), held: Some(held) } };
        status
    })
}

/// Frees an outcome and everything in it.
///
/// @param outcome an owned outcome that no call uses, or NULL
/// @par Threads and forks any thread, once; also in a forked child
/// @since 0.1, interface 2
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_outcome_free(outcome: *mut tm_outcome) {
    guard((), || {
        if !outcome.is_null() {
            // SAFETY: an owned outcome is a `Place` from tm_outcome_new(), and the caller gives it back once.
            drop(unsafe { Box::from_raw(outcome.cast::<Place>()) });
        }
    });
}
