//! Filling templates in, and encoding what comes out for where it stands.

use super::assertion::Assertion;
use super::instants;
use super::template::{Function, Name, Part, Template};
use crate::error::{Error, Result, Status};
use crate::sys::secret::{Secret, hex};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// What endpoints keep for templates, by name.
pub type Kept = BTreeMap<String, Secret>;

/// What a request is filled with. What is not there is `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    pub username: Option<&'a str>,
    pub password: Option<&'a Secret>,
    /// The option `client_id`.
    pub client_id: Option<&'a str>,
    pub access_token: Option<&'a Secret>,
    pub refresh_token: Option<&'a Secret>,
    /// What the API called the access token: `Bearer`, `DPoP`.
    pub token_type: Option<&'a str>,
    pub kept: Option<&'a Kept>,
    /// Of an API call: its path as given, without the query.
    pub path: Option<&'a str>,
    /// The host as it was given, to which paths are joined; of an API call, its whole URL.
    pub base: Option<&'a str>,
    pub discovered: Option<&'a super::discovery::Discovered>,
}

/// What has one value in a request, drawn before it is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Unix seconds.
    pub now: i64,
    /// Random; `{uuid}` and an assertion's `jti` are made of it.
    pub random: [u8; 32],
}

impl Moment {
    pub fn uuid(&self) -> String {
        uuid(&self.random[..16])
    }

    pub fn jti(&self) -> String {
        uuid(&self.random[16..])
    }
}

/// RFC 9562, version 4.
fn uuid(random: &[u8]) -> String {
    let mut bytes = random.to_vec();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// One request in the making.
pub struct Request<'a> {
    pub values: &'a Values<'a>,
    pub moment: &'a Moment,
    pub signer: Option<&'a Assertion>,
    /// The URL that it goes to, without its query: known once that is rendered.
    pub audience: RefCell<String>,
    assertion: OnceCell<Secret>,
    /// What was filled in that must not be seen, for whoever shows what the server repeats of it.
    pub secrets: RefCell<Vec<Secret>>,
}

