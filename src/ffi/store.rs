//! A store of the caller's own: C callbacks as the library's `Callbacks`.

use crate::error::{Error, Status};
use crate::ffi::boundary::{bytes, doing, handle};
use crate::ffi::callbacks::Userdata;
use crate::ffi::error::tm_error;
use crate::ffi::manager::tm_manager;
use crate::store::callback::{CallbackStore, Callbacks, Reply};
use std::ffi::{CString, c_char, c_void};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a load callback puts the bytes that it found.
pub struct tm_sink {
    data: Zeroizing<Vec<u8>>,
}

/// Hands the stored bytes under `key` over with tm_sink_put(), or puts nothing when there are none. Returns
/// 1: done; anything else: it failed.
pub type tm_store_load =
    Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char, out: *mut tm_sink) -> i32>;

/// Stores `len` bytes under `key` for `ttl_seconds`, if `expected` is still what is stored (NULL: nothing); a
/// store that cannot compare ignores it. `len` 0: delete. Returns 1: done; 0: no, the store no longer holds
/// `expected`; anything else: it failed.
pub type tm_store_save = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        key: *const c_char,
        data: *const c_void,
        len: usize,
        expected: *const c_void,
        expected_len: usize,
        ttl_seconds: i64,
    ) -> i32,
>;

/// Takes the lock of `key`, waiting at most `wait_ms`. Returns 1: done; 0: not within `wait_ms`; anything
/// else: it failed.
pub type tm_store_lock = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char, wait_ms: i64) -> i32>;

/// Gives back the lock of `key`. Returns 1: done; anything else: it failed.
pub type tm_store_unlock = Option<unsafe extern "C" fn(userdata: *mut c_void, key: *const c_char) -> i32>;

type Load = unsafe extern "C" fn(*mut c_void, *const c_char, *mut tm_sink) -> i32;
type Save = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_void, usize, *const c_void, usize, i64) -> i32;
type Lock = unsafe extern "C" fn(*mut c_void, *const c_char, i64) -> i32;
type Unlock = unsafe extern "C" fn(*mut c_void, *const c_char) -> i32;

/// Puts bytes into the sink of a load callback; a second call appends.
///
/// @param sink the sink that the load callback got; NULL does nothing
/// @param data the bytes, copied; may be NULL if `len` is 0
/// @param len their number
/// @par Threads and forks only inside the load callback that got the sink
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_sink_put(sink: *mut tm_sink, data: *const c_void, len: usize) {
    super::panics::guard((), || {
        // SAFETY: the header asks for NULL or the sink of the load callback that is running, which nobody
        // else uses meanwhile, and for `len` bytes at `data`.
        let (sink, data) = unsafe { (sink.as_mut(), bytes(data, len, "data")) };
        if let (Some(sink), Ok(data)) = (sink, data) {
            // A growing buffer would leave copies behind.
            let mut grown = Zeroizing::new(Vec::with_capacity(sink.data.len() + data.len()));
            grown.extend_from_slice(&sink.data);
            grown.extend_from_slice(data);
            sink.data = grown;
        }
    });
}

/// Whether the store can be used: reads it once, changes nothing and asks no API. For health checks, and for programs that
/// make one call each, which would log in every time while the store is unavailable.
///
/// @param tm the manager
/// @param err NULL, or where an error goes: #TM_STORE where it cannot be reached, refuses, or holds what cannot be used,
///     such as a record that was sealed with another key; #TM_LOCK_TIMEOUT, #TM_TIMEOUT, #TM_CANCELLED
/// @return #TM_OK, also for tokens that are kept in memory; or the error's status
/// @par Threads and forks any thread; waits for the store, up to `store.timeout_ms` and `timeout_ms`
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_check_store(tm: *mut tm_manager, err: *mut *mut tm_error) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and for a NULL or writable `err`.
    unsafe { doing(err, || handle(tm, "tm")?.manager.check_store()) }
}

