//! The login that a transaction sends under its claim, and what holds for the next one if it brought nothing (R5).

use crate::auth::Grant;
use crate::call::backoff::PASSING;
use crate::call::log::Level;
use crate::error::{Error, Result};
use crate::refresh::decide::Blocked;
use crate::refresh::need::TokenNeed;
use crate::refresh::outcome::AuthOutcome;
use crate::refresh::transaction::{RefreshTransaction, Stepped, Target};
use crate::store::contract::{Loaded, TokenStore};
use crate::sys::clock::Tick;
use crate::sys::failpoint::failpoint;
use crate::sys::secret::{random, random_fraction};
use crate::token::pair::Lineage;
use crate::token::record::{Claim, Holding, PauseCause, Spending};
use std::time::Duration;

impl RefreshTransaction<'_> {
    /// Whether a login could be sent at all.
    pub(super) fn has_login(&self) -> bool {
        self.client.has_login(self.credentials)
    }

    /// Nothing may be sent now. A pause after a login that its caller ended says little of the server: a call that has the
    /// time waits for its end.
    pub(super) fn blocked(&self, blocked: Blocked) -> Stepped {
        match &blocked {
            Blocked::Suspended(_) => self.client.stats.logins_suspended.add_one(),
            Blocked::Unreached(left, cause)
                if cause.is_callers_end() && *left < self.call.left() / 2 && !self.need.goes_on_without() =>
            {
                self.call.sleep(*left)?;
                return Ok(None);
            }
            _ => {}
        }
        Err(blocked.into())
    }

    pub(super) fn login(&self, target: Target<'_>, read: &Loaded) -> Stepped {
        let claim = Claim::new();
        if !self.claim(target.store, read, Spending::Nothing, &claim)? {
            return Ok(None);
        }
        self.login_under(target, &read.record.holding(&self.client.client_id, read.now), &claim)
    }

    pub(super) fn login_under(&self, target: Target<'_>, holding: &Holding, claim: &Claim) -> Stepped {
        self.budget.login.set(false);
        let granted = self.conclude(target.store, claim, self.ask_login(target.store, claim))?;
        let lineage = Lineage { family: u128::from_le_bytes(random()), generation: 0 };
        self.publish(target, holding, granted, lineage, None)
    }

    /// R5: what a login has brought. If that is nothing, notes it for everyone who shares the store, and gives the claim back.
    pub(super) fn conclude(
        &self,
        store: &dyn TokenStore,
        claim: &Claim,
        outcome: AuthOutcome,
    ) -> Result<(Box<Grant>, Tick)> {
        let error = match outcome {
            AuthOutcome::Granted(grant, arrived) => {
                self.client.stats.logins.add_one();
                self.client.unreached.end();
                self.note_recovery_login();
                return Ok((grant, arrived));
            }
            AuthOutcome::Rejected(error) => {
                self.client.stats.logins_refused.add_one();
                return Err(self.suspend(store, claim, error));
            }
            AuthOutcome::RateLimited(error) => self.note_rate_limit(store, claim, Spending::Nothing, error),
            AuthOutcome::Forbidden(error) | AuthOutcome::NoToken(error) => self.pause_logins(store, claim, error),
            AuthOutcome::NoAnswer(error) if !error.is_callers_end() => self.pause_logins(store, claim, error),
            AuthOutcome::NoAnswer(error) => {
                self.credentials.end_lift();
                self.pause_own_logins(store, claim, error)
            }
            AuthOutcome::Unable(error) => {
                self.release(store, claim, Spending::Nothing);
                error
            }
            AuthOutcome::Unsent(error) | AuthOutcome::Intercepted(error) => self.pause_own_logins(store, claim, error),
        };
        self.client.stats.renewals_failed.add_one();
        Err(error)
    }

    /// R5: logins that a 401 led to, one after another, are most likely another client's doing, which logs this one out
    /// each time.
    fn note_recovery_login(&self) {
        if !matches!(self.need, TokenNeed::Other(_)) {
            return;
        }
        if !self.client.recovery_logins.is_too_often() {
            self.client.contention.end();
        } else {
            self.client.contention.grow(PASSING, None);
            self.call.log(Level::Warning, || {
                "recovery by login is needed again and again: another client seems to log in with the same account and ends \
                 this one's session each time; give each client an account of its own, or let them share a store"
                    .to_owned()
            });
        }
    }

    /// R5: notes that the credentials were refused, for everyone who shares the store.
    fn suspend(&self, store: &dyn TokenStore, claim: &Claim, error: Error) -> Error {
        self.credentials.end_lift();
        let fingerprint = self.credentials.fingerprint(&self.client.client_id, store.fingerprint_key());
        let mut wait = Duration::ZERO;
        self.best_effort(store, &mut |record, now| {
            wait = record.suspend(fingerprint, now);
            record.release(claim, Spending::Nothing);
            true
        });
        failpoint("released");
        error.with_retry_after(Some(wait))
    }

    /// R5: pauses logins for everyone who shares the store: the last one was answered without a token.
    fn pause_logins(&self, store: &dyn TokenStore, claim: &Claim, error: Error) -> Error {
        self.credentials.end_lift();
        let fingerprint = self.credentials.fingerprint(&self.client.client_id, store.fingerprint_key());
        let cause = PauseCause {
            status: error.status() as i32,
            http_status: error.http_status(),
            message: error.message().to_owned(),
        };
        let fraction = random_fraction();
        let mut wait = Duration::ZERO;
        self.best_effort(store, &mut |record, now| {
            wait = record.pause_logins(fingerprint, cause.clone(), error.retry_after(), fraction, now);
            record.release(claim, Spending::Nothing);
            true
        });
        failpoint("released");
        error.with_retry_after(Some(wait))
    }

    /// R5: pauses this process's logins: the last one did not reach the server, or its caller's time or interrupt ended it,
    /// which says nothing to other processes. An interrupt counts, too: in asyncio a time limit is a cancellation. A person who
    /// ends a call and makes it again does not notice: that call waits for the rest of the pause.
    fn pause_own_logins(&self, store: &dyn TokenStore, claim: &Claim, error: Error) -> Error {
        self.release(store, claim, Spending::Nothing);
        self.client.note_unreached(&error);
        error
    }
}
