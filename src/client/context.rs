//! One call on one client, with a snapshot of what it works with: what is replaced during the call does not affect it.

use crate::auth::Values;
use crate::call::Call;
use crate::call::hooks::Hooks;
use crate::client::Client;
use crate::client::credentials::Credentials;
use crate::error::{Error, Result, Status};
use crate::store::contract::TokenStore;
use crate::store::options::StoreOptions;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a handle's owner has set on it.
#[derive(Clone, Debug, Default)]
pub struct HandleSettings {
    pub hooks: Arc<Hooks>,
    /// The caller's own store.
    pub store: Option<Arc<dyn TokenStore>>,
}

/// One call on one client.
#[derive(Debug)]
pub struct Context {
    pub client: Arc<Client>,
    pub call: Call,
    /// Those that the call logs in with.
    pub credentials: Arc<Credentials>,
    store: Option<Arc<dyn TokenStore>>,
    /// How often the client had been logged out by then.
    logouts: u64,
}

impl Context {
    /// Begins a call. Without a timeout, the option `timeout_ms` holds.
    pub fn begin(client: Arc<Client>, settings: &HandleSettings, timeout: Option<Duration>) -> Context {
        let timeout = timeout.unwrap_or_else(|| client.spec.options.timeout_ms.duration());
        let call = Call::begin(Arc::clone(&settings.hooks), timeout);
        if settings.store.is_some() {
            call.expect_callbacks();
        }
        Context {
            logouts: client.logouts.load(Ordering::Relaxed),
            credentials: client.credentials.load_full(),
            store: settings.store.clone(),
            call,
            client,
        }
    }

    /// What the dialect's templates are filled with, but for tokens.
    pub fn values(&self) -> Values<'_> {
        let options = &self.client.spec.options;
        Values {
            client_id: options.client_id.as_deref(),
            base: Some(self.client.spec.origins.host()),
            ..self.credentials.values()
        }
    }

    /// The store that the handle keeps its pair in.
    pub fn store(&self) -> Result<&dyn TokenStore> {
        match (&self.store, &self.client.spec.options.store) {
            (Some(store), _) => Ok(&**store),
            (None, StoreOptions::Callback { .. }) => Err(Error::new(
                Status::TM_STORE,
                "the store is \"callback\", but no callbacks were set; call tm_set_store before the first call that needs a token",
            )),
            (None, _) => Ok(self.client.own_store()),
        }
    }

    /// Whether somebody logged the client out since the call began: the call must not log in after that.
    pub fn was_logged_out(&self) -> bool {
        self.client.logouts.load(Ordering::Relaxed) != self.logouts
    }
}
