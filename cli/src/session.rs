//! The manager that the commands work with.

use crate::ffi::{self, Failure, LogLine, Manager};
use crate::{report, state};
use clap::ArgMatches;
use std::ffi::CString;

/// A manager with the settings of the environment, that logs as -v asks and ends its calls on Ctrl-C.
pub fn open(given: &ArgMatches) -> Result<Manager, Failure> {
    open_with(state::options(), given)
}

/// The same for commands that need a token. Where the store that TOKENMGR_OPTIONS names cannot be used, it says so and
/// takes the user's own, or each command would log in anew until that store is back.
pub fn open_for_token(given: &ArgMatches) -> Result<Manager, Failure> {
    let manager = open(given)?;
    let trouble = match manager.check_store() {
        Err(failure) if failure.status == ffi::TM_STORE => failure.message,
        _ => return Ok(manager),
    };
    let Some(options) = state::options_with_own_store() else { return Ok(manager) };
    report::say(&format!("{trouble}; a token of this user's own is used meanwhile"));
    drop(manager);
    open_with(options, given)
}

pub fn open_with(options: Vec<u8>, given: &ArgMatches) -> Result<Manager, Failure> {
    static LOG: LogLine = print_log_line;
    let options = CString::new(options).map_err(|_| Failure::of_text("TOKENMGR_OPTIONS"))?;
    let manager = Manager::new(&options)?;
    ffi::catch_signals();
    match verbosity(given) {
        0 => {}
        1 => manager.set_log(&LOG, 3),
        _ => manager.set_log(&LOG, 4),
    }
    Ok(manager)
}

pub fn verbosity(given: &ArgMatches) -> u8 {
    given.get_count("verbose")
}

fn print_log_line(level: i32, message: &str) {
    let level = match level {
        1 => "error",
        2 => "warning",
        3 => "info",
        _ => "debug",
    };
    report::say(&format!("{level}: {message}"));
}
