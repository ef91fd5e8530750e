//! What a store does: it reads a record, and changes it as one atomic step. What the change is, `token::record` says, the
//! same for every store.

use crate::call::Call;
use crate::error::Error;
use crate::token::fingerprint::FingerprintKey;
use crate::token::record::Record;
use std::fmt::Debug;
use std::sync::Arc;

/// What was read, and the time by the store's own clock.
#[derive(Debug)]
pub struct Loaded {
    pub record: Record,
    /// Milliseconds on the clock that all processes that share the store read.
    pub now: i64,
    /// Why what the store held could not be used, as a sentence without its end. The record is then empty: a
    /// login is always safe, and its pair replaces what was there.
    pub discarded: Option<String>,
}

/// A change of a record: takes the record and the store's clock, says whether there is anything to write.
/// It may be run more than once, so it does nothing else.
pub type Change<'a> = &'a mut dyn FnMut(&mut Record, i64) -> bool;

/// Keeps the record of one API client.
pub trait TokenStore: Debug + Send + Sync {
    /// Reads the record of a client; an empty one where there is none.
    fn load(&self, call: &Call, client_id: &str) -> std::result::Result<Loaded, StoreFault>;

    /// Reads the record, changes it and writes it back, as one atomic step.
    fn change(&self, call: &Call, client_id: &str, change: Change<'_>) -> std::result::Result<(), StoreFault>;

    /// Whether other processes read and write it too. If not, a forked child must not use what it inherits
    /// of it (P1).
    fn is_shared(&self) -> bool;

    /// The key that names credentials in the record.
    fn fingerprint_key(&self) -> FingerprintKey<'_> {
        if self.is_shared() { FingerprintKey::Open } else { FingerprintKey::Process }
    }

    /// The same store for a forked child, made without touching locks or connections that the parent's threads may have used.
    fn after_fork(&self) -> Arc<dyn TokenStore>;
}

/// Why a store failed.
#[derive(Debug)]
pub struct StoreFault {
    pub error: Error,
    /// Whether the write may have been done although an error came back (T1: it counts as done).
    pub maybe_written: bool,
}

/// A value as JSON, in one piece of memory that is zeroed: a buffer that grows would leave copies behind.
pub fn to_json(value: &impl serde::Serialize) -> zeroize::Zeroizing<Vec<u8>> {
    let mut json = zeroize::Zeroizing::new(Vec::with_capacity(1 << 14));
    // What is written here is plain data: it always serialises.
    let _ = serde_json::to_writer(&mut *json, value);
    json
}
