//! A store of the caller's own: bytes under a key, behind four callbacks.

use crate::call::backoff::POLL_LOCK_CALLBACK;
use crate::call::single_flight::{Flight, SingleFlight};
use crate::call::{Call, POLL_INTERVAL};
use crate::error::{Error, Status};
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore, to_json};
use crate::sys::clock::unix_millis;
use crate::sys::failpoint::failpoint;
use crate::token::record::Record;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How a callback answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// lock: not within the wait; save: the store no longer holds what was expected.
    No,
    Failed,
}

/// The callbacks, as safe functions.
pub trait Callbacks: Debug + Send + Sync {
    /// `None`: it failed. An empty value: nothing is stored.
    fn load(&self, key: &str) -> Option<Zeroizing<Vec<u8>>>;
    /// No data: delete. `expected`: what load gave, `None` if nothing.
    fn save(&self, key: &str, data: &[u8], expected: Option<&[u8]>, ttl_seconds: i64) -> Reply;
    /// Whether there are a lock and an unlock at all.
    fn can_lock(&self) -> bool;
    fn lock(&self, key: &str, wait: Duration) -> Reply;
    fn unlock(&self, key: &str) -> Reply;
}

/// A store made of callbacks. They never overlap: one caller at a time has its turn.
#[derive(Debug)]
pub struct CallbackStore {
    callbacks: Arc<dyn Callbacks>,
    turn: SingleFlight,
}

/// The longest wait for it in all. Everyone holds it for one load and one save only.
const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often a save is tried again because a writer that does not take the lock wrote in between.
const MOST_SAVES: u32 = 20;
impl CallbackStore {
    pub fn new(callbacks: Arc<dyn Callbacks>) -> CallbackStore {
        CallbackStore { callbacks, turn: SingleFlight::default() }
    }

    fn turn(&self, call: &Call) -> Result<Flight<'_>, StoreFault> {
        call.deliver_logs();
        self.turn.start(call).map_err(|error| StoreFault { error, maybe_written: false })
    }

    fn read(&self, call: &Call, key: &str) -> Result<(Zeroizing<Vec<u8>>, Option<Record>), StoreFault> {
        let bytes = call
            .run_callback(|| self.callbacks.load(key))
            .ok_or_else(|| fault("the load callback of the token store failed", false))?;
        if bytes.is_empty() {
            return Ok((bytes, Some(Record::default())));
        }
        let record = serde_json::from_slice(&bytes).ok();
        Ok((bytes, record))
    }

    fn lock<'a>(&'a self, call: &'a Call, key: &'a str) -> Result<Lock<'a>, StoreFault> {
        let until = std::time::Instant::now() + LONGEST_LOCK_WAIT.min(call.left_for_store());
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            // In short slices: the interrupt callback is asked in between.
            let lock = || call.run_callback(|| self.callbacks.lock(key, left.min(POLL_INTERVAL)));
            match self.callbacks.can_lock().then(lock) {
                None | Some(Reply::Done) => {
                    failpoint("callback-locked");
                    return Ok(Lock { store: self, call, key });
                }
                Some(Reply::Failed) => {
                    return Err(fault("the lock callback of the token store failed", false));
                }
                Some(Reply::No) if left.is_zero() => {
                    let error = Error::busy(
                        "the lock of the token store stayed with another process for too long; see what holds it",
                        None,
                    );
                    return Err(StoreFault { error, maybe_written: false });
                }
                // A lock callback that does not wait must not be called without a pause.
                Some(Reply::No) => {
                    call.sleep(POLL_LOCK_CALLBACK.jittered_delay(0).min(left))
                        .map_err(|error| StoreFault { error, maybe_written: false })?;
                }
            }
        }
    }
}

/// The caller's lock, held for one load, compare and save.
struct Lock<'a> {
    store: &'a CallbackStore,
    call: &'a Call,
    key: &'a str,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if self.store.callbacks.can_lock() {
            // An error of unlock changes nothing: the save is done.
            let _ = self.call.run_callback(|| self.store.callbacks.unlock(self.key));
        }
    }
}

impl TokenStore for CallbackStore {
    fn load(&self, call: &Call, client_id: &str) -> Result<Loaded, StoreFault> {
        let _turn = self.turn(call)?;
        let (_, record) = self.read(call, client_id)?;
        let discarded = record.is_none().then(|| "the token store gave something that is no record".to_owned());
        Ok(Loaded { record: record.unwrap_or_default(), now: unix_millis(), discarded })
    }

    fn change(&self, call: &Call, client_id: &str, change: Change<'_>) -> Result<(), StoreFault> {
        let _turn = self.turn(call)?;
        let _lock = self.lock(call, client_id)?;
        for _ in 0..MOST_SAVES {
            let (bytes, record) = self.read(call, client_id)?;
            let mut record = record.unwrap_or_default();
            let now = unix_millis();
            if !change(&mut record, now) {
                return Ok(());
            }
            let data = match record == Record::default() {
                true => Zeroizing::new(Vec::new()),
                false => to_json(&record),
            };
            let expected = (!bytes.is_empty()).then_some(&bytes[..]);
            let ttl_seconds = record.ttl_seconds(now);
            match call.run_callback(|| self.callbacks.save(client_id, &data, expected, ttl_seconds)) {
                Reply::Done => {
                    failpoint("callback-saved");
                    return Ok(());
                }
                Reply::Failed => {
                    return Err(fault("the save callback of the token store failed", true));
                }
                // A writer that does not take the lock wrote in between: once more, on what is there now. No other
                // callback runs here: it might not return, and the lock is held.
                Reply::No if call.left().is_zero() => {
                    let error = call.timed_out("writing to the token store");
                    return Err(StoreFault { error, maybe_written: false });
                }
                Reply::No => {}
            }
        }
        Err(fault("the save callback of the token store answered again and again that the record had changed", false))
    }

    fn is_shared(&self) -> bool {
        self.callbacks.can_lock()
    }

    fn after_fork(&self) -> Arc<dyn TokenStore> {
        Arc::new(CallbackStore::new(Arc::clone(&self.callbacks)))
    }
}

fn fault(what: &str, maybe_written: bool) -> StoreFault {
    let error = Error::new(Status::TM_STORE, format!("{what}; see what the store itself says"));
    StoreFault { error, maybe_written }
}
