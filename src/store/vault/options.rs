//! The options of the store in HashiCorp Vault or OpenBao.

use crate::error::{Error, Result, Status};
use crate::http::tls::settings::{OptionScope, TlsSettings};
use crate::options::{Millis, MinTls, SecretSource};
use crate::store::seal::check_keys;
use serde::Deserialize;

/// The store in a KV version 2 secrets engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct VaultOptions {
    /// The Vault's address, `https://host[:port]`; `http://` to this machine only.
    pub url: String,
    /// Where the KV version 2 secrets engine is mounted.
    #[serde(default = "VaultOptions::default_mount")]
    pub mount: String,
    /// The secret in it; `{client_id}` stands for the client's.
    #[serde(default = "VaultOptions::default_path")]
    pub path: String,
    /// The namespace, of Vault Enterprise or OpenBao.
    pub namespace: Option<String>,
    /// A Vault token. One of `token`, `token_file` and `role_id` is required.
    pub token: Option<SecretSource>,
    /// A file that holds the token, which Vault Agent may rewrite at any time.
    pub token_file: Option<String>,
    /// The role to log in as by AppRole.
    pub role_id: Option<SecretSource>,
    /// The role's secret; read anew for every login.
    pub secret_id: Option<SecretSource>,
    /// Where AppRole is mounted.
    #[serde(default = "VaultOptions::default_approle")]
    pub approle_mount: String,
    /// How long one request to the Vault may take, connecting included; never more than half of what is left of the
    /// call.
    #[serde(default = "VaultOptions::default_timeout")]
    pub timeout_ms: Millis<1, { crate::options::DAY_MS }>,
    /// Seals the record under this key of your own before it goes to the Vault, from `tm_generate_key` or
    /// `tokenmgr key`.
    pub key: Option<SecretSource>,
    /// Keys that it may still be sealed with, while keys are replaced.
    #[serde(default)]
    pub old_keys: Vec<SecretSource>,
    /// A PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<String>,
    /// Trust only `ca_file`, not the platform's certificate authorities.
    #[serde(default)]
    pub ca_only: bool,
    /// A PEM file with the client's certificate chain, for mutual TLS.
    pub client_cert_file: Option<String>,
    /// A PEM file with that certificate's private key; `client_cert_file` unless given.
    pub client_key_file: Option<String>,
    /// Allows `http://` to a Vault on another machine. Its token and yours then travel readable.
    #[serde(default)]
    pub allow_insecure_http: bool,
}

impl VaultOptions {
    fn default_mount() -> String {
        "secret".to_owned()
    }

    fn default_path() -> String {
        "tokenmgr/{client_id}".to_owned()
    }

    fn default_approle() -> String {
        "approle".to_owned()
    }

    fn default_timeout() -> Millis<1, { crate::options::DAY_MS }> {
        Millis(3000)
    }

    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(Status::TM_INVALID_OPTIONS, message));
        let ways = [self.token.is_some(), self.token_file.is_some(), self.role_id.is_some()];
        match ways.iter().filter(|given| **given).count() {
            1 => {}
            0 => return refuse(
                "the option store.token is missing: give it, or store.token_file, or store.role_id and store.secret_id"
                    .into(),
            ),
            _ => return refuse(
                "the options store.token, store.token_file and store.role_id exclude each other; leave all but one out"
                    .into(),
            ),
        }
        if self.secret_id.is_some() && self.role_id.is_none() {
            return refuse("the option store.secret_id needs store.role_id, the role that it belongs to".into());
        }
        for (name, path) in [("mount", &self.mount), ("path", &self.path), ("approle_mount", &self.approle_mount)] {
            if !is_path(path) {
                return refuse(format!(
                    "the option store.{name} is no path in a Vault: names with one \"/\" between two, none of them \".\" and without \"..\" or control characters"
                ));
            }
        }
        check_keys(self.key.as_ref(), &self.old_keys)?;
        self.tls().check()
    }

    /// What they say of TLS.
    pub fn tls(&self) -> TlsSettings {
        TlsSettings {
            scope: OptionScope::Store,
            ca_file: self.ca_file.clone(),
            ca_only: self.ca_only,
            client_cert_file: self.client_cert_file.clone(),
            client_key_file: self.client_key_file.clone(),
            min_tls: MinTls::V1_2,
        }
    }
}

/// What a Vault takes as a path, and no URL parser takes apart.
fn is_path(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name != "." && !name.contains("..");
    text.split('/').all(is_name) && !text.contains(char::is_control)
}
