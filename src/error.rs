//! What a failed call says: a status that programs branch on, and one sentence that people act on.

use std::fmt;
use std::time::Duration;

/// Why a call ended. Append-only: a number is never given a new meaning.
#[repr(C)]
#[allow(non_camel_case_types)] // the names are C's, so that one search finds a status in every language
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Success.
    TM_OK = 0,
    /// NULL, bad UTF-8, a bad method or URL.
    TM_INVALID_ARGUMENT = 1,
    /// The options' JSON: the message names the key, what it got and what it takes.
    TM_INVALID_OPTIONS = 2,
    /// Not the host's origin nor an allowed one, or `http://` off loopback. Nothing was sent.
    TM_URL_NOT_ALLOWED = 3,
    /// DNS, connect, reset, closed early.
    TM_NETWORK = 4,
    /// The call's time ran out, or is too short to wait until a login may be sent again.
    TM_TIMEOUT = 5,
    /// No TLS connection could be made: an untrusted certificate, a wrong name, no common version.
    TM_TLS = 6,
    /// The login endpoint refused the credentials.
    TM_LOGIN_REJECTED = 7,
    /// 403: the caller's IP address is not whitelisted; no refresh can help.
    TM_FORBIDDEN = 8,
    /// 429.
    TM_RATE_LIMITED = 9,
    /// 5xx.
    TM_SERVER_ERROR = 10,
    /// An auth endpoint answered something that holds no usable token.
    TM_BAD_RESPONSE = 11,
    /// An API call was still answered 401 after its token was renewed, or the token could not be renewed.
    TM_UNAUTHORIZED = 12,
    /// Any other 4xx on an API call.
    TM_HTTP_ERROR = 13,
    /// The token store failed; the message says which operation.
    TM_STORE = 14,
    /// Another process held the refresh lock for longer than the wait allowed.
    TM_LOCK_TIMEOUT = 15,
    /// Not tried: recent logins were refused; `tm_error_retry_after_ms` says for how long.
    TM_LOGIN_SUSPENDED = 16,
    /// The call was made inside a callback and would have to wait for a refresh that its own thread is running.
    TM_REENTRANT = 17,
    /// Not a JWT.
    TM_BAD_TOKEN = 18,
    /// The answer is larger than `max_response_bytes`.
    TM_RESPONSE_TOO_LARGE = 19,
    /// A bug in the library. The process goes on.
    TM_PANIC = 20,
    /// The interrupt callback ended the call.
    TM_CANCELLED = 21,
}

impl Status {
    /// Every status, in the order of their numbers.
    ///
    /// cbindgen:ignore
    pub const ALL: [Status; 22] = [
        Status::TM_OK,
        Status::TM_INVALID_ARGUMENT,
        Status::TM_INVALID_OPTIONS,
        Status::TM_URL_NOT_ALLOWED,
        Status::TM_NETWORK,
        Status::TM_TIMEOUT,
        Status::TM_TLS,
        Status::TM_LOGIN_REJECTED,
        Status::TM_FORBIDDEN,
        Status::TM_RATE_LIMITED,
        Status::TM_SERVER_ERROR,
        Status::TM_BAD_RESPONSE,
        Status::TM_UNAUTHORIZED,
        Status::TM_HTTP_ERROR,
        Status::TM_STORE,
        Status::TM_LOCK_TIMEOUT,
        Status::TM_LOGIN_SUSPENDED,
        Status::TM_REENTRANT,
        Status::TM_BAD_TOKEN,
        Status::TM_RESPONSE_TOO_LARGE,
        Status::TM_PANIC,
        Status::TM_CANCELLED,
    ];

    /// The status that a number stands for, if any.
    pub fn from_number(number: i32) -> Option<Status> {
        usize::try_from(number).ok().and_then(|n| Status::ALL.get(n)).copied()
    }
}

