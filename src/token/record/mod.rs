//! The record of one API client, and every change that may be made to it: claim, publish, release, renew,
//! suspend, hold, bury. Pure: each takes the store's time, and each is one atomic step in the store.
//!
//! The rules T1 to T5 and R5 live here. A refresh token is sent only by whoever holds an acknowledged claim
//! on exactly that token; whoever is in doubt logs in, which is always safe.

mod optional_secret;
mod secrets;
pub mod u128hex;

use crate::call::backoff::{Backoff, LONGEST_RETRY_AFTER, PASSING, REFUSED};
use crate::sys::clock::millis;
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::Lineage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a claim stands without being renewed, at the most: what a killed owner costs everyone else. It
/// never outlasts the call that it was made for.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often its owner renews it while it waits for the server.
pub const RENEW_EVERY: Duration = Duration::from_millis(1500);
/// How long a logout keeps anything that was in flight from coming back. Longer than any call may take
/// would be a day; nobody's login or refresh takes ten minutes.
const TOMBSTONE: Duration = Duration::from_secs(600);
/// How long a record is kept, in seconds, where nobody said how long its refresh token lives.
const WEEK: i64 = 7 * 24 * 3600;
/// How long a record is kept at the least, tokens or not: longer than any suspension, pause or tombstone in it.
const AFTER_LOGOUT: i64 = 3600;
/// How many suspended credentials a record remembers.
const MOST_SUSPENSIONS: usize = 16;

/// What the record holds, by name: what a claim is on and what a write compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    Nothing,
    Pair(Fingerprint),
    /// A logout, by its random number.
    Tombstone(String),
}

/// A token pair as a record keeps it. The first three are what PHP code reads and writes, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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

/// When a claim made or renewed now runs out. `left` is what is left of its owner's call.
fn lease_until(now: i64, left: Duration) -> i64 {
    now.saturating_add_unsigned(millis(LEASE.min(left)))
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
    /// Its message, which holds no secret.
    pub message: String,
}

/// Everything that is kept of one API client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// How often that token was sent all the same, for want of a password.
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
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// What a claim is going to send.
#[derive(Clone, Copy, Debug)]
pub enum Spending<'a> {
    /// No refresh token: a login.
    Nothing,
    /// A refresh token that was not spent when it was read.
    First(&'a Fingerprint),
    /// One that was, or may have been: once more, for want of a password (T3).
    Replay(&'a Fingerprint),
}

/// What came of asking for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    Yes,
    /// The record no longer holds what was read.
    Changed,
    /// Someone else's claim stands for this long.
    Busy(Duration),
}

impl Record {
    /// What it holds; `client` is the identity that fingerprints are keyed with.
    pub fn holding(&self, client_id: &str, now: i64) -> Holding {
        match (self.token(), &self.tombstone) {
            (Some(token), _) => Holding::Pair(Fingerprint::of(client_id, token)),
            (None, Some(tombstone)) if tombstone.until > now => Holding::Tombstone(tombstone.nonce.clone()),
            (None, _) => Holding::Nothing,
        }
    }

    /// The token that names the pair.
    fn token(&self) -> Option<&Secret> {
        self.pair.access_token.as_ref()?;
        self.pair.refresh_token.as_ref().or(self.pair.access_token.as_ref())
    }

    /// How long someone else's claim stands. One that is further away than a lease is a mistake of a clock.
    pub fn claimed_for(&self, now: i64) -> Option<Duration> {
        let left = self.claim.as_ref()?.until.checked_sub(now)?;
        let left = Duration::from_millis(u64::try_from(left).ok()?);
        (!left.is_zero() && left <= LEASE).then_some(left)
    }

