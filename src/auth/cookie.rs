//! The cookies that an answer sets.

use crate::auth::instants;
use http::{HeaderMap, header};

/// A cookie that an answer sets.
pub struct SetCookie {
    pub name: String,
    /// `None`: the answer takes it back.
    pub value: Option<String>,
    /// How many milliseconds it is to be kept for, if that is said.
    pub left: Option<i64>,
}

/// The last of each name. `now`: in milliseconds, on the server's clock.
pub fn set_cookies(headers: &HeaderMap, now: i64) -> Vec<SetCookie> {
    let mut set: Vec<SetCookie> = Vec::new();
    for header in headers.get_all(header::SET_COOKIE) {
        let Ok(text) = std::str::from_utf8(header.as_bytes()) else { continue };
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        let (name, value) = (name.trim(), value.trim());
        let attributes: Vec<(&str, &str)> = parts.filter_map(|attribute| attribute.split_once('=')).collect();
        let attribute = |wanted: &str| attributes.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        // RFC 6265, 5.3: Max-Age counts before Expires.
        let max_age = attribute("max-age").and_then(|(_, age)| age.trim().parse::<i64>().ok());
        let expires = attribute("expires").and_then(|(_, at)| instants::parse(at.trim()));
        let left = max_age.map(|age| age.saturating_mul(1000)).or(expires.map(|at| at.saturating_sub(now)));
        let is_over = left.is_some_and(|left| left <= 0);
        set.retain(|known| known.name != name);
        let value = Some(value.to_owned()).filter(|value| !is_over && !value.is_empty());
        set.push(SetCookie { name: name.to_owned(), value, left });
    }
    set
}

/// Those that it does not take back.
pub fn cookies(headers: &HeaderMap, now: i64) -> impl Iterator<Item = (String, String)> {
    set_cookies(headers, now).into_iter().filter_map(|cookie| Some((cookie.name, cookie.value?)))
}

/// As a request's `Cookie` holds them.
pub fn joined<'c>(cookies: impl Iterator<Item = (&'c str, &'c str)>) -> String {
    cookies.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}
