//! The refresh transaction: how one of many processes gets a new pair. Read [`RefreshTransaction::through`] from the top.
//!
//! One caller of this process at a time runs it (`single_flight`); against other processes the claims in the store's record
//! protect it.

use crate::call::Call;
use crate::call::backoff;
use crate::call::log::Level;
use crate::client::Client;
use crate::client::context::Context;
use crate::client::credentials::Credentials;
use crate::error::{Error, Result, WaitEnd};
use crate::refresh::decide::{Blocked, RefreshToken, Step, decide, may_login};
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::outcome::AuthOutcome;
use crate::store::contract::{Loaded, StoreFault, TokenStore};
use crate::sys::clock::millis;
use crate::sys::failpoint::failpoint;
use crate::sys::zeroing::SecretWork;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::{Lineage, Pair};
use crate::token::record::{Claim, Claimed, Holding, Record, Spending};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Takes over the pair in the store, if it is what is needed; nothing is sent or written. `None`: it is not, or another call
/// is refreshing.
pub fn adopt_stored(context: &Context, need: &TokenNeed, budget: &Budget) -> Option<Arc<Pair>> {
    let _flight = context.client.single_flight.try_start(&context.call)?;
    let _work = SecretWork::begin();
    let transaction = RefreshTransaction::new(context, need, budget);
    let store = context.store().ok().filter(|store| store.is_shared())?;
    let loaded = transaction.load(store).ok()?;
    let pair = transaction.pair_in(&loaded)?;
    let step = transaction.with_view(store, &loaded, Some(&pair), |view| decide(view, need, budget));
    matches!(step, Step::Adopt).then(|| transaction.adopt(pair, false))
}

/// Gets a new pair and serves it from then on. The caller leads the client's single flight.
pub fn renew(context: &Context, need: &TokenNeed, budget: &Budget) -> Result<Arc<Pair>> {
    let started = Instant::now();
    let _work = SecretWork::begin();
    let transaction = RefreshTransaction::new(context, need, budget);
    let outcome = match context.store().map_err(Failure::Error).and_then(|store| transaction.through(store, false)) {
        Err(Failure::Store(fault)) => transaction.continue_degraded(fault),
        other => other,
    };
    transaction.note_waiting();
    context.client.stats.last_renewal_ms.set(millis(started.elapsed()));
    outcome.map_err(|failure| match failure {
        Failure::Error(error) | Failure::Store(StoreFault { error, .. }) => transaction.say_what_was_waited_for(error),
    })
}

/// Why the transaction ended without a pair.
pub(super) enum Failure {
    Error(Error),
    /// The store is unavailable (T5).
    Store(StoreFault),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<Blocked> for Failure {
    fn from(blocked: Blocked) -> Failure {
        Failure::Error(blocked.into())
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Failure {
        Failure::Store(fault)
    }
}

pub(super) type Outcome<T> = std::result::Result<T, Failure>;

/// The result of a step that sent or wrote something: a pair; or `None`, as the record has changed and must be read again.
pub(super) type Stepped = Outcome<Option<Arc<Pair>>>;

pub(super) struct RefreshTransaction<'a> {
    pub context: &'a Context,
    pub client: &'a Client,
    pub call: &'a Call,
    pub credentials: &'a Credentials,
    pub need: &'a TokenNeed,
    pub budget: &'a Budget,
    /// How often the call has looked again for another process to be done.
    waits: Cell<u32>,
    waiting_since: Cell<Option<Instant>>,
    /// Whether the call has said that the record cannot be used.
    pub is_discard_noted: Cell<bool>,
    /// Whether the record has been seen without a tombstone.
    pub seen_alive: Cell<bool>,
}

/// Which store the transaction goes through.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub store: &'a dyn TokenStore,
    /// The store is this process's own, used while the shared one is unavailable (T5).
    pub is_local: bool,
}

