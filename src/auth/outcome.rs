//! How an exchange with the auth server ended.

use crate::error::Error;
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use std::time::Duration;

/// How a login or a refresh ended.
#[derive(Debug)]
pub enum AuthOutcome {
    Granted(Grant),
    /// The credentials, or the refresh token: asking again with the same ones is no use.
    Rejected(Error),
    /// R4: nothing that a token could mend.
    Forbidden(Error),
    /// 429: not now.
    RateLimited(Error),
    /// Whether the server did what was asked is unknown: there was no answer, or none that says.
    Unknown(Error),
    /// Certainly not a byte was sent.
    Unsent(Error),
}

impl AuthOutcome {
    /// Why no token was granted.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn into_error(self) -> Option<Error> {
        match self {
            AuthOutcome::Granted(_) => None,
            AuthOutcome::Rejected(error)
            | AuthOutcome::Forbidden(error)
            | AuthOutcome::RateLimited(error)
            | AuthOutcome::Unknown(error)
            | AuthOutcome::Unsent(error) => Some(error),
        }
    }
}

/// A token pair as the server granted it.
#[derive(Debug)]
pub struct Grant {
    pub access: Secret,
    pub refresh: Option<Secret>,
    /// How long the access token lives from then on; `None`: nobody said, or nobody said it credibly.
    pub lifetime: Option<Duration>,
    pub refresh_lifetime: Option<Duration>,
    /// When the answer came, counted from before the request was sent.
    pub arrived: Tick,
}
