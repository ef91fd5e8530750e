//! What login, refresh and logout look like on the wire. Pure: bytes in, values out, time passed in.
//!
//! To speak to another API, add a dialect beside `popup` here; nothing else knows these shapes.

use crate::auth::outcome::{AuthOutcome, Grant};
use crate::error::{Error, Status};
use crate::redact::{repeats, scrub, scrub_echo};
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::token::jwt;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

/// One of the three auth calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Login,
    Refresh,
    Logout,
}

impl Endpoint {
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::Login => "the login",
            Endpoint::Refresh => "the refresh",
            Endpoint::Logout => "the logout",
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Endpoint::Login => "/auth/login",
            Endpoint::Refresh => "/auth/refresh",
            Endpoint::Logout => "/auth/logout",
        }
    }
}

/// The JSON body of a login.
pub fn login_body(username: &str, password: &Secret) -> Zeroizing<Vec<u8>> {
    object(&[("username", username), ("password", password.as_str())])
}

/// The JSON body of a refresh.
pub fn refresh_body(refresh_token: &Secret) -> Zeroizing<Vec<u8>> {
    object(&[("refresh_token", refresh_token.as_str())])
}

/// Written here by hand into one buffer of known size: a growing one would leave copies behind.
fn object(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let size: usize = fields.iter().map(|(name, value)| name.len() + 6 * value.len() + 6).sum();
    let mut json = Zeroizing::new(Vec::with_capacity(size + 2));
    json.push(b'{');
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        for (text, end) in [(name, b':'), (value, b' ')] {
            // A string always serialises, and a Vec always takes it.
            let _ = serde_json::to_writer(&mut *json, text);
            json.push(end);
        }
        json.pop();
    }
    json.push(b'}');
    json
}

/// What an auth endpoint's answer is read from.
pub struct AuthAnswer<'a> {
    pub status: u16,
    pub body: &'a [u8],
    /// The `Date` header, in Unix seconds.
    pub date: Option<i64>,
    pub retry_after: Option<Duration>,
    /// Where an intermediary refused: who, and what to do.
    pub intermediary: Option<&'a str>,
    pub arrived: Tick,
}

/// Reads the answer to a login or a refresh. `now` is this machine's wall clock in milliseconds.
pub fn read(endpoint: Endpoint, answer: &AuthAnswer<'_>, secrets: &[&Secret], now: i64) -> AuthOutcome {
    if (200..300).contains(&answer.status) {
        return match grant(answer, now) {
            Ok(grant) => AuthOutcome::Granted(grant),
            Err(why) => AuthOutcome::Unknown(unusable(endpoint, answer, why)),
        };
    }
    if let Some(why) = answer.intermediary {
        let error = refused_by_intermediary(endpoint, answer, why);
        // R4: a 403 spends nothing, an intermediary's neither.
        return match answer.status {
            403 => AuthOutcome::Forbidden(error),
            _ => AuthOutcome::Unknown(error),
        };
    }
    let words = ServerMessage::read(answer.body, secrets);
    let (outcome, error): (fn(Error) -> AuthOutcome, Error) = match answer.status {
        // The API says what it refuses. Without a word it is a gateway's page, which knows no credentials.
        400 | 422 if words.is_empty() => (AuthOutcome::Unknown, unusable(endpoint, answer, "it is not the API's own")),
        407 => (
            AuthOutcome::Unknown,
            unusable(endpoint, answer, "a proxy wants a username and a password; check the option proxy"),
        ),
        400 | 401 | 422 if endpoint == Endpoint::Login => (
            AuthOutcome::Rejected,
            Error::new(
                Status::TM_LOGIN_REJECTED,
                format!("the login was refused{words}; check the username and the password"),
            ),
        ),
        400 | 401 | 422 => (
            AuthOutcome::Rejected,
            Error::new(Status::TM_LOGIN_REJECTED, format!("the refresh token was refused{words}; log in again")),
        ),
        403 => (AuthOutcome::Forbidden, forbidden(endpoint.path(), &words)),
        429 => (
            AuthOutcome::RateLimited,
            Error::new(
                Status::TM_RATE_LIMITED,
                format!("POST {} was answered 429{words}; wait before the next try", endpoint.path()),
            ),
        ),
        500.. => (
            AuthOutcome::Unknown,
            Error::new(
                Status::TM_SERVER_ERROR,
                format!("POST {} was answered {}{words}; try again later", endpoint.path(), answer.status),
            ),
        ),
        _ => (AuthOutcome::Unknown, unusable(endpoint, answer, "it is no answer that this endpoint gives")),
    };
    let error = error.with_http_status(answer.status).with_server_code(words.code).with_retry_after(answer.retry_after);
    outcome(error)
}

/// R4's message, for auth endpoints and API calls alike.
pub fn forbidden(what: &str, words: &ServerMessage) -> Error {
    Error::new(
        Status::TM_FORBIDDEN,
        format!(
            "{what} was answered 403{words}; this machine's IP address is not on the account's IP whitelist, and only the account's administrator can add it"
        ),
    )
}

