//! What a record consists of. docs/RECORD.md tells the same to other programs.

use super::{optional_secret, secrets, u128hex};
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::Lineage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A token pair as a record keeps it. The first three are what PHP code reads and writes, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoredPair {
    #[serde(with = "optional_secret", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Secret>,
    #[serde(with = "optional_secret", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// Unix seconds on the store's clock, as is the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<i64>,
    /// When it was stored, in milliseconds on the store's clock, and how long it lived from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<u128hex::Hex>,
    /// What the API calls the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// What the dialect keeps with the pair, for its templates.
    #[serde(with = "secrets", skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Secret>,
    /// How many rotations of the refresh token lie between the login and this pair.
    #[serde(rename = "seq")]
    pub generation: u64,
}

/// A claim: lock and journal in one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// 128 fresh random bits: whose it is.
    pub nonce: String,
    /// Until when it stands, on the store's clock.
    pub until: i64,
}

impl Claim {
    pub fn new() -> Claim {
        Claim { nonce: crate::sys::secret::hex(&crate::sys::secret::random::<16>()), until: 0 }
    }
}

/// Which write made a record, by a number that the store knows besides, and that a copy of the record does not carry along.
/// One that does (in Redis `COPY`, `RENAME`, `RESTORE … ABSTTL`) is noticed only by `Record::is_rolled_back`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub number: i64,
    /// The pair that it wrote: a version of this library that numbers no writes leaves this where it writes another.
    pub pair: Fingerprint,
}

/// R5: how often in a row a login brought no token, and until when nobody tries these credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspension {
    pub fails: u32,
    pub until: i64,
    /// Why, where it was not the credentials that were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<PauseCause>,
}

/// What a login was answered that neither brought a token nor refused the credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PauseCause {
    /// The number of the [`Status`](crate::error::Status) that the login ended with.
    pub status: i32,
    /// The HTTP status of the answer; 0: there was none.
    #[serde(default)]
    pub http_status: u16,
    /// Its message, which holds no secret.
    pub message: String,
}

/// Everything that is kept of one API client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Record {
    #[serde(flatten)]
    pub pair: StoredPair,
    /// The pair that our own fields describe; another one was written by someone who does not know them.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub described: Option<Fingerprint>,
    /// T3: the token that must never be sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<Fingerprint>,
    /// T3: the incarnation of the store that it was written in.
    #[serde(rename = "inc", skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
    /// T3: the write that made it, where the store numbers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// How often that token was sent again because there was no password.
    pub replays: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tombstone: Option<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whose pair it is: the username, by its keyed hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Fingerprint>,
    /// 429: until when nobody asks, on the store's clock.
    #[serde(rename = "hold_until", skip_serializing_if = "Option::is_none")]
    pub rate_limited_until: Option<i64>,
    /// How often in a row that was said without a time.
    #[serde(rename = "hold_fails", skip_serializing_if = "is_zero")]
    pub rate_limit_fails: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub suspensions: BTreeMap<String, Suspension>,
    /// What a later version of this library wrote and this one does not know.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Reads the members one by one. What serde makes of two structs in one object is ten times as much code.
impl TryFrom<Map<String, Value>> for Record {
    type Error = serde_json::Error;

    fn try_from(mut members: Map<String, Value>) -> Result<Record, serde_json::Error> {
        let from = &mut members;
        let pair = StoredPair {
            access_token: optional_secret::read(take(from, "access_token")?),
            refresh_token: optional_secret::read(take(from, "refresh_token")?),
            expires_at: take(from, "expires_at")?,
            refresh_expires_at: take(from, "refresh_expires_at")?,
            stored_at: take(from, "stored_at")?,
            lifetime_ms: take(from, "lifetime_ms")?,
            family: take(from, "family")?,
            token_type: take(from, "token_type")?,
            kept: secrets::read(take(from, "kept")?)?,
            generation: take(from, "seq")?,
        };
        Ok(Record {
            pair,
            described: take(from, "for")?,
            spent: take(from, "spent")?,
            incarnation: take(from, "inc")?,
            written: take(from, "written")?,
            replays: take(from, "replays")?,
            claim: take(from, "claim")?,
            tombstone: take(from, "tombstone")?,
            host: take(from, "host")?,
            user: take(from, "user")?,
            rate_limited_until: take(from, "hold_until")?,
            rate_limit_fails: take(from, "hold_fails")?,
            suspensions: take(from, "suspensions")?,
            rest: members,
        })
    }
}

/// A member; the default where there is none.
fn take<T: DeserializeOwned + Default>(from: &mut Map<String, Value>, name: &str) -> Result<T, serde_json::Error> {
    from.remove(name).map_or_else(|| Ok(T::default()), serde_json::from_value)
}

/// What the record holds, by name: what a claim is on and what a write compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    Nothing,
    /// A pair, by its token and by how often it was renewed: a refresh may leave the token as it is.
    Pair(Fingerprint, u64),
    /// A logout, by its random number.
    Tombstone(String),
}

impl Record {
    /// What it holds; `client` is the identity that fingerprints are keyed with.
    pub fn holding(&self, client_id: &str, now: i64) -> Holding {
        match (self.pair_name(client_id), &self.tombstone) {
            (Some(name), _) => Holding::Pair(name, self.pair.generation),
            (None, Some(tombstone)) if tombstone.until > now => Holding::Tombstone(tombstone.nonce.clone()),
            (None, _) => Holding::Nothing,
        }
    }

    /// What names the pair: the fingerprint of its refresh token, or of its access token where it has none.
    pub(super) fn pair_name(&self, client_id: &str) -> Option<Fingerprint> {
        let access = self.pair.access_token.as_ref()?;
        let token = self.pair.refresh_token.as_ref().unwrap_or(access);
        Some(Fingerprint::of(client_id, token))
    }

    /// Where the pair stands, if our fields describe it: those that a foreign writer left behind are about the
    /// pair before.
    pub fn lineage(&self, client_id: &str) -> Option<Lineage> {
        let token = self.pair_name(client_id);
        self.pair.lineage().filter(|_| self.described == token)
    }
}

impl StoredPair {
    pub fn lineage(&self) -> Option<Lineage> {
        self.family.map(|family| Lineage { family: family.0, generation: self.generation })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes it so
fn is_zero(number: &u32) -> bool {
    *number == 0
}
