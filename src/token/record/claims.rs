//! T2 in the record: who may send what. A claim is made, renewed and released, and its result is published.

use super::fields::{Claim, Holding, Record, StoredPair};
use crate::sys::clock::millis;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::Lineage;
use std::time::Duration;

/// How long a claim stands without being renewed, at the most: what a killed owner costs everyone else. It
/// never outlasts the call that it was made for.
pub const LEASE: Duration = Duration::from_secs(5);
/// How often its owner renews it while it waits for the server.
pub const RENEW_EVERY: Duration = Duration::from_millis(1500);
/// How long a logout keeps anything that was in flight from coming back. Longer than any call may take
/// would be a day; nobody's login or refresh takes ten minutes.
pub(super) const TOMBSTONE: Duration = Duration::from_secs(600);
/// How long a record is kept, in seconds, where nobody said how long its refresh token lives.
const WEEK: i64 = 7 * 24 * 3600;
/// How long a record is kept at the least, tokens or not: longer than any suspension, pause or tombstone in it.
const AFTER_LOGOUT: i64 = 3600;

/// When a claim made or renewed now runs out. `left` is what is left of its owner's call.
fn lease_until(now: i64, left: Duration) -> i64 {
    now.saturating_add_unsigned(millis(LEASE.min(left)))
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

/// The result of trying to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    Yes,
    /// The record no longer holds what was read.
    Changed,
    /// Someone else's claim stands for this long.
    Busy(Duration),
}

impl Record {
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
            // Another process has claimed it since it was read, and may have sent it. Only the mark shows that: the token in
            // the record is still the same.
            Spending::First(token) if self.spent.as_ref() == Some(token) => return Claimed::Changed,
            Spending::Replay(token) if self.replays_of(token) > 0 => return Claimed::Changed,
            Spending::First(token) => (self.spent, self.replays) = (Some(token.clone()), 0),
            Spending::Replay(token) => (self.spent, self.replays) = (Some(token.clone()), 1),
        }
        self.claim = Some(Claim { nonce: claim.nonce.clone(), until: lease_until(now, left) });
        Claimed::Yes
    }

    /// Renews one's own claim. Says whether it was still there.
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
    /// that token may be sent another time. Only what this claim has marked is undone: a token that was spent
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

    /// How often this token was sent again although it was spent, because there was no password.
    pub fn replays_of(&self, token: &Fingerprint) -> u32 {
        if self.spent.as_ref() == Some(token) { self.replays } else { 0 }
    }

    /// T2: writes a new pair, if the record still holds what was claimed, or nothing, or has provably been
    /// rolled back behind `last_seen`. Claims of other processes do not matter. Says whether it was written.
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
    pub fn publish_local(&mut self, client_id: &str, last_seen: Option<Lineage>, pair: &StoredPair, now: i64) -> bool {
        let older = self.pair.expires_at.zip(pair.expires_at).is_some_and(|(theirs, ours)| theirs < ours);
        let may = match self.holding(client_id, now) {
            Holding::Nothing => true,
            Holding::Pair(token, _) => {
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
        self.described = self.pair_name(client_id);
        self.spent = None;
        self.replays = 0;
        self.claim = None;
        self.tombstone = None;
        self.rate_limit_fails = 0;
    }

    /// How long, in seconds, a store has to keep it: as long as the refresh token lives.
    pub fn ttl_seconds(&self, now: i64) -> i64 {
        match self.pair.refresh_expires_at {
            None if self.pair.access_token.is_none() => AFTER_LOGOUT,
            Some(at) => at.saturating_sub(now / 1000).clamp(AFTER_LOGOUT, 100 * WEEK),
            None => WEEK,
        }
    }

    /// Logout: removes the tokens, and keeps calls in flight from storing new ones.
    pub fn mark_logged_out(&mut self, now: i64) {
        let tombstone = Claim { until: now.saturating_add_unsigned(millis(TOMBSTONE)), ..Claim::new() };
        self.pair = StoredPair::default();
        (self.described, self.spent, self.claim, self.replays) = (None, None, None, 0);
        self.tombstone = Some(tombstone);
    }
}
