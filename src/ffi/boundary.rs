//! The boundary that every exported function stands behind: panics stop here, pointers become references,
//! errors become handles.

use crate::error::{Error, Result, Status};
use crate::ffi::error::tm_error;
use crate::ffi::panics::attempt;
use std::ffi::c_void;

/// Runs the body of an exported function that makes something; an error goes to `err`, and `nothing` is
/// returned in its place.
///
/// # Safety
/// `err` is NULL or valid for a write.
pub unsafe fn fallible<T>(err: *mut *mut tm_error, nothing: T, body: impl FnOnce() -> Result<T>) -> T {
    let (output, error) = match attempt(body) {
        Ok(output) => (output, std::ptr::null_mut()),
        Err(error) => (nothing, if err.is_null() { std::ptr::null_mut() } else { tm_error::into_raw(error) }),
    };
    if !err.is_null() {
        // SAFETY: the caller of this function vouches for it. It is written, never read.
        unsafe { err.write(error) };
    }
    output
}

/// Runs the body of an exported function that does something.
///
/// # Safety
/// `err` is NULL or valid for a write.
pub unsafe fn doing(err: *mut *mut tm_error, body: impl FnOnce() -> Result<()>) -> Status {
    let mut status = Status::TM_PANIC;
    // SAFETY: the caller of this function vouches for `err`.
    unsafe {
        fallible(err, (), || {
            let outcome = attempt(body);
            status = outcome.as_ref().map_or_else(Error::status, |()| Status::TM_OK);
            outcome
        });
    }
    status
}

/// Bytes and their length; NULL is fine where there are none.
///
/// # Safety
/// `data` is NULL or valid for `len` bytes for `'a`.
pub unsafe fn bytes<'a>(data: *const c_void, len: usize, name: &str) -> Result<&'a [u8]> {
    if len > isize::MAX as usize {
        return Err(Error::invalid_argument(format!(
            "the length of {name} is larger than memory can be; pass its size in bytes"
        )));
    }
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Error::invalid_argument(format!(
            "the argument {name} is NULL, but its length is {len}; pass the data, or a length of 0"
        )));
    }
    // SAFETY: not NULL, no longer than an object can be, and the caller of this function vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// A required handle.
///
/// # Safety
/// `handle` is NULL or a live handle of its type.
pub unsafe fn handle<'a, T>(handle: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: the caller of this function vouches for it.
    unsafe { handle.as_ref() }
        .ok_or_else(|| Error::invalid_argument(format!("the argument {name} is NULL; pass a handle")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::panics::guard;

    #[test]
    fn a_panic_stops_at_the_boundary_and_becomes_an_error() {
        let mut err: *mut tm_error = std::ptr::dangling_mut();
        // SAFETY: `err` is a local.
        let status = unsafe { doing(&mut err, || panic!("within")) };
        assert_eq!(status, Status::TM_PANIC);
        // SAFETY: just made by `doing`, and freed once.
        unsafe {
            assert_eq!(super::super::error::tm_error_code(err), Status::TM_PANIC);
            super::super::error::tm_error_free(err);
        }
        assert_eq!(guard(7, || panic!("within")), 7);
    }

    #[test]
    fn every_exported_function_stands_behind_the_boundary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ffi");
        let in_header = include_str!("../../build.rs");
        let marker = "#[unsafe(no_mangle)]\n";
        let mut exported = Vec::new();
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let source = std::fs::read_to_string(&file).unwrap();
            let name = file.file_name().unwrap().to_str().unwrap();
            let functions: Vec<_> = source.split(marker).skip(1).collect();
            assert!(
                functions.is_empty() || in_header.contains(&format!("\"{name}\"")),
                "build.rs does not list {name}"
            );
            for function in functions {
                let body = function.split("\n}\n").next().unwrap();
                let name = body.split("fn ").nth(1).unwrap().split('(').next().unwrap();
                let guarded = ["guard(", "fallible(", "doing("].iter().any(|boundary| body.contains(boundary));
                assert!(guarded, "{name} is not behind the boundary");
                exported.push(name.to_owned());
            }
        }
        exported.sort();
        let listed: Vec<&str> = include_str!("../../include/symbols.txt").lines().collect();
        let unlisted: Vec<_> = exported.iter().filter(|name| !listed.contains(&name.as_str())).collect();
        assert!(unlisted.is_empty(), "include/symbols.txt does not list {unlisted:?}");
        assert_eq!(listed.len(), exported.len(), "include/symbols.txt lists what is not exported");
    }
}
