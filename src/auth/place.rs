//! An answer that is read, and the places in it where things are looked for.

use crate::auth::cookie::{cookies, joined, set_cookies};
use crate::auth::instants;
use crate::auth::json::Document;
use crate::auth::meaning::is_pointer;
use crate::auth::member::{Member, scalar};
use crate::error::Result;
use crate::sys::secret::Secret;
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// As many as RFC 6265 asks for.
const MOST_COOKIES: usize = 50;

/// Where one thing is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Pointer(String),
    Header(HeaderName),
    Cookie(String),
    Cookies,
    Text,
}

/// Places that are tried in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(pub Vec<Place>);

/// An answer that is read.
pub struct Answer<'a> {
    pub headers: &'a HeaderMap,
    pub document: &'a Document<'a>,
    /// This machine's wall clock, in milliseconds.
    pub now: i64,
}

impl Answer<'_> {
    pub fn server_now(&self) -> i64 {
        server_millis(date(self.headers), self.now)
    }
}

impl Places {
    pub fn parse(member: &Member<'_>) -> Result<Places> {
        member.one_or_many().iter().map(Place::parse).collect::<Result<Vec<_>>>().map(Places)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn find<T>(&self, answer: &Answer<'_>, take: impl Fn(&Value) -> Option<T>) -> Option<(T, &Place)> {
        self.0.iter().find_map(|place| Some((take(&place.find(answer)?)?, place)))
    }

    /// A token that is there; or why what is there is none.
    pub fn token(&self, answer: &Answer<'_>) -> std::result::Result<Option<(Secret, &Place)>, &'static str> {
        match self.find(answer, token) {
            Some((token, place)) => Ok(Some((token?, place))),
            None if self.find(answer, |value| (!value.is_null() && !value.is_string()).then_some(())).is_some() => {
                Err("a token is no string")
            }
            None => Ok(None),
        }
    }

    /// What is there, as text; a number, true or false too.
    pub fn text(&self, answer: &Answer<'_>) -> Option<Secret> {
        let found = self.find(answer, |value| {
            let text = scalar(value)?;
            Secret::new(text.trim()).filter(|secret| !secret.as_bytes().is_empty())
        });
        found.map(|(secret, _)| secret)
    }

    /// What is there to be kept in the place of what was kept `before`; empty: that is over. Cookies change one by one, as in a
    /// browser.
    pub fn keep(&self, answer: &Answer<'_>, before: Option<&Secret>) -> Option<Secret> {
        let Some(before) = before.filter(|_| self.0.contains(&Place::Cookies)) else { return self.text(answer) };
        let changes = set_cookies(answer.headers, answer.server_now());
        if changes.is_empty() {
            return self.text(answer);
        }
        let kept = before.as_str().split("; ").filter_map(|pair| pair.split_once('='));
        let kept = kept.filter(|(known, _)| changes.iter().all(|cookie| cookie.name != *known));
        let new = changes.iter().filter_map(|cookie| Some((cookie.name.as_str(), cookie.value.as_deref()?)));
        let all: Vec<_> = kept.chain(new).collect();
        // The newest: a server that sets another name each time must not fill the store.
        Secret::new(&joined(all[all.len().saturating_sub(MOST_COOKIES)..].iter().copied()))
    }
}

impl fmt::Display for Places {
    /// As a message lists them: `/data/token or the cookie SID`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in self.0.iter().enumerate() {
            f.write_str(if at > 0 { " or " } else { "" })?;
            place.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Pointer(pointer) if pointer.is_empty() => f.write_str("the whole body"),
            Place::Pointer(pointer) => f.write_str(pointer),
            Place::Header(name) => write!(f, "the header {name}"),
            Place::Cookie(name) => write!(f, "the cookie {name}"),
            Place::Cookies => f.write_str("the cookies"),
            Place::Text => f.write_str("the text"),
        }
    }
}

impl Place {
    fn parse(member: &Member<'_>) -> Result<Place> {
        let takes = "a JSON pointer like \"/access_token\", {\"header\": NAME}, {\"cookie\": NAME}, {\"cookies\": true}, {\"text\": true}, or an array of these";
        let map = match member.value {
            Value::String(pointer) if is_pointer(pointer) => return Ok(Place::Pointer(pointer.clone())),
            Value::String(_) => {
                return Err(member.refuse(&format!("got a string that is no JSON pointer; it takes {takes}")));
            }
            Value::Object(map) if map.len() == 1 => map,
            _ => return Err(member.takes(takes)),
        };
        member.check_names(&["header", "cookie", "cookies", "text"])?;
        let header = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok().map(Place::Header);
        let place = map.iter().next().and_then(|(kind, value)| match (kind.as_str(), value) {
            ("header", Value::String(name)) => header(name),
            ("cookie", Value::String(name)) if !name.is_empty() => Some(Place::Cookie(name.clone())),
            ("cookies", Value::Bool(true)) => Some(Place::Cookies),
            ("text", Value::Bool(true)) => Some(Place::Text),
            _ => None,
        });
        place.ok_or_else(|| member.takes(takes))
    }

    /// How long what is there lives by its cookie, if it is in one.
    pub fn cookie_left(&self, answer: &Answer<'_>) -> Option<Said> {
        let Place::Cookie(name) = self else { return None };
        let cookie =
            set_cookies(answer.headers, answer.server_now()).into_iter().find(|cookie| cookie.name == *name)?;
        Some((until(cookie.left?, 0), format!("the end of {self}")))
    }

    fn find(&self, answer: &Answer<'_>) -> Option<Value> {
        let text = match self {
            Place::Pointer(pointer) => return answer.document.at(pointer).cloned(),
            Place::Header(name) => answer.headers.get(name)?.to_str().ok()?.to_owned(),
            Place::Cookie(name) => cookies(answer.headers, answer.server_now()).find(|(set, _)| set == name)?.1,
            Place::Cookies => {
                let all: Vec<(String, String)> = cookies(answer.headers, answer.server_now()).collect();
                joined(all.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            }
            Place::Text => answer.document.text(),
        };
        Some(Value::String(text))
    }
}

/// A token in a string, trimmed; `None`: there is none.
fn token(value: &Value) -> Option<std::result::Result<Secret, &'static str>> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| Secret::new(text).ok_or("a token holds a NUL"))
}

/// How long a token has left, unless what is said is not credible; and who says it.
pub type Said = (Option<Duration>, String);

pub fn until(at: i64, server_now: i64) -> Option<Duration> {
    let left = at.saturating_sub(server_now);
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis)
}

/// The `Date` of an answer in Unix seconds.
pub fn date(headers: &HeaderMap) -> Option<i64> {
    headers.get(header::DATE)?.to_str().ok().and_then(instants::http_date)
}

/// The pause that an answer asks for with `Retry-After`.
pub fn pause(headers: &HeaderMap, now_seconds: i64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    instants::retry_after(text, date(headers), now_seconds)
}

/// F1: the time on the server's clock, in milliseconds. `Date` counts whole seconds only: where it agrees with our clock,
/// ours is the finer one; where it does not, the end of its second is taken, so that a lifetime is never overrated.
fn server_millis(date: Option<i64>, now: i64) -> i64 {
    const AGREE: i64 = 2_000;
    match date.map(|seconds| seconds.saturating_mul(1000)) {
        None => now,
        Some(date) if (date..date.saturating_add(AGREE)).contains(&now) => now,
        Some(date) => date.saturating_add(999),
    }
}