    /// T2: claims what was read, in the one write that is lock and journal at once. `spend` names the
    /// refresh token that is going to be sent.
    pub fn claim(
        &mut self,
        client_id: &str,
        read: &Holding,
        spending: Spending<'_>,
        claim: &Claim,
        left: Duration,
        now: i64,
    ) -> Claimed {
        if self.holding(client_id, now) != *read {
            return Claimed::Changed;
        }
        if let Some(left) = self.claimed_for(now) {
            return Claimed::Busy(left);
        }
        match spending {
            Spending::Nothing => {}
            // Somebody else has claimed it since it was read, and may have sent it: the mark is what tells, the
            // token in the record is still the same.
            Spending::First(token) if self.spent.as_ref() == Some(token) => return Claimed::Changed,
            Spending::Replay(token) if self.replays_of(token) > 0 => return Claimed::Changed,
            Spending::First(token) => (self.spent, self.replays) = (Some(token.clone()), 0),
            Spending::Replay(token) => (self.spent, self.replays) = (Some(token.clone()), 1),
        }
        self.claim = Some(Claim { nonce: claim.nonce.clone(), until: lease_until(now, left) });
        Claimed::Yes
    }

    /// R5: whether a login was refused or a pause was asked for since this record was read. Whoever decided on what
    /// was read then has to decide anew.
    pub fn has_refusals_since(&self, read: &Record) -> bool {
        self.suspensions != read.suspensions || self.rate_limited_until != read.rate_limited_until
    }

    /// Keeps one's own claim alive. Says whether it still was.
    pub fn renew(&mut self, claim: &Claim, left: Duration, now: i64) -> bool {
        match &mut self.claim {
            Some(standing) if standing.nonce == claim.nonce => {
                standing.until = lease_until(now, left);
                true
            }
            _ => false,
        }
    }

    /// Gives up one's own claim. `unseen` is what the server has certainly not seen of what was claimed (T3):
    /// that token may be sent another time. Never more than the claim itself marked: a token that was spent
    /// before stays so.
    pub fn release(&mut self, claim: &Claim, unseen: Spending<'_>) -> bool {
        if self.claim.as_ref().is_none_or(|standing| standing.nonce != claim.nonce) {
            return false;
        }
        self.claim = None;
        match unseen {
            Spending::First(token) if self.spent.as_ref() == Some(token) => self.spent = None,
            Spending::Replay(token) if self.spent.as_ref() == Some(token) => self.replays = 0,
            Spending::Nothing | Spending::First(_) | Spending::Replay(_) => {}
        }
        true
    }

    /// How often this token was sent although it was spent, for want of a password.
    pub fn replays_of(&self, token: &Fingerprint) -> u32 {
        if self.spent.as_ref() == Some(token) { self.replays } else { 0 }
    }

    /// T2: writes a new pair, if the record still holds what was claimed, or nothing, or has provably been
    /// rolled back behind `last_seen`. Other people's claims do not matter. Says whether it was written.
    pub fn publish(
        &mut self,
        client_id: &str,
        claimed: &Holding,
        last_seen: Option<Lineage>,
        pair: &StoredPair,
        now: i64,
    ) -> bool {
        let holding = self.holding(client_id, now);
        let may = holding == *claimed || holding == Holding::Nothing || self.is_rolled_back(client_id, last_seen);
        if may {
            self.put(client_id, pair);
        }
        may
    }

    /// T5: publishes a pair that only this process knew, over a record that has nothing better.
    pub fn publish_private(
        &mut self,
        client_id: &str,
        last_seen: Option<Lineage>,
        pair: &StoredPair,
        now: i64,
    ) -> bool {
        let older = self.pair.expires_at.zip(pair.expires_at).is_some_and(|(theirs, ours)| theirs < ours);
        let may = match self.holding(client_id, now) {
            Holding::Nothing => true,
            Holding::Pair(token) => {
                self.spent.as_ref() == Some(&token) || older || self.is_rolled_back(client_id, last_seen)
            }
            Holding::Tombstone(_) => false,
        };
        if may && self.claimed_for(now).is_none() {
            self.put(client_id, pair);
            return true;
        }
        false
    }

    /// Writes a pair whatever was there: the caller's own tokens (`tm_set_tokens`).
    pub fn put(&mut self, client_id: &str, pair: &StoredPair) {
        self.pair = pair.clone();
        self.described = self.token().map(|token| Fingerprint::of(client_id, token));
        self.spent = None;
        self.replays = 0;
        self.claim = None;
        self.tombstone = None;
        self.rate_limit_fails = 0;
    }

