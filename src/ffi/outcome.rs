//! `tm_outcome`: the result of a request, for callers for whom each call of a C function is expensive.

use crate::error::{Error, Status};
use crate::ffi::error::tm_error;
use crate::ffi::manager::{request, tm_manager};
use crate::ffi::panics::{attempt, guard};
use crate::request::response::Response;
use std::ffi::{c_char, c_void};
use std::ptr::{from_ref, null, null_mut};

/// The result of a request: a response or an error. The library makes it in tm_outcome_new() and fills it in
/// tm_request_into(). Read it only: later versions may add members at its end.
///
/// What its pointers point to is borrowed, until the next tm_request_into() with this outcome, or
/// tm_outcome_free().
#[repr(C)]
pub struct tm_outcome {
    /// The HTTP status, such as 200; 0 if there is no response.
    status: i32,
    /// The body, decompressed: bytes of any kind, and behind them a NUL that is not counted. NULL if there is no
    /// response.
    body: *const c_char,
    /// The body's size in bytes.
    body_len: usize,
    /// Lines: the URL that answered, after redirects; then for each header one for its name, in lower case, and one
    /// for its value, as received: maybe not UTF-8. Each ends with a line feed, which none can hold, and the last
    /// with a NUL. NULL if there is no response.
    head: *const c_char,
    /// Why there is no response, or what one of 400 and above means: see tm_response_error(). NULL below 400.
    /// Not to be freed.
    error: *const tm_error,
}

/// What the pointers of an outcome point to.
#[derive(Default)]
struct Held {
    status: u16,
    /// With a NUL behind each, unless empty: there is no response.
    body: Vec<u8>,
    head: Vec<u8>,
    error: Option<Box<tm_error>>,
}

impl Held {
    fn response(response: Response) -> Held {
        let mut body = response.body;
        body.push(0);
        let (url, headers) = (response.url.as_str(), &response.headers);
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut head = Vec::with_capacity(url.len() + 1 + size + 1);
        let mut line = |text: &[u8]| {
            head.extend_from_slice(text);
            head.push(b'\n');
        };
        line(url.as_bytes());
        for (name, value) in headers {
            line(name.as_str().as_bytes());
            line(value.as_bytes());
        }
        head.push(0);
        Held { status: response.status, body, head, error: response.error.map(|error| Box::new(tm_error::new(error))) }
    }

    fn error(error: Error) -> Held {
        Held { error: Some(Box::new(tm_error::new(error))), ..Held::default() }
    }

    /// What its owner reads. It may not move afterwards: the compiler assumes that no other pointers lead into a box that moves.
    fn redacted(&self) -> tm_outcome {
        let start = |text: &Vec<u8>| if text.is_empty() { null() } else { text.as_ptr().cast() };
        tm_outcome {
            status: i32::from(self.status),
            body: start(&self.body),
            body_len: self.body.len().saturating_sub(1),
            head: start(&self.head),
            error: self.error.as_deref().map_or(null(), from_ref),
        }
    }
}

/// What a `tm_outcome *` really points to.
#[repr(C)]
struct Place {
    redacted: tm_outcome,
    held: Held,
}

impl Place {
    fn empty() -> Place {
        let held = Held::default();
        Place { redacted: held.redacted(), held }
    }

    fn put(&mut self, held: Held) {
        self.held = held;
        self.redacted = self.held.redacted();
    }
}

/// A new outcome, to be filled by one request after another: see tm_request_into().
///
/// @return an owned, empty outcome for tm_outcome_free(); never NULL
/// @par Threads and forks any thread; also in a forked child
/// @since 0.1, interface 2
#[unsafe(no_mangle)]
pub extern "C" fn tm_outcome_new() -> *mut tm_outcome {
    guard(null_mut(), || Box::into_raw(Box::new(Place::empty())).cast())
}

/// As tm_request(), but puts the response or the error into an outcome that the caller owns. Its members are read
/// without a call, and the next use frees them: for bindings, where calling a C function costs more than its work.
///
/// @param tm the manager
/// @param method as for tm_request()
/// @param url as for tm_request()
/// @param body as for tm_request()
/// @param body_len as for tm_request()
/// @param request_options_json as for tm_request()
/// @param outcome is filled, by one call at a time; what it held before is freed first. A callback that makes a
///        request within this call needs another outcome
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
        unsafe { (*outcome.cast::<Place>()).put(Held::default()) };
        let held = attempt(|| {
            // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings, `body_len` bytes at `body`.
            let response = unsafe { request(tm, method, url, body, body_len, request_options_json) }?;
            Ok(Held::response(response))
        });
        let status = held.as_ref().map_or_else(Error::status, |_| Status::TM_OK);
        // SAFETY: as above.
        unsafe { (*outcome.cast::<Place>()).put(held.unwrap_or_else(Held::error)) };
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
