//! What the options say of TLS: for the API, Redis and a Vault alike.

use crate::error::{Error, Result, Status};
use crate::options::MinTls;

/// Whose options they are: messages name them in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionScope {
    Manager,
    Store,
}

impl OptionScope {
    /// An option's full name.
    pub fn option(self, name: &str) -> String {
        match self {
            OptionScope::Manager => name.to_owned(),
            OptionScope::Store => format!("store.{name}"),
        }
    }
}

/// The settings of TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub scope: OptionScope,
    pub ca_file: Option<String>,
    pub ca_only: bool,
    pub client_cert_file: Option<String>,
    pub client_key_file: Option<String>,
    pub min_tls: MinTls,
}

impl TlsSettings {
    /// Whether they make sense together.
    pub fn check(&self) -> Result<()> {
        let needs = |option: &str, other: &str, why: &str| {
            let (option, other) = (self.scope.option(option), self.scope.option(other));
            Err(Error::new(Status::TM_INVALID_OPTIONS, format!("the option {option} needs {other}{why}")))
        };
        if self.ca_only && self.ca_file.is_none() {
            return needs("ca_only", "ca_file", ": without one no server could be trusted");
        }
        if self.client_key_file.is_some() && self.client_cert_file.is_none() {
            return needs("client_key_file", "client_cert_file", ", the certificate that the key belongs to");
        }
        Ok(())
    }
}
