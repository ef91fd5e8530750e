//! tokenmgr: tokens and API calls for shell scripts, in place of curl and jq.
//!
//! A program of its own, which knows no more of the library than its C interface. Credentials come from the environment
//! only: arguments are for everyone to see in `ps`.

#![deny(unsafe_code)]

mod check;
mod definition;
mod doctor;
mod exec;
#[allow(unsafe_code)]
mod ffi;
mod manual;
mod moment;
mod output;
mod remedies;
mod report;
mod request;
mod session;
mod state;
mod status;
mod texts;
mod tokens;
mod upload;
mod usage;

use clap::error::ErrorKind;
use std::ffi::OsString;

fn main() {
    ffi::survive_file_limit();
    // std has set SIGPIPE to be ignored: a reader that left shows as a failed write.
    let code = run(std::env::args_os().collect());
    ffi::die_if_signalled();
    std::process::exit(code);
}

fn run(arguments: Vec<OsString>) -> i32 {
    let matches = match definition::command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return output::print(&error.to_string()),
            _ => return refuse(&usage::sentence(&error), &arguments),
        },
    };
    let (name, given) = matches.subcommand().expect("a command is required");
    match name {
        "request" => request::run(given),
        "token" => tokens::token(given),
        "exec" => exec::run(given),
        "status" => status::run(given),
        "check" => check::run(given),
        "doctor" => doctor::run(given),
        "login" => tokens::login(given),
        "logout" => tokens::logout(given),
        "key" => tokens::key(),
        "jwt" => tokens::jwt(given),
        "completion" => completion(given.get_one::<String>("SHELL").map(String::as_str).unwrap_or_default()),
        _ => manual(),
    }
}

fn refuse(sentence: &str, arguments: &[OsString]) -> i32 {
    let command = definition::command();
    let name = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let name =
        name.filter_map(|name| command.find_subcommand(name)).map(|found| format!("{} ", found.get_name())).next();
    let code = report::complain(report::USAGE, sentence);
    eprintln!("Try 'tokenmgr {}--help'.", name.unwrap_or_default());
    code
}

fn completion(shell: &str) -> i32 {
    let shell: clap_complete::Shell = shell.parse().expect("the parser takes no other");
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut definition::command(), "tokenmgr", &mut text);
    output::print(&String::from_utf8_lossy(&text))
}

fn manual() -> i32 {
    output::print(&manual::page(definition::command()).expect("memory takes it"))
}
