//! Requests and answers as JSON, with what is secret left out (S2). Of our own requests everything is shown but secrets, of a
//! server's answers only what is known to be none: a server may put anything anywhere.

use crate::auth::{Document, cookies, instant, is_page, is_sensitive, is_word, json_string, location};
use crate::check::json::member;
use crate::http::message::{Answer, Outgoing};
use crate::redact::{repeats, scrub, scrub_echo};
use crate::sys::clock::unix_millis;
use crate::sys::secret::Secret;
use crate::token::jwt;
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use url::{Url, form_urlencoded};

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// The longest piece of an answer that is shown as it is.
const LONGEST: usize = 64;

/// A larger body is not taken apart.
const LARGEST: usize = 1 << 20;

/// How many values of a body are shown, and how many items of an array.
const MOST_VALUES: usize = 80;
const MOST_ITEMS: usize = 2;

/// How much of an answer is shown.
#[derive(Clone, Copy, PartialEq)]
pub enum Show {
    /// The kinds of its values: what an API call brings is nobody's business here.
    Kinds,
    /// Numbers, instants and common words, too.
    Values,
    /// And what it says went wrong.
    Words,
}

fn all(secrets: &[Secret]) -> Vec<&Secret> {
    secrets.iter().collect()
}

/// Whether a piece of a server's text may be shown as it is.
pub fn is_fit(text: &str, secrets: &[Secret]) -> bool {
    text.len() <= LONGEST && scrub(text, &all(secrets)) == text
}

/// What a text is: "a JWT of 412 characters".
pub fn describe(text: &str) -> String {
    let kind = if jwt::payload_json(text).is_ok() { "JWT" } else { "string" };
    let length = text.chars().count();
    format!("a {kind} of {length} character{}", if length == 1 { "" } else { "s" })
}

/// Also where a session is meant, which says nothing of the pair's identity.
fn speaks_of_secrets(name: &str) -> bool {
    is_sensitive(name) || ["session", "jwt"].iter().any(|mark| name.to_ascii_lowercase().contains(mark))
}

/// A value in a request of ours: whole, or not at all.
fn masked<'t>(text: &'t str, secrets: &[Secret]) -> &'t str {
    let is_one = secrets.iter().any(|secret| secret.as_str() == text);
    if is_one || scrub(text, &all(secrets)) != text { HIDDEN } else { text }
}

/// A request of ours.
pub fn sent(outgoing: &Outgoing, secrets: &[Secret]) -> String {
    let mut url = redacted_url(&outgoing.url, secrets);
    let mut headers = "{".to_owned();
    for (name, value) in outgoing.headers.iter() {
        member(name.as_str(), &redacted_header(name, value.as_bytes(), false, secrets), &mut headers);
    }
    if let Some(credentials) = &outgoing.credentials {
        for (name, value) in &credentials.headers {
            member(name.as_str(), &redacted_header(name, value.as_bytes(), true, secrets), &mut headers);
        }
        for (name, _) in form_urlencoded::parse(credentials.query.as_bytes()) {
            for piece in [if url.contains('?') { "&" } else { "?" }, &name, "=", HIDDEN] {
                url.push_str(piece);
            }
        }
    }
    let mut sent = "{".to_owned();
    member("method", outgoing.method.as_str(), &mut sent);
    member("url", &url, &mut sent);
    member("body", &sent_body(outgoing, secrets), &mut sent);
    for piece in [",\"headers\":", &headers, "}}"] {
        sent.push_str(piece);
    }
    sent
}

/// What a call carries its token in: `authorization: Bearer ***`.
pub fn carried(outgoing: &Outgoing, secrets: &[Secret]) -> String {
    let mut places = String::new();
    if let Some(credentials) = &outgoing.credentials {
        for (name, value) in &credentials.headers {
            let redacted = redacted_header(name, value.as_bytes(), true, secrets);
            for piece in [if places.is_empty() { "" } else { ", " }, name.as_str(), ": ", &redacted] {
                places.push_str(piece);
            }
        }
        if !credentials.query.is_empty() {
            places.push_str(if places.is_empty() { "the query" } else { ", the query" });
        }
    }
    places
}

fn redacted_url(url: &Url, secrets: &[Secret]) -> String {
    let mut redacted = url.origin().ascii_serialization();
    if repeats(&redacted, &all(secrets)) {
        redacted = HIDDEN.to_owned();
    }
    for segment in url.path().split('/').skip(1) {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
        redacted.push('/');
        redacted.push_str(if masked(&decoded, secrets) == HIDDEN { HIDDEN } else { segment });
    }
    if let Some(query) = url.query() {
        redacted.push('?');
        redacted.push_str(&fields(query.as_bytes(), secrets));
    }
    redacted
}

/// A form or a query, decoded. What a URL was given with is known by its name only.
fn fields(text: &[u8], secrets: &[Secret]) -> String {
    let mut redacted = String::new();
    for (name, value) in form_urlencoded::parse(text) {
        let value = if speaks_of_secrets(&name) { HIDDEN } else { masked(&value, secrets) };
        for piece in [if redacted.is_empty() { "" } else { "&" }, &name, "=", value] {
            redacted.push_str(piece);
        }
    }
    redacted
}