/// Keeps the tokens of this handle in a store of the caller's own: any database.
///
/// Callbacks answer exactly 1: done; 0: no; anything else: failed (so that a forgotten return does not read as
/// success). They run only on a thread that is inside a call on this handle, one at a time, with no lock of
/// the library held. `key` is the option client_id, or the username. What is stored is JSON that holds the
/// tokens: anyone who can read the store can use them.
///
/// @param tm the manager
/// @param load reads; required
/// @param save writes, compares and deletes; required
/// @param lock takes a lock that every process honours; NULL for a store that no other process shares
/// @param unlock gives it back; NULL if and only if `lock` is
/// @param userdata handed to the callbacks as it is; it and they must stay valid until every call on this
///        handle that was begun before has returned
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT
/// @return #TM_OK, or the error's status
/// @par Threads and forks set it before the first call that needs a token; it stays set in a forked child
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_set_store(
    tm: *mut tm_manager,
    load: tm_store_load,
    save: tm_store_save,
    lock: tm_store_lock,
    unlock: tm_store_unlock,
    userdata: *mut c_void,
    err: *mut *mut tm_error,
) -> Status {
    // SAFETY: the header asks for NULL or a live manager, and a NULL or writable `err`.
    unsafe {
        doing(err, || {
            let tm = handle(tm, "tm")?;
            let (Some(load), Some(save)) = (load, save) else {
                return Err(Error::invalid_argument("the arguments load and save are NULL; a store needs both"));
            };
            let lock = match (lock, unlock) {
                (None, None) => None,
                (Some(lock), Some(unlock)) => Some((lock, unlock)),
                _ => {
                    return Err(Error::invalid_argument(
                        "one of the arguments lock and unlock is NULL; pass both or neither",
                    ));
                }
            };
            let callbacks = CCallbacks { load, save, lock, userdata: Userdata::new(userdata) };
            tm.manager.set_store(Arc::new(CallbackStore::new(Arc::new(callbacks))))
        })
    }
}

/// The callbacks as C gave them. The caller that set them vouches for them and their userdata.
struct CCallbacks {
    load: Load,
    save: Save,
    lock: Option<(Lock, Unlock)>,
    userdata: Userdata,
}

impl fmt::Debug for CCallbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CCallbacks").finish_non_exhaustive()
    }
}

fn reply(answer: i32) -> Reply {
    match answer {
        1 => Reply::Done,
        0 => Reply::No,
        _ => Reply::Failed,
    }
}

/// The key as a C string. Neither a username nor the option client_id is taken with a NUL; a key that had one all the same
/// must not become another client's.
fn c_key(key: &str) -> Option<CString> {
    CString::new(key).ok()
}

impl Callbacks for CCallbacks {
    fn load(&self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut sink = tm_sink { data: Zeroizing::new(Vec::new()) };
        let key = c_key(key)?;
        // SAFETY: see `CCallbacks`; key and sink are locals that outlive the call.
        let answer = unsafe { (self.load)(self.userdata.pointer(), key.as_ptr(), &mut sink) };
        (reply(answer) == Reply::Done).then_some(sink.data)
    }

    fn save(&self, key: &str, data: &[u8], expected: Option<&[u8]>, ttl_seconds: i64) -> Reply {
        let Some(key) = c_key(key) else { return Reply::Failed };
        let pointer = |bytes: &[u8]| match bytes.is_empty() {
            true => std::ptr::null(),
            false => bytes.as_ptr().cast(),
        };
        let (expected, expected_len) = expected.map_or((std::ptr::null(), 0), |bytes| (pointer(bytes), bytes.len()));
        // SAFETY: see `CCallbacks`; key, data and expected outlive the call.
        reply(unsafe {
            (self.save)(
                self.userdata.pointer(),
                key.as_ptr(),
                pointer(data),
                data.len(),
                expected,
                expected_len,
                ttl_seconds,
            )
        })
    }

    fn can_lock(&self) -> bool {
        self.lock.is_some()
    }

    fn lock(&self, key: &str, wait: Duration) -> Reply {
        let Some((lock, _)) = self.lock else {
            return Reply::Done;
        };
        let Some(key) = c_key(key) else { return Reply::Failed };
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: see `CCallbacks`; the key outlives the call.
        reply(unsafe { lock(self.userdata.pointer(), key.as_ptr(), wait) })
    }

    fn unlock(&self, key: &str) -> Reply {
        let Some((_, unlock)) = self.lock else {
            return Reply::Done;
        };
        let Some(key) = c_key(key) else { return Reply::Failed };
        // SAFETY: see `CCallbacks`; the key outlives the call.
        reply(unsafe { unlock(self.userdata.pointer(), key.as_ptr()) })
    }
}
