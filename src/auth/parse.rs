//! Parsing templates.

use crate::auth::instants::check_format;
use crate::auth::member::Member;
use crate::auth::template::{FUNCTIONS, Function, NAMES, Name, Part, Scope, Template, Where};
use crate::error::{Error, Result};
use crate::options::wrong::nearest;
use crate::sys::secret::Secret;

impl Template {
    /// Parses a member's text.
    pub fn parse(member: &Member<'_>, scope: &Scope<'_>) -> Result<Template> {
        let text = member.scalar()?;
        Template::parse_text(&text, member, scope)
    }

    pub fn parse_text(text: &str, member: &Member<'_>, scope: &Scope<'_>) -> Result<Template> {
        let parts = Parser { rest: text, member, scope, depth: 0 }.template()?;
        Ok(Template { parts })
    }
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
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '?');
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
        if let Some(text) = text.strip_suffix('?') {
            return self.optional(text);
        }
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

    /// Nothing of it can be missing, so nobody has to keep it.
    fn optional(&self, text: &str) -> Result<Part> {
        let part = match (text.strip_prefix("params."), text.strip_prefix("kept.")) {
            (Some(name), _) if !name.contains('?') => {
                self.scope.params.contains_key(name).then(|| self.name(text)).transpose()?
            }
            (_, Some(_)) if self.scope.place == Where::Fixed => Some(self.name(text)?),
            (_, Some(name)) if !name.contains('?') => Some(Part::Value(Name::Kept(name.to_owned()))),
            _ => return self.refuse("has a \"?\" where none can be; it takes {params.NAME?} and {kept.NAME?}"),
        };
        Ok(Part::Optional(part.map(Box::new)))
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
        if self.scope.place == Where::Fixed {
            return self.refuse("uses a time, which there is in requests only; it takes {params.…}");
        }
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
