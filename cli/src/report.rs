//! How failures become a sentence on stderr and an exit code. `texts::EXIT_CODES` says what each code means.

use crate::ffi::{self, Failure};
use std::ffi::OsStr;
use std::io;

pub const DONE: i32 = 0;
/// A token that has expired, or a finding.
pub const FOUND: i32 = 1;
pub const USAGE: i32 = 2;
pub const CREDENTIALS: i32 = 3;
pub const FORBIDDEN: i32 = 4;
pub const NETWORK: i32 = 5;
pub const RATE_LIMITED: i32 = 6;
pub const SERVER: i32 = 7;
pub const CLIENT_ERROR: i32 = 8;
pub const STORE: i32 = 9;
pub const BAD_TOKEN: i32 = 10;
pub const FILE: i32 = 11;
pub const INTERNAL: i32 = 12;
pub const NOT_RUN: i32 = 126;
pub const NO_PROGRAM: i32 = 127;

pub fn say(sentence: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = io::Write::write_all(&mut io::stderr().lock(), format!("tokenmgr: {sentence}\n").as_bytes());
}

pub fn complain(code: i32, sentence: &str) -> i32 {
    say(sentence);
    code
}

/// Says why a call failed, and returns the exit code for it.
pub fn failure(failure: &Failure) -> i32 {
    match ffi::caught_signal() {
        Some(number) if failure.status == ffi::TM_CANCELLED => 128 + number, // whoever pressed Ctrl-C knows
        _ => complain(exit_code(failure.status), &failure.message),
    }
}

fn exit_code(status: i32) -> i32 {
    match status {
        ffi::TM_OK => DONE,
        ffi::TM_INVALID_ARGUMENT | ffi::TM_INVALID_OPTIONS | ffi::TM_URL_NOT_ALLOWED => USAGE,
        ffi::TM_LOGIN_REJECTED | ffi::TM_LOGIN_SUSPENDED | ffi::TM_UNAUTHORIZED => CREDENTIALS,
        ffi::TM_FORBIDDEN => FORBIDDEN,
        ffi::TM_NETWORK | ffi::TM_TIMEOUT | ffi::TM_TLS => NETWORK,
        ffi::TM_RATE_LIMITED => RATE_LIMITED,
        ffi::TM_SERVER_ERROR | ffi::TM_BAD_RESPONSE | ffi::TM_RESPONSE_TOO_LARGE => SERVER,
        ffi::TM_HTTP_ERROR => CLIENT_ERROR,
        ffi::TM_STORE | ffi::TM_LOCK_TIMEOUT => STORE,
        ffi::TM_BAD_TOKEN => BAD_TOKEN,
        _ => INTERNAL,
    }
}

pub fn unreadable(name: &OsStr, error: &io::Error) -> i32 {
    let name = if name == "-" { "standard input".into() } else { name.to_string_lossy() };
    complain(FILE, &format!("cannot read {name}: {}", reason(error)))
}

pub fn unwritable(name: &OsStr, error: &io::Error) -> i32 {
    let reader_left = error.kind() == io::ErrorKind::BrokenPipe; // as `head` does: nothing to complain about
    let is_ending = error.kind() == io::ErrorKind::Interrupted;
    if reader_left || is_ending {
        return FILE;
    }
    let name = if name == "-" { "standard output".into() } else { name.to_string_lossy() };
    complain(FILE, &format!("cannot write {name}: {}", reason(error)))
}

/// The system's own words, without its number.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
