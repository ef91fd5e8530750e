//! What answers mean: by endpoint, status, body and challenge. The dialect's own meanings come before the defaults.

use crate::auth::json::Document;
use crate::auth::member::{Member, scalar};
use crate::error::Result;
use http::{HeaderMap, header};
use serde_json::Value;

pub const MEMBERS: [&str; 5] = ["of", "status", "body", "challenge", "means"];

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Login,
    Refresh,
    Logout,
    Call,
}

impl Of {
    pub fn name(self) -> &'static str {
        match self {
            Of::Login => "the login",
            Of::Refresh => "the refresh",
            Of::Logout => "the logout",
            Of::Call => "the call",
        }
    }
}

pub const OF: [(&str, Of); 4] =
    [("login", Of::Login), ("refresh", Of::Refresh), ("logout", Of::Logout), ("call", Of::Call)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Accepted,
    /// The credentials, or this refresh token: no use asking again.
    Rejected,
    /// Of a call: the access token is dead.
    Expired,
    /// Nothing that a token could mend.
    Forbidden,
    RateLimited,
    /// Passing.
    Unavailable,
    /// Holds nothing to go on with, and refuses nothing.
    Unusable,
}

pub const MEANS: [(&str, Means); 7] = [
    ("rejected", Means::Rejected),
    ("expired", Means::Expired),
    ("forbidden", Means::Forbidden),
    ("rate_limited", Means::RateLimited),
    ("unavailable", Means::Unavailable),
    ("accepted", Means::Accepted),
    ("unusable", Means::Unusable),
];

impl Means {
    /// As it is written.
    pub fn name(self) -> &'static str {
        MEANS.iter().find(|(_, means)| *means == self).map_or("", |(name, _)| name)
    }
}

/// A set of status codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Statuses(Vec<(u16, u16)>);

impl Statuses {
    /// Any 2xx.
    pub fn success() -> Statuses {
        Statuses(vec![(200, 299)])
    }

    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }

    pub fn parse(member: &Member<'_>) -> Result<Statuses> {
        let many = member.one_or_many();
        if many.is_empty() {
            return Err(member.refuse("got an empty array; it takes a status code, an array of them, or \"4xx\""));
        }
        many.iter().map(Statuses::one).collect::<Result<Vec<_>>>().map(Statuses)
    }

    fn one(member: &Member<'_>) -> Result<(u16, u16)> {
        let refuse = || member.takes("a status code from 100 to 599, an array of them, or \"4xx\"");
        let text = scalar(member.value).ok_or_else(refuse)?;
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let digits = class.map_or(text.clone(), |class| format!("{class}00"));
        let code: u16 = digits.parse().ok().filter(|code| (100..600).contains(code)).ok_or_else(refuse)?;
        Ok((code, if class.is_some() { code + 99 } else { code }))
    }
}

/// What fits some answers, and what they mean.
#[derive(Clone, Debug)]
pub struct Meaning {
    of: Vec<Of>,
    statuses: Option<Statuses>,
    /// Pointers, and the values that are looked for there; `None`: absent.
    body: Vec<(String, Vec<Option<String>>)>,
    /// The `error` of a challenge in `WWW-Authenticate` (RFC 6750).
    challenge: Option<Vec<String>>,
    pub means: Means,
}

impl Meaning {
    /// The member `meanings` of a dialect or an endpoint.
    pub fn parse_all(member: Option<Member<'_>>) -> Result<Vec<Meaning>> {
        match member {
            None => Ok(Vec::new()),
            Some(meanings) if meanings.value.is_array() => meanings.one_or_many().iter().map(Meaning::parse).collect(),
            Some(meanings) => Err(meanings.takes("an array of meanings")),
        }
    }

