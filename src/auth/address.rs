//! An endpoint's URL: a path on the host, or an absolute URL, with values in it.

use crate::auth::member::Member;
use crate::auth::render::{Request, url_value};
use crate::auth::template::{Name, Part, Scope, Template};
use crate::error::{Error, Result, Status};
use std::net::{Ipv4Addr, Ipv6Addr};

const TAKES: &str =
    "takes a path that starts with one \"/\", or an https:// URL without username, password and fragment";

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A whole URL.
    Whole(Part),
    Host(Part),
    Segment(Part),
    Query(Part),
}

/// A URL, checked as far as it is known.
#[derive(Clone, Debug)]
pub struct Address {
    pieces: Vec<Piece>,
    template: Template,
    /// As errors and log lines show it: without the query, and with names in place of values.
    redacted: String,
    allow_insecure: bool,
}

/// Where in a URL the next piece stands.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Host,
    Path,
    Query,
}

impl Address {
    pub fn parse(member: &Member<'_>, scope: &Scope<'_>, allow_insecure: bool) -> Result<Address> {
        let template = Template::parse(member, scope)?;
        let mut address =
            Address { pieces: Vec::new(), template: template.clone(), redacted: String::new(), allow_insecure };
        let mut at = At::Start;
        for part in template.parts {
            at = address.add(part, at).ok_or_else(|| member.refuse(TAKES))?;
        }
        if at == At::Start {
            return Err(member.refuse(TAKES));
        }
        if address.uses_assertion_ahead_of_query() {
            return Err(
                member.refuse("uses {assertion} before its query, while the assertion is made for that very URL")
            );
        }
        // A host that is written out is known now.
        let authority = match address.pieces.as_slice() {
            [Piece::Text(text), ..] => {
                authority(text).filter(|(_, _, is_whole)| *is_whole || address.pieces.len() == 1)
            }
            _ => None,
        };
        match authority {
            Some((scheme, authority, _)) if !is_allowed(scheme, authority, allow_insecure) => Err(member.refuse(TAKES)),
            _ => Ok(address),
        }
    }

    pub fn template(&self) -> &Template {
        &self.template
    }

    pub fn redacted(&self) -> &str {
        &self.redacted
    }

    /// Adds a part that stands at `at`, and says where the next one will; `None`: it cannot stand there.
    fn add(&mut self, part: Part, at: At) -> Option<At> {
        if at != At::Query {
            match &part {
                Part::Text(text) => self.redacted.push_str(text.as_str().split('?').next().unwrap_or_default()),
                part => self.redacted.push_str(&format!("{{{}}}", name_of(part))),
            }
        }
        let (piece, next) = match (part, at) {
            (Part::Text(text), at) => {
                let text = text.as_str();
                if text.contains(['#', '\\']) || text.chars().any(char::is_control) {
                    return None;
                }
                let next = after_text(text, at)?;
                (Piece::Text(text.to_owned()), next)
            }
            (part, At::Start) => {
                let is_whole = matches!(
                    part,
                    Part::Given { .. } | Part::Value(Name::Kept(_) | Name::TokenEndpoint | Name::RevocationEndpoint)
                );
                if !is_whole {
                    return None;
                }
                (Piece::Whole(part), At::Path)
            }
            (part, At::Host) => (Piece::Host(part), At::Host),
            (part, At::Path) => (Piece::Segment(part), At::Path),
            (part, At::Query) => (Piece::Query(part), At::Query),
        };
        self.pieces.push(piece);
        Some(next)
    }

