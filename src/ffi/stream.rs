//! `tm_request_stream`: a request whose bodies need not fit in memory.

use crate::error::{Error, Result};
use crate::ffi::boundary::{fallible, handle};
use crate::ffi::callbacks::Userdata;
use crate::ffi::error::tm_error;
use crate::ffi::manager::tm_manager;
use crate::ffi::response::tm_response;
use crate::ffi::strings::{optional_string, string};
use crate::http::message::{Sink, Source, Streams, Upload};
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

/// Gives the next piece of a request's body: puts up to `len` bytes into `buf`, which is never NULL, and returns how
/// many; 0 at the body's end; -1 ends the call with #TM_CANCELLED.
pub type tm_body_read = Option<unsafe extern "C" fn(userdata: *mut c_void, buf: *mut c_void, len: usize) -> i64>;

/// Goes back to the beginning of a request's body, for a second send. 1: done; anything else: that is not possible.
pub type tm_body_rewind = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i32>;

/// Takes the next piece of an answer's body: `len` bytes at `data`, valid until it returns. 1: go on; anything else ends
/// the call with #TM_CANCELLED.
pub type tm_body_write = Option<unsafe extern "C" fn(userdata: *mut c_void, data: *const c_void, len: usize) -> i32>;

type Read = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> i64;
type Rewind = unsafe extern "C" fn(*mut c_void) -> i32;
type Write = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i32;

/// As tm_request(), with bodies that need not fit in memory: both pass through in pieces of 64 KiB at the most.
///
/// The callbacks run only on this thread and within this call, with no lock held. They may make calls on any manager, and
/// must not throw. One that never returns loses this call only.
///
/// @param tm the manager
/// @param method as for tm_request()
/// @param url as for tm_request()
/// @param read gives the request's body; NULL: there is none
/// @param rewind goes back to the body's beginning; NULL: that is not possible. It is called when the request has to be
///        sent again (after a 401, over another connection, after a redirect) and some of the body was read. If that
///        is not possible, the call returns what it has: the 401 or the redirect as a response, or the error
/// @param body_len the body's size in bytes, or -1 if that is unknown (it is then sent in chunks, RFC 9112, 7.1). If
///        the body ends earlier, the call fails with #TM_INVALID_ARGUMENT; no more than `body_len` bytes are
///        read. Without `read`: 0 or -1
/// @param write takes the body of a 2xx answer as it arrives, decompressed; the response then has no body, and
///        `max_response_bytes` does not count. The bodies of other answers, and all with NULL, are read whole as
///        tm_request() reads them. It may already have been called when the call fails
/// @param userdata handed to the callbacks as it is
/// @param request_options_json as for tm_request(); `timeout_ms` is for both bodies, too
/// @param err NULL, or where an error goes: as for tm_request(); #TM_CANCELLED also where a callback ends the call
/// @return as tm_request()
/// @par Threads and forks any thread; blocks for `timeout_ms` at the most, and as long as the callbacks take
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_request_stream(
    tm: *mut tm_manager,
    method: *const c_char,
    url: *const c_char,
    read: tm_body_read,
    rewind: tm_body_rewind,
    body_len: i64,
    write: tm_body_write,
    userdata: *mut c_void,
    request_options_json: *const c_char,
    err: *mut *mut tm_error,
) -> *mut tm_response {
    let userdata = Userdata::new(userdata);
    // SAFETY: the header asks for NULL or a live manager, NUL-terminated strings, and a NULL or writable `err`.
    unsafe {
        fallible(err, null_mut(), || {
            let tm = handle(tm, "tm")?;
            let (method, url) = (string(method, "method")?, string(url, "url")?);
            let options = optional_string(request_options_json, "request_options_json")?;
            let upload = upload(read, rewind, body_len, userdata)?;
            let mut writer = write.map(|write| Writer { write, userdata });
            let sink = writer.as_mut().map(|writer| writer as &mut dyn Sink);
            let response = tm.manager.request_stream(method, url, &mut Streams { sink, upload }, options)?;
            Ok(tm_response::into_raw(response))
        })
    }
}

fn upload(read: tm_body_read, rewind: tm_body_rewind, body_len: i64, userdata: Userdata) -> Result<Option<Upload>> {
    let length = match body_len {
        -1 => None,
        length => Some(u64::try_from(length).map_err(|_| {
            Error::invalid_argument("body_len is negative; pass the body's size, or -1 if that is unknown")
        })?),
    };
    match read {
        Some(read) => Ok(Some(Upload::new(Box::new(Reader { read, rewind, userdata }), length))),
        None if body_len > 0 => {
            Err(Error::invalid_argument("the argument read is NULL, but body_len is not 0; pass both or neither"))
        }
        None => Ok(None),
    }
}

struct Reader {
    read: Read,
    rewind: Option<Rewind>,
    userdata: Userdata,
}

impl Source for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the caller that passed the callback vouches for it and its userdata; the buffer is writable for its length.
        let read = unsafe { (self.read)(self.userdata.pointer(), buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(read) {
            Ok(read) if read <= buffer.len() => Ok(read),
            Ok(_) => Err(Error::invalid_argument(
                "the read callback returned more than it was asked for; return at most len",
            )),
            Err(_) => Err(Error::interrupted("the read callback ended the call")),
        }
    }

    fn rewind(&mut self) -> bool {
        // SAFETY: as above.
        self.rewind.is_some_and(|rewind| unsafe { rewind(self.userdata.pointer()) } == 1)
    }
}

struct Writer {
    write: Write,
    userdata: Userdata,
}

impl Sink for Writer {
    fn take(&mut self, piece: &[u8]) -> Result<()> {
        // SAFETY: the caller that passed the callback vouches for it and its userdata; the piece lives until it returns.
        match unsafe { (self.write)(self.userdata.pointer(), piece.as_ptr().cast(), piece.len()) } {
            1 => Ok(()),
            _ => Err(Error::interrupted("the write callback ended the call")),
        }
    }
}
