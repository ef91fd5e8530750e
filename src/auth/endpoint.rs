//! An endpoint of a dialect: what is sent, made ready from templates and values.

use super::address::Address;
use super::answer::{Places, Shape};
use super::assertion::Assertion;
use super::body::{Body, fields, note_literals};
use super::meaning::{Meaning, Statuses};
use super::member::{Member, is_sensitive, merge};
use super::render::{Moment, Request, Values, form_value, missing, url_value};
use super::template::{Name, Scope, Template};
use crate::error::{Error, Result, Status};
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use std::cell::RefCell;
use zeroize::Zeroizing;

pub const MEMBERS: [&str; 12] =
    ["method", "url", "query", "headers", "basic", "json", "form", "text", "answer", "success", "keep", "meanings"];

/// What one request looks like, and how its answer is read.
#[derive(Clone, Debug)]
pub struct Endpoint {
    method: Method,
    pub address: Address,
    query: Vec<(String, Template)>,
    headers: Vec<(HeaderName, Template)>,
    basic: Option<Box<[Template; 2]>>,
    /// OAuth encodes both parts of HTTP Basic as a form does first (RFC 6749, 2.3.1).
    basic_as_form: bool,
    body: Body,
    pub shape: Shape,
    pub success: Statuses,
    /// Its own, looked at before the dialect's.
    pub meanings: Vec<Meaning>,
    pub keep: Vec<(String, Places)>,
}

/// What an endpoint is compiled with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub scope: &'a Scope<'a>,
    /// The dialect's `answer`, over which the endpoint's own is merged.
    pub answer: &'a Value,
    pub basic_as_form: bool,
    pub allow_insecure: bool,
    /// Takes what is written into the dialect where secrets stand.
    pub literals: &'a RefCell<Vec<Secret>>,
}

/// A request that is ready to be sent.
pub struct Prepared {
    pub method: Method,
    /// A path on the host, or an absolute URL; with its query.
    pub url: Zeroizing<String>,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
    /// What errors and log lines call it: never with a value in it.
    pub shown: String,
    /// What was filled in that must not be seen.
    pub secrets: Vec<Secret>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Whether it goes to the host itself, as API calls do.
    pub fn is_on_host(&self) -> bool {
        self.url.starts_with('/')
    }
}

impl Endpoint {
    pub fn parse(member: &Member<'_>, setting: &Setting<'_>) -> Result<Endpoint> {
        member.check_names(&MEMBERS)?;
        let scope = setting.scope;
        let url = member.get("url").ok_or_else(|| member.refuse("has no url; it takes a path or an https:// URL"))?;
        let mut merged = setting.answer.clone();
        if let Some(answer) = member.get("answer") {
            Shape::check_names(&answer)?;
            if answer.value.is_object() {
                merge(&mut merged, answer.value);
            }
        }
        Ok(Endpoint {
            method: method(member)?,
            address: Address::parse(&url, scope, setting.allow_insecure)?,
            query: fields(member.get("query"), setting)?,
            headers: headers(member.get("headers"), setting)?,
            basic: basic(member.get("basic"), setting)?.map(Box::new),
            basic_as_form: setting.basic_as_form,
            body: Body::parse(member, setting)?,
            shape: Shape::parse(&member.at("answer", &merged))?,
            success: match member.get("success") {
                Some(success) => Statuses::parse(&success)?,
                None => Statuses::success(),
            },
            meanings: Meaning::parse_all(member.get("meanings"))?,
            keep: match member.get("keep") {
                None => Vec::new(),
                Some(keep) => places(&keep)?,
            },
        })
    }

    /// Every name that it uses; an assertion's own ones too.
    pub fn each_name(&self, signer: Option<&Assertion>, visit: &mut dyn FnMut(&Name)) {
        let mut through = |template: &Template| {
            template.each_name(&mut |name| {
                visit(name);
                if let (Name::Assertion, Some(signer)) = (name, signer) {
                    signer.each_name(visit);
                }
            });
        };
        through(self.address.template());
        self.query.iter().for_each(|(_, template)| through(template));
        self.headers.iter().for_each(|(_, template)| through(template));
        self.basic.iter().flat_map(|both| both.iter()).for_each(&mut through);
        match &self.body {
            Body::None => {}
            Body::Json(json) => json.each_template(&mut through),
            Body::Form(fields) => fields.iter().for_each(|(_, template)| through(template)),
            Body::Text(text) => through(text),
        }
    }

    /// The first value that it needs and there is not.
    pub fn missing(&self, values: &Values<'_>, signer: Option<&Assertion>) -> Option<Name> {
        let mut found = None;
        self.each_name(signer, &mut |name| {
            if found.is_none() && !Request::has(values, name) {
                found = Some(name.clone());
            }
        });
        found
    }

    /// Whether it says who is asking by `Authorization` itself.
    pub fn is_authorized(&self) -> bool {
        self.basic.is_some() || self.headers.iter().any(|(name, _)| name == header::AUTHORIZATION)
    }

