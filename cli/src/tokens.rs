//! The commands that are about the token itself.

use crate::ffi::{self, Failure, Manager, Token};
use crate::{moment, output, report, session};
use clap::ArgMatches;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::ffi::{CString, OsStr};
use std::io::{self, Read};

pub fn login(given: &ArgMatches) -> i32 {
    done(session::open(given).and_then(|manager| manager.login()))
}

pub fn logout(given: &ArgMatches) -> i32 {
    done(session::open(given).and_then(|manager| manager.logout()))
}

fn done(result: Result<(), Failure>) -> i32 {
    result.map_or_else(|failure| report::failure(&failure), |()| report::DONE)
}

pub fn token(given: &ArgMatches) -> i32 {
    let format = given.get_one::<String>("format").map(String::as_str);
    match get(given) {
        Ok((_manager, token)) => output::print_line(&match format {
            Some("json") => as_json(&token),
            Some("env") => as_variables(&token),
            Some("exec-credential") => as_exec_credential(&token),
            Some(_) => as_header(&token),
            None if given.get_flag("bearer") => as_header(&token),
            None => token.access().to_owned(),
        }),
        Err(failure) => report::failure(&failure),
    }
}

/// A token that is good now, and the manager that it is from.
pub fn get(given: &ArgMatches) -> Result<(Manager, Token), Failure> {
    let manager = session::open_for_token(given)?;
    let token = manager.token()?;
    Ok((manager, token))
}

fn as_header(token: &Token) -> String {
    format!("Authorization: Bearer {}", token.access())
}

fn as_json(token: &Token) -> String {
    let mut object = Map::from_iter([
        ("access_token".to_owned(), json!(token.access())),
        ("token_type".to_owned(), json!("Bearer")),
    ]);
    if let Some(at) = token.expires_at() {
        object.insert("expires_at".to_owned(), json!(moment::rfc3339(at)));
        object.insert("expires_in".to_owned(), json!(token.seconds_left()));
    }
    Value::Object(object).to_string()
}

/// Lines for `eval` and an EnvironmentFile of systemd; for `docker --env-file`, too, unless the token needs quotes.
fn as_variables(token: &Token) -> String {
    let mut lines = format!("TOKENMGR_ACCESS_TOKEN={}", shell_word(token.access()));
    if let Some(at) = token.expires_at() {
        lines += &format!("\nTOKENMGR_ACCESS_TOKEN_EXPIRES_AT={at}");
    }
    lines
}

/// A text as one word of a shell. It is the server that chooses a token's characters, and none of them may be a command.
fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+/=:@%,".contains(&byte);
    if text.bytes().all(is_plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")).into() }
}

/// What a credential plugin of Kubernetes prints (client.authentication.k8s.io/v1, ExecCredential).
fn as_exec_credential(token: &Token) -> String {
    let mut status = Map::from_iter([("token".to_owned(), json!(token.access()))]);
    if let Some(at) = token.expires_at() {
        status.insert("expirationTimestamp".to_owned(), json!(moment::rfc3339(at)));
    }
    json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}).to_string()
}

pub fn key() -> i32 {
    match ffi::generate_key() {
        Ok(key) => output::print_line(key.as_str()),
        Err(failure) => report::failure(&failure),
    }
}

pub fn jwt(given: &ArgMatches) -> i32 {
    let token = match given.get_one::<String>("TOKEN").filter(|token| *token != "-") {
        Some(token) => token.clone().into_bytes(),
        None => match read_word() {
            Ok(word) => word,
            Err(error) => return report::unreadable(OsStr::new("-"), &error),
        },
    };
    match CString::new(token) {
        Ok(token) => show_jwt(&token, given),
        Err(_) => report::failure(&Failure::of_text("the token")),
    }
}

/// The first word on standard input.
fn read_word() -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let end = input.iter().position(|byte| b" \t\r\n\0".contains(byte)).unwrap_or(input.len());
    input.truncate(end);
    Ok(input)
}

fn show_jwt(token: &CString, given: &ArgMatches) -> i32 {
    let payload = match ffi::jwt_payload(token) {
        Ok(payload) => payload,
        Err(failure) => return report::failure(&failure),
    };
    let is_expired = ffi::jwt_is_expired(token);
    let code = match (given.get_flag("check"), is_expired) {
        (true, true) => report::FOUND,
        (true, false) => report::DONE,
        (false, _) => output::print_line(payload.as_str()),
    };
    if !given.get_flag("quiet") {
        match is_expired {
            true => eprintln!("expired, or without an expiry"),
            false => eprintln!("expires in {}", moment::duration(ffi::jwt_seconds_left(token))),
        }
    }
    code
}