    /// The same login as `last_seen`, but an earlier rotation of it: an old copy was put back.
    pub fn is_rolled_back(&self, client_id: &str, last_seen: Option<Lineage>) -> bool {
        match (last_seen, self.lineage(client_id)) {
            (Some(last_seen), Some(stored)) => {
                stored.family == last_seen.family && stored.generation < last_seen.generation
            }
            _ => false,
        }
    }

    /// Where the pair stands, if our fields describe it: those that a foreign writer left behind are about the
    /// pair before.
    pub fn lineage(&self, client_id: &str) -> Option<Lineage> {
        let token = self.token().map(|token| Fingerprint::of(client_id, token));
        self.pair.lineage().filter(|_| self.described == token)
    }

    /// Whether the refresh token may not be sent (T3): it was already, or nobody can tell.
    pub fn is_spent(&self, client_id: &str, last_seen: Option<Lineage>) -> bool {
        let token = self.token().map(|token| Fingerprint::of(client_id, token));
        self.spent.is_some() && self.spent == token
            || self.described != token
            || self.is_rolled_back(client_id, last_seen)
    }

    /// T3: takes the record to be in this incarnation of its store from now on. One that was written in another
    /// may lack what was written since, so its token counts as spent.
    pub fn invalidate_if_restored(&mut self, client_id: &str, incarnation: &str) {
        if self.incarnation.as_deref() == Some(incarnation) {
            return;
        }
        self.count_as_spent(client_id);
        self.incarnation = Some(incarnation.to_owned());
    }

    /// T3: compares it with the number of the last write, as the store tells. A copy that was put back was made by another,
    /// and may lack what was written since, so its token counts as spent.
    pub fn compare_number(&mut self, client_id: &str, is_last: impl FnOnce(i64) -> bool) {
        let token = self.token().map(|token| Fingerprint::of(client_id, token));
        let written = self.written.as_ref().filter(|written| Some(&written.pair) == token.as_ref());
        if written.is_some_and(|written| !is_last(written.number)) {
            self.count_as_spent(client_id);
        }
    }

    /// Puts the number of the write that is about to be made into it.
    pub fn set_number(&mut self, client_id: &str, number: Option<i64>) {
        let token = self.token().map(|token| Fingerprint::of(client_id, token));
        self.written = number.zip(token).map(|(number, pair)| Written { number, pair });
    }

    fn count_as_spent(&mut self, client_id: &str) {
        let token = self.token().map(|token| Fingerprint::of(client_id, token));
        if token.is_some() && token != self.spent {
            (self.spent, self.replays) = (token, 0);
        }
    }

    /// How long, in seconds, a store has to keep it: as long as the refresh token lives.
    pub fn ttl_seconds(&self, now: i64) -> i64 {
        match self.pair.refresh_expires_at {
            None if self.pair.access_token.is_none() => AFTER_LOGOUT,
            Some(at) => at.saturating_sub(now / 1000).clamp(AFTER_LOGOUT, 100 * WEEK),
            None => WEEK,
        }
    }

    /// Logout: the tokens go, and nothing that is in flight may bring any back.
    pub fn mark_logged_out(&mut self, now: i64) {
        let tombstone = Claim { until: now.saturating_add_unsigned(millis(TOMBSTONE)), ..Claim::new() };
        self.pair = StoredPair::default();
        (self.described, self.spent, self.claim, self.replays) = (None, None, None, 0);
        self.tombstone = Some(tombstone);
    }

    /// R5: notes that these credentials were refused. `fingerprint` names them in this record.
    pub fn suspend(&mut self, fingerprint: &str, now: i64) -> Duration {
        let fails = self.fails_before(fingerprint, true, REFUSED, now).saturating_add(1);
        let wait = REFUSED.wait(fails);
        self.note_suspension(fingerprint, Suspension { fails, until: later(now, wait), cause: None });
        wait
    }

