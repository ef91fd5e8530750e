//! Filling templates in, and encoding what comes out for where it stands.

use crate::auth::instants;
use crate::auth::template::{Function, Name, Part, Template};
use crate::auth::values::{Moment, Values, missing};
use crate::error::Result;
use crate::sys::secret::{Secret, hex};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use std::cell::{OnceCell, RefCell};

/// Makes `{assertion}`.
pub trait Signer {
    /// The signed JWT for a request to `audience`.
    fn sign(&self, audience: &str, request: &Request<'_>) -> Result<Secret>;
}

/// One request in the making.
pub struct Request<'a> {
    pub values: &'a Values<'a>,
    pub moment: &'a Moment,
    pub signer: Option<&'a dyn Signer>,
    /// The URL that it goes to, without its query: known once that is rendered.
    pub audience: RefCell<String>,
    assertion: OnceCell<Secret>,
    /// What was filled in and must not be shown, should the server repeat it.
    pub secrets: RefCell<Vec<Secret>>,
}

impl<'a> Request<'a> {
    pub fn new(values: &'a Values<'a>, moment: &'a Moment, signer: Option<&'a dyn Signer>) -> Request<'a> {
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

    /// The value of a header, or of a field in a query or a form; `None`: it may be left out, and there is none.
    pub fn named(&self, template: &Template) -> Result<Option<String>> {
        let value = self.render(template)?;
        Ok((!value.is_empty() || !template.is_optional()).then_some(value))
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
                Part::Optional(Some(part)) if self.is_there(part) => out.push_str(&self.part(part)?),
                Part::Optional(_) => {}
                Part::Function(function, inner) => {
                    let before = self.secrets.borrow().len();
                    let value = apply(*function, &self.parts(inner)?);
                    // What is made of a secret is one.
                    if self.secrets.borrow().len() > before {
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

    fn is_there(&self, part: &Part) -> bool {
        !matches!(part, Part::Value(name) if !self.values.has(name))
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
