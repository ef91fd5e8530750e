//! What is written when the server has answered: a new pair, a pause for everyone, or that the claim is released.

use crate::auth::Grant;
use crate::call::log::Level;
use crate::error::{Error, Result};
use crate::refresh::decide::RefreshToken;
use crate::refresh::need::TokenNeed;
use crate::refresh::transaction::{Failure, RefreshTransaction, Stepped, Target};
use crate::store::contract::{Change, Loaded, TokenStore};
use crate::sys::clock::{Tick, unix_seconds};
use crate::sys::failpoint::failpoint;
use crate::sys::secret::random_fraction;
use crate::token::freshness::Freshness;
use crate::token::pair::{Lineage, Pair, PairParts, RecoveryStage};
use crate::token::record::{Claim, Holding, Record, Spending};
use std::sync::Arc;
use std::time::Duration;

impl RefreshTransaction<'_> {
    /// T1: the new pair is in the store before any caller gets it.
    pub(super) fn publish(
        &self,
        target: Target<'_>,
        holding: &Holding,
        (grant, arrived): (Box<Grant>, Tick),
        lineage: Lineage,
        spent: Option<&RefreshToken>,
    ) -> Stepped {
        let Target { store, is_local } = target;
        let parts = PairParts { local_only: is_local, ..self.parts(*grant, arrived, lineage, spent)? };
        let pair = Pair::new(parts.clone());
        let last_seen = self.last_seen();
        let (mut published, mut theirs_serves) = (false, true);
        // T1: an interrupt in the middle would lose a pair that nobody else has.
        let mut publish = |record: &mut Record, now: i64| {
            let stored = self.client.stored(&pair, now);
            published = record.publish(&self.client.client_id, holding, last_seen, &stored, now);
            if published {
                self.client.stamp_owner(record);
                if lineage.generation == 0 && !record.suspensions.is_empty() {
                    record.lift(self.credentials.fingerprint(&self.client.client_id, store.fingerprint_key()));
                }
            } else {
                let theirs = self.pair_in(&Loaded { record: record.clone(), now, discarded: None });
                theirs_serves = theirs.is_none_or(|pair| pair.freshness(Tick::now()) != Freshness::Dead);
            }
            published
        };
        let written = self.call.uninterruptible(|| self.change(store, &mut publish));
        failpoint("published");
        let pair = match written {
            Ok(()) if published => pair,
            // Another process was first: its pair counts. This one is not logged out, which would revoke both.
            Ok(()) if theirs_serves => return Ok(None),
            // The clocks of the machines that share the store are so far apart that its pair has expired here.
            Ok(()) => {
                self.call.log(Level::Warning, || {
                    "the token that another process stored has run out by this machine's clock; set the clocks right"
                        .to_owned()
                });
                self.keep_local(parts)
            }
            // Written or not: it counts as written, and is no longer ours alone.
            Err(Failure::Store(fault)) if fault.maybe_written => {
                self.call
                    .log(Level::Warning, || format!("whether the new token was stored is unknown: {}", fault.error));
                pair
            }
            Err(Failure::Store(fault)) => {
                self.call.log(Level::Warning, || format!("the new token is kept in memory only: {}", fault.error));
                self.keep_local(parts)
            }
            Err(failure) => return Err(failure),
        };
        self.log_new(&pair);
        Ok(Some(self.client.install(Arc::new(pair))))
    }

    /// What a new pair is made from. `spent`: what it was refreshed with, which stays where the server sent no refresh token.
    fn parts(&self, grant: Grant, arrived: Tick, lineage: Lineage, spent: Option<&RefreshToken>) -> Result<PairParts> {
        let kept = spent.filter(|_| grant.refresh.is_none());
        let refresh_expires_at =
            grant.refresh_lifetime.map(|left| unix_seconds().saturating_add_unsigned(left.as_secs()));
        Ok(PairParts {
            call: self.client.call_credentials(&grant.access, grant.token_type.as_deref(), &grant.kept)?,
            access: grant.access,
            refresh: kept.and_then(|spent| spent.token.clone()).or(grant.refresh),
            token_type: grant.token_type,
            kept: grant.kept,
            issued: arrived,
            lifetime: self.client.lifetime(arrived, grant.lifetime),
            refresh_expires_at: refresh_expires_at.or(kept.and_then(|spent| spent.expires_at)),
            lineage,
            local_only: false,
            recovery_stage: match (self.need, lineage.generation) {
                (TokenNeed::Other(_), 0) => RecoveryStage::LoggedIn,
                (TokenNeed::Other(_), _) => RecoveryStage::Refreshed,
                _ => RecoveryStage::None,
            },
        })
    }

    fn log_new(&self, pair: &Pair) {
        self.call.log(Level::Info, || {
            let how = if pair.lineage.generation == 0 { "logged in" } else { "refreshed" };
            match pair.seconds_left() {
                Some(left) => format!("{how}: the token {} lives for {left} s", self.client.label_of(pair)),
                None => format!("{how}: the token {} lives until the server refuses it", self.client.label_of(pair)),
            }
        });
    }

    /// T5: a pair that only this process knows.
    fn keep_local(&self, parts: PairParts) -> Pair {
        let pair = Pair::new(PairParts { local_only: true, ..parts });
        self.client.local_store.update(|record, now| {
            let stored = self.client.stored(&pair, now);
            record.put(&self.client.client_id, &stored);
        });
        pair
    }

    /// 429: holds for every process that shares the store; the server did not use what was sent (T3).
    pub(super) fn note_rate_limit(
        &self,
        store: &dyn TokenStore,
        claim: &Claim,
        unseen: Spending<'_>,
        error: Error,
    ) -> Error {
        let (fraction, retry_after) = (random_fraction(), error.retry_after());
        let mut note = |record: &mut Record, now| record.rate_limit(retry_after, fraction, now);
        self.release_with_wait(store, claim, unseen, error, &mut note)
    }

    /// Releases the claim and notes in the record how long to wait, which the error then tells, too.
    pub(super) fn release_with_wait(
        &self,
        store: &dyn TokenStore,
        claim: &Claim,
        unseen: Spending<'_>,
        error: Error,
        note: &mut dyn FnMut(&mut Record, i64) -> Duration,
    ) -> Error {
        let mut wait = Duration::ZERO;
        self.best_effort(store, &mut |record, now| {
            wait = note(record, now);
            record.release(claim, unseen);
            true
        });
        failpoint("released");
        error.with_retry_after(Some(wait))
    }

    pub(super) fn release(&self, store: &dyn TokenStore, claim: &Claim, unseen: Spending<'_>) {
        self.best_effort(store, &mut |record, _| record.release(claim, unseen));
        failpoint("released");
    }

    /// A change that only saves others time: if it fails, they wait until the lease runs out.
    pub(super) fn best_effort(&self, store: &dyn TokenStore, change: Change<'_>) {
        if let Err(Failure::Store(fault)) = self.change(store, change) {
            self.call.log(Level::Warning, || format!("a claim was left to run out: {}", fault.error));
        }
    }
}
