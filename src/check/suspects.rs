//! What in an answer may be a token, an expiry or the code of a refusal, where the dialect does not look for it. Pure.

use crate::auth::{Document, cookies, instant, is_page};
use crate::check::outline::{describe, is_fit};
use crate::sys::clock::unix_millis;
use crate::sys::secret::Secret;
use crate::token::jwt;
use http::{HeaderMap, header};
use serde_json::Value;

/// How many values of an answer are looked at, and how deep.
const MOST_VALUES: usize = 400;
const DEEPEST: usize = 8;

/// Shorter texts are no tokens; so long ones are hardly anything else.
const SHORTEST_TOKEN: usize = 8;
const LONG: usize = 24;

/// Something in an answer.
pub struct Suspect {
    /// As a message names it: `/data/token (a JWT of 412 characters)`.
    pub text: String,
    /// As the option takes it: `"/data/token"`, `{"cookie": "SID"}`.
    pub place: String,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Sought {
    AccessToken,
    RefreshToken,
}

/// What looks most like a token; none of `known`, which a server may have repeated.
pub fn token(headers: &HeaderMap, document: &Document<'_>, sought: Sought, secrets: &[Secret]) -> Option<Suspect> {
    let mut best: Option<(u32, Suspect)> = None;
    let mut weigh = |name: &str, text: &str, at: String, place: String| {
        let text = text.trim();
        let is_secret = secrets.iter().any(|secret| secret.as_str() == text);
        let likeness = if is_secret { 0 } else { likeness(name, text, sought) };
        if likeness > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((likeness, Suspect { text: format!("{at} ({})", describe(text)), place }));
        }
    };
    each_value(document, secrets, &mut |pointer, name, value| {
        if let Value::String(text) = value {
            weigh(name, text, pointer.to_owned(), format!("\"{pointer}\""));
        }
    });
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::SET_COOKIE) {
        let is_named = ["token", "auth", "session"].iter().any(|mark| name.as_str().contains(mark));
        if let (true, Ok(text)) = (is_named && is_fit(name.as_str(), secrets), value.to_str()) {
            weigh(name.as_str(), text, format!("the header {name}"), format!("{{\"header\": \"{name}\"}}"));
        }
    }
    for (name, text) in cookies(headers, unix_millis()).filter(|(name, _)| is_fit(name, secrets)) {
        weigh(&name, &text, format!("the cookie {name}"), format!("{{\"cookie\": \"{name}\"}}"));
    }
    let text = document.text();
    let is_text = !matches!(document.json(), Some(Value::Object(_) | Value::Array(_))) && !is_page(&text);
    if is_text && sought == Sought::AccessToken {
        weigh("token", &text, "a text and nothing else".to_owned(), "{\"text\": true}".to_owned());
    }
    best.map(|(_, suspect)| suspect)
}

/// How much a value looks like what is sought; 0: not at all.
fn likeness(name: &str, text: &str, sought: Sought) -> u32 {
    if text.len() < SHORTEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains("://") {
        return 0;
    }
    let name = plain(name);
    let has = |marks: &[&str]| marks.iter().any(|mark| name.contains(mark));
    let is_jwt = jwt::payload_json(text).is_ok();
    let is_for_refreshing = has(&["refresh", "renew"]);
    if has(&["csrf", "xsrf", "type", "url"]) || is_for_refreshing != (sought == Sought::RefreshToken) {
        return 0;
    }
    let by_name = match name.as_str() {
        "accesstoken" | "refreshtoken" | "access" | "refresh" => 10,
        "idtoken" => 3,
        _ if has(&["token", "jwt", "bearer"]) || is_for_refreshing => 8,
        _ if has(&["session", "ticket", "sid", "key", "auth"]) => 5,
        _ => 0,
    };
    // A JWT needs no name. What else is long is better than nothing.
    by_name + if is_jwt { 4 } else { u32::from(text.len() >= LONG && sought == Sought::AccessToken) }
}

