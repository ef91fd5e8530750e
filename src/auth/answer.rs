//! How an answer is laid out, and the token pair that is read from one.

use crate::auth::call::Call;
use crate::auth::instants;
use crate::auth::member::Member;
use crate::auth::place::{Answer, Place, Places, Said, until};
use crate::auth::values::Kept;
use crate::error::Result;
use crate::sys::secret::Secret;
use crate::token::jwt;
use serde_json::Value;
use std::time::Duration;

pub const MEMBERS: [&str; 12] = [
    "access_token",
    "refresh_token",
    "token_type",
    "expires_in",
    "expires_in_unit",
    "expires_at",
    "expires_at_unit",
    "refresh_expires_in",
    "refresh_expires_in_unit",
    "refresh_expires_at",
    "refresh_expires_at_unit",
    "lifetime_seconds",
];

/// The units that a number may count, in milliseconds.
pub const INSTANTS: [(&str, i64); 2] = [("s", 1000), ("ms", 1)];
pub const DURATIONS: [(&str, i64); 3] = [("s", 1000), ("ms", 1), ("min", 60_000)];

/// How an answer is laid out.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    access_token: Places,
    refresh_token: Places,
    token_type: Places,
    expires: Expiry,
    refresh_expires: Expiry,
    lifetime: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Expiry {
    at: Places,
    /// Milliseconds in one of what a number counts; `None`: told by its size.
    at_unit: Option<i64>,
    after: Places,
    after_unit: i64,
}

/// A token pair as the server granted it.
#[derive(Debug)]
pub struct Grant {
    pub access: Secret,
    pub refresh: Option<Secret>,
    /// What the API calls the access token.
    pub token_type: Option<String>,
    /// How long the access token lives from now on; `None`: nobody said, or nobody said it credibly.
    pub lifetime: Option<Duration>,
    pub refresh_lifetime: Option<Duration>,
    /// Values for templates: those that were kept before, and what this answer changes of them.
    pub kept: Kept,
    pub sources: Sources,
}

/// Where the parts of a pair were found.
#[derive(Debug, Default)]
pub struct Sources {
    pub access: Option<String>,
    pub refresh: Option<String>,
    pub token_type: Option<String>,
    pub lifetime: Option<String>,
    pub refresh_lifetime: Option<String>,
}

/// Whether an access token can be put into a header.
pub fn fits_a_header(access: &Secret, may_have_blanks: bool) -> bool {
    access.as_bytes().iter().all(|byte| byte.is_ascii_graphic() || may_have_blanks && *byte == b' ')
}

impl Shape {
    pub fn check_names(member: &Member<'_>) -> Result<()> {
        member.check_names(&MEMBERS)
    }

    pub fn parse(member: &Member<'_>) -> Result<Shape> {
        Shape::check_names(member)?;
        let places = |name: &str| member.get(name).map_or(Ok(Places::default()), |place| Places::parse(&place));
        let unit = |name: &str, units: &[(&str, i64)]| member.get(name).map(|unit| unit.one_of(units)).transpose();
        let expiry = |prefix: &str| {
            let name = |rest: &str| format!("{prefix}{rest}");
            Ok::<_, crate::error::Error>(Expiry {
                at: places(&name("expires_at"))?,
                at_unit: unit(&name("expires_at_unit"), &INSTANTS)?,
                after: places(&name("expires_in"))?,
                after_unit: unit(&name("expires_in_unit"), &DURATIONS)?.unwrap_or(1000),
            })
        };
        Ok(Shape {
            access_token: places("access_token")?,
            refresh_token: places("refresh_token")?,
            token_type: places("token_type")?,
            expires: expiry("")?,
            refresh_expires: expiry("refresh_")?,
            lifetime: match member.get("lifetime_seconds") {
                None => None,
                Some(seconds) => match seconds.value.as_u64().filter(|seconds| (1..=10 * 31_557_600).contains(seconds))
                {
                    Some(seconds) => Some(Duration::from_secs(seconds)),
                    None => return Err(seconds.takes("a whole number of seconds, from 1 to ten years")),
                },
            },
        })
    }

    pub fn has_access_token(&self) -> bool {
        !self.access_token.is_empty()
    }