impl<'a> Request<'a> {
    pub fn new(values: &'a Values<'a>, moment: &'a Moment, signer: Option<&'a Assertion>) -> Request<'a> {
        Request {
            values,
            moment,
            signer,
            audience: RefCell::new(without_query(values.base.unwrap_or_default()).to_owned()),
            assertion: OnceCell::new(),
            secrets: RefCell::new(Vec::new()),
        }
    }

    pub fn render(&self, template: &Template) -> Result<String> {
        self.parts(&template.parts)
    }

    pub fn part(&self, part: &Part) -> Result<String> {
        self.parts(std::slice::from_ref(part))
    }

    fn parts(&self, parts: &[Part]) -> Result<String> {
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text.as_str()),
                Part::Given { value, .. } => {
                    self.secrets.borrow_mut().push(value.clone());
                    out.push_str(value.as_str());
                }
                Part::Value(name) => {
                    let value = self.value(name)?;
                    if name.is_secret() {
                        self.hide(&value);
                    }
                    out.push_str(&value);
                }
                Part::Function(function, inner) => {
                    let known = self.secrets.borrow().len();
                    let value = apply(*function, &self.parts(inner)?);
                    // What is made of a secret is one.
                    if self.secrets.borrow().len() > known {
                        self.hide(&value);
                    }
                    out.push_str(&value);
                }
                Part::Time { format, offset } => {
                    out.push_str(&instants::format(self.moment.now.saturating_add(*offset), format));
                }
            }
        }
        Ok(out)
    }

    fn hide(&self, value: &str) {
        self.secrets.borrow_mut().extend(Secret::new(value));
    }

    fn value(&self, name: &Name) -> Result<String> {
        let Values { username, password, client_id, access_token, refresh_token, kept, path, discovered, .. } =
            *self.values;
        let secret = |secret: Option<&Secret>| secret.map(|secret| secret.as_str().to_owned());
        let value = match name {
            Name::Username => username.map(str::to_owned),
            Name::Password => secret(password),
            Name::ClientId => client_id.map(str::to_owned),
            Name::AccessToken => secret(access_token),
            Name::RefreshToken => secret(refresh_token),
            Name::Kept(name) => secret(kept.and_then(|kept| kept.get(name))),
            Name::Basic => match (username, password) {
                (Some(username), Some(password)) => Some(STANDARD.encode(format!("{username}:{}", password.as_str()))),
                _ => None,
            },
            Name::Uuid => Some(self.moment.uuid()),
            Name::Now => Some(instants::rfc3339_of(self.moment.now)),
            Name::NowUnix => Some(self.moment.now.to_string()),
            Name::Assertion => secret(Some(self.assertion()?)),
            Name::Path => path.map(str::to_owned),
            Name::TokenEndpoint => discovered.map(|found| found.token_endpoint.clone()),
            Name::RevocationEndpoint => discovered.and_then(|found| found.revocation_endpoint.clone()),
        };
        value.ok_or_else(|| missing(name))
    }

    /// Whether a value is there, without making it.
    pub fn has(values: &Values<'_>, name: &Name) -> bool {
        match name {
            Name::Username => values.username.is_some(),
            Name::Password => values.password.is_some(),
            Name::ClientId => values.client_id.is_some(),
            Name::AccessToken => values.access_token.is_some(),
            Name::RefreshToken => values.refresh_token.is_some(),
            Name::Kept(name) => values.kept.is_some_and(|kept| kept.contains_key(name)),
            Name::Basic => values.username.is_some() && values.password.is_some(),
            Name::Path => values.path.is_some(),
            Name::TokenEndpoint => values.discovered.is_some(),
            Name::RevocationEndpoint => values.discovered.is_some_and(|found| found.revocation_endpoint.is_some()),
            Name::Uuid | Name::Now | Name::NowUnix | Name::Assertion => true,
        }
    }

    fn assertion(&self) -> Result<&Secret> {
        if let Some(made) = self.assertion.get() {
            return Ok(made);
        }
        let signer = self.signer.ok_or_else(|| missing(&Name::Assertion))?;
        let audience = self.audience.borrow().clone();
        let made = signer.sign(&audience, self)?;
        Ok(self.assertion.get_or_init(|| made))
    }
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The error for an endpoint that needs a value which is not there. It was not sent.
pub fn missing(name: &Name) -> Error {
    let (status, why) = match name {
        Name::Password | Name::Basic => (Status::TM_LOGIN_REJECTED, "there is no password to log in with"),
        Name::Username => (Status::TM_LOGIN_REJECTED, "there is no username to log in with"),
        Name::ClientId => (Status::TM_INVALID_OPTIONS, "the option auth uses {client_id}, but there is none; set it"),
        Name::RefreshToken => (Status::TM_LOGIN_REJECTED, "there is no refresh token; log in again"),
        Name::AccessToken => (Status::TM_LOGIN_REJECTED, "there is no access token; log in first"),
        Name::Kept(name) => {
            let why = format!(
                "the login's answers held no {name}, which the option auth keeps for what comes next; check auth.login.keep"
            );
            return Error::new(Status::TM_BAD_RESPONSE, why);
        }
        Name::TokenEndpoint => (Status::TM_BAD_RESPONSE, "the issuer's token endpoint is not known yet"),
        Name::RevocationEndpoint => (Status::TM_BAD_RESPONSE, "the issuer names no revocation endpoint"),
        _ => (Status::TM_INVALID_OPTIONS, "the option auth uses a value that is not there"),
    };
    Error::new(status, why)
}

fn apply(function: Function, value: &str) -> String {
    match function {
        Function::Plain => value.to_owned(),
        Function::Base64 => STANDARD.encode(value),
        Function::Base64Url => URL_SAFE_NO_PAD.encode(value),
        Function::Sha256 => hex(digest(&SHA256, value.as_bytes()).as_ref()),
        Function::Json => {
            let quoted = json_string(value);
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

/// A JSON string, with its quotes.
pub fn json_string(text: &str) -> String {
    // A string always serialises.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// What a URL's path segment or query value may hold as it is: RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// For one path segment or query value.
pub fn url_value(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).collect()
}

/// For one field of a form.
pub fn form_value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
