//! Reading the record and changing it, as the transaction does both.

use crate::call::log::Level;
use crate::refresh::transaction::{Failure, Outcome, RefreshTransaction};
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore};
use crate::sys::failpoint::failpoint;
use crate::sys::recent::Event;
use crate::token::record::Record;
use std::sync::Arc;
use std::time::Duration;

/// How soon the log says again that a stored record cannot be used.
const SAY_AGAIN: Duration = Duration::from_secs(60);

impl RefreshTransaction<'_> {
    pub(super) fn load(&self, store: &dyn TokenStore) -> Outcome<Loaded> {
        self.client.stats.store_operations.add_one();
        let load = || store.load(self.call, &self.client.client_id);
        let mut loaded = self.call.asking_store(load).map_err(|fault| self.count_fault(fault))?;
        self.set_own_claim_aside(&mut loaded.record);
        if let Some(why) = &loaded.discarded
            && !self.is_discard_noted.replace(true)
        {
            self.note_discard(why);
        }
        failpoint("read");
        Ok(loaded)
    }

    /// The stored record cannot be used.
    fn note_discard(&self, why: &str) {
        self.client.stats.store_discards.add_one();
        self.client.last_discard.store(Some(Arc::new(why.to_owned())));
        // Two machines with different keys would say so at every refresh.
        let said = Event::of("said", &[why.as_bytes()]);
        if !said.happened_within(SAY_AGAIN) {
            self.call.log(Level::Error, || {
                said.note();
                format!("{why}; it is replaced after a login")
            });
        }
    }

    /// A process does not wait for its own claim. But without a password the next step is the one replay of a token that was
    /// sent, and that waits until the lease is over (T3).
    pub(super) fn set_own_claim_aside(&self, record: &mut Record) {
        if self.has_login() {
            self.client.set_own_claim_aside(record);
        }
    }

    pub(super) fn change(&self, store: &dyn TokenStore, change: Change<'_>) -> Outcome<()> {
        self.client.stats.store_operations.add_one();
        let change = || store.change(self.call, &self.client.client_id, change);
        self.call.asking_store(change).map_err(|fault| self.count_fault(fault))
    }

    fn count_fault(&self, fault: StoreFault) -> Failure {
        self.client.stats.store_failures.add_one();
        Failure::Store(fault)
    }
}
