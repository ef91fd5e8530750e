//! The store in this process's memory. Its clock is the monotonic one, which cannot be set.

use crate::call::Call;
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore};
use crate::sys::clock::Tick;
use crate::token::record::Record;
use std::sync::{Arc, Mutex, MutexGuard};

/// A record in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    // std's lock: threads may wait for it, see `single_flight`. Held for one change only, never over a callback.
    record: Mutex<Record>,
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Changes the record; in memory that cannot fail.
    pub fn update(&self, change: impl FnOnce(&mut Record, i64)) {
        change(&mut self.lock(), now());
    }

    pub fn read(&self) -> Record {
        self.lock().clone()
    }
}

/// Monotonic milliseconds.
pub fn now() -> i64 {
    Tick::now().0 as i64
}

impl TokenStore for MemoryStore {
    fn load(&self, _: &Call, _: &str) -> Result<Loaded, StoreFault> {
        Ok(Loaded { record: self.read(), now: now(), discarded: None })
    }

    fn change(&self, _: &Call, _: &str, change: Change<'_>) -> Result<(), StoreFault> {
        let mut record = self.lock();
        let mut changed = record.clone();
        if change(&mut changed, now()) {
            *record = changed;
        }
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn after_fork(&self) -> Arc<dyn TokenStore> {
        Arc::new(MemoryStore::default())
    }
}
