//! Templates: texts with names in braces, parsed once. What a template needs is known without filling it in.

use crate::sys::secret::Secret;
use std::collections::BTreeMap;

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
pub const NAMES: [(&str, Name); 13] = [
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
    pub fn text(&self) -> String {
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

pub const FUNCTIONS: [(&str, Function); 4] = [
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
    /// `{kept.NAME?}`, `{params.NAME?}`: empty where there is none.
    Optional(Option<Box<Part>>),
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
pub enum Where {
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
    pub place: Where,
    pub params: &'a BTreeMap<String, Secret>,
    pub kept: Vec<&'a str>,
    /// `client.id`, where there is one.
    pub client_id: Option<&'a Template>,
    pub has_assertion: bool,
    pub has_issuer: bool,
}

impl Scope<'_> {
    /// Why a value can never be there; `None`: it may.
    pub fn denies(&self, name: &Name) -> Option<&'static str> {
        match name {
            Name::AccessToken | Name::RefreshToken if self.place == Where::Login => {
                Some("uses a token, of which a login has none yet; keep what an earlier step answers with \"keep\"")
            }
            Name::Path if self.place != Where::Call => Some("uses {path}, which there is in auth.call only"),
            Name::Assertion if self.place == Where::Assertion => Some("uses {assertion} within the assertion itself"),
            Name::Assertion if !self.has_assertion => {
                Some("uses {assertion}, for which there is no key; add the member assertion")
            }
            Name::TokenEndpoint | Name::RevocationEndpoint if !self.has_issuer => {
                Some("uses what an issuer says of itself, but there is no issuer; add the member issuer")
            }
            Name::Kept(kept) if !self.kept.contains(&kept.as_str()) => {
                Some("uses a {kept.…} that no earlier endpoint keeps; add it to an earlier endpoint's \"keep\"")
            }
            _ if self.place == Where::Fixed => Some("uses a value that there is in requests only; it takes {params.…}"),
            _ => None,
        }
    }
}

impl Template {
    /// Visits every name that it needs, also within functions.
    pub fn each_name(&self, visit: &mut dyn FnMut(&Name)) {
        each(&self.parts, visit);
    }

    pub fn uses(&self, wanted: &Name) -> bool {
        let mut is_used = false;
        self.each_name(&mut |name| is_used |= name == wanted || (name == &Name::Basic && wanted == &Name::Password));
        is_used
    }

    /// Whether it is made of the pair alone: of its token, and what was kept with it.
    pub fn is_of_pair(&self) -> bool {
        is_of_pair(&self.parts)
    }

    /// Whether it consists of optional values only, so that it may come to nothing.
    pub fn is_optional(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| matches!(part, Part::Optional(_)))
    }

    /// Whether it is the scheme Bearer and the access token (RFC 6750, 2.1).
    pub fn is_bearer(&self) -> bool {
        match self.parts.as_slice() {
            [Part::Text(scheme), Part::Value(Name::AccessToken), ..] => scheme.as_str().eq_ignore_ascii_case("bearer "),
            _ => false,
        }
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

fn is_of_pair(parts: &[Part]) -> bool {
    parts.iter().all(|part| match part {
        Part::Text(_) | Part::Given { .. } => true,
        Part::Value(name) => matches!(name, Name::AccessToken | Name::Kept(_)),
        Part::Optional(part) => part.iter().all(|part| is_of_pair(std::slice::from_ref(part))),
        Part::Function(_, inner) => is_of_pair(inner),
        Part::Time { .. } => false,
    })
}