    fn parse(member: &Member<'_>) -> Result<Meaning> {
        member.check_names(&MEMBERS)?;
        let of = match member.get("of") {
            None => OF.iter().map(|(_, of)| *of).collect(),
            Some(of) => of.one_or_many().iter().map(|one| one.one_of(&OF)).collect::<Result<_>>()?,
        };
        let means = member.get("means").ok_or_else(|| {
            member.refuse("has no means; it takes rejected, expired, forbidden, rate_limited, unavailable or accepted")
        })?;
        let meaning = Meaning {
            of,
            statuses: member.get("status").map(|status| Statuses::parse(&status)).transpose()?,
            body: match member.value.get("body").filter(|body| !body.is_null()) {
                None => Vec::new(),
                Some(body) => body_values(&member.at("body", body))?,
            },
            challenge: match member.get("challenge") {
                None => None,
                Some(codes) => {
                    Some(codes.one_or_many().iter().map(|code| Ok(code.text()?.to_owned())).collect::<Result<_>>()?)
                }
            },
            means: means.one_of(&MEANS)?,
        };
        if meaning.statuses.is_none() && meaning.body.is_empty() && meaning.challenge.is_none() {
            return Err(member.refuse("fits every answer; give it a status or a body"));
        }
        Ok(meaning)
    }

    fn fits(&self, of: Of, status: u16, headers: &HeaderMap, document: &Document<'_>) -> bool {
        let fits_challenge = |codes: &Vec<String>| {
            challenge(headers).is_some_and(|found| codes.iter().any(|code| code.eq_ignore_ascii_case(&found)))
        };
        self.of.contains(&of)
            && self.statuses.as_ref().is_none_or(|statuses| statuses.contains(status))
            && self.challenge.as_ref().is_none_or(fits_challenge)
            && self.body.iter().all(|(pointer, wanted)| {
                let found = document.at_or_text(pointer).filter(|value| !value.is_null());
                wanted.iter().any(|wanted| match (wanted, found.as_deref()) {
                    (None, found) => found.is_none(),
                    (Some(wanted), Some(found)) => scalar(found).as_ref() == Some(wanted),
                    (Some(_), None) => false,
                })
            })
    }

    pub fn is_of_calls(&self) -> bool {
        self.of.contains(&Of::Call)
    }
}

fn body_values(member: &Member<'_>) -> Result<Vec<(String, Vec<Option<String>>)>> {
    let Value::Object(map) = member.value else {
        return Err(member.takes("an object of JSON pointers and values"));
    };
    map.iter()
        .map(|(pointer, value)| {
            if !is_pointer(pointer) {
                return Err(member.refuse("has a name that is no JSON pointer; it takes names like \"/error/code\""));
            }
            let here = member.at(pointer, value);
            let values = here
                .one_or_many()
                .iter()
                .map(|value| match value.value {
                    Value::Null => Ok(None),
                    _ => value.scalar().map(Some),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((pointer.clone(), values))
        })
        .collect()
}

/// RFC 6901.
pub fn is_pointer(text: &str) -> bool {
    let is_escape = |rest: &str| rest.starts_with('0') || rest.starts_with('1');
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escape)
}

/// The first meaning that fits, by its place.
pub fn find(
    meanings: &[Meaning],
    of: Of,
    status: u16,
    headers: &HeaderMap,
    document: &Document<'_>,
) -> Option<(usize, Means)> {
    let at = meanings.iter().position(|meaning| meaning.fits(of, status, headers, document))?;
    Some((at, meanings[at].means))
}

/// What a status means where nothing else is said. Success is the endpoint's own affair.
pub fn default(of: Of, status: u16) -> Option<Means> {
    match (of, status) {
        (Of::Login | Of::Refresh, 400 | 401 | 422) => Some(Means::Rejected),
        (Of::Logout, 401) => Some(Means::Rejected),
        (Of::Call, 401) => Some(Means::Expired),
        (_, 403) => Some(Means::Forbidden),
        (_, 429) => Some(Means::RateLimited),
        (Of::Login | Of::Refresh | Of::Logout, 500..) => Some(Means::Unavailable),
        _ => None,
    }
}

/// The `error` of the first challenge that has one: `Bearer realm="x", error="invalid_token"`.
pub fn challenge(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().find_map(|value| {
        let text = value.to_str().ok()?;
        let lower = text.to_ascii_lowercase();
        let at = lower.match_indices("error").find_map(|(at, found)| {
            let begins = at == 0 || matches!(lower.as_bytes()[at - 1], b' ' | b',' | b'\t');
            let after = &lower[at + found.len()..];
            let value = after.trim_start().strip_prefix('=').filter(|_| begins)?;
            Some(lower.len() - value.trim_start().len())
        })?;
        let rest = &text[at..];
        let code = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split([',', ' ']).next(),
        };
        code.filter(|code| !code.is_empty()).map(str::to_owned)
    })
}