    /// The pair in an answer; else why there is none that could be used.
    pub fn grant(&self, answer: &Answer<'_>, call: &Call, kept: Kept) -> std::result::Result<Grant, &'static str> {
        let (access, access_from) = self.access_token.token(answer)?.ok_or_else(|| self.no_token(answer))?;
        let may_have_blanks = match access_from {
            Place::Text => false, // it is a sentence
            Place::Pointer(_) => call.takes_blanks(),
            _ => true, // what came in a header may go back in one
        };
        if !fits_a_header(&access, may_have_blanks) {
            return Err("the access token holds characters that no header can carry");
        }
        let (refresh, refresh_from) = self.refresh_token.token(answer)?.unzip();
        let server_now = answer.server_now();
        // F1. A token that would already be over says that the server's clocks disagree, not that it handed out a dead
        // token: then only a 401 tells.
        let said = self.expires.left(answer, server_now).or_else(|| by_itself(&access, server_now));
        let stated = || Some((Some(self.lifetime?), "lifetime_seconds".to_owned()));
        let (lifetime, lifetime_from) = said.or_else(stated).or_else(|| access_from.cookie_left(answer)).unzip();
        let refresh_said = self.refresh_expires.left(answer, server_now);
        let refresh_said = refresh_said.or_else(|| by_itself(refresh.as_ref()?, server_now));
        let (refresh_lifetime, refresh_lifetime_from) =
            refresh_said.or_else(|| refresh_from?.cookie_left(answer)).unzip();
        let token_type = self.token_type.find(answer, |value| value.as_str().map(|text| text.trim().to_owned()));
        let (token_type, token_type_from) = token_type.map(|(text, place)| (text, place.to_string())).unzip();
        let (lifetime, refresh_lifetime) = (lifetime.flatten(), refresh_lifetime.flatten());
        let sources = Sources {
            access: Some(access_from.to_string()),
            refresh: refresh_from.map(Place::to_string),
            token_type: token_type_from,
            lifetime: lifetime_from.filter(|_| lifetime.is_some()),
            refresh_lifetime: refresh_lifetime_from.filter(|_| refresh_lifetime.is_some()),
        };
        Ok(Grant { access, refresh, token_type, lifetime, refresh_lifetime, kept, sources })
    }

    /// Where one of its parts is looked for, by the name of its member.
    pub fn places(&self, name: &str) -> Option<&Places> {
        match name {
            "access_token" => Some(&self.access_token),
            "refresh_token" => Some(&self.refresh_token),
            "expires_at" => Some(&self.expires.at),
            "expires_in" => Some(&self.expires.after),
            _ => None,
        }
    }

    fn no_token(&self, answer: &Answer<'_>) -> &'static str {
        let is_in_body = self.access_token.0.iter().any(|place| matches!(place, Place::Pointer(_)));
        if is_in_body && answer.document.json().is_none() { "the body is no JSON" } else { "there is no access_token" }
    }
}

impl Expiry {
    /// `None`: nobody says.
    fn left(&self, answer: &Answer<'_>, server_now: i64) -> Option<Said> {
        if let Some((at, place)) = self.at.find(answer, |value| instant(value, self.at_unit)) {
            return Some((until(at, server_now), place.to_string()));
        }
        let (millis, place) = self.after.find(answer, |value| number(value, self.after_unit))?;
        Some((until(millis, 0), place.to_string()))
    }
}

/// What a token says itself, if it is a JWT.
fn by_itself(token: &Secret, server_now: i64) -> Option<Said> {
    let at = jwt::expires_at(token.as_str())?.saturating_mul(1000);
    Some((until(at, server_now), "the token's own exp".to_owned()))
}

/// A number, perhaps as text, in milliseconds.
fn number(value: &Value, unit: i64) -> Option<i64> {
    let whole = |number: i64| number.saturating_mul(unit);
    let float = |number: f64| (number.abs() < 9.0e15).then(|| (number * unit as f64).round() as i64);
    match value {
        Value::Number(number) => number.as_i64().map(whole).or_else(|| float(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
            text.parse().map(whole).ok().or_else(|| float(text.parse().ok().filter(|_| is_plain)?))
        }
        _ => None,
    }
}

/// An instant in Unix milliseconds: a text, or a number of what `unit` says.
fn instant(value: &Value, unit: Option<i64>) -> Option<i64> {
    // In seconds this is the year 5138, in milliseconds 1973.
    const MILLIS_FROM: i64 = 100_000_000_000;
    let counted = match unit {
        Some(unit) => number(value, unit),
        None => {
            let millis = number(value, 1);
            if millis.is_some_and(|millis| millis >= MILLIS_FROM) { millis } else { number(value, 1000) }
        }
    };
    counted.or_else(|| instants::parse(value.as_str()?))
}
