//! The option `store`: where the token pair is kept.

use super::{RedisOptions, SecretSource, VaultOptions};
use crate::error::{Error, Result, Status};
use serde::Deserialize;

/// Where the token pair is kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum StoreOptions {
    /// In this process's memory, shared with nobody.
    Memory {},
    /// In the caller's own store, given by `tm_set_store`.
    Callback {
        /// Tells persistent managers with unlike stores apart; required with `persistent`.
        id: Option<String>,
    },
    /// In one encrypted file, shared by the processes of one machine.
    File(FileOptions),
    /// In a hash in Redis, shared by the processes of many machines.
    Redis(Box<RedisOptions>),
    /// In HashiCorp Vault or OpenBao, in a KV version 2 secrets engine.
    Vault(Box<VaultOptions>),
}

/// The store in one file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    /// The file; a file for each `client_id`, which `{client_id}` stands for in it (what is neither a letter, a digit
    /// nor one of `-_@` becomes `%` and its number). Its folder must exist, on a local file system; `PATH.lock` and
    /// `PATH.tmp` stand beside it. Required.
    pub path: String,
    /// The key that it is sealed with, from `tm_generate_key` or `tokenmgr key`: a string, `{"env": NAME}` or
    /// `{"file": PATH}`.
    pub key: Option<SecretSource>,
    /// Keys that it may still be sealed with, while keys are replaced.
    #[serde(default)]
    pub old_keys: Vec<SecretSource>,
    /// Keeps the tokens readable in the file, in place of `key`.
    #[serde(default)]
    pub plaintext: bool,
    /// Shares the files with the group of their folder: it may read and write them (0660 in place of 0600), and those
    /// that another user made are used if they belong to it. For processes of several users, root among them, and for
    /// volumes with Kubernetes' `fsGroup`.
    #[serde(default)]
    pub share_with_group: bool,
}

impl StoreOptions {
    /// What no single option can tell: whether they make sense together.
    pub(super) fn check(&self, persistent: bool) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(Status::TM_INVALID_OPTIONS, message));
        match self {
            StoreOptions::Callback { id: None } if persistent => refuse(
                "the option store.id is missing: a persistent manager with the store \"callback\" takes a string that names the store",
            ),
            StoreOptions::File(FileOptions { key: None, plaintext: false, .. }) => refuse(
                "the option store.key is missing: make one with tm_generate_key or tokenmgr key, or ask for \"plaintext\": true",
            ),
            StoreOptions::File(FileOptions { key: Some(_), plaintext: true, .. }) => {
                refuse("the options store.key and store.plaintext exclude each other; leave one out")
            }
            StoreOptions::File(FileOptions { path, .. }) if path.is_empty() || path.ends_with('/') => {
                refuse("the option store.path names no file; give the path of a file")
            }
            StoreOptions::Redis(options) => options.check(),
            StoreOptions::Vault(options) => options.check(),
            StoreOptions::Memory {} | StoreOptions::Callback { .. } | StoreOptions::File(_) => Ok(()),
        }
    }
}
