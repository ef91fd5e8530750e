//! The option `store`: where the token pair is kept.

use crate::error::{Error, Result, Status};
use crate::store::file::options::FileOptions;
use crate::store::redis::options::RedisOptions;
use crate::store::vault::options::VaultOptions;
use serde::Deserialize;

/// Where the token pair is kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[cfg_attr(feature = "schema", serde(tag = "type"), schemars(rename = "StoreOptions"))]
#[serde(rename = "tagged by type", rename_all = "lowercase", deny_unknown_fields)]
pub enum StoreOptions {
    /// In this process's memory, shared with nobody.
    Memory {},
    /// In the caller's own store, given by `tm_set_store`.
    Callback {
        /// Tells persistent managers with different stores apart; required with `persistent`.
        id: Option<String>,
    },
    /// In one encrypted file, shared by the processes of one machine.
    File(FileOptions),
    /// In a hash in Redis, shared by the processes of many machines.
    Redis(Box<RedisOptions>),
    /// In HashiCorp Vault or OpenBao, in a KV version 2 secrets engine.
    Vault(Box<VaultOptions>),
}

impl StoreOptions {
    /// What no single option can tell: whether they make sense together.
    pub fn check(&self, persistent: bool) -> Result<()> {
        match self {
            StoreOptions::Callback { id: None } if persistent => Err(Error::new(
                Status::TM_INVALID_OPTIONS,
                "the option store.id is missing: a persistent manager with the store \"callback\" takes a string that names the store",
            )),
            StoreOptions::File(options) => options.check(),
            StoreOptions::Redis(options) => options.check(),
            StoreOptions::Vault(options) => options.check(),
            StoreOptions::Memory {} | StoreOptions::Callback { .. } => Ok(()),
        }
    }
}