    /// R5: notes that a login was answered without a token and without a word on the credentials. `retry_after`: the pause
    /// that the answer asked for; `fraction`, from 0 to 1, spreads the pause of one that asked for none.
    pub fn pause_logins(
        &mut self,
        fingerprint: &str,
        cause: PauseCause,
        retry_after: Option<Duration>,
        fraction: f64,
        now: i64,
    ) -> Duration {
        let fails = self.fails_before(fingerprint, false, PASSING, now).saturating_add(1);
        let wait = pause(retry_after, fails, fraction);
        self.note_suspension(fingerprint, Suspension { fails, until: later(now, wait), cause: Some(cause) });
        wait
    }

    /// How often in a row that has happened. Long after the last time, the count begins anew.
    fn fails_before(&self, fingerprint: &str, is_refusal: bool, backoff: Backoff, now: i64) -> u32 {
        let most = backoff.most.as_millis() as i64;
        let is_in_row = |s: &&Suspension| s.cause.is_none() == is_refusal && now < s.until.saturating_add(most);
        self.suspensions.get(fingerprint).filter(is_in_row).map_or(0, |suspension| suspension.fails)
    }

    fn note_suspension(&mut self, fingerprint: &str, suspension: Suspension) {
        self.suspensions.insert(fingerprint.to_owned(), suspension);
        while self.suspensions.len() > MOST_SUSPENSIONS {
            let others = self.suspensions.iter().filter(|(other, _)| *other != fingerprint);
            let oldest = others.min_by_key(|(_, suspension)| suspension.until).map(|(other, _)| other.clone());
            oldest.map(|fingerprint| self.suspensions.remove(&fingerprint));
        }
    }

    /// R5: how long nobody tries these credentials, and why, where it was not they that were refused.
    pub fn suspended_for(&self, fingerprint: &str, now: i64) -> Option<(Duration, Option<&PauseCause>)> {
        let suspension = self.suspensions.get(fingerprint)?;
        let most = if suspension.cause.is_some() { LONGEST_RETRY_AFTER } else { REFUSED.most };
        Some((left(suspension.until, now, most)?, suspension.cause.as_ref()))
    }

    /// A login went through: its credentials are good.
    pub fn lift(&mut self, mark: &str) {
        self.suspensions.remove(mark);
    }

    /// R5: 429 holds for everyone, whatever becomes of the credentials.
    pub fn rate_limit(&mut self, retry_after: Option<Duration>, fraction: f64, now: i64) -> Duration {
        let most = PASSING.most.as_millis() as i64;
        let is_in_row = self.rate_limited_until.is_some_and(|until| now < until.saturating_add(most));
        self.rate_limit_fails = if is_in_row { self.rate_limit_fails.saturating_add(1) } else { 1 };
        let wait = pause(retry_after, self.rate_limit_fails, fraction);
        self.rate_limited_until = Some(later(now, wait));
        wait
    }

    pub fn rate_limited_for(&self, now: i64) -> Option<Duration> {
        left(self.rate_limited_until?, now, LONGEST_RETRY_AFTER)
    }
}

/// R5: the pause that a server asked for, else one that doubles.
fn pause(retry_after: Option<Duration>, fails: u32, fraction: f64) -> Duration {
    match retry_after.filter(|wait| !wait.is_zero()) {
        Some(wait) => wait.min(LONGEST_RETRY_AFTER),
        None => PASSING.jittered(fails, fraction),
    }
}

fn later(now: i64, wait: Duration) -> i64 {
    now.saturating_add_unsigned(millis(wait))
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes it so
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The time until `until`, unless it is over, or further away than it can honestly be.
fn left(until: i64, now: i64, most: Duration) -> Option<Duration> {
    let left = Duration::from_millis(u64::try_from(until.checked_sub(now)?).ok()?);
    (!left.is_zero() && left <= most).then_some(left)
}

impl StoredPair {
    pub fn lineage(&self) -> Option<Lineage> {
        self.family.map(|family| Lineage { family: family.0, generation: self.generation })
    }
}

#[cfg(test)]
mod tests;
