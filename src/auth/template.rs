//! Templates: texts with names in braces, parsed once. What a template needs is known without filling it in.

use super::instants::check_format;
use super::member::{Member, nearest};
use crate::error::{Error, Result};
use crate::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

/// A value that is there only when a request is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Username,
    Password,
    ClientId,
    AccessToken,
    RefreshToken,
    Kept(String),
    Basic,
    Uuid,
    Now,
    NowUnix,
    Assertion,
    Path,
    TokenEndpoint,
    RevocationEndpoint,
}

/// Those without a prefix.
const NAMES: [(&str, Name); 13] = [
    ("username", Name::Username),
    ("password", Name::Password),
    ("client_id", Name::ClientId),
    ("access_token", Name::AccessToken),
    ("refresh_token", Name::RefreshToken),
    ("basic", Name::Basic),
    ("uuid", Name::Uuid),
    ("now", Name::Now),
    ("now_unix", Name::NowUnix),
    ("assertion", Name::Assertion),
    ("path", Name::Path),
    // Found by discovery.
    ("issuer.token_endpoint", Name::TokenEndpoint),
    ("issuer.revocation_endpoint", Name::RevocationEndpoint),
];

impl Name {
    /// As it is written.
    pub fn shown(&self) -> String {
        match self {
            Name::Kept(name) => format!("kept.{name}"),
            other => NAMES.iter().find(|(_, name)| name == other).map_or("", |(text, _)| text).to_owned(),
        }
    }

    /// Whether its value must not be seen.
    pub fn is_secret(&self) -> bool {
        matches!(
            self,
            Name::Password | Name::AccessToken | Name::RefreshToken | Name::Kept(_) | Name::Basic | Name::Assertion
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// As it is: what `{client_id}` stands for.
    Plain,
    Base64,
    Base64Url,
    Sha256,
    Json,
}

const FUNCTIONS: [(&str, Function); 4] = [
    ("base64", Function::Base64),
    ("base64url", Function::Base64Url),
    ("sha256", Function::Sha256),
    ("json", Function::Json),
];

/// A piece of a template. What is written into a dialect may be a secret, like all else.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(Secret),
    /// A value of `auth_params`.
    Given {
        name: String,
        value: Secret,
    },
    Value(Name),
    Function(Function, Vec<Part>),
    Time {
        format: String,
        offset: i64,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    pub parts: Vec<Part>,
}

/// What is filled in where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Login,
    /// A refresh, a logout.
    Token,
    Call,
    /// The assertion's own claims.
    Assertion,
    /// What is known before any request: an issuer.
    Fixed,
}

/// Which names a template may use.
#[derive(Clone)]
pub struct Scope<'a> {
    pub place: Place,
    pub params: &'a BTreeMap<String, Secret>,
    pub kept: BTreeSet<&'a str>,
    /// `client.id`, where there is one.
    pub client_id: Option<&'a Template>,
    pub has_assertion: bool,
    pub has_issuer: bool,
}

impl Scope<'_> {
    /// Why a value can never be there; `None`: it may.
    fn denies(&self, name: &Name) -> Option<&'static str> {
        match name {
            Name::AccessToken | Name::RefreshToken if self.place == Place::Login => {
                Some("uses a token, of which a login has none yet; keep what an earlier step answers with \"keep\"")
            }
            Name::Path if self.place != Place::Call => Some("uses {path}, which there is in auth.call only"),
            Name::Assertion if self.place == Place::Assertion => Some("uses {assertion} within the assertion itself"),
            Name::Assertion if !self.has_assertion => {
                Some("uses {assertion}, for which there is no key; add the member assertion")
            }
            Name::TokenEndpoint | Name::RevocationEndpoint if !self.has_issuer => {
                Some("uses what an issuer says of itself, but there is no issuer; add the member issuer")
            }
            Name::Kept(kept) if !self.kept.contains(kept.as_str()) => {
                Some("uses a {kept.…} that no earlier endpoint keeps; add it to an earlier endpoint's \"keep\"")
            }
            _ if self.place == Place::Fixed => Some("uses a value that there is in requests only; it takes {params.…}"),
            _ => None,
        }
    }
}

