//! The record as this process sees it.

use crate::call::log::Level;
use crate::refresh::decide::View;
use crate::refresh::transaction::RefreshTransaction;
use crate::store::contract::{Loaded, TokenStore};
use crate::sys::clock::{self, Tick};
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::Lifetime;
use crate::token::pair::{Lineage, Pair, PairParts, RecoveryStage};
use crate::token::record::{Holding, Record, StoredPair};
use std::time::Duration;

impl RefreshTransaction<'_> {
    /// Looks at a record with `look`.
    pub(super) fn with_view<T>(
        &self,
        store: &dyn TokenStore,
        loaded: &Loaded,
        pair: Option<&Pair>,
        look: impl FnOnce(&View<'_>) -> T,
    ) -> T {
        let Loaded { record, now, .. } = loaded;
        let suspended_for = || {
            // Made also where it is not asked for: `publish` needs it, and a slow hash is not made under the store's lock.
            let fingerprint = self.credentials.fingerprint(&self.client.client_id, store.fingerprint_key());
            match self.credentials.lifts_suspension() {
                true => None,
                false => record.suspended_for(fingerprint, *now).map(|(left, cause)| (left, cause.cloned())),
            }
        };
        look(&View {
            record,
            now: *now,
            client_id: &self.client.client_id,
            pair: pair.map(|pair| (pair, pair.freshness(Tick::now()))),
            last_seen: self.last_seen(),
            has_password: self.has_login(),
            is_logged_out: self.is_logged_out(&record.holding(&self.client.client_id, *now)),
            renews_by: self.client.auth.dialect.renews_by(),
            suspended_for: &suspended_for,
            unreached_for: self.client.unreached_for(Tick::now()).filter(|_| !self.credentials.lifts_suspension()),
        })
    }

    /// A call never logs in after a logout that came after it began: in this process, or, by the tombstone that
    /// it left in the store, in another.
    fn is_logged_out(&self, holding: &Holding) -> bool {
        let is_tombstone = matches!(holding, Holding::Tombstone(_));
        let was_alive = self.seen_alive.replace(self.seen_alive.get() || !is_tombstone);
        self.context.was_logged_out() || (is_tombstone && was_alive)
    }

    /// The lineage of the pair that this process holds.
    pub(super) fn last_seen(&self) -> Option<Lineage> {
        self.client.current.load().as_ref().map(|pair| pair.lineage)
    }

    /// The pair in the record, as this process would hold it. `None`: there is none that this client may use.
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
        let StoredPair { token_type, kept, .. } = &record.pair;
        let call = match self.client.call_credentials(access, token_type.as_deref(), kept) {
            Ok(call) => call,
            Err(error) => {
                self.call.log(Level::Warning, || format!("the store holds a token that cannot be used: {error}"));
                return None;
            }
        };
        Some(Pair::new(PairParts {
            access: access.clone(),
            refresh: record.pair.refresh_token.clone(),
            call,
            token_type: token_type.clone(),
            kept: kept.clone(),
            // A pair of unknown age is not taken for a new one.
            issued: self.age_in(record, *now).map_or(Tick(0), |age| Tick(Tick::now().0.saturating_sub(age))),
            lifetime: self.as_held(access, lineage, self.lifetime_in(record, *now)),
            refresh_expires_at: record.pair.refresh_expires_at.map(|at| clock::to_ours(at, *now)),
            lineage,
            local_only: false,
            recovery_stage: RecoveryStage::None,
        }))
    }

    /// The lifetime that a pair is held with, if this process holds it already and the store does not tell another end. What
    /// is counted back from the record becomes due a little later, by the time that storing it took: a caller that found the
    /// pair due would be told that it is good, and nobody would refresh it.
    fn as_held(&self, access: &Secret, lineage: Lineage, stored: Lifetime) -> Lifetime {
        const SAME: u64 = 1_000; // Other programs store whole seconds.
        match self.client.current.load().as_deref().filter(|held| held.is(access, lineage)) {
            Some(held) if held.lifetime.expires.0.abs_diff(stored.expires.0) <= SAME => held.lifetime,
            _ => stored,
        }
    }

    /// How many milliseconds ago this library wrote the pair, by the store's clock. `None`: another program did.
    fn age_in(&self, record: &Record, now: i64) -> Option<u64> {
        let held = match record.holding(&self.client.client_id, now) {
            Holding::Pair(token, _) => Some(token),
            _ => None,
        };
        let is_ours = held.is_some() && record.described == held;
        let stored_at = record.pair.stored_at.filter(|_| is_ours)?;
        Some(u64::try_from(now.saturating_sub(stored_at)).unwrap_or(0))
    }

    /// F1: by the store's clock, which everyone who shares it reads: where this library wrote it to the millisecond, else
    /// by `expires_at`.
    fn lifetime_in(&self, record: &Record, now: i64) -> Lifetime {
        let window = self.client.window();
        if let (Some(age), Some(lifetime)) = (self.age_in(record, now), record.pair.lifetime_ms) {
            // Counted back from now: what was stored before this machine's last start lies before its clock began.
            return Lifetime::new(Tick::now(), Duration::from_millis(lifetime), window).aged(age);
        }
        match record.pair.expires_at.filter(|at| *at != 0) {
            None => Lifetime::UNKNOWN,
            Some(at) => match u64::try_from(at.saturating_mul(1000).saturating_sub(now)) {
                Ok(left) if left > 0 => Lifetime::new(Tick::now(), Duration::from_millis(left), window),
                _ => Lifetime::OVER,
            },
        }
    }
}
