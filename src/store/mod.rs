//! Where token pairs are kept. A store does one thing: it changes a record atomically. What the change is,
//! `record` says, the same for every store.
//!
//! To add a store, implement [`TokenStore`] in a file of its own and name it in `options::StoreOptions`.

pub mod callback;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod memory;
pub mod record;
#[cfg(feature = "store-redis")]
pub mod redis;
mod seal;
#[cfg(feature = "store-vault")]
pub mod vault;

use crate::call::Call;
use crate::error::{Error, Result};
use crate::options::StoreOptions;
use record::Record;
use ring::hmac;
use std::fmt::Debug;
use std::sync::Arc;

/// What was read, and when by the store's own clock.
#[derive(Debug)]
pub struct Loaded {
    pub record: Record,
    /// Milliseconds on the clock that everyone who shares the store reads.
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
    fn load(&self, call: &Call, client: &str) -> std::result::Result<Loaded, StoreFault>;

    /// Reads the record, changes it and writes it back, as one step that nothing can come between.
    fn change(&self, call: &Call, client: &str, change: Change<'_>) -> std::result::Result<(), StoreFault>;

    /// Whether other processes read and write it too. If not, a forked child must not use what it inherits
    /// of it (P1).
    fn is_shared(&self) -> bool;

    /// What names credentials in the record.
    fn marks(&self) -> Marks<'_> {
        if self.is_shared() { Marks::Open } else { Marks::Process }
    }

    /// The same store for a forked child, made without touching what a thread of the parent may have held.
    fn in_child(&self) -> Arc<dyn TokenStore>;
}

/// How a record names the credentials that are suspended (R5): so that whoever reads it can guess no password.
#[derive(Clone, Copy, Debug)]
pub enum Marks<'a> {
    /// Nobody else reads it.
    Process,
    /// It may be read: by a slow hash.
    Open,
    /// It is sealed: by a hash under this key.
    Sealed(&'a hmac::Key),
}

/// The store that the options ask for, if it is one of the library's own that outlives the process.
pub fn open(options: &StoreOptions) -> Result<Option<Arc<dyn TokenStore>>> {
    Ok(match options {
        StoreOptions::Memory {} | StoreOptions::Callback { .. } => None,
        StoreOptions::File(options) => Some(Arc::new(file::FileStore::new(options)?)),
        #[cfg(feature = "store-redis")]
        StoreOptions::Redis(options) => Some(Arc::new(redis::RedisStore::new(options)?)),
        #[cfg(not(feature = "store-redis"))]
        StoreOptions::Redis(_) => return Err(left_out("redis")),
        #[cfg(feature = "store-vault")]
        StoreOptions::Vault(options) => Some(Arc::new(vault::VaultStore::new(options)?)),
        #[cfg(not(feature = "store-vault"))]
        StoreOptions::Vault(_) => return Err(left_out("vault")),
    })
}

#[cfg(not(all(feature = "store-redis", feature = "store-vault")))]
fn left_out(store: &str) -> Error {
    Error::new(
        crate::error::Status::TM_INVALID_OPTIONS,
        format!("the store \"{store}\" was left out of this library; build it with the Cargo feature store-{store}"),
    )
}

/// Why a store did not do its work.
#[derive(Debug)]
pub struct StoreFault {
    pub error: Error,
    /// Whether a write may have been done all the same (T1: it counts as done).
    pub maybe_written: bool,
}

/// In one piece of memory, which is zeroed: one that grows would leave copies behind.
fn to_json(value: &impl serde::Serialize) -> zeroize::Zeroizing<Vec<u8>> {
    let mut json = zeroize::Zeroizing::new(Vec::with_capacity(1 << 14));
    // What is written here is plain data: it always serialises.
    let _ = serde_json::to_writer(&mut *json, value);
    json
}