    fn uses_assertion_ahead_of_query(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Whole(part) | Piece::Host(part) | Piece::Segment(part) => {
                Template { parts: vec![part.clone()] }.uses(&Name::Assertion)
            }
            _ => false,
        })
    }

    /// The path or URL. Once it is known up to its query, the request's assertion is made out for that.
    pub fn render(&self, request: &Request<'_>) -> Result<String> {
        let mut url = String::new();
        let mut is_said = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            if matches!(piece, Piece::Query(_)) && !is_said {
                self.say(&url, request);
                is_said = true;
            }
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Whole(part) => self.whole(&request.part(part)?, at + 1 < self.pieces.len(), &mut url)?,
                Piece::Host(part) => url.push_str(&host(&request.part(part)?)?),
                Piece::Segment(part) => url.push_str(&segment(&request.part(part)?)?),
                Piece::Query(part) => url.push_str(&url_value(&request.part(part)?)),
            }
        }
        if !is_said {
            self.say(&url, request);
        }
        self.check(&url)?;
        Ok(url)
    }

    fn say(&self, url: &str, request: &Request<'_>) {
        let url = url.split('?').next().unwrap_or_default();
        let base = request.values.base.unwrap_or_default().trim_end_matches('/');
        let absolute = if url.starts_with('/') { format!("{base}{url}") } else { url.to_owned() };
        request.audience.replace(absolute);
    }

    /// A value that is a URL, perhaps with more of the path behind it.
    fn whole(&self, value: &str, is_continued: bool, url: &mut String) -> Result<()> {
        let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
        let is_absolute =
            authority(value).is_some_and(|(scheme, host, _)| is_allowed(scheme, host, self.allow_insecure));
        if !is_plain || !is_absolute || (is_continued && value.contains('?')) {
            return Err(self.not_allowed("is no https:// URL that could be called"));
        }
        let next_is_path = matches!(self.pieces.get(1), Some(Piece::Text(text)) if text.starts_with('/'));
        url.push_str(if next_is_path { value.trim_end_matches('/') } else { value });
        // `{kept.api}{params.x}` must not make a longer host of it.
        let has_path = authority(value).is_some_and(|(_, _, is_whole)| is_whole);
        if is_continued
            && !has_path
            && !next_is_path
            && !matches!(self.pieces.get(1), Some(Piece::Text(text)) if text.starts_with('?'))
        {
            url.push('/');
        }
        Ok(())
    }

    /// What values could have made of it.
    fn check(&self, url: &str) -> Result<()> {
        let (before_query, _) = url.split_once('?').unwrap_or((url, ""));
        if let Some((scheme, host, _)) = authority(url) {
            if !is_allowed(scheme, host, self.allow_insecure) {
                return Err(self.not_allowed("is no https:// URL that could be called"));
            }
        } else if url.starts_with("//") || !url.starts_with('/') {
            return Err(self.not_allowed("is neither a path nor an https:// URL"));
        }
        let has_values = self.pieces.iter().any(|piece| matches!(piece, Piece::Segment(_)));
        let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..");
        if has_values && before_query.split('/').any(is_dots) {
            return Err(unusable("is \".\" or \"..\", which would lead to another path"));
        }
        Ok(())
    }

    fn not_allowed(&self, why: &str) -> Error {
        let redacted = &self.redacted;
        Error::new(
            Status::TM_URL_NOT_ALLOWED,
            format!(
                "what {redacted} stands for {why}; nothing was sent to it. Check the option auth and what it keeps"
            ),
        )
    }
}

fn name_of(part: &Part) -> String {
    match part {
        Part::Given { name, .. } => format!("params.{name}"),
        Part::Value(name) => name.text(),
        Part::Optional(Some(part)) => name_of(part),
        _ => "…".to_owned(),
    }
}

fn unusable(why: &str) -> Error {
    Error::new(Status::TM_INVALID_OPTIONS, format!("a value in a URL of the option auth {why}; nothing was sent"))
}

/// Where what follows a text stands; `None`: such a text cannot stand there.
fn after_text(text: &str, at: At) -> Option<At> {
    let path = |text: &str| if text.contains('?') { At::Query } else { At::Path };
    match at {
        At::Start if text.starts_with('/') => (!text.starts_with("//")).then(|| path(text)),
        At::Start => {
            let (_, rest) = text.split_once("://").filter(|(scheme, _)| is_web(scheme))?;
            Some(if rest.contains(['/', '?']) { path(rest) } else { At::Host })
        }
        At::Host if text.contains(['/', '?']) => Some(path(text)),
        At::Host => Some(At::Host),
        At::Path => Some(path(text)),
        At::Query => Some(At::Query),
    }
}

fn is_web(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// Scheme and authority of an absolute URL, and whether something follows them.
fn authority(url: &str) -> Option<(&str, &str, bool)> {
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| is_web(scheme))?;
    let end = rest.find(['/', '?', '#']);
    Some((scheme, &rest[..end.unwrap_or(rest.len())], end.is_some()))
}

/// S1: https to anywhere that is a plain host name, http to this machine.
fn is_allowed(scheme: &str, authority: &str, allow_insecure: bool) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match six {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    is_host
        && port.is_none_or(is_port)
        && (scheme.eq_ignore_ascii_case("https") || allow_insecure || is_this_machine(six.unwrap_or(host)))
}

fn is_this_machine(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Checks an absolute URL that a document names.
pub fn is_callable(url: &str, allow_insecure: bool) -> bool {
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\'));
    is_plain && authority(url).is_some_and(|(scheme, host, _)| is_allowed(scheme, host, allow_insecure))
}

/// A value within a host: a name, or the end of it with a port.
fn host(value: &str) -> Result<String> {
    let (name, port) = value.split_once(':').map_or((value, None), |(name, port)| (name, Some(port)));
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    match !value.is_empty() && is_name && is_port {
        true => Ok(value.to_owned()),
        false => Err(unusable("stands in the host, where letters, digits, \".\", \"-\" and a :port may be only")),
    }
}

fn segment(value: &str) -> Result<String> {
    match value.is_empty() {
        true => Err(unusable("is empty, which would lead to another path")),
        false => Ok(url_value(value)),
    }
}

#[cfg(test)]
#[path = "tests/address.rs"]
mod tests;