impl<'a> RefreshTransaction<'a> {
    pub(super) fn new(context: &'a Context, need: &'a TokenNeed, budget: &'a Budget) -> RefreshTransaction<'a> {
        RefreshTransaction {
            context,
            client: &context.client,
            call: &context.call,
            credentials: &context.credentials,
            need,
            budget,
            waits: Cell::new(0),
            waiting_since: Cell::new(None),
            is_discard_noted: Cell::new(false),
            seen_alive: Cell::new(false),
        }
    }
}

impl RefreshTransaction<'_> {
    /// The transaction through one store: read, decide, claim, ask, write.
    pub(super) fn through(&self, store: &dyn TokenStore, is_local: bool) -> Outcome<Arc<Pair>> {
        let target = Target { store, is_local };
        loop {
            self.call.checkpoint()?;
            let loaded = self.load(store)?;
            if (!is_local && self.reconcile(store, &loaded)?) || self.begin_from_given_token(store, &loaded)? {
                continue;
            }
            let stored = self.pair_in(&loaded);
            let step = self.with_view(store, &loaded, stored.as_ref(), |view| decide(view, self.need, self.budget));
            let done = match (step, stored) {
                (Step::Adopt, Some(pair)) => Some(self.adopt(pair, is_local)),
                (Step::Adopt, None) => None,
                (Step::Wait(left), _) => self.wait(left)?,
                (Step::Refresh(token), stored) => self.refresh(target, &token, stored.as_ref(), &loaded)?,
                (Step::Login, _) => self.login(target, &loaded)?,
                (Step::Blocked(blocked), _) => self.blocked(blocked)?,
            };
            if let Some(pair) = done {
                return Ok(pair);
            }
        }
    }

    fn adopt(&self, pair: Pair, is_local: bool) -> Arc<Pair> {
        let is_it = |held: &Arc<Pair>| held.is(&pair.access, pair.lineage) && held.lifetime == pair.lifetime;
        if let Some(current) = self.client.current.load_full().filter(is_it) {
            return current;
        }
        self.client.stats.adoptions.add_one();
        self.call.log(Level::Info, || {
            let store = if is_local { "this process's own store" } else { "the store" };
            format!("took over the token {} from {store}", self.client.label_of(&pair))
        });
        let pair = Arc::new(pair);
        self.client.current.store(Some(Arc::clone(&pair)));
        pair
    }

    /// Waits for the process that has the claim; a caller that has a usable token does not.
    fn wait(&self, left: Duration) -> Stepped {
        if self.need.goes_on_without() {
            let again = backoff::spread(backoff::LOOK_AGAIN).min(left);
            return Err(Error::busy("another process is refreshing; its token will be taken over", Some(again)).into());
        }
        if self.waits.get() == 0 {
            self.waiting_since.set(Some(Instant::now()));
        }
        self.call.sleep(backoff::POLL_CLAIM.jittered_delay(self.waits.get()).min(left))?;
        self.waits.set(self.waits.get() + 1);
        Ok(None)
    }

    /// Notes how long the call waited for others.
    fn note_waiting(&self) {
        if let Some(since) = self.waiting_since.get() {
            let waited = millis(since.elapsed());
            self.client.stats.claim_waits.add_one();
            self.client.stats.claim_wait_ms.add(waited);
            self.call.log(Level::Debug, || format!("waited {waited} ms for another process's refresh or login"));
        }
    }

    /// A call whose time ran out after it had waited for another process says that.
    fn say_what_was_waited_for(&self, error: Error) -> Error {
        let ran_out = matches!(error.wait_end(), Some(WaitEnd::CallDeadline | WaitEnd::StepDeadline));
        if self.waiting_since.get().is_none() || !ran_out {
            return error;
        }
        Error::busy(
            "another process was refreshing for longer than this call could wait; try again, or raise timeout_ms",
            None,
        )
    }

