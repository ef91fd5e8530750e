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
use crate::sys::secret::{random, random_fraction};
use crate::token::pair::Lineage;
use crate::token::record::{Claim, Holding, PauseCause, Record, Spending};

impl RefreshTransaction<'_> {
    /// Whether a login could be sent at all.
    pub(super) fn has_login(&self) -> bool {
        self.client.has_login(self.credentials)
    }

    /// Nothing may be sent now. A pause after a login that its caller ended says little of the server: a call that has the
    /// time waits until it is over.
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

    /// R5: what a login has brought. If that is nothing, notes the failure and releases the claim.
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

    /// R5: if one 401 after another leads to a login, another client most likely uses the same account and ends this one's
    /// session each time.
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
        let mut note = |record: &mut Record, now| record.suspend(fingerprint, now);
        self.release_with_wait(store, claim, Spending::Nothing, error, &mut note)
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
        let (fraction, retry_after) = (random_fraction(), error.retry_after());
        let mut note =
            |record: &mut Record, now| record.pause_logins(fingerprint, cause.clone(), retry_after, fraction, now);
        self.release_with_wait(store, claim, Spending::Nothing, error, &mut note)
    }

    /// R5: pauses this process's logins: the last one did not reach the server, or its caller's deadline or interrupt ended it,
    /// which does not concern other processes. An interrupt counts, too: in asyncio a time limit is a cancellation. A user who
    /// interrupts a call and repeats it does not notice: that call waits for the rest of the pause.
    fn pause_own_logins(&self, store: &dyn TokenStore, claim: &Claim, error: Error) -> Error {
        self.release(store, claim, Spending::Nothing);
        self.client.note_unreached(&error);
        error
    }
}
