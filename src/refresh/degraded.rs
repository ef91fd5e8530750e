//! T5: working while the store is unavailable, and reconciling with it when it is back.

use crate::call::log::Level;
use crate::error::WaitEnd;
use crate::refresh::transaction::{Failure, Outcome, RefreshTransaction};
use crate::store::contract::{Loaded, StoreFault, TokenStore};
use crate::sys::clock::Tick;
use crate::token::freshness::Freshness;
use crate::token::pair::Pair;
use crate::token::record::Record;
use std::sync::Arc;

impl RefreshTransaction<'_> {
    /// T5: the store is unavailable. The pair in memory is used; late in its refresh window, or when there is no usable pair,
    /// this process gets one of its own.
    pub(super) fn continue_degraded(&self, fault: StoreFault) -> Outcome<Arc<Pair>> {
        // The caller's own deadline, interrupt or callback ended it: that says nothing about the store.
        let is_callers_own = match fault.error.wait_end() {
            Some(WaitEnd::Busy) => self.call.left().is_zero(),
            _ => fault.error.is_callers_own(),
        };
        if is_callers_own {
            return Err(fault.error.into());
        }
        self.call.log(Level::Warning, || format!("going on without the token store: {}", fault.error));
        let current = self.client.current.load_full();
        let late = |pair: &Arc<Pair>| Tick::now() >= pair.lifetime.late(self.client.jitter);
        if self.need.goes_on_without() && !current.as_ref().is_some_and(late) {
            return Err(fault.into());
        }
        if !self.has_login() && self.client.local_store.read() == Record::default() {
            return Err(fault.into());
        }
        self.through(&self.client.local_store, true)
    }

    /// T5: the store is back. A pair that only this process knows is replaced by a usable one there, or is
    /// published over an unusable one. Says whether the record has changed.
    pub(super) fn reconcile(&self, store: &dyn TokenStore, loaded: &Loaded) -> Outcome<bool> {
        let Some(local) = self.client.current.load_full().filter(|pair| pair.local_only) else {
            return Ok(false);
        };
        let last_seen = self.last_seen();
        // An earlier rotation of the local pair may still be good; its refresh token is spent, ours is not.
        let is_behind = loaded.record.is_rolled_back(&self.client.client_id, last_seen);
        let there = self.pair_in(loaded).is_some_and(|pair| pair.freshness(Tick::now()) == Freshness::Good);
        let mut published = false;
        let mut outcome = Ok(());
        if is_behind || !there {
            // Another process has the claim and may still publish a pair: nothing is written, the local pair stays local.
            if loaded.record.claimed_for(loaded.now).is_some() {
                return Ok(false);
            }
            let client_id = &self.client.client_id;
            let kept = self.client.local_store.read();
            // T3: a refresh token that this process has sent already is not published.
            let unspent = kept.pair.refresh_token.clone().filter(|_| !kept.is_spent(client_id, None));
            outcome = self.change(store, &mut |record, now| {
                self.set_own_claim_aside(record);
                let mut pair = self.client.stored(&local, now);
                pair.refresh_token = unspent.clone();
                published = record.publish_local(client_id, last_seen, &pair, now);
                if published {
                    self.client.stamp_owner(record);
                }
                published
            });
            if matches!(&outcome, Err(Failure::Store(fault)) if !fault.maybe_written) {
                return outcome.map(|()| false);
            }
        }
        // Adopted, published, or perhaps published: from now on others may send its refresh token.
        self.client.forget_degraded();
        self.client.current.store(Some(Arc::new(local.known_to_all())));
        outcome.map(|()| published)
    }
}
