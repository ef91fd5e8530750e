//! An endpoint of a dialect: what is sent, made ready from templates and values.

use crate::auth::address::Address;
use crate::auth::answer::Shape;
use crate::auth::assertion::Assertion;
use crate::auth::body::Body;
use crate::auth::fields::{self, fields, header_value, headers};
use crate::auth::meaning::{Meaning, Statuses};
use crate::auth::member::{Member, merge};
use crate::auth::place::Places;
use crate::auth::render::{Request, Signer, form_value, url_value};
use crate::auth::setting::Setting;
use crate::auth::template::{Name, Template};
use crate::auth::values::{Discovered, Moment, Values, missing};
use crate::error::{Error, Result, Status};
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
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
    /// It has an `answer` of its own.
    pub has_own_answer: bool,
    pub success: Statuses,
    /// Its own, looked at before the dialect's.
    pub meanings: Vec<Meaning>,
    pub keep: Vec<(String, Places)>,
}

/// A request that is ready to be sent.
pub struct Prepared {
    pub method: Method,
    /// A path on the host, or an absolute URL; with its query.
    pub url: Zeroizing<String>,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
    /// What errors and log lines call it: never with a value in it.
    pub redacted: String,
    /// What was filled in that must not be seen.
    pub secrets: Vec<Secret>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("redacted", &self.redacted).finish_non_exhaustive()
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
            has_own_answer: member.get("answer").is_some(),
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
            if found.is_none() && !values.has(name) {
                found = Some(name.clone());
            }
        });
        found
    }

    /// Whether it says who is asking by `Authorization` itself.
    pub fn is_authorized(&self) -> bool {
        self.basic.is_some() || self.headers.iter().any(|(name, _)| name == header::AUTHORIZATION)
    }

    /// The member that says what it sends.
    pub fn body_member(&self) -> &'static str {
        match self.body {
            Body::Json(_) => "json",
            Body::Form(_) => "form",
            Body::Text(_) => "text",
            Body::None if self.basic.is_some() => "basic",
            Body::None if !self.query.is_empty() => "query",
            Body::None => "headers",
        }
    }

    /// What errors call it: as it was given, but an issuer's endpoint by its address, once that is known.
    pub fn redacted(&self, discovered: Option<&Discovered>) -> String {
        let mut redacted = format!("{} {}", self.method, self.address.redacted());
        let found = discovered.map(|found| (Some(&found.token_endpoint), found.revocation_endpoint.as_ref()));
        let (token, revocation) = found.unwrap_or_default();
        for (name, url) in [(Name::TokenEndpoint, token), (Name::RevocationEndpoint, revocation)] {
            if let Some(url) = url {
                let address = url.split('?').next().unwrap_or_default();
                redacted = redacted.replace(&format!("{{{}}}", name.text()), address);
            }
        }
        redacted
    }

    /// The request. One with a value that is missing is not made.
    pub fn prepare(&self, values: &Values<'_>, moment: &Moment, signer: Option<&Assertion>) -> Result<Prepared> {
        if let Some(name) = self.missing(values, signer) {
            return Err(missing(&name));
        }
        let request = Request::new(values, moment, signer.map(|signer| signer as &dyn Signer));
        let mut url = self.address.render(&request)?;
        let mut query = String::new();
        fields::write(&self.query, &request, url_value, &mut query)?;
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
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
            if let Some(value) = request.named(template)? {
                headers.insert(name.clone(), header_value(name, &value)?);
            }
        }
        let body = self.body.render(&request)?;
        Ok(Prepared {
            method: self.method.clone(),
            url: Zeroizing::new(url),
            headers,
            body,
            redacted: self.redacted(values.discovered),
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
    setting.note_literals(true, &both[1]);
    Ok(Some(both))
}
