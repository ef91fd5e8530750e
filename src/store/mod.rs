//! Stores: where token pairs are kept.
//!
//! To add a store, implement `contract::TokenStore` in a folder of its own, with its options beside it, and name it in
//! `options::StoreOptions` and in [`open`].

pub mod callback;
pub mod contract;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod memory;
pub mod options;
pub mod redis;
mod seal;
pub mod vault;

use crate::error::Result;
use contract::TokenStore;
use options::StoreOptions;
use std::sync::Arc;

/// The store that the options ask for, if the library has it and it outlives the process.
pub fn open(options: &StoreOptions) -> Result<Option<Arc<dyn TokenStore>>> {
    Ok(match options {
        StoreOptions::Memory {} | StoreOptions::Callback { .. } => None,
        StoreOptions::File(options) => Some(Arc::new(file::store::FileStore::new(options)?)),
        #[cfg(feature = "store-redis")]
        StoreOptions::Redis(options) => Some(Arc::new(redis::store::RedisStore::new(options)?)),
        #[cfg(not(feature = "store-redis"))]
        StoreOptions::Redis(_) => return Err(left_out("redis")),
        #[cfg(feature = "store-vault")]
        StoreOptions::Vault(options) => Some(Arc::new(vault::store::VaultStore::new(options)?)),
        #[cfg(not(feature = "store-vault"))]
        StoreOptions::Vault(_) => return Err(left_out("vault")),
    })
}

#[cfg(not(all(feature = "store-redis", feature = "store-vault")))]
fn left_out(store: &str) -> crate::error::Error {
    crate::error::Error::new(
        crate::error::Status::TM_INVALID_OPTIONS,
        format!("the store \"{store}\" was left out of this library; build it with the Cargo feature store-{store}"),
    )
}
