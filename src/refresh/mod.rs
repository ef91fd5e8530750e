//! The refresh transaction: how one of many processes gets a new pair, so that no refresh token is ever
//! sent twice (T1 to T5). Read `Renewal::through` from the top.
//!
//! It runs behind the client's gate, so one caller of this process at a time is in it; against other
//! processes the claims in the store's record hold.

use crate::call::Call;
use crate::call::log::Level;
use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::store::contract::{Loaded, StoreFault, TokenStore};
use crate::sys::failpoint::failpoint;
use crate::sys::recent::Mark;
use crate::sys::secret::{random, random_fraction};
use crate::sys::wiping::SecretWork;
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::Freshness;
use crate::token::pair::{Lineage, Pair};
use crate::token::record::{Claim, Claimed, Holding, Record, Spending};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod ask;
mod decide;
mod degraded;
mod publish;
pub use ask::logout;
use ask::{Asked, Granted};
use decide::{Plan, Spend};

/// What a caller needs.
#[derive(Clone, Debug)]
pub enum TokenNeed {
    /// A pair that can be used now: nothing usable is held.
    Usable,
    /// A fresher one, ahead of expiry: what is held serves meanwhile.
    Ahead,
    /// Another than this one, which the server answered 401.
    Other(Arc<Pair>),
    /// A refresh of what is held, good or not.
    Refresh(Option<Arc<Pair>>),
    /// A login that is not the one of this pair, whatever is held.
    Login(Option<Arc<Pair>>),
}

impl TokenNeed {
    /// Whether a pair is what the caller wants. `freshness` is what it is right now.
    pub fn is_met_by(&self, pair: &Pair, freshness: Freshness) -> bool {
        // A server may hand the same access token out again: that is another pair all the same.
        let is_other = |than: &Pair| pair.access != than.access || pair.lineage != than.lineage;
        match self {
            TokenNeed::Usable => freshness != Freshness::Dead,
            TokenNeed::Ahead => freshness == Freshness::Good,
            TokenNeed::Other(refused) => freshness != Freshness::Dead && is_other(refused),
            TokenNeed::Refresh(held) => freshness != Freshness::Dead && held.as_deref().is_some_and(is_other),
            TokenNeed::Login(held) => {
                let is_new = |held: &Arc<Pair>| held.lineage.family != pair.lineage.family;
                freshness != Freshness::Dead && pair.lineage.generation == 0 && held.as_ref().is_some_and(is_new)
            }
        }
    }
}

/// What one call may still spend (R1).
#[derive(Debug)]
pub struct Budget {
    pub refresh: Cell<bool>,
    pub login: Cell<bool>,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { refresh: Cell::new(true), login: Cell::new(true) }
    }
}

/// Gets a new pair and serves it from then on. The caller has the gate's pass.
pub fn renew(client: &Client, call: &Call, need: &TokenNeed, budget: &Budget) -> Result<Arc<Pair>> {
    let _work = SecretWork::begin();
    let transaction = RefreshTransaction {
        client,
        call,
        need,
        budget,
        waits: Cell::new(0),
        waiting_since: Cell::new(None),
        discard_noted: Cell::new(false),
        seen_alive: Cell::new(false),
    };
    let outcome = match transaction.through(client.store(call)?, false) {
        Err(Failure::Store(fault)) => transaction.continue_degraded(fault),
        other => other,
    };
    transaction.note_waiting();
    outcome.map_err(|setback| match setback {
        Failure::Error(error) | Failure::Store(StoreFault { error, .. }) => transaction.in_words_of_waiting(error),
    })
}

/// What a step of the transaction came to.
enum Step {
    Done(Arc<Pair>),
    /// The record has changed: look again.
    Again,
}

/// Why the transaction ended without a pair.
enum Failure {
    Error(Error),
    /// The store is away (T5).
    Store(StoreFault),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Failure {
        Failure::Store(fault)
    }
}

/// How soon whoever waits for another process looks again, and how seldom in the end.
const FIRST_DELAY: Duration = Duration::from_millis(20);
const LONGEST_DELAY: Duration = Duration::from_millis(250);
/// How soon a process that has a good token looks for the one that another process is getting.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How soon what a store holds is said once more to be of no use.
const SAY_AGAIN: Duration = Duration::from_secs(60);

type Outcome<T> = std::result::Result<T, Failure>;

struct RefreshTransaction<'a> {
    client: &'a Client,
    call: &'a Call,
    need: &'a TokenNeed,
    budget: &'a Budget,
    /// How often the call has looked again for another process to be done.
    waits: Cell<u32>,
    waiting_since: Cell<Option<Instant>>,
    /// Whether the call has said that the record can not be used.
    discard_noted: Cell<bool>,
    /// Whether the record has been seen without a tombstone.
    seen_alive: Cell<bool>,
}

