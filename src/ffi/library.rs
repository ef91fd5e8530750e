//! What belongs to no handle: versions, strings, keys.

use crate::ffi::boundary::fallible;
use crate::ffi::error::tm_error;
use crate::ffi::panics::guard;
use crate::ffi::strings::owned_string;
use std::ffi::{CString, c_char};

/// The version of this interface. It rises with each addition; an incompatible change changes the soname.
pub const TM_ABI_VERSION: u32 = 3;

/// The library's version, such as `"0.1.0"`.
///
/// @return a static string; never NULL, never freed
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tm_version() -> *const c_char {
    guard(c"".as_ptr(), || VERSION.as_ptr())
}

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// The interface's version that the loaded library implements, to be compared with #TM_ABI_VERSION of the
/// header that a program was compiled with: it must be at least that.
///
/// @return the number
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn tm_abi_version() -> u32 {
    guard(0, || TM_ABI_VERSION)
}

/// Frees a string that a tm_* function gave as `char *`. Its bytes are zeroed first.
///
/// @param s the string, or NULL
/// @par Threads and forks any thread; also in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_string_free(s: *mut c_char) {
    guard((), || {
        if !s.is_null() {
            // SAFETY: a `char *` from this library comes from `CString::into_raw`, and the caller gives it
            // back once.
            let owned = unsafe { CString::from_raw(s) };
            drop(zeroize::Zeroizing::new(owned.into_bytes_with_nul()));
        }
    });
}

/// A new random key of 256 bits for the encrypted stores, in base64.
///
/// @param err NULL, or where an error goes: #TM_PANIC
/// @return an owned string for tm_string_free(), or NULL
/// @par Threads and forks any thread, any time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_generate_key(err: *mut *mut tm_error) -> *mut c_char {
    // SAFETY: `err` is NULL or writable, as the header asks of every caller.
    unsafe {
        fallible(err, std::ptr::null_mut(), || {
            use base64::Engine;
            let key = zeroize::Zeroizing::new(crate::sys::secret::random::<32>());
            Ok(owned_string(base64::engine::general_purpose::STANDARD.encode(*key)))
        })
    }
}