impl Template {
    /// Parses a member's text.
    pub fn parse(member: &Member<'_>, scope: &Scope<'_>) -> Result<Template> {
        let text = member.scalar()?;
        Template::parse_text(&text, member, scope)
    }

    pub fn parse_text(text: &str, member: &Member<'_>, scope: &Scope<'_>) -> Result<Template> {
        let mut parser = Parser { rest: text, member, scope, depth: 0 };
        parser.template().map(|parts| Template { parts })
    }

    /// Visits every name in it, also within functions.
    pub fn each_name(&self, visit: &mut dyn FnMut(&Name)) {
        each(&self.parts, visit);
    }

    pub fn uses(&self, wanted: &Name) -> bool {
        let mut is_used = false;
        self.each_name(&mut |name| is_used |= name == wanted || (name == &Name::Basic && wanted == &Name::Password));
        is_used
    }

    /// Whether it comes out differently from one request to the next.
    pub fn varies(&self) -> bool {
        varies(&self.parts)
    }

    /// The text, if it is one and nothing else.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text.as_str()),
            _ => None,
        }
    }

    /// The texts in it.
    pub fn literals(&self) -> impl Iterator<Item = &Secret> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        })
    }
}

fn each(parts: &[Part], visit: &mut dyn FnMut(&Name)) {
    for part in parts {
        match part {
            Part::Value(name) => visit(name),
            Part::Function(_, inner) => each(inner, visit),
            _ => {}
        }
    }
}

fn varies(parts: &[Part]) -> bool {
    parts.iter().any(|part| match part {
        Part::Time { .. } => true,
        Part::Value(name) => matches!(name, Name::Uuid | Name::Now | Name::NowUnix | Name::Path | Name::Assertion),
        Part::Function(_, inner) => varies(inner),
        Part::Text(_) | Part::Given { .. } => false,
    })
}

/// So deep functions may be nested.
const DEEPEST: usize = 8;

struct Parser<'t, 'a> {
    rest: &'t str,
    member: &'t Member<'t>,
    scope: &'t Scope<'a>,
    depth: usize,
}

