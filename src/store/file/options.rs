//! The options of the store in one file.

use crate::error::{Error, Result, Status};
use crate::options::SecretSource;
use serde::Deserialize;

/// The store in one file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct FileOptions {
    /// The file; a file for each `client_id`, which `{client_id}` stands for in it (what is neither a letter, a digit
    /// nor one of `-_@` becomes `%` and its number). Its folder must exist, on a local file system; `PATH.lock` and
    /// `PATH.tmp` stand beside it.
    pub path: String,
    /// The key that it is sealed with, from `tm_generate_key` or `tokenmgr key`. Required unless `plaintext` is set.
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

impl FileOptions {
    /// What no single option can tell: whether they make sense together.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(Status::TM_INVALID_OPTIONS, message));
        match (&self.key, self.plaintext) {
            (None, false) => refuse(
                "the option store.key is missing: make one with tm_generate_key or tokenmgr key, or ask for \"plaintext\": true",
            ),
            (Some(_), true) => refuse("the options store.key and store.plaintext exclude each other; leave one out"),
            _ if self.path.is_empty() || self.path.ends_with('/') => {
                refuse("the option store.path names no file; give the path of a file")
            }
            _ => Ok(()),
        }
    }
}
