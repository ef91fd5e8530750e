//! tokenmgr exec -- COMMAND: becomes the program, with the token in its environment.

use crate::{report, tokens};
use clap::ArgMatches;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub fn run(given: &ArgMatches) -> i32 {
    let (manager, token) = match tokens::get(given) {
        Ok(found) => found,
        Err(failure) => return report::failure(&failure),
    };
    let mut words = given.get_many::<OsString>("COMMAND").into_iter().flatten();
    let program = words.next().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(words);
    if !given.get_flag("pass-settings") {
        env::vars_os().map(|(name, _)| name).filter(|name| is_own_affair(name)).for_each(|name| {
            command.env_remove(name);
        });
    }
    command.env(given.get_one::<String>("env").map(String::as_str).unwrap_or_default(), token.access());
    drop((manager, token));

    // It returns only where the program could not be run. A signal that has come by now is the program's no more.
    if let Some(number) = crate::ffi::caught_signal() {
        return 128 + number;
    }
    let error = command.exec();
    let code = if error.kind() == ErrorKind::NotFound { report::NO_PROGRAM } else { report::NOT_RUN };
    report::complain(code, &format!("cannot run {}: {}", program.to_string_lossy(), report::reason(&error)))
}

/// Whether a variable may hold a secret of this command's: it is for nobody whom the token is enough for.
fn is_own_affair(name: &OsStr) -> bool {
    const HARMLESS: [&str; 2] = ["TOKENMGR_HOST", "TOKENMGR_USERNAME"];
    let bytes = name.as_bytes();
    bytes.starts_with(b"TOKENMGR_") && !bytes.ends_with(b"_FILE") && HARMLESS.iter().all(|harmless| name != *harmless)
}