    /// T2, T3, T4: sends the refresh token, under a claim on exactly that token.
    fn refresh(&self, target: Target<'_>, token: &RefreshToken, pair: Option<&Pair>, read: &Loaded) -> Stepped {
        let Target { store, .. } = target;
        let claim = Claim::new();
        let holding = read.record.holding(&self.client.client_id, read.now);
        let name = token.token.as_ref().map(|token| Fingerprint::of(&self.client.client_id, token));
        let spending = match &name {
            None => Spending::Nothing,
            Some(name) if token.is_replay => Spending::Replay(name),
            Some(name) => Spending::First(name),
        };
        if !self.claim(store, read, spending, &claim)? {
            return Ok(None);
        }
        self.budget.refresh.set(false);
        match self.ask_refresh(store, &claim, pair, token.token.as_ref()) {
            AuthOutcome::Granted(grant, arrived) => {
                self.client.stats.refreshes.add_one();
                let next = Lineage { family: token.lineage.family, generation: token.lineage.generation + 1 };
                self.publish(target, &holding, (grant, arrived), next, Some(token))
            }
            AuthOutcome::Unsent(error) | AuthOutcome::Unable(error) => {
                self.release(store, &claim, spending);
                Err(error.into())
            }
            AuthOutcome::RateLimited(error) => Err(self.note_rate_limit(store, &claim, spending, error).into()),
            AuthOutcome::Rejected(error) => {
                self.client.stats.refreshes_refused.add_one();
                self.call.log(Level::Warning, || format!("{error}"));
                self.after_refusal(target, &holding, &claim)
            }
            AuthOutcome::Forbidden(error) => {
                self.release(store, &claim, Spending::Nothing);
                Err(error.into())
            }
            AuthOutcome::NoAnswer(error) if error.is_callers_end() => {
                self.release(store, &claim, Spending::Nothing);
                Err(error.into())
            }
            AuthOutcome::NoAnswer(error) | AuthOutcome::NoToken(error) | AuthOutcome::Intercepted(error) => {
                self.after_lost_answer(store, &claim, error)
            }
        }
    }

    /// T3: whether the server has used the token is unknown: it stays spent, and the next call logs in.
    fn after_lost_answer(&self, store: &dyn TokenStore, claim: &Claim, error: Error) -> Stepped {
        self.client.stats.renewals_failed.add_one();
        self.call.log(Level::Warning, || format!("the answer to a refresh was lost: {error}"));
        // Without a password the only way is to send it once more, and that waits until the claim has run out.
        if !self.has_login() {
            return Err(error.into());
        }
        self.release(store, claim, Spending::Nothing);
        match self.need.goes_on_without() {
            true => Err(error.into()),
            false => Ok(None),
        }
    }

    /// T4: the refresh token was refused. If another pair was stored meanwhile, that one counts; else this process logs in
    /// under the claim that it has.
    fn after_refusal(&self, target: Target<'_>, holding: &Holding, claim: &Claim) -> Stepped {
        let Target { store, .. } = target;
        let loaded = self.load(store)?;
        if loaded.record.holding(&self.client.client_id, loaded.now) != *holding {
            self.release(store, claim, Spending::Nothing);
            return Ok(None);
        }
        if let Err(blocked) = self.with_view(store, &loaded, None, |view| may_login(view, self.budget)) {
            self.release(store, claim, Spending::Nothing);
            return self.blocked(blocked);
        }
        self.login_under(target, holding, claim)
    }

    pub(super) fn claim(
        &self,
        store: &dyn TokenStore,
        read: &Loaded,
        spending: Spending<'_>,
        claim: &Claim,
    ) -> Outcome<bool> {
        let client_id = &self.client.client_id;
        let holding = read.record.holding(client_id, read.now);
        let claimed = RefCell::new(Claimed::Changed);
        failpoint("claiming");
        let mut make = |record: &mut Record, now: i64| {
            self.set_own_claim_aside(record);
            let outcome = match record.has_refusals_since(&read.record) {
                true => Claimed::Changed,
                false => record.claim(client_id, &holding, spending, claim, self.call.left(), now),
            };
            let is_made = outcome == Claimed::Yes;
            claimed.replace(outcome);
            is_made
        };
        self.call.asking_store(|| {
            let written = self.change(store, &mut make);
            let is_uncertain = matches!(&written, Err(Failure::Store(fault)) if fault.maybe_written);
            if *claimed.borrow() == Claimed::Yes && (written.is_ok() || is_uncertain) {
                self.client.has_claimed(claim, store.is_shared() && !is_uncertain);
            }
            if is_uncertain {
                // T2: nothing is sent under it. If it was written, it is released, and the token is no longer marked as spent.
                self.release(store, claim, spending);
            }
            written
        })?;
        match claimed.into_inner() {
            Claimed::Yes => {
                failpoint("claimed");
                Ok(true)
            }
            Claimed::Changed => Ok(false),
            Claimed::Busy(left) => self.wait(left).map(|_| false),
        }
    }
}
