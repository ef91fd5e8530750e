//! `tm_response`: an HTTP response, read whole.

use crate::ffi::error::tm_error;
use crate::ffi::panics::guard;
use crate::ffi::strings::c_string;
use crate::request::response::Response;
use http::HeaderMap;
use std::ffi::{CStr, CString, c_char, c_void};

/// An HTTP response, read whole.
pub struct tm_response {
    status: u16,
    /// With one NUL behind it.
    body: Vec<u8>,
    headers: Headers,
    url: CString,
    error: Option<tm_error>,
}

impl tm_response {
    pub fn into_raw(response: Response) -> *mut tm_response {
        let mut body = response.body;
        body.push(0);
        Box::into_raw(Box::new(tm_response {
            status: response.status,
            body,
            headers: Headers::new(&response.headers),
            url: c_string(response.url.into()),
            error: response.error.map(tm_error::new),
        }))
    }
}

/// Header names and values as C strings in one buffer, and where each begins: two allocations instead of
/// two a header.
struct Headers {
    text: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Headers {
    fn new(headers: &HeaderMap) -> Headers {
        let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut text = Vec::with_capacity(size);
        let mut places = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let name_at = text.len();
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(0);
            places.push((name_at, text.len()));
            text.extend_from_slice(value.as_bytes());
            text.push(0);
        }
        Headers { text, places }
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
    guard(0, || unsafe { read(r, 0, |r| r.body.len() - 1) })
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
            read(r, std::ptr::null(), |r| r.headers.first(name).map_or(std::ptr::null(), CStr::as_ptr))
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
    guard(0, || unsafe { read(r, 0, |r| r.headers.places.len()) })
}

/// The name of the header at an index, in lower case.
///
/// @param r a response, or NULL
/// @param i the index, below tm_response_header_count()
/// @return a string that lives as long as the response; NULL beyond the last, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header_name(r: *const tm_response, i: usize) -> *const c_char {
    let name = |r: &tm_response| match r.headers.places.get(i) {
        Some((name, _)) => r.headers.at(*name).as_ptr(),
        None => std::ptr::null(),
    };
    // SAFETY: the header asks for NULL or a live response.
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), name) })
}

/// The value of the header at an index, as received: maybe not UTF-8. Repeated headers keep their order.
///
/// @param r a response, or NULL
/// @param i the index, below tm_response_header_count()
/// @return a string that lives as long as the response; NULL beyond the last, or for NULL
/// @par Threads and forks any thread: a response never changes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_response_header_value(r: *const tm_response, i: usize) -> *const c_char {
    let value = |r: &tm_response| match r.headers.places.get(i) {
        Some((_, value)) => r.headers.at(*value).as_ptr(),
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
    guard(std::ptr::null(), || unsafe { read(r, std::ptr::null(), |r| r.url.as_ptr()) })
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
            // SAFETY: an owned response comes from `into_raw`, and the caller gives it back once.
            drop(unsafe { Box::from_raw(r) });
        }
    });
}
