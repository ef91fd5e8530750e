//! How an exchange with the auth server ended.

use crate::auth::{Grant, Refusal, RefusalKind};
use crate::error::Error;
use crate::sys::clock::Tick;

/// How a login or a refresh ended.
#[derive(Debug)]
pub enum AuthOutcome {
    /// A pair, and when the answer came.
    Granted(Box<Grant>, Tick),
    /// The credentials, or the refresh token: asking again with the same ones is no use.
    Rejected(Error),
    /// R4: refused for a reason that no other token would change.
    Forbidden(Error),
    /// 429: not now.
    RateLimited(Error),
    /// Something in front of the API answered in its place.
    Intercepted(Error),
    /// Another answer, which holds no token: whether the server did what was asked is unknown.
    NoToken(Error),
    /// The request was sent, and no whole answer came.
    NoAnswer(Error),
    /// Certainly not a byte was sent.
    Unsent(Error),
    /// The same, for a cause on this machine, such as a file that cannot be read or a lack of descriptors: the server never
    /// notices when this is tried again.
    Unable(Error),
}

impl AuthOutcome {
    /// The same for an exchange in which the server has answered an earlier request: a new try would repeat that.
    pub fn after_another(self) -> AuthOutcome {
        match self {
            AuthOutcome::Unable(error) => AuthOutcome::Unsent(error),
            other => other,
        }
    }

    /// Why there is no token.
    pub fn into_error(self) -> Option<Error> {
        match self {
            AuthOutcome::Granted(..) => None,
            AuthOutcome::Rejected(error)
            | AuthOutcome::Forbidden(error)
            | AuthOutcome::RateLimited(error)
            | AuthOutcome::Intercepted(error)
            | AuthOutcome::NoToken(error)
            | AuthOutcome::NoAnswer(error)
            | AuthOutcome::Unsent(error)
            | AuthOutcome::Unable(error) => Some(error),
        }
    }
}

impl From<Refusal> for AuthOutcome {
    fn from(Refusal { kind, error }: Refusal) -> AuthOutcome {
        match kind {
            RefusalKind::Rejected => AuthOutcome::Rejected(error),
            RefusalKind::Forbidden => AuthOutcome::Forbidden(error),
            RefusalKind::RateLimited => AuthOutcome::RateLimited(error),
            RefusalKind::Unavailable | RefusalKind::Unusable => AuthOutcome::NoToken(error),
            RefusalKind::Intercepted => AuthOutcome::Intercepted(error),
        }
    }
}