fn unusable(endpoint: Endpoint, answer: &AuthAnswer<'_>, why: &str) -> Error {
    Error::new(
        Status::TM_BAD_RESPONSE,
        format!(
            "POST {} was answered {} without a usable token: {why}; check that the host is the API's address",
            endpoint.path(),
            answer.status
        ),
    )
    .with_http_status(answer.status)
}

fn refused_by_intermediary(endpoint: Endpoint, answer: &AuthAnswer<'_>, why: &str) -> Error {
    Error::new(Status::TM_BAD_RESPONSE, format!("POST {} was answered {}: {why}", endpoint.path(), answer.status))
        .with_http_status(answer.status)
        .with_retry_after(answer.retry_after)
}

fn grant(answer: &AuthAnswer<'_>, now: i64) -> Result<Grant, &'static str> {
    let json: Value = serde_json::from_slice(answer.body).map_err(|_| "the body is no JSON")?;
    if json.get("success") == Some(&Value::Bool(false)) {
        return Err("it says that it did not succeed");
    }
    let data = json.get("data").filter(|data| data.is_object()).unwrap_or(&json);
    let secret = |name: &str| match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Secret::new(text).map(Some).ok_or("a token holds a NUL"),
        Some(_) => Err("a token is no string"),
    };
    let access = secret("access_token")?.ok_or("there is no access_token")?;
    if !access.as_bytes().iter().all(|byte| byte.is_ascii_graphic()) {
        return Err("the access token holds characters that no header can carry");
    }
    let refresh = secret("refresh_token")?;
    let server_now = server_millis(answer.date, now);
    let until = |at: i64| {
        let left = at.saturating_sub(server_now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis)
    };
    // F1: what the server said first, then the token itself. A token that would already be over says that
    // the server's clocks disagree, not that it handed out a dead token: then only a 401 tells.
    let lifetime = instant(data, &["access_expires_at", "expires_at"])
        .map(until)
        .or_else(|| seconds(data, "expires_in").map(|s| (s > 0).then(|| Duration::from_secs(s.unsigned_abs()))))
        .or_else(|| jwt::expires_at(access.as_str()).map(|exp| until(exp.saturating_mul(1000))))
        .flatten();
    let refresh_lifetime = instant(data, &["refresh_expires_at"])
        .map(until)
        .or_else(|| seconds(data, "refresh_expires_in").map(|s| (s > 0).then(|| Duration::from_secs(s.unsigned_abs()))))
        .flatten();
    Ok(Grant { access, refresh, lifetime, refresh_lifetime, arrived: answer.arrived })
}

/// F1: the time on the server's clock, in milliseconds. `Date` counts whole seconds only: where it agrees
/// with our clock, ours is the finer one; where it does not, the end of its second is taken, so that a
/// lifetime is never overrated.
fn server_millis(date: Option<i64>, now: i64) -> i64 {
    const AGREE: i64 = 2_000;
    match date.map(|seconds| seconds.saturating_mul(1000)) {
        None => now,
        Some(date) if (date..date.saturating_add(AGREE)).contains(&now) => now,
        Some(date) => date.saturating_add(999),
    }
}

/// An instant in Unix milliseconds: RFC 3339, or a number of Unix seconds.
fn instant(data: &Value, names: &[&str]) -> Option<i64> {
    names.iter().find_map(|name| match data.get(name)? {
        Value::String(text) => rfc3339(text),
        number => jwt::number(number).map(|seconds| seconds.saturating_mul(1000)),
    })
}

fn rfc3339(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

fn seconds(data: &Value, name: &str) -> Option<i64> {
    match data.get(name)? {
        Value::String(text) => text.parse().ok(),
        number => jwt::number(number),
    }
}

/// The API's own error code and message, both envelopes, fit to be shown.
#[derive(Debug, Default)]
pub struct ServerMessage {
    pub code: Option<String>,
    pub message: Option<String>,
}

impl ServerMessage {
    pub fn is_empty(&self) -> bool {
        self.code.is_none() && self.message.is_none()
    }

    pub fn read(body: &[u8], secrets: &[&Secret]) -> ServerMessage {
        // An error body is small; one that is not is not worth parsing.
        const LARGEST: usize = 64 * 1024;
        if body.len() > LARGEST {
            return ServerMessage::default();
        }
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return ServerMessage::default();
        };
        let is_echo = repeats(&String::from_utf8_lossy(body), secrets);
        let scrub = if is_echo { scrub_echo } else { scrub };
        let text = |value: Option<&Value>| match value? {
            Value::String(text) if !text.is_empty() => Some(scrub(text, secrets)),
            Value::Number(number) => Some(scrub(&number.to_string(), secrets)),
            _ => None,
        };
        match json.get("error") {
            Some(error @ Value::Object(_)) => ServerMessage {
                code: text(error.get("code")).or_else(|| text(error.get("name"))),
                message: text(error.get("message")),
            },
            code => ServerMessage { code: text(code), message: text(json.get("message")) },
        }
    }
}

impl std::fmt::Display for ServerMessage {
    /// ` (code: message)`, or as much of it as there is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