/// `Bearer ***`, `SID=***`, or the value.
fn redacted_header(name: &HeaderName, value: &[u8], is_credential: bool, secrets: &[Secret]) -> String {
    let value = String::from_utf8_lossy(value);
    if *name == header::COOKIE {
        let mut names = String::new();
        for pair in value.split("; ") {
            add_cookie(pair.split('=').next().unwrap_or_default(), secrets, &mut names);
        }
        return names;
    }
    if !is_credential && !speaks_of_secrets(name.as_str()) {
        return masked(&value, secrets).to_owned();
    }
    match value.split_once(' ') {
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) && is_fit(scheme, secrets) => {
            [scheme, " ", HIDDEN].concat()
        }
        _ => HIDDEN.to_owned(),
    }
}

fn add_cookie(name: &str, secrets: &[Secret], names: &mut String) {
    let name = if is_fit(name, secrets) { name } else { HIDDEN };
    for piece in [if names.is_empty() { "" } else { "; " }, name, "=", HIDDEN] {
        names.push_str(piece);
    }
}

fn sent_body(outgoing: &Outgoing, secrets: &[Secret]) -> String {
    let body = &outgoing.body[..];
    if let Ok(mut json) = serde_json::from_slice(body) {
        mask(&mut json, secrets);
        return Value::to_string(&json);
    }
    let kind = outgoing.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    match body.is_empty() || kind.ends_with(b"form-urlencoded") {
        true => fields(body, secrets),
        false => format!("a text of {} bytes", body.len()),
    }
}

/// JSON of ours: the names in it are the dialect's.
fn mask(value: &mut Value, secrets: &[Secret]) {
    match value {
        Value::String(text) if masked(text, secrets) == HIDDEN => *value = HIDDEN.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, secrets)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(_) | Value::Number(_) if speaks_of_secrets(name) => *member = HIDDEN.into(),
                    member => mask(member, secrets),
                }
            }
        }
        _ => {}
    }
}

/// An answer.
pub fn answered(answer: &Answer, show: Show, secrets: &[Secret]) -> String {
    let mut redacted = format!("{{\"status\":{},\"headers\":{{", answer.status);
    add_headers(&answer.headers, secrets, &mut redacted);
    redacted.push_str("},");
    member("body", &outline(&answer.body, show, secrets), &mut redacted);
    redacted.push('}');
    redacted
}

/// Those that say something about how to ask.
fn add_headers(headers: &HeaderMap, secrets: &[Secret], redacted: &mut String) {
    const TOLD: [HeaderName; 4] = [header::CONTENT_TYPE, header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE];
    for name in TOLD {
        if let Some(text) = headers.get(&name).and_then(|value| value.to_str().ok()) {
            member(name.as_str(), &scrub_echo(text, &all(secrets)), redacted);
        }
    }
    if let Some(location) = location(headers, &all(secrets)) {
        member("location", &location, redacted);
    }
    let mut names = String::new();
    for (name, _) in cookies(headers, unix_millis()) {
        add_cookie(&name, secrets, &mut names);
    }
    if !names.is_empty() {
        member("set-cookie", &names, redacted);
    }
}

/// A body as JSON in which what is not shown is described, or what it is.
fn outline(body: &[u8], show: Show, secrets: &[Secret]) -> String {
    let document = Document::new(if body.len() > LARGEST { b"" } else { body });
    let text = document.text();
    let mut redacted = String::new();
    match document.json() {
        Some(json @ (Value::Object(_) | Value::Array(_))) => {
            shape(json, "", show, secrets, &mut { MOST_VALUES }, &mut redacted);
        }
        _ if text.is_empty() && body.len() <= LARGEST => {}
        _ if text.is_empty() || is_page(&text) => redacted = format!("a page or a file of {} bytes", body.len()),
        _ if show == Show::Words && is_fit(&text, secrets) => redacted = text,
        _ => redacted = describe(&text),
    }
    redacted
}

fn shape(value: &Value, name: &str, show: Show, secrets: &[Secret], left: &mut usize, out: &mut String) {
    *left = left.saturating_sub(1);
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items.iter().take(MOST_ITEMS) {
                shape(item, "", show, secrets, left, out);
                out.push(',');
            }
            match items.len() > MOST_ITEMS {
                true => out.push_str(&json_string(&format!("… {} in all", items.len()))),
                false => out.truncate(out.len() - usize::from(out.ends_with(','))),
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (name, value) in members {
                if !out.ends_with('{') {
                    out.push(',');
                }
                if *left == 0 {
                    out.push_str("\"…\":null");
                    break;
                }
                let name = if is_fit(name, secrets) { name } else { HIDDEN };
                out.push_str(&json_string(name));
                out.push(':');
                shape(value, name, show, secrets, left, out);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&json_string(&redacted_text(text, name, show, secrets))),
        Value::Number(_) => {
            let number = value.to_string();
            let is_shown = show != Show::Kinds && is_fit(&number, secrets);
            out.push_str(if is_shown { &number } else { "\"a number\"" });
        }
        value => out.push_str(&value.to_string()),
    }
}

fn redacted_text(text: &str, name: &str, show: Show, secrets: &[Secret]) -> String {
    const WORDS: [&str; 8] = ["bearer", "dpop", "mac", "jwt", "ok", "success", "error", "fail"];
    if show == Show::Words && is_word(name) && !text.is_empty() {
        return scrub_echo(text, &all(secrets));
    }
    let is_plain = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) || instant(text).is_some();
    match show != Show::Kinds && is_plain && is_fit(text, secrets) {
        true => text.to_owned(),
        false => describe(text),
    }
}
