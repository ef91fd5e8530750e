//! Handles of the library that free themselves, and its errors as plain values.

use super::abi;
use super::process;
use crate::remedies;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};

/// Why a call failed: the library's status, and its sentence, which holds no secret.
#[derive(Debug)]
pub struct Failure {
    pub status: i32,
    pub message: String,
}

impl Failure {
    /// # Safety
    /// `error` is NULL, or an error of the library's that is alive.
    pub(super) unsafe fn read(error: *const abi::tm_error) -> Failure {
        // SAFETY: as the caller says; the getters take NULL. The text lives as long as the error, and is copied.
        unsafe {
            let message = abi::tm_error_message(error);
            let message = if message.is_null() { c"the library gave no reason" } else { CStr::from_ptr(message) };
            let message = remedies::of_this_command(&message.to_string_lossy());
            Failure { status: abi::tm_error_code(error), message }
        }
    }

    /// # Safety
    /// `error` is NULL, or an error that the library has given away.
    pub(super) unsafe fn take(error: *mut abi::tm_error) -> Failure {
        // SAFETY: as the caller says, and nobody uses it after this.
        unsafe {
            let failure = Failure::read(error);
            abi::tm_error_free(error);
            failure
        }
    }

    /// A text that C cannot be given.
    pub fn of_text(what: &str) -> Failure {
        Failure { status: abi::TM_INVALID_ARGUMENT, message: format!("{what} holds a NUL character") }
    }
}

/// What a function that makes something has come to: what it made, or its error.
///
/// # Safety
/// `made` and `error` are what one function of the library has just returned and put.
pub(super) unsafe fn made<T>(made: *mut T, error: *mut abi::tm_error) -> Result<NonNull<T>, Failure> {
    // SAFETY: where the function made nothing, it has put an error, which is ours.
    NonNull::new(made).ok_or_else(|| unsafe { Failure::take(error) })
}

pub(super) fn c_string(text: &str, what: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::of_text(what))
}

/// Takes a line of the log: its level (1: error, to 4: debug), and its text.
pub type LogLine = fn(i32, &str);

/// A manager with the settings of the environment. A signal that `catch_signals` catches ends its calls.
pub struct Manager(NonNull<abi::tm_manager>);

impl Manager {
    pub fn new(options: &CStr) -> Result<Manager, Failure> {
        let mut error = ptr::null_mut();
        // SAFETY: NULL stands for what the environment says; options and error live during the call.
        let manager = unsafe {
            let nothing = ptr::null();
            made(abi::tm_new(nothing, nothing, nothing, options.as_ptr(), &mut error), error)?
        };
        // SAFETY: the manager has just been made; the callback needs no userdata.
        unsafe {
            abi::tm_set_interrupt_callback(manager.as_ptr(), Some(was_interrupted), ptr::null_mut(), ptr::null_mut());
        }
        Ok(Manager(manager))
    }

    /// Hands the lines of the log, up to this level, to `to`.
    pub fn set_log(&self, to: &'static LogLine, level: i32) {
        let userdata = ptr::from_ref(to).cast_mut().cast();
        // SAFETY: the manager is alive; userdata is a LogLine that lives for ever.
        unsafe { abi::tm_set_log_callback(self.as_ptr(), Some(pass_line), userdata, level, ptr::null_mut()) };
    }

    pub fn login(&self) -> Result<(), Failure> {
        self.done(abi::tm_login)
    }

    pub fn logout(&self) -> Result<(), Failure> {
        self.done(abi::tm_logout)
    }

    pub fn check_store(&self) -> Result<(), Failure> {
        self.done(abi::tm_check_store)
    }

    pub fn token(&self) -> Result<Token, Failure> {
        let mut error = ptr::null_mut();
        // SAFETY: the manager is alive; the error lives during the call.
        unsafe { made(abi::tm_get_token(self.as_ptr(), &mut error), error).map(Token) }
    }

    pub fn statistics(&self) -> Result<Text, Failure> {
        let mut error = ptr::null_mut();
        // SAFETY: the manager is alive; the error lives during the call.
        unsafe { made(abi::tm_stats_json(self.as_ptr(), &mut error), error).map(Text) }
    }

    /// The report on a trial of the option `auth`, as JSON. `path`: the API call to try.
    pub fn check(&self, path: Option<&str>) -> Result<Text, Failure> {
        let path = path.map(|path| c_string(path, "the path")).transpose()?;
        let path = path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        let mut error = ptr::null_mut();
        // SAFETY: the manager is alive; path and error live during the call.
        unsafe { made(abi::tm_check(self.as_ptr(), path, &mut error), error).map(Text) }
    }

    fn done(
        &self,
        call: unsafe extern "C" fn(*mut abi::tm_manager, *mut *mut abi::tm_error) -> i32,
    ) -> Result<(), Failure> {
        let mut error = ptr::null_mut();
        // SAFETY: the manager is alive; where the status is not TM_OK, the error is ours.
        match unsafe { call(self.as_ptr(), &mut error) } {
            abi::TM_OK => Ok(()),
            _ => Err(unsafe { Failure::take(error) }),
        }
    }

    pub(super) fn as_ptr(&self) -> *mut abi::tm_manager {
        self.0.as_ptr()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // SAFETY: it is ours, and no call on it can be running: each borrows it.
        unsafe { abi::tm_free(self.as_ptr()) };
    }
}

