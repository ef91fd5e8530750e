//! Values that are kept elsewhere. Who reads them is passed in, so that all else stays pure.

use crate::auth::member::Member;
use crate::auth::render::Request;
use crate::auth::template::{Scope, Template, Where};
use crate::auth::values::{Moment, Values};
use crate::error::Result;
use crate::sys::secret::Secret;
use std::collections::BTreeMap;

/// Where a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    Env(&'a str),
    File(&'a str),
}

/// Reads a source, without the last line end of a file; else says why it could not be read, as in "is not set".
pub type Read<'a> = &'a dyn Fn(Source<'_>) -> std::result::Result<Secret, String>;

/// The option `auth_params`: names, each with a string, `{"env": NAME}` or `{"file": PATH}`.
pub fn params(option: &Member<'_>, read: Read<'_>) -> Result<BTreeMap<String, Secret>> {
    let mut params = BTreeMap::new();
    for (name, member) in option.entries("an object of strings")? {
        let value = match member.value.is_object() {
            true => from_source(&member, read)?,
            false => {
                let text = member.value.as_str().ok_or_else(|| member.takes(TAKES))?;
                Secret::new(text).ok_or_else(|| member.refuse("holds a NUL character; it takes text without one"))?
            }
        };
        params.insert(name.to_owned(), value);
    }
    Ok(params)
}

const TAKES: &str = "a string, {\"env\": NAME} or {\"file\": PATH}";

/// A secret within a dialect: a string, which may be a template of what is known beforehand, or a source.
pub fn secret(member: &Member<'_>, scope: &Scope<'_>, read: Read<'_>) -> Result<Secret> {
    if member.value.is_object() {
        return from_source(member, read);
    }
    if !member.value.is_string() {
        return Err(member.takes(TAKES));
    }
    let scope = Scope { place: Where::Fixed, kept: Vec::new(), client_id: None, ..scope.clone() };
    let template = Template::parse(member, &scope)?;
    let (values, moment) = (Values::default(), Moment { now: 0, random: [0; 32] });
    let text = Request::new(&values, &moment, None).render(&template)?;
    Secret::new(&text)
        .filter(|secret| !secret.as_bytes().is_empty())
        .ok_or_else(|| member.refuse("is empty; it takes a secret, {\"env\": NAME} or {\"file\": PATH}"))
}

pub fn from_source(member: &Member<'_>, read: Read<'_>) -> Result<Secret> {
    member.check_names(&["env", "file"])?;
    let source = match (member.get("env"), member.get("file")) {
        (Some(env), None) => Source::Env(env.text()?),
        (None, Some(file)) => Source::File(file.text()?),
        _ => return Err(member.takes(TAKES)),
    };
    read(source).map_err(|cause| match source {
        Source::Env(name) => member.refuse(&format!("names the environment variable {name}, which {cause}")),
        Source::File(path) => member.refuse(&format!("names the file {path}, which {cause}")),
    })
}
