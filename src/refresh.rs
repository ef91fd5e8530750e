//! The refresh transaction: how one of many processes gets a new pair, so that no refresh token is ever
//! sent twice (T1 to T5). Read `Renewal::through` from the top.
//!
//! It runs behind the instance's gate, so one caller of this process at a time is in it; against other
//! processes the claims in the store's record hold.

use crate::call::Call;
use crate::clock::Tick;
use crate::credentials::Credentials;
use crate::error::{Error, Result, Status};
use crate::freshness::Freshness;
use crate::instance::Instance;
use crate::log::Level;
use crate::secret::{random, random_place};
use crate::store::record::{Claim, Claimed, Fingerprint, Holding, Record, Spending};
use crate::store::{Loaded, StoreFault, TokenStore};
use crate::token::{Lineage, Pair, PairParts};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod ask;
mod plan;
mod write;
pub use ask::logout;
use ask::{Asked, Granted};
use plan::{Plan, Spend};

/// What a caller needs.
#[derive(Clone, Debug)]
pub enum Want {
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

impl Want {
    /// Whether a pair is what the caller wants. `freshness` is what it is right now.
    pub fn is_met_by(&self, pair: &Pair, freshness: Freshness) -> bool {
        // A server may hand the same access token out again: that is another pair all the same.
        let is_other = |than: &Pair| pair.access != than.access || pair.lineage != than.lineage;
        match self {
            Want::Usable => freshness != Freshness::Dead,
            Want::Ahead => freshness == Freshness::Good,
            Want::Other(refused) => freshness != Freshness::Dead && is_other(refused),
            Want::Refresh(held) => freshness != Freshness::Dead && held.as_deref().is_some_and(is_other),
            Want::Login(held) => {
                let is_new = |held: &Arc<Pair>| held.lineage.family != pair.lineage.family;
                freshness != Freshness::Dead && pair.lineage.seq == 0 && held.as_ref().is_some_and(is_new)
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
pub fn renew(instance: &Instance, call: &Call, want: &Want, budget: &Budget) -> Result<Arc<Pair>> {
    let renewal = Renewal {
        instance,
        call,
        credentials: instance.credentials.load_full(),
        want,
        budget,
        waited: Cell::new(false),
        seen_alive: Cell::new(false),
    };
    let outcome = match renewal.through(instance.store(call)?, false) {
        Err(Setback::Store(fault)) => renewal.alone(fault),
        other => other,
    };
    outcome.map_err(|setback| match setback {
        Setback::Error(error) | Setback::Store(StoreFault { error, .. }) => renewal.in_words_of_waiting(error),
    })
}

/// What a step of the transaction came to.
enum Step {
    Done(Arc<Pair>),
    /// The record has changed: look again.
    Again,
}

/// Why the transaction ended without a pair.
enum Setback {
    Error(Error),
    /// The store is away (T5).
    Store(StoreFault),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Setback {
        Setback::Error(error)
    }
}

impl From<StoreFault> for Setback {
    fn from(fault: StoreFault) -> Setback {
        Setback::Store(fault)
    }
}

type Stepped<T> = std::result::Result<T, Setback>;

struct Renewal<'a> {
    instance: &'a Instance,
    call: &'a Call,
    /// Those that the call began with.
    credentials: Arc<Credentials>,
    want: &'a Want,
    budget: &'a Budget,
    /// Whether the call has waited for another process.
    waited: Cell<bool>,
    /// Whether the record has been seen without a tombstone.
    seen_alive: Cell<bool>,
}

impl Renewal<'_> {
    /// The transaction through one store: read, decide, claim, ask, write. `private`: the store is this
    /// process's own, used while the shared one is away.
    fn through(&self, store: &dyn TokenStore, private: bool) -> Stepped<Arc<Pair>> {
        loop {
            self.call.go_on()?;
            let loaded = self.load(store)?;
            if !private && self.bring_home(store, &loaded)? {
                continue;
            }
            let step = match self.plan(store, &loaded)? {
                Plan::Adopt(pair) => return Ok(self.adopt(pair, private)),
                Plan::Wait(left) => self.wait(left)?,
                Plan::Refresh { spend, holding } => self.refresh(store, private, &spend, &holding)?,
                Plan::Login { holding } => self.login(store, private, &holding)?,
            };
            if let Step::Done(pair) = step {
                return Ok(pair);
            }
        }
    }

    /// T5: the store is away. What is in memory serves; late in its window, or when nothing serves, this
    /// process goes on alone.
    fn alone(&self, fault: StoreFault) -> Stepped<Arc<Pair>> {
        // The caller's own time, interrupt or callback ended it: that is no news of the store.
        if fault.error.is_private() && (self.call.left().is_zero() || fault.error.status() != Status::TM_LOCK_TIMEOUT) {
            return Err(fault.error.into());
        }
        self.call.log(Level::Warning, || format!("going on without the token store: {}", fault.error));
        let current = self.instance.current.load_full();
        let late = |pair: &Arc<Pair>| Tick::now() >= pair.lifetime.late(self.instance.place);
        if matches!(self.want, Want::Ahead) && !current.as_ref().is_some_and(late) {
            return Err(fault.into());
        }
        if self.credentials.password.is_none() && self.instance.alone.read() == Record::default() {
            return Err(fault.into());
        }
        self.through(&self.instance.alone, true)
    }

    /// T5: the store is back. A pair that only this process knows gives way to a usable one there, or is
    /// published over a useless one. Says whether the record has changed.
    fn bring_home(&self, store: &dyn TokenStore, loaded: &Loaded) -> Stepped<bool> {
        let Some(private) = self.instance.current.load_full().filter(|pair| pair.private) else {
            return Ok(false);
        };
        let there = self.pair_in(loaded).is_some_and(|pair| pair.freshness(Tick::now()) == Freshness::Good);
        let mut published = false;
        let mut outcome = Ok(());
        if !there {
            let known = self.lineage();
            outcome = self.change(store, &mut |record, now| {
                let mut pair = self.instance.stored(&private, now);
                pair.refresh_token = self.instance.alone.read().pair.refresh_token;
                published = record.publish_private(&self.instance.client, known, &pair, now);
                if published {
                    self.instance.sign(record);
                }
                published
            });
            if matches!(&outcome, Err(Setback::Store(fault)) if !fault.maybe_written) {
                return outcome.map(|()| false);
            }
        }
        // Adopted, published, or perhaps published: from now on others may send its refresh token.
        self.instance.forget_alone();
        let known_to_all = Pair::new(PairParts {
            access: private.access.clone(),
            refresh: private.refresh.clone(),
            lifetime: private.lifetime,
            refresh_expires_at: private.refresh_expires_at,
            lineage: private.lineage,
            private: false,
            rung: private.rung,
        })?;
        self.instance.current.store(Some(Arc::new(known_to_all)));
        outcome.map(|()| published)
    }

    fn adopt(&self, pair: Pair, private: bool) -> Arc<Pair> {
        let is_it = |held: &Arc<Pair>| held.access == pair.access && held.lineage == pair.lineage;
        if let Some(current) = self.instance.current.load_full().filter(is_it) {
            return current;
        }
        self.instance.stats.adoptions.add_one();
        self.call.log(Level::Info, || {
            format!(
                "took over the token {} from the {}store",
                pair.access.fingerprint(),
                if private { "private " } else { "" }
            )
        });
        let pair = Arc::new(pair);
        self.instance.current.store(Some(Arc::clone(&pair)));
        pair
    }

    /// Waits for whoever has the claim; a caller that has something to go on with does not.
    fn wait(&self, left: Duration) -> Stepped<Step> {
        if matches!(self.want, Want::Ahead) {
            return Err(Error::new(
                Status::TM_LOCK_TIMEOUT,
                "another process is refreshing; its token will be taken over",
            )
            .into());
        }
        let nap = Duration::from_millis(20).mul_f64(1.0 + 2.0 * random_place()).min(left);
        self.waited.set(true);
        self.call.sleep(nap)?;
        Ok(Step::Again)
    }

    /// A call whose time ran out after it had waited for another process says that.
    fn in_words_of_waiting(&self, error: Error) -> Error {
        if !self.waited.get() || error.status() != Status::TM_TIMEOUT {
            return error;
        }
        Error::new(
            Status::TM_LOCK_TIMEOUT,
            "another process was refreshing for longer than this call could wait; try again, or raise timeout_ms",
        )
    }

    /// T2, T3, T4: sends the refresh token, under a claim on exactly that token.
    fn refresh(&self, store: &dyn TokenStore, private: bool, spend: &Spend, holding: &Holding) -> Stepped<Step> {
        let claim = Claim::new();
        let token = Fingerprint::of(&self.instance.client, &spend.token);
        let spending = if spend.is_replay { Spending::Replay(&token) } else { Spending::First(&token) };
        if !self.claim(store, holding, spending, &claim)? {
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
                self.hold(store, &claim, spending, &error);
                return Err(error.into());
            }
            Err(Asked::Rejected(error)) => {
                self.instance.stats.refreshes_refused.add_one();
                self.call.log(Level::Warning, || format!("{error}"));
                return self.after_refusal(store, private, holding, &claim);
            }
            Err(Asked::Forbidden(error) | Asked::Ended(error)) => {
                self.release(store, &claim, Spending::Nothing);
                return Err(error.into());
            }
            Err(Asked::Lost(error)) => {
                // What became of the token is unknown: it stays spent, and whoever comes next logs in.
                self.instance.stats.renewals_failed.add_one();
                self.call.log(Level::Warning, || format!("the answer to a refresh was lost: {error}"));
                // Without a password the one way on is to send it again, which waits for the claim to run out (T3).
                if self.credentials.password.is_none() {
                    return Err(error.into());
                }
                self.release(store, &claim, Spending::Nothing);
                return match self.want {
                    Want::Ahead => Err(error.into()),
                    _ => Ok(Step::Again),
                };
            }
        };
        self.instance.stats.refreshes.add_one();
        let next = Lineage { family: spend.lineage.family, seq: spend.lineage.seq + 1 };
        self.publish(store, private, holding, granted, next, Some(spend))
    }

    /// T4: the refresh token was refused. If another pair came into the store meanwhile, that one counts;
    /// else the claim serves for a login.
    fn after_refusal(&self, store: &dyn TokenStore, private: bool, holding: &Holding, claim: &Claim) -> Stepped<Step> {
        let loaded = self.load(store)?;
        if loaded.record.holding(&self.instance.client, loaded.now) != *holding {
            self.release(store, claim, Spending::Nothing);
            return Ok(Step::Again);
        }
        if let Err(error) = self.may_login(store, &loaded.record, loaded.now) {
            self.release(store, claim, Spending::Nothing);
            return Err(error.into());
        }
        self.login_under(store, private, holding, claim)
    }

    fn login(&self, store: &dyn TokenStore, private: bool, holding: &Holding) -> Stepped<Step> {
        let claim = Claim::new();
        if !self.claim(store, holding, Spending::Nothing, &claim)? {
            return Ok(Step::Again);
        }
        self.login_under(store, private, holding, &claim)
    }

    fn login_under(&self, store: &dyn TokenStore, private: bool, holding: &Holding, claim: &Claim) -> Stepped<Step> {
        self.budget.login.set(false);
        match self.ask_login(store, claim) {
            Ok(granted) => {
                self.instance.stats.logins.add_one();
                let lineage = Lineage { family: u128::from_le_bytes(random()), seq: 0 };
                self.publish(store, private, holding, granted, lineage, None)
            }
            Err(Asked::Rejected(error)) => {
                self.instance.stats.logins_refused.add_one();
                Err(self.suspend(store, claim, error).into())
            }
            Err(Asked::RateLimited(error)) => {
                self.hold(store, claim, Spending::Nothing, &error);
                Err(error.into())
            }
            Err(Asked::Unsent(error) | Asked::Forbidden(error) | Asked::Lost(error) | Asked::Ended(error)) => {
                self.instance.stats.renewals_failed.add_one();
                self.release(store, claim, Spending::Nothing);
                Err(error.into())
            }
        }
    }

    fn claim(&self, store: &dyn TokenStore, holding: &Holding, spending: Spending<'_>, claim: &Claim) -> Stepped<bool> {
        let client = &self.instance.client;
        let mut claimed = Claimed::Changed;
        self.change(store, &mut |record, now| {
            claimed = record.claim(client, holding, spending, claim, self.call.left(), now);
            claimed == Claimed::Yes
        })?;
        match claimed {
            Claimed::Yes => Ok(true),
            Claimed::Changed => Ok(false),
            Claimed::Busy(left) => self.wait(left).map(|_| false),
        }
    }

    fn load(&self, store: &dyn TokenStore) -> Stepped<Loaded> {
        self.instance.stats.store_operations.add_one();
        store.load(self.call, &self.instance.client).map_err(|fault| self.count_fault(fault))
    }

    fn change(&self, store: &dyn TokenStore, change: &mut dyn FnMut(&mut Record, i64) -> bool) -> Stepped<()> {
        self.instance.stats.store_operations.add_one();
        store.change(self.call, &self.instance.client, change).map_err(|fault| self.count_fault(fault))
    }

    fn count_fault(&self, fault: StoreFault) -> Setback {
        self.instance.stats.store_failures.add_one();
        Setback::Store(fault)
    }
}

/// How long the last renewal took.
pub fn timed<T>(instance: &Instance, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let output = work();
    instance.stats.last_renewal_ms.set(crate::clock::millis(started.elapsed()));
    output
}