/// Why a call failed. Its text never holds a secret. In a box: moved about by value it is 2 % of the library.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: Status,
    message: String,
    http_status: u16,
    server_code: Option<String>,
    retry_after: Option<Duration>,
    wait_end: Option<WaitEnd>,
}

/// How a wait ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// The caller's time is over.
    CallDeadline,
    /// The time of a step is over; the caller may have more.
    StepDeadline,
    /// The interrupt callback, or one that reads or writes a body, ended the call.
    Interrupted,
    /// Another process holds what was waited for.
    Busy,
    /// The caller's own thread does: the call was made inside one of its callbacks.
    Reentrant,
}

/// What every fallible function of the crate returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with its sentence: what failed, on what, and what to do.
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        let message = message.into();
        Error(Box::new(Inner { status, message, http_status: 0, server_code: None, retry_after: None, wait_end: None }))
    }

    /// Shorthand for the commonest of them.
    pub fn invalid_argument(message: impl Into<String>) -> Error {
        Error::new(Status::TM_INVALID_ARGUMENT, message)
    }

    /// The HTTP status of the answer that it came from.
    pub fn with_http_status(mut self, http_status: u16) -> Error {
        self.0.http_status = http_status;
        self
    }

    /// The API's own code for what went wrong.
    pub fn with_server_code(mut self, code: Option<String>) -> Error {
        self.0.server_code = code;
        self
    }

    /// When to try again.
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Error {
        self.0.retry_after = after;
        self
    }

    /// How the wait ended that it is about.
    pub fn with_wait_end(mut self, end: WaitEnd) -> Error {
        self.0.wait_end = Some(end);
        self
    }

    /// The error of a call whose time ran out while `what` was being done.
    pub fn call_timed_out(timeout: Duration, what: &str) -> Error {
        Error::new(
            Status::TM_TIMEOUT,
            format!(
                "the call's time of {} ms ran out while {what}; try again, or raise timeout_ms",
                timeout.as_millis()
            ),
        )
        .with_wait_end(WaitEnd::CallDeadline)
    }

    /// The error of a call that a callback ended.
    pub fn interrupted(message: &str) -> Error {
        Error::new(Status::TM_CANCELLED, message).with_wait_end(WaitEnd::Interrupted)
    }

    /// The error of a wait for another process; `retry_after` says when to look again.
    pub fn busy(message: &str, retry_after: Option<Duration>) -> Error {
        Error::new(Status::TM_LOCK_TIMEOUT, message).with_wait_end(WaitEnd::Busy).with_retry_after(retry_after)
    }

    /// `None`: it is not about a wait.
    pub fn wait_end(&self) -> Option<WaitEnd> {
        self.0.wait_end
    }

    /// Whether it was the caller that ended what it is about: with its time, or its interrupt.
    pub fn is_callers_end(&self) -> bool {
        self.wait_end().is_some_and(|end| end != WaitEnd::StepDeadline)
    }

    pub fn status(&self) -> Status {
        self.0.status
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// 0 if there was no answer.
    pub fn http_status(&self) -> u16 {
        self.0.http_status
    }

    pub fn server_code(&self) -> Option<&str> {
        self.0.server_code.as_deref()
    }

    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.status,
            Status::TM_NETWORK
                | Status::TM_TIMEOUT
                | Status::TM_RATE_LIMITED
                | Status::TM_SERVER_ERROR
                | Status::TM_STORE
                | Status::TM_LOCK_TIMEOUT
        )
    }

    /// Whether only the caller that it happened to may get it (its own time limit, its own interrupt, its own callback):
    /// others who waited for the same work must not inherit it.
    pub fn is_callers_own(&self) -> bool {
        self.0.wait_end.is_some() || self.0.status == Status::TM_PANIC
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_statuses_agree() {
        for (number, status) in Status::ALL.iter().enumerate() {
            assert_eq!(*status as usize, number);
            assert_eq!(Status::from_number(number as i32), Some(*status));
        }
        assert_eq!(Status::from_number(22), None);
        assert_eq!(Status::from_number(-1), None);
    }
}
