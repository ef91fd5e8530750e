//! A request whose bodies pass through in pieces.

use super::abi;
use super::library::{Failure, Manager, Response, c_string, made};
use std::ffi::c_void;
use std::ptr;
use std::slice;

/// What both bodies of a request pass through.
pub trait Transfer {
    /// Puts the next piece of the request's body into `into`: how much, 0 at the end; None ends the call.
    fn read(&mut self, into: &mut [u8]) -> Option<usize>;
    /// Goes back to the beginning of the request's body, if that is possible.
    fn rewind(&mut self) -> bool;
    /// Takes the next piece of the answer's body; false ends the call.
    fn write(&mut self, data: &[u8]) -> bool;
}

pub struct Call<'a> {
    pub method: &'a str,
    pub url: &'a str,
    /// The options of the request, as JSON.
    pub options: &'a str,
    /// The size of the request's body, if it is known.
    pub length: Option<u64>,
    pub can_rewind: bool,
    /// Whether the answer's body is written as it arrives; else it is in the response.
    pub is_streamed: bool,
}

impl Manager {
    pub fn request<T: Transfer>(&self, call: &Call<'_>, transfer: &mut T) -> Result<Response, Failure> {
        let method = c_string(call.method, "the method")?;
        let url = c_string(call.url, "the URL")?;
        let options = c_string(call.options, "a header")?;
        let read: abi::tm_body_read = if call.length == Some(0) { None } else { Some(read_body::<T>) };
        let rewind: abi::tm_body_rewind = if call.can_rewind { Some(rewind_body::<T>) } else { None };
        let write: abi::tm_body_write = if call.is_streamed { Some(write_body::<T>) } else { None };
        let length = call.length.map_or(-1, |length| i64::try_from(length).unwrap_or(-1));
        let userdata = ptr::from_mut(transfer).cast();
        let mut error = ptr::null_mut();
        // SAFETY: the texts and the transfer live during the call, within which the callbacks run, one at a time.
        unsafe {
            let (method, url, options) = (method.as_ptr(), url.as_ptr(), options.as_ptr());
            let manager = self.as_ptr();
            let response = abi::tm_request_stream(
                manager, method, url, read, rewind, length, write, userdata, options, &mut error,
            );
            made(response, error).map(Response)
        }
    }
}

unsafe extern "C" fn read_body<T: Transfer>(userdata: *mut c_void, into: *mut c_void, len: usize) -> i64 {
    // SAFETY: userdata is the transfer of `request`. The library's buffer has room for `len` bytes; they are given a
    // value before they are passed on as a slice.
    let (transfer, into) = unsafe {
        let into = into.cast::<u8>();
        into.write_bytes(0, len);
        (&mut *userdata.cast::<T>(), slice::from_raw_parts_mut(into, len))
    };
    transfer.read(into).and_then(|got| i64::try_from(got).ok()).unwrap_or(-1)
}

unsafe extern "C" fn rewind_body<T: Transfer>(userdata: *mut c_void) -> i32 {
    // SAFETY: userdata is the transfer of `request`.
    unsafe { &mut *userdata.cast::<T>() }.rewind().into()
}

unsafe extern "C" fn write_body<T: Transfer>(userdata: *mut c_void, data: *const c_void, len: usize) -> i32 {
    // SAFETY: userdata is the transfer of `request`; the library's bytes are valid until this returns.
    let (transfer, data) = unsafe { (&mut *userdata.cast::<T>(), slice::from_raw_parts(data.cast::<u8>(), len)) };
    transfer.write(data).into()
}