/// What looks like an expiry of the access token: the member that takes it, and where it is.
pub fn expiry(document: &Document<'_>, secrets: &[Secret]) -> Option<(&'static str, Suspect)> {
    const MARKS: [&str; 7] = ["expir", "ttl", "lifetime", "leaseduration", "validuntil", "validfor", "maxage"];
    /// Seconds since 1970 are more, from 2001 on.
    const INSTANTS_FROM: i64 = 1_000_000_000;
    let mut found = None;
    each_value(document, secrets, &mut |pointer, name, value| {
        let name = plain(name);
        let is_named = name == "exp" || MARKS.iter().any(|mark| name.contains(mark));
        if found.is_some() || !is_named || plain(pointer).contains("refresh") {
            return;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        let member = match text.split('.').next().and_then(|whole| whole.parse::<i64>().ok()) {
            Some(number) if number >= INSTANTS_FROM => "expires_at",
            Some(number) if number > 0 => "expires_in",
            None if instant(&text).is_some() => "expires_at",
            _ => return,
        };
        let named = if is_fit(&text, secrets) { format!("{pointer} ({text})") } else { pointer.to_owned() };
        found = Some((member, Suspect { text: named, place: format!("\"{pointer}\"") }));
    });
    found
}

/// What tells a refused call from one that went well: a pointer and a value, as `body` of a meaning takes them.
pub fn refusal(good: &Document<'_>, refused: &Document<'_>, secrets: &[Secret]) -> Option<String> {
    telling(refused, secrets, &|pointer, _, value| good.at(pointer) != Some(value))
        .or_else(|| telling_text(refused, secrets).filter(|_| good.text() != refused.text()))
}

/// The same of an answer with nothing to compare: only what is found in a refusal alone.
pub fn stated_refusal(refused: &Document<'_>, secrets: &[Secret]) -> Option<String> {
    const OF_ERRORS: usize = 6;
    telling(refused, secrets, &|_, rank, value| rank < OF_ERRORS || *value == Value::Bool(false))
        .or_else(|| telling_text(refused, secrets))
}

fn telling(refused: &Document<'_>, secrets: &[Secret], counts: &dyn Fn(&str, usize, &Value) -> bool) -> Option<String> {
    /// The more telling before the less; the first ones name errors.
    const NAMES: [&str; 11] =
        ["code", "errcode", "errorcode", "error", "errno", "reason", "type", "status", "result", "success", "ok"];
    let mut best: Option<(usize, String)> = None;
    each_value(refused, secrets, &mut |pointer, name, value| {
        let Some(rank) = NAMES.iter().position(|mark| *mark == plain(name)) else { return };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let is_shown = is_word && !text.is_empty() && is_fit(&text, secrets);
        let is_better = best.as_ref().is_none_or(|(least, _)| rank < *least);
        if !value.is_null() && is_shown && is_better && counts(pointer, rank, value) {
            best = Some((rank, format!("{{\"{pointer}\": {value}}}")));
        }
    });
    best.map(|(_, body)| body)
}

/// A body that is a few words and nothing else.
fn telling_text(refused: &Document<'_>, secrets: &[Secret]) -> Option<String> {
    let text = refused.text();
    let is_words = text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'.' | b',' | b'!'));
    let is_shown = refused.json().is_none() && !text.is_empty() && is_words && is_fit(&text, secrets);
    is_shown.then(|| format!("{{\"\": \"{text}\"}}"))
}

/// A name without what APIs write between its words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Visits what is no object and no array, with its pointer and its name; nothing below a name that must not be shown.
fn each_value(document: &Document<'_>, secrets: &[Secret], visit: &mut dyn FnMut(&str, &str, &Value)) {
    if let Some(json) = document.json() {
        below(json, "", "", secrets, &mut { MOST_VALUES }, visit);
    }
}

