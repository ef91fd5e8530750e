//! `tm_response`: an HTTP response, read whole.

use super::boundary::guard;
use super::error::tm_error;
use crate::response::Response;
use http::HeaderMap;
use std::ffi::{CStr, c_char, c_void};

/// An HTTP response, read whole.
pub struct tm_response {
    pub status: u16,
    /// With one NUL behind it.
    body: Vec<u8>,
    pub head: Head,
    pub error: Option<tm_error>,
}

impl tm_response {
    pub fn new(response: Response) -> tm_response {
        let mut body = response.body;
        body.push(0);
        tm_response {
            status: response.status,
            body,
            head: Head::new(response.url.as_str(), &response.headers),
            error: response.error.map(tm_error::new),
        }
    }

    /// The body, without the NUL.
    pub fn body(&self) -> &[u8] {
        &self.body[..self.body.len() - 1]
    }
}

/// The URL that answered, then header names and values, as C strings in one buffer, and where each header begins:
/// two allocations instead of two a header.
pub struct Head {
    text: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Head {
    fn new(url: &str, headers: &HeaderMap) -> Head {
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(url.len() + 1 + size);
        let mut places = Vec::with_capacity(headers.len());
        text.extend_from_slice(url.as_bytes());
        text.push(0);
        for (name, value) in headers {
            let name_at = text.len();
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(0);
            places.push((name_at, text.len()));
            text.extend_from_slice(value.as_bytes());
            text.push(0);
        }
        Head { text, places }
    }

    /// URL, name, value, name, value, ... each with a NUL behind it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    fn at(&self, place: usize) -> &CStr {
        CStr::from_bytes_until_nul(&self.text[place..]).unwrap_or_default()
    }

    fn first(&self, name: &CStr) -> Option<&CStr> {
        let is_it = |(place, _): &&(usize, usize)| self.at(*place).to_bytes().eq_ignore_ascii_case(name.to_bytes());
        self.places.iter().find(is_it).map(|(_, value)| self.at(*value))
    }
}

/// Reads a getter's handle, or gives what it answers to NULL.
///
/// # Safety
/// `r` is NULL or a live response.
unsafe fn read<T>(r: *const tm_response, nothing: T, read: impl FnOnce(&tm_response) -> T) -> T {
    // SAFETY: the caller of this function vouches for it.
    unsafe { r.as_ref() }.map_or(nothing, read)
}

/// The HTTP status, such as 200.
///
/// @param r a response, or NULL
/// @return the status; 0 for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_status(r: *const tm_response) -> i32 {
    // SAFETY: the header asks for NULL or a live response.
    guard(0, || unsafe { read(r, 0, |r| i32::from(r.status)) })
}

/// The body: tm_response_body_len() bytes, decompressed, and behind them a NUL that is not counted.
///
/// @param r a response, or NULL
/// @return bytes that live as long as the response; NULL for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_body(r: *const tm_response) -> *const c_void {
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), |r| r.body.as_ptr().cast()) })
}

/// The body's size in bytes.
///
/// @param r a response, or NULL
/// @return the size; 0 for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_body_len(r: *const tm_response) -> usize {
    // SAFETY: the header asks for NULL or a live response.
    guard(0, || unsafe { read(r, 0, |r| r.body().len()) })
}

/// A header's first value.
///
/// @param r a response, or NULL
/// @param name the header's name in any case, or NULL
/// @return a string that lives as long as the response, maybe not UTF-8; NULL if absent, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header(r: *const tm_response, name: *const c_char) -> *const c_char {
    guard(std::ptr::null(), || {
        if name.is_null() {
            return std::ptr::null();
        }
        // SAFETY: not NULL; the header asks for a NUL-terminated string, and NULL or a live response.
        unsafe {
            let name = CStr::from_ptr(name);
            read(r, std::ptr::null(), |r| r.head.first(name).map_or(std::ptr::null(), CStr::as_ptr))
        }
    })
}

/// How many headers there are, repeated ones counted each.
///
/// @param r a response, or NULL
/// @return the number; 0 for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header_count(r: *const tm_response) -> usize {
    // SAFETY: the header asks for NULL or a live response.
    guard(0, || unsafe { read(r, 0, |r| r.head.places.len()) })
}

/// The name of the header at a place, in lower case.
///
/// @param r a response, or NULL
/// @param i the place, below tm_response_header_count()
/// @return a string that lives as long as the response; NULL beyond the last, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header_name(r: *const tm_response, i: usize) -> *const c_char {
    let name = |r: &tm_response| match r.head.places.get(i) {
        Some((name, _)) => r.head.at(*name).as_ptr(),
        None => std::ptr::null(),
    };
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), name) })
}

/// The value of the header at a place, as received: maybe not UTF-8. Repeated headers stand in their order.
///
/// @param r a response, or NULL
/// @param i the place, below tm_response_header_count()
/// @return a string that lives as long as the response; NULL beyond the last, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header_value(r: *const tm_response, i: usize) -> *const c_char {
    let value = |r: &tm_response| match r.head.places.get(i) {
        Some((_, value)) => r.head.at(*value).as_ptr(),
        None => std::ptr::null(),
    };
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), value) })
}

/// The URL that answered, after redirects.
///
/// @param r a response, or NULL
/// @return a string that lives as long as the response; NULL for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_url(r: *const tm_response) -> *const c_char {
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), |r| r.head.at(0).as_ptr()) })
}

/// What a response of 400 and above means, with the server's own code and message: #TM_UNAUTHORIZED,
/// #TM_FORBIDDEN, #TM_RATE_LIMITED, #TM_SERVER_ERROR or #TM_HTTP_ERROR.
///
/// @param r a response, or NULL
/// @return an error that lives as long as the response and is not freed; NULL below 400, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_error(r: *const tm_response) -> *const tm_error {
    let error = |r: &tm_response| r.error.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), error) })
}

/// Frees a response and everything borrowed from it.
///
/// @param r an owned response, or NULL
/// @par Threads and forks any thread, once; also in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_free(r: *mut tm_response) {
    guard((), || {
        if !r.is_null() {
            // SAFETY: an owned response comes from tm_request(), and the caller gives it back once.
            drop(unsafe { Box::from_raw(r) });
        }
    });
}