impl RefreshTransaction<'_> {
    /// The transaction through one store: read, decide, claim, ask, write. `private`: the store is this
    /// process's own, used while the shared one is away.
    fn through(&self, store: &dyn TokenStore, local_only: bool) -> Outcome<Arc<Pair>> {
        loop {
            self.call.checkpoint()?;
            let loaded = self.load(store)?;
            if !local_only && self.reconcile(store, &loaded)? {
                continue;
            }
            let step = match self.plan(store, &loaded)? {
                Plan::Adopt(pair) => return Ok(self.adopt(pair, local_only)),
                Plan::Wait(left) => self.wait(left)?,
                Plan::Refresh(spend) => self.refresh(store, local_only, &spend, &loaded)?,
                Plan::Login => self.login(store, local_only, &loaded)?,
            };
            if let Step::Done(pair) = step {
                return Ok(pair);
            }
        }
    }

    fn adopt(&self, pair: Pair, local_only: bool) -> Arc<Pair> {
        let is_it = |held: &Arc<Pair>| held.access == pair.access && held.lineage == pair.lineage;
        if let Some(current) = self.client.current.load_full().filter(is_it) {
            return current;
        }
        self.client.stats.adoptions.add_one();
        self.call.log(Level::Info, || {
            format!(
                "took over the token {} from the {}store",
                self.client.label_of(&pair),
                if local_only { "private " } else { "" }
            )
        });
        let pair = Arc::new(pair);
        self.client.current.store(Some(Arc::clone(&pair)));
        pair
    }

    /// Waits for whoever has the claim; a caller that has something to go on with does not.
    fn wait(&self, left: Duration) -> Outcome<Step> {
        if matches!(self.need, TokenNeed::Ahead) {
            return Err(Error::new(
                Status::TM_LOCK_TIMEOUT,
                "another process is refreshing; its token will be taken over",
            )
            .with_retry_after(Some(LOOK_AGAIN.mul_f64(0.5 + random_fraction()).min(left)))
            .into());
        }
        if self.waits.get() == 0 {
            self.waiting_since.set(Some(Instant::now()));
        }
        // Most refreshes are quick; whoever waits for a slow one, with a thousand others, looks less often.
        let delay = FIRST_DELAY.mul_f64(1.5f64.powi(self.waits.get().min(16) as i32)).min(LONGEST_DELAY);
        self.waits.set(self.waits.get() + 1);
        self.call.sleep(delay.mul_f64(0.5 + random_fraction()).min(left))?;
        Ok(Step::Again)
    }

    /// Notes how long the call waited for others.
    fn note_waiting(&self) {
        if let Some(since) = self.waiting_since.get() {
            let waited = crate::sys::clock::millis(since.elapsed());
            self.client.stats.claim_waits.add_one();
            self.client.stats.claim_wait_ms.add(waited);
            self.call.log(Level::Debug, || format!("waited {waited} ms for another process's refresh or login"));
        }
    }

    /// A call whose time ran out after it had waited for another process says that.
    fn in_words_of_waiting(&self, error: Error) -> Error {
        if self.waiting_since.get().is_none() || error.status() != Status::TM_TIMEOUT {
            return error;
        }
        Error::new(
            Status::TM_LOCK_TIMEOUT,
            "another process was refreshing for longer than this call could wait; try again, or raise timeout_ms",
        )
    }

    /// T2, T3, T4: sends the refresh token, under a claim on exactly that token.
    fn refresh(&self, store: &dyn TokenStore, local_only: bool, spend: &Spend, read: &Loaded) -> Outcome<Step> {
        let claim = Claim::new();
        let holding = read.record.holding(&self.client.client_id, read.now);
        let token = Fingerprint::of(&self.client.client_id, &spend.token);
        let spending = if spend.is_replay { Spending::Replay(&token) } else { Spending::First(&token) };
        if !self.claim(store, read, spending, &claim)? {
            return Ok(Step::Again);
        }
        self.budget.refresh.set(false);
        let granted = match self.ask_refresh(store, &claim, &spend.token) {
            Ok(granted) => granted,
            Err(Asked::Unsent(error)) => {
                self.release(store, &claim, spending);
                return Err(error.into());
            }
            Err(Asked::RateLimited(error)) => {
                self.note_rate_limit(store, &claim, spending, &error);
                return Err(error.into());
            }
            Err(Asked::Rejected(error)) => {
                self.client.stats.refreshes_refused.add_one();
                self.call.log(Level::Warning, || format!("{error}"));
                return self.after_refusal(store, local_only, &holding, &claim);
            }
            Err(Asked::Forbidden(error) | Asked::Ended(error)) => {
                self.release(store, &claim, Spending::Nothing);
                return Err(error.into());
            }
            Err(Asked::Lost(error)) => {
                // What became of the token is unknown: it stays spent, and whoever comes next logs in.
                self.client.stats.renewals_failed.add_one();
                self.call.log(Level::Warning, || format!("the answer to a refresh was lost: {error}"));
                // Without a password the one way on is to send it again, which waits for the claim to run out (T3).
                if self.call.credentials.password.is_none() {
                    return Err(error.into());
                }
                self.release(store, &claim, Spending::Nothing);
                return match self.need {
                    TokenNeed::Ahead => Err(error.into()),
                    _ => Ok(Step::Again),
                };
            }
        };
        self.client.stats.refreshes.add_one();
        let next = Lineage { family: spend.lineage.family, generation: spend.lineage.generation + 1 };
        self.publish(store, local_only, &holding, granted, next, Some(spend))
    }

    /// T4: the refresh token was refused. If another pair came into the store meanwhile, that one counts;
    /// else the claim serves for a login.
    fn after_refusal(
        &self,
        store: &dyn TokenStore,
        local_only: bool,
        holding: &Holding,
        claim: &Claim,
    ) -> Outcome<Step> {
        let loaded = self.load(store)?;
        if loaded.record.holding(&self.client.client_id, loaded.now) != *holding {
            self.release(store, claim, Spending::Nothing);
            return Ok(Step::Again);
        }
        if let Err(error) = self.may_login(store, &loaded.record, loaded.now) {
            self.release(store, claim, Spending::Nothing);
            return Err(error.into());
        }
        self.login_under(store, local_only, holding, claim)
    }

    fn login(&self, store: &dyn TokenStore, local_only: bool, read: &Loaded) -> Outcome<Step> {
        let claim = Claim::new();
        if !self.claim(store, read, Spending::Nothing, &claim)? {
            return Ok(Step::Again);
        }
        self.login_under(store, local_only, &read.record.holding(&self.client.client_id, read.now), &claim)
    }

    fn login_under(&self, store: &dyn TokenStore, local_only: bool, holding: &Holding, claim: &Claim) -> Outcome<Step> {
        self.budget.login.set(false);
        match self.ask_login(store, claim) {
            Ok(granted) => {
                self.client.stats.logins.add_one();
                let lineage = Lineage { family: u128::from_le_bytes(random()), generation: 0 };
                self.publish(store, local_only, holding, granted, lineage, None)
            }
            Err(Asked::Rejected(error)) => {
                self.client.stats.logins_refused.add_one();
                Err(self.suspend(store, claim, error).into())
            }
            Err(Asked::RateLimited(error)) => {
                self.note_rate_limit(store, claim, Spending::Nothing, &error);
                Err(error.into())
            }
            Err(Asked::Unsent(error) | Asked::Forbidden(error) | Asked::Lost(error) | Asked::Ended(error)) => {
                self.client.stats.renewals_failed.add_one();
                self.release(store, claim, Spending::Nothing);
                Err(error.into())
            }
        }
    }

    fn claim(&self, store: &dyn TokenStore, read: &Loaded, spending: Spending<'_>, claim: &Claim) -> Outcome<bool> {
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
                // T2: nothing is sent under it. If it is there, it is given back with the mark on the token.
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

    fn load(&self, store: &dyn TokenStore) -> Outcome<Loaded> {
        self.client.stats.store_operations.add_one();
        let load = || store.load(self.call, &self.client.client_id);
        let mut loaded = self.call.asking_store(load).map_err(|fault| self.count_fault(fault))?;
        self.set_own_claim_aside(&mut loaded.record);
        if let Some(why) = &loaded.discarded
            && !self.discard_noted.replace(true)
        {
            self.client.stats.store_discards.add_one();
            self.client.last_discard.store(Some(Arc::new(why.clone())));
            // Two machines with different keys would say so at every refresh.
            let said = Mark::of("said", &[why.as_bytes()]);
            if !said.was_noted_within(SAY_AGAIN) {
                self.call.log(Level::Error, || {
                    said.note();
                    format!("{why}; it is replaced after a login")
                });
            }
        }
        failpoint("read");
        Ok(loaded)
    }

    /// Nobody waits for a claim of its own. But without a password what comes next is the one replay of a token that was
    /// sent, and that waits for the lease (T3).
    fn set_own_claim_aside(&self, record: &mut Record) {
        if self.call.credentials.password.is_some() {
            self.client.set_own_claim_aside(record);
        }
    }

    fn change(&self, store: &dyn TokenStore, change: &mut dyn FnMut(&mut Record, i64) -> bool) -> Outcome<()> {
        self.client.stats.store_operations.add_one();
        let change = || store.change(self.call, &self.client.client_id, change);
        self.call.asking_store(change).map_err(|fault| self.count_fault(fault))
    }

    fn count_fault(&self, fault: StoreFault) -> Failure {
        self.client.stats.store_failures.add_one();
        Failure::Store(fault)
    }
}

/// How long the last renewal took.
pub fn timed<T>(client: &Client, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let output = work();
    client.stats.last_renewal_ms.set(crate::sys::clock::millis(started.elapsed()));
    output
}