    /// What errors call it.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, self.address.shown())
    }

    /// The request. One with a value that is missing is not made.
    pub fn prepare(&self, values: &Values<'_>, moment: &Moment, signer: Option<&Assertion>) -> Result<Prepared> {
        if let Some(name) = self.missing(values, signer) {
            return Err(missing(&name));
        }
        let request = Request::new(values, moment, signer);
        let mut url = self.address.render(&request)?;
        for (name, template) in &self.query {
            let separator = if url.contains('?') { '&' } else { '?' };
            url.push(separator);
            url.push_str(&url_value(name));
            url.push('=');
            url.push_str(&url_value(&request.render(template)?));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(kind) = self.body.kind() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Some(both) = &self.basic {
            headers.insert(header::AUTHORIZATION, self.basic_value(both, &request)?);
        }
        for (name, template) in &self.headers {
            headers.insert(name.clone(), header_value(name, &request.render(template)?)?);
        }
        let body = self.body.render(&request)?;
        Ok(Prepared {
            method: self.method.clone(),
            url: Zeroizing::new(url),
            headers,
            body,
            shown: self.shown(),
            secrets: request.secrets.take(),
        })
    }

    fn basic_value(&self, both: &[Template; 2], request: &Request<'_>) -> Result<HeaderValue> {
        let name = request.render(&both[0])?;
        let password = request.render(&both[1])?;
        let (name, password) = match self.basic_as_form {
            true => (form_value(&name), form_value(&password)),
            false => (name, password),
        };
        if name.contains(':') {
            return Err(Error::new(
                Status::TM_INVALID_OPTIONS,
                "the first part of basic in the option auth holds a \":\", which would end the username early; nothing was sent",
            ));
        }
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        request.secrets.borrow_mut().extend(Secret::new(&value[6..]));
        header_value(&header::AUTHORIZATION, &value)
    }
}

/// A header's value, never shown.
pub fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue> {
    let made = HeaderValue::from_maybe_shared(bytes::Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec())));
    match made {
        Ok(mut made) => {
            made.set_sensitive(true);
            Ok(made)
        }
        Err(_) => Err(Error::new(
            Status::TM_INVALID_OPTIONS,
            format!(
                "the header {name} of the option auth would get a value with characters that no header can carry; nothing was sent"
            ),
        )),
    }
}

fn places(keep: &Member<'_>) -> Result<Vec<(String, Places)>> {
    let mut kept = Vec::new();
    for (name, place) in keep.entries("an object of places")? {
        kept.push((name.to_owned(), Places::parse(&place)?));
    }
    Ok(kept)
}

fn method(member: &Member<'_>) -> Result<Method> {
    let Some(method) = member.get("method") else {
        return Ok(Method::POST);
    };
    match Method::from_bytes(method.text()?.to_ascii_uppercase().as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => {
            Err(method.refuse("got what is no method; it takes GET, POST, PUT, PATCH or DELETE"))
        }
        Ok(method) => Ok(method),
    }
}

/// More of them no server would take.
const MOST_HEADERS: usize = 100;

/// Headers with templates in their values.
pub fn headers(member: Option<Member<'_>>, setting: &Setting<'_>) -> Result<Vec<(HeaderName, Template)>> {
    const CONNECTIONS: [HeaderName; 5] =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    let Some(member) = member else {
        return Ok(Vec::new());
    };
    let entries = member.entries("an object of strings")?;
    if entries.len() > MOST_HEADERS {
        return Err(member.refuse(&format!("has more than {MOST_HEADERS} headers; leave some out")));
    }
    let mut headers = Vec::with_capacity(entries.len());
    for (text, value) in entries {
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| member.refuse("has a name that no header can have; it takes an object of headers"))?;
        if CONNECTIONS.contains(&name) {
            return Err(value.refuse("is a header that the connection itself sets; leave it out"));
        }
        let template = Template::parse(&value, setting.scope)?;
        if template.literals().any(|text| header_value(&name, text.as_str()).is_err()) {
            return Err(
                value.refuse("holds characters that no header can carry; it takes text without control characters")
            );
        }
        // `Bearer` before a token is no secret.
        note_literals(is_sensitive(text) && template.fixed().is_some(), &template, setting.literals);
        headers.push((name, template));
    }
    Ok(headers)
}

fn basic(member: Option<Member<'_>>, setting: &Setting<'_>) -> Result<Option<[Template; 2]>> {
    let Some(member) = member else {
        return Ok(None);
    };
    let parts = member.one_or_many();
    let [name, password] = parts.as_slice() else {
        return Err(member.takes("an array of two strings, the username and the password"));
    };
    let both = [Template::parse(name, setting.scope)?, Template::parse(password, setting.scope)?];
    if !setting.basic_as_form && both[0].literals().any(|text| text.as_str().contains(':')) {
        return Err(name.refuse("holds a \":\", which would end the username early; it takes text without one"));
    }
    note_literals(true, &both[1], setting.literals);
    Ok(Some(both))
}
