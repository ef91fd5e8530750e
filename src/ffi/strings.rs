//! C strings, in and out.

use crate::error::{Error, Result};
use std::ffi::{CStr, CString, c_char};

/// A required string.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that stays valid for `'a`.
pub unsafe fn string<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the caller of this function vouches for it.
    match unsafe { optional_string(text, name) }? {
        Some(text) => Ok(text),
        None => Err(Error::invalid_argument(format!("the argument {name} is NULL; pass a string"))),
    }
}

/// A string that may be NULL.
///
/// # Safety
/// As for [`string`].
pub unsafe fn optional_string<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller of this function vouches for the rest.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str()
        .map(Some)
        .map_err(|_| Error::invalid_argument(format!("the argument {name} is not valid UTF-8; pass UTF-8 text")))
}

/// A string that the caller will free with tm_string_free.
pub fn owned_string(text: String) -> *mut c_char {
    c_string(text).into_raw()
}

/// A C string of a text that should hold no NUL; should it do so, it ends there.
pub fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_else(|nul| {
        let end = nul.nul_position();
        let mut bytes = nul.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    })
}
