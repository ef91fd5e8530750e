//! What the record calls for: reads it as this process sees it, and decides. Nothing is sent or written here.

use crate::call::log::Level;
use crate::error::{Error, Result, Status};
use crate::refresh::{Outcome, RefreshTransaction, TokenNeed};
use crate::store::contract::{Loaded, TokenStore};
use crate::sys::clock;
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::Lifetime;
use crate::token::pair::{Lineage, Pair, PairParts, RecoveryStage};
use crate::token::record::{Holding, Record, StoredPair};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the record calls for.
pub(super) enum Plan {
    /// Take over the pair that is there.
    Adopt(Pair),
    /// Someone else is at it.
    Wait(Duration),
    Refresh(Spend),
    Login,
}

/// A refresh token that may be sent, and what is known of it.
pub(super) struct Spend {
    pub token: Secret,
    /// Unix seconds on this machine's clock.
    pub expires_at: Option<i64>,
    pub lineage: Lineage,
    /// It was sent before, or may have been.
    pub is_replay: bool,
}

impl RefreshTransaction<'_> {
    pub(super) fn plan(&self, store: &dyn TokenStore, loaded: &Loaded) -> Outcome<Plan> {
        let Loaded { record, now, .. } = loaded;
        self.not_logged_out(&record.holding(&self.client.client_id, *now))?;
        let stored = self.pair_in(loaded);
        let lineage = stored.as_ref().map(|pair| pair.lineage);
        if let Some(pair) = stored
            && self.need.is_met_by(&pair, pair.freshness(Tick::now()))
            && !record.is_rolled_back(&self.client.client_id, self.lineage())
        {
            return Ok(Plan::Adopt(pair));
        }
        if let Some(left) = record.claimed_for(*now) {
            return Ok(Plan::Wait(left));
        }
        if let Some(left) = record.rate_limited_for(*now) {
            return Err(rate_limited(left).into());
        }
        if let Some(spend) = self.spendable(record, lineage, *now) {
            return Ok(Plan::Refresh(spend));
        }
        self.may_login(store, record, *now)?;
        Ok(Plan::Login)
    }

    /// The refresh token in the record, if it may be sent.
    fn spendable(&self, record: &Record, lineage: Option<Lineage>, now: i64) -> Option<Spend> {
        if matches!(self.need, TokenNeed::Login(_)) || !self.budget.refresh.get() {
            return None;
        }
        let token = record.pair.refresh_token.clone()?;
        let is_over = record.pair.refresh_expires_at.is_some_and(|at| at <= now.div_euclid(1000));
        let expires_at = record.pair.refresh_expires_at.map(|at| clock::to_ours(at, now));
        let is_replay = record.is_spent(&self.client.client_id, self.lineage());
        // T3: without a password there is nothing to lose: once, after the lease, a spent one is tried again.
        let name = Fingerprint::of(&self.client.client_id, &token);
        let last_chance = self.call.credentials.password.is_none() && record.replays_of(&name) == 0;
        let may = !is_over && (!is_replay || last_chance);
        may.then_some(Spend { token, expires_at, lineage: lineage?, is_replay })
    }

    pub(super) fn may_login(&self, store: &dyn TokenStore, record: &Record, now: i64) -> Result<()> {
        if self.call.credentials.password.is_none() {
            return Err(Error::new(
                Status::TM_LOGIN_REJECTED,
                "only a login could help, and there is no password; give one with tm_set_credentials, or tokens with tm_set_tokens",
            ));
        }
        if !self.budget.login.get() {
            return Err(Error::new(
                Status::TM_UNAUTHORIZED,
                "the server refused what the call's one refresh and one login gave; see whether the account may do this",
            ));
        }
        if record.suspensions.is_empty() {
            return Ok(());
        }
        // Made here also where it is not asked for: `publish` needs it, and a slow hash is not made under the store's
        // lock.
        let mark = self.call.credentials.mark(&self.client.client_id, store.marks());
        if self.call.credentials.lifts_suspension() {
            return Ok(());
        }
        match record.suspended_for(mark, now) {
            None => Ok(()),
            Some(left) => {
                self.client.stats.logins_suspended.add_one();
                Err(Error::new(
                    Status::TM_LOGIN_SUSPENDED,
                    format!(
                        "no login was tried: the credentials were refused, and the next try is in {} s; correct them with tm_set_credentials",
                        left.as_secs() + 1
                    ),
                )
                .with_retry_after(Some(left)))
            }
        }
    }

    /// A call never logs in after a logout that came after it began: in this process, or, by the tombstone that
    /// it left in the store, in another.
    fn not_logged_out(&self, holding: &Holding) -> Result<()> {
        let is_tombstone = matches!(holding, Holding::Tombstone(_));
        let was_alive = self.seen_alive.replace(self.seen_alive.get() || !is_tombstone);
        if self.client.logouts.load(Ordering::Relaxed) == self.call.logouts && !(is_tombstone && was_alive) {
            return Ok(());
        }
        Err(Error::new(
            Status::TM_UNAUTHORIZED,
            "the manager was logged out while this call was under way; make the call again to log in anew",
        ))
    }

    pub(super) fn lineage(&self) -> Option<Lineage> {
        self.client.current.load().as_ref().map(|pair| pair.lineage)
    }

    /// The pair in the record, as this process would hold it.
    pub(super) fn pair_in(&self, loaded: &Loaded) -> Option<Pair> {
        let Loaded { record, now, .. } = loaded;
        let StoredPair { access_token: Some(access), .. } = &record.pair else {
            return None;
        };
        if !self.client.is_owner_of(record) {
            self.call.log(Level::Warning, || {
                "the store holds a token of another host or user under this client_id; give each its own".to_owned()
            });
            return None;
        }
        let client_id = &self.client.client_id;
        let foreign = || Lineage { family: Fingerprint::of(client_id, access).number(), generation: 0 };
        let lineage = record.lineage(client_id).unwrap_or_else(foreign);
        let pair = Pair::new(PairParts {
            access: access.clone(),
            refresh: record.pair.refresh_token.clone(),
            lifetime: self.lifetime_in(record, *now),
            refresh_expires_at: record.pair.refresh_expires_at.map(|at| clock::to_ours(at, *now)),
            lineage,
            local_only: false,
            recovery_stage: RecoveryStage::None,
        });
        if let Err(error) = &pair {
            self.call.log(Level::Warning, || format!("the store holds a token that can not be used: {error}"));
        }
        pair.ok()
    }

    /// F1: by the store's clock, which everyone who shares it reads: where we wrote it to the millisecond, else by
    /// `expires_at`.
    fn lifetime_in(&self, record: &Record, now: i64) -> Lifetime {
        let window = self.client.window();
        let holding = record.holding(&self.client.client_id, now);
        let ours = record.described.as_ref().is_some_and(|token| holding == Holding::Pair(token.clone()));
        if let (true, Some(stored_at), Some(lifetime)) = (ours, record.pair.stored_at, record.pair.lifetime_ms) {
            let age = u64::try_from(now.saturating_sub(stored_at)).unwrap_or(0);
            // Counted back from now: what was stored before this machine's last start lies before its clock began.
            return Lifetime::new(Tick::now(), Duration::from_millis(lifetime), window).aged(age);
        }
        match record.pair.expires_at.filter(|at| *at != 0) {
            None => Lifetime::UNKNOWN,
            Some(at) => match u64::try_from(at.saturating_mul(1000).saturating_sub(now)) {
                Ok(left) if left > 0 => Lifetime::new(Tick::now(), Duration::from_millis(left), window),
                _ => Lifetime { due: Tick(0), dead: Tick(0), expires: Tick(0) },
            },
        }
    }
}

fn rate_limited(left: Duration) -> Error {
    Error::new(
        Status::TM_RATE_LIMITED,
        format!("nothing was sent: the server asked for a pause, which lasts another {} s", left.as_secs() + 1),
    )
    .with_retry_after(Some(left))
}
