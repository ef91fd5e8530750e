//! What requests are filled with.

use crate::auth::template::Name;
use crate::error::{Error, Status};
use crate::sys::secret::{Secret, hex};

pub use crate::token::pair::Kept;

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
    pub discovered: Option<&'a Discovered>,
}

impl Values<'_> {
    /// Whether a value is there, without making it.
    pub fn has(&self, name: &Name) -> bool {
        match name {
            Name::Username => self.username.is_some(),
            Name::Password => self.password.is_some(),
            Name::ClientId => self.client_id.is_some(),
            Name::AccessToken => self.access_token.is_some(),
            Name::RefreshToken => self.refresh_token.is_some(),
            Name::Kept(name) => self.kept.is_some_and(|kept| kept.contains_key(name)),
            Name::Basic => self.username.is_some() && self.password.is_some(),
            Name::Path => self.path.is_some(),
            Name::TokenEndpoint => self.discovered.is_some(),
            Name::RevocationEndpoint => self.discovered.is_some_and(|found| found.revocation_endpoint.is_some()),
            Name::Uuid | Name::Now | Name::NowUnix | Name::Assertion => true,
        }
    }
}

/// Where an issuer's endpoints are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    pub token_endpoint: String,
    pub revocation_endpoint: Option<String>,
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
                "there is no {name}, which the option auth keeps from a login's answers for what comes next; check auth.login.keep, and log in where the tokens came from elsewhere"
            );
            return Error::new(Status::TM_BAD_RESPONSE, why);
        }
        Name::TokenEndpoint => (Status::TM_BAD_RESPONSE, "the issuer's token endpoint is not known yet"),
        Name::RevocationEndpoint => (Status::TM_BAD_RESPONSE, "the issuer names no revocation endpoint"),
        _ => (Status::TM_INVALID_OPTIONS, "the option auth uses a value that is not there"),
    };
    Error::new(status, why)
}