unsafe extern "C" fn was_interrupted(_: *mut c_void) -> i32 {
    process::caught_signal().is_some().into()
}

unsafe extern "C" fn pass_line(userdata: *mut c_void, level: i32, message: *const c_char) {
    // SAFETY: userdata is what set_log gave, and the message is valid until this returns.
    let (to, message) = unsafe { (*userdata.cast::<LogLine>(), CStr::from_ptr(message)) };
    to(level, &message.to_string_lossy());
}

/// A pair of tokens.
pub struct Token(NonNull<abi::tm_token>);

impl Token {
    pub fn access(&self) -> &str {
        // SAFETY: the token is alive, and its text lives as long; a token has one.
        unsafe { text(abi::tm_token_access(self.0.as_ptr())) }
    }

    pub fn has_refresh(&self) -> bool {
        // SAFETY: the token is alive.
        unsafe { !abi::tm_token_refresh(self.0.as_ptr()).is_null() }
    }

    /// Unix seconds, if it is known.
    pub fn expires_at(&self) -> Option<i64> {
        // SAFETY: the token is alive.
        known(unsafe { abi::tm_token_expires_at(self.0.as_ptr()) })
    }

    /// Unix seconds, if it is known.
    pub fn refresh_expires_at(&self) -> Option<i64> {
        // SAFETY: the token is alive.
        known(unsafe { abi::tm_token_refresh_expires_at(self.0.as_ptr()) })
    }

    pub fn seconds_left(&self) -> i64 {
        // SAFETY: the token is alive.
        unsafe { abi::tm_token_seconds_left(self.0.as_ptr()) }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { abi::tm_token_free(self.0.as_ptr()) };
    }
}

fn known(time: i64) -> Option<i64> {
    Some(time).filter(|&time| time != 0)
}

/// An answer of the API's.
pub struct Response(pub(super) NonNull<abi::tm_response>);

impl Response {
    pub fn status(&self) -> i32 {
        // SAFETY: the response is alive.
        unsafe { abi::tm_response_status(self.0.as_ptr()) }
    }

    /// Names and values, as received.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let response = self.0.as_ptr();
        // SAFETY: the response is alive, and so are its texts as long as it is borrowed; the index is below the count.
        let count = unsafe { abi::tm_response_header_count(response) };
        (0..count).map(move |i| unsafe {
            (bytes(abi::tm_response_header_name(response, i)), bytes(abi::tm_response_header_value(response, i)))
        })
    }

    pub fn body(&self) -> &[u8] {
        // SAFETY: the response is alive and holds so many bytes, as long as it is borrowed.
        unsafe {
            let (data, len) = (abi::tm_response_body(self.0.as_ptr()), abi::tm_response_body_len(self.0.as_ptr()));
            if data.is_null() { &[] } else { std::slice::from_raw_parts(data.cast(), len) }
        }
    }

    /// What an answer of 400 or above means.
    pub fn error(&self) -> Option<Failure> {
        // SAFETY: the response is alive, and the error as long as the response.
        unsafe {
            let error = abi::tm_response_error(self.0.as_ptr());
            (!error.is_null()).then(|| Failure::read(error))
        }
    }
}

impl Drop for Response {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { abi::tm_response_free(self.0.as_ptr()) };
    }
}

/// A text that the library has made, and zeroes when it is freed.
pub struct Text(NonNull<c_char>);

impl Text {
    pub fn as_str(&self) -> &str {
        // SAFETY: it is ours, and ends in a NUL.
        unsafe { text(self.0.as_ptr()) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { abi::tm_string_free(self.0.as_ptr()) };
    }
}

pub fn version() -> &'static str {
    // SAFETY: the text is static.
    unsafe { text(abi::tm_version()) }
}

pub fn abi_version() -> u32 {
    // SAFETY: it takes nothing.
    unsafe { abi::tm_abi_version() }
}

pub fn generate_key() -> Result<Text, Failure> {
    let mut error = ptr::null_mut();
    // SAFETY: the error lives during the call.
    unsafe { made(abi::tm_generate_key(&mut error), error).map(Text) }
}

pub fn jwt_payload(token: &CStr) -> Result<Text, Failure> {
    let mut error = ptr::null_mut();
    // SAFETY: token and error live during the call.
    unsafe { made(abi::tm_jwt_payload_json(token.as_ptr(), &mut error), error).map(Text) }
}

pub fn jwt_is_expired(token: &CStr) -> bool {
    // SAFETY: the token lives during the call.
    unsafe { abi::tm_jwt_is_expired(token.as_ptr()) }
}

pub fn jwt_seconds_left(token: &CStr) -> i64 {
    // SAFETY: the token lives during the call.
    unsafe { abi::tm_jwt_seconds_left(token.as_ptr()) }
}

/// # Safety
/// `start` is NULL, or a text with a NUL at its end that lives for 'a.
unsafe fn bytes<'a>(start: *const c_char) -> &'a [u8] {
    // SAFETY: as the caller says.
    if start.is_null() { &[] } else { unsafe { CStr::from_ptr(start).to_bytes() } }
}

/// # Safety
/// As `bytes`. All texts but headers are UTF-8, as the header says.
unsafe fn text<'a>(start: *const c_char) -> &'a str {
    // SAFETY: as the caller says.
    unsafe { std::str::from_utf8(bytes(start)).unwrap_or_default() }
}