impl<'t> Parser<'t, '_> {
    fn refuse<T>(&self, why: &str) -> Result<T> {
        Err(self.member.refuse(why))
    }

    fn template(&mut self) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(at) = self.rest.find(['{', '}']) {
            let (before, brace) = self.rest.split_at(at);
            text.push_str(before);
            if brace.starts_with("{{") || brace.starts_with("}}") {
                text.push_str(&brace[..1]);
                self.rest = &brace[2..];
                continue;
            }
            if brace.starts_with('}') {
                return self.refuse("has a \"}\" without a \"{\" before it; a brace itself is written twice, \"}}\"");
            }
            self.rest = &brace[1..];
            parts.extend(self.literal(&std::mem::take(&mut text))?);
            self.blanks();
            parts.push(self.item()?);
            self.blanks();
            if !self.take("}") {
                return self.refuse(
                    "has a \"{\" that no \"}\" ends behind one name or function; a brace itself is written twice, \"{{\"",
                );
            }
        }
        text.push_str(self.rest);
        parts.extend(self.literal(&text)?);
        Ok(parts)
    }

    fn literal(&self, text: &str) -> Result<Option<Part>> {
        match Secret::new(text) {
            None => self.refuse("holds a NUL character; it takes text without one"),
            Some(_) if text.is_empty() => Ok(None),
            Some(secret) => Ok(Some(Part::Text(secret))),
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self, token: &str) -> bool {
        let after = self.rest.strip_prefix(token);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// A name, or a function of names and texts.
    fn item(&mut self) -> Result<Part> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(end);
        self.rest = after;
        self.blanks();
        match self.take("(") {
            false => self.name(name),
            true if name == "now" => self.time(),
            true => match FUNCTIONS.iter().find(|(known, _)| *known == name) {
                Some((_, function)) => self.arguments(*function),
                None => Err(self.unknown("function", name, &FUNCTIONS.map(|(name, _)| name))),
            },
        }
    }

    fn name(&self, text: &str) -> Result<Part> {
        if let Some(name) = text.strip_prefix("params.") {
            let given =
                self.scope.params.get(name).map(|value| Part::Given { name: name.into(), value: value.clone() });
            return given.ok_or_else(|| {
                self.member.refuse("uses a {params.…} that the option auth_params does not hold; add it there")
            });
        }
        let found = match text.strip_prefix("kept.") {
            Some(name) => Some(Name::Kept(name.to_owned())),
            None => NAMES.iter().find(|(known, _)| *known == text).map(|(_, name)| name.clone()),
        };
        let Some(name) = found else {
            return Err(self.unknown("name", text, &NAMES.each_ref().map(|(name, _)| *name)));
        };
        if let Some(why) = self.scope.denies(&name) {
            return self.refuse(why);
        }
        match (self.scope.client_id, name) {
            (Some(client), Name::ClientId) => Ok(Part::Function(Function::Plain, client.parts.clone())),
            (_, name) => Ok(Part::Value(name)),
        }
    }

    /// What was written is not repeated: it may be a password with a brace in it.
    fn unknown(&self, what: &str, text: &str, known: &[&str]) -> Error {
        self.member.refuse(&match nearest(text, known) {
            Some(near) => format!("has a {what} in braces that there is not; did you mean {near}?"),
            None => format!(
                "has a {what} in braces that there is not; there are {}{}, and a brace itself is written twice, \"{{{{\"",
                known.join(", "),
                if what == "name" { ", params.NAME, kept.NAME" } else { ", now" }
            ),
        })
    }

    fn arguments(&mut self, function: Function) -> Result<Part> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse("nests functions deeper than eight; it takes fewer");
        }
        let mut parts = Vec::new();
        loop {
            self.blanks();
            if self.take(")") {
                self.depth -= 1;
                return Ok(Part::Function(function, parts));
            }
            if self.rest.starts_with('\'') {
                let text = self.quoted()?;
                parts.extend(self.literal(&text)?);
            } else if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                parts.push(self.item()?);
            } else {
                return self.refuse("has a function that takes names and 'texts', and \")\" at its end");
            }
        }
    }

    /// `'text'`; a quote in it is written twice.
    fn quoted(&mut self) -> Result<String> {
        let mut text = String::new();
        if !self.take("'") {
            return self.refuse("has a function that takes a 'text' there");
        }
        loop {
            let Some(end) = self.rest.find('\'') else {
                return self.refuse("has a 'text' that no \"'\" ends");
            };
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            if !self.take("'") {
                return Ok(text);
            }
            text.push('\'');
        }
    }

    /// `now('%Y-%m-%d', '+7d')`
    fn time(&mut self) -> Result<Part> {
        self.blanks();
        let format = self.quoted()?;
        if let Err(letter) = check_format(&format) {
            return self.refuse(&format!("has a time with %{letter}, which there is not; it takes strftime's letters"));
        }
        self.blanks();
        let offset = match self.take(",") {
            false => 0,
            true => {
                self.blanks();
                let text = self.quoted()?;
                match offset(&text) {
                    Some(seconds) => seconds,
                    None => {
                        return self.refuse(
                            "has a time with an offset that is none; it takes one like '+7d', '-1h', '30m', '10s'",
                        );
                    }
                }
            }
        };
        self.blanks();
        match self.take(")") {
            true => Ok(Part::Time { format, offset }),
            false => self.refuse("has a time that takes a 'format', then perhaps ', ' and an 'offset', and \")\""),
        }
    }
}

/// `+7d` in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let unit = match text.chars().last()? {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<i64>().ok().filter(|_| is_number)?.checked_mul(unit)?.checked_mul(sign)
}
