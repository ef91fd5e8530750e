//! Names for secrets that do not tell them: keyed hashes.

use crate::sys::secret::{Secret, hex};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// A keyed hash of a token: names it without telling it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a pair: of its refresh token, or of its access token where there is no other. Keyed with the
    /// client's identity, so that it is the same for everyone who shares the record, and for nobody else.
    pub fn of(client_id: &str, token: &Secret) -> Fingerprint {
        Fingerprint::keyed(client_id, token.as_bytes())
    }

    /// Of a username.
    pub fn of_user(client_id: &str, username: &str) -> Fingerprint {
        Fingerprint::keyed(client_id, username.as_bytes())
    }

    fn keyed(client_id: &str, bytes: &[u8]) -> Fingerprint {
        let key = hmac::Key::new(hmac::HMAC_SHA256, client_id.as_bytes());
        Fingerprint(hex(&hmac::sign(&key, bytes).as_ref()[..16]))
    }

    /// What log lines call a token: enough to follow it from process to process, and too little to find it by.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }

    /// The same, as a number.
    pub fn number(&self) -> u128 {
        u128::from_str_radix(&self.0, 16).unwrap_or_default()
    }
}

/// How a record names the credentials that are suspended (R5): so that whoever reads it can guess no password.
#[derive(Clone, Copy, Debug)]
pub enum FingerprintKey<'a> {
    /// Nobody else reads it.
    Process,
    /// It may be read: by a slow hash.
    Open,
    /// It is sealed: by a hash under this key.
    Sealed(&'a hmac::Key),
}