fn below(
    value: &Value,
    pointer: &str,
    name: &str,
    secrets: &[Secret],
    left: &mut usize,
    visit: &mut dyn FnMut(&str, &str, &Value),
) {
    if *left == 0 || pointer.split('/').count() > DEEPEST {
        return;
    }
    *left -= 1;
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let is_shown = !name.contains(['"', '\\']) && is_fit(name, secrets);
                if is_shown {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    below(member, &format!("{pointer}/{escaped}"), name, secrets, left, visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                below(first, &format!("{pointer}/0"), name, secrets, left, visit);
            }
        }
        value => visit(pointer, name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(body: Value, headers: &[(&'static str, &str)], sought: Sought) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let body = body.to_string();
        token(&headers, &Document::new(body.as_bytes()), sought, &[]).map(|suspect| suspect.place)
    }

    #[test]
    fn tokens_are_known_by_name_or_by_being_a_jwt() {
        use Sought::{AccessToken, RefreshToken};
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln";
        for (body, sought, place) in [
            (json!({"data": {"token": "abcdefgh1"}}), AccessToken, Some("\"/data/token\"")),
            (json!({"id_token": jwt, "token": "abcdefgh1"}), AccessToken, Some("\"/token\"")),
            (json!({"x": {"y~/z": jwt}}), AccessToken, Some("\"/x/y~0~1z\"")),
            (json!({"refresh_token": jwt}), AccessToken, None),
            (json!({"token": "abcdefgh1", "refreshToken": "abcdefgh2"}), RefreshToken, Some("\"/refreshToken\"")),
            (json!({"token": "abcdefgh1"}), RefreshToken, None),
            (
                json!({"token_type": "something", "token_url": "https://x/y", "csrf_token": "abcdefgh1"}),
                AccessToken,
                None,
            ),
            (json!({"token": "short", "id": "0123456789"}), AccessToken, None),
            (json!({"ticket": {"value": "0123456789abcdefghijklmn"}}), AccessToken, Some("\"/ticket/value\"")),
            (
                json!({"sessions": [{"id": "x", "session_key": "abcdefgh1"}]}),
                AccessToken,
                Some("\"/sessions/0/session_key\""),
            ),
        ] {
            assert_eq!(found(body.clone(), &[], sought).as_deref(), place, "{body}");
        }
        let headers = [("x-subject-token", "abcdefgh1"), ("server", "abcdefgh1")];
        assert_eq!(found(json!({}), &headers, AccessToken).as_deref(), Some(r#"{"header": "x-subject-token"}"#));
        assert_eq!(
            found(json!({}), &[("set-cookie", "SID=abcdefgh1; Path=/")], AccessToken).as_deref(),
            Some(r#"{"cookie": "SID"}"#)
        );
        let text = Document::new(b"abcdefgh1\n");
        assert_eq!(token(&HeaderMap::new(), &text, AccessToken, &[]).unwrap().place, "{\"text\": true}");
    }

    #[test]
    fn what_the_server_repeats_of_what_was_sent_is_no_token() {
        let password = Secret::new("hunter2hunter2").unwrap();
        for body in [json!({"token": "hunter2hunter2"}), json!({"hunter2hunter2_token": "abcdefgh1"})] {
            let body = body.to_string();
            let document = Document::new(body.as_bytes());
            assert!(
                token(&HeaderMap::new(), &document, Sought::AccessToken, std::slice::from_ref(&password)).is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn expiries_are_told_by_name_and_size() {
        for (body, member, text) in [
            (json!({"ttl": 900}), "expires_in", "/ttl (900)"),
            (json!({"data": {"expiresIn": "3600"}}), "expires_in", "/data/expiresIn (3600)"),
            (json!({"exp": 1_790_000_000}), "expires_at", "/exp (1790000000)"),
            (json!({"validUntil": "2026-01-01T00:00:00Z"}), "expires_at", "/validUntil (2026-01-01T00:00:00Z)"),
        ] {
            let body = body.to_string();
            let (found, suspect) = expiry(&Document::new(body.as_bytes()), &[]).expect(&body);
            assert_eq!((found, suspect.text.as_str()), (member, text));
        }
        for body in ["{}", r#"{"refresh_expires_in":1}"#, r#"{"expires_in":null}"#, r#"{"expires":"never"}"#] {
            assert!(expiry(&Document::new(body.as_bytes()), &[]).is_none(), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_what_a_good_answer_has_not() {
        let told = |good: &str, refused: &str| {
            refusal(&Document::new(good.as_bytes()), &Document::new(refused.as_bytes()), &[])
        };
        assert_eq!(
            told(r#"{"code":0,"data":[]}"#, r#"{"code":40101,"msg":"no"}"#).as_deref(),
            Some("{\"/code\": 40101}")
        );
        assert_eq!(
            told("{}", r#"{"success":false,"error":{"code":"token_dead"}}"#).as_deref(),
            Some("{\"/error/code\": \"token_dead\"}")
        );
        assert_eq!(told(r#"{"success":true}"#, r#"{"success":false}"#).as_deref(), Some("{\"/success\": false}"));
        assert_eq!(told(r#"{"status":"ok"}"#, r#"{"status":"ok"}"#), None);
        assert_eq!(told("{}", r#"{"error":"words of many kinds"}"#), None);
    }
}
