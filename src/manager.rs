//! The manager: what a handle is, and everything that can be asked of it. Read this file first.
//!
//! Every public function that does any work begins a [`Context`]: one call on the client, with its time limit and callbacks.
//! API calls continue in `request/`; logins, refreshes and logouts in `refresh/`.

use crate::auth::Values;
use crate::call::hooks::Hooks;
use crate::check::check;
use crate::client::context::{Context, HandleSettings};
use crate::client::credentials::{Credentials, from_environment};
use crate::client::dialect::compile;
use crate::client::options::Options;
use crate::client::persistent;
use crate::client::{Client, Spec};
use crate::error::{Error, Result, Status};
use crate::http::message::Streams;
use crate::http::origin::{Origins, is_ambiguous};
use crate::refresh::logout::logout;
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::replace::replace;
use crate::request::acquire::token;
use crate::request::obtain::obtain;
use crate::request::options::RequestOptions;
use crate::request::prepare::prepare;
use crate::request::response::Response;
use crate::request::send::send;
use crate::store::contract::TokenStore;
use crate::store::options::StoreOptions;
use crate::sys::clock::Tick;
use crate::sys::fork;
use crate::sys::zeroing::SecretWork;
use crate::token::freshness::Freshness;
use crate::token::pair::Pair;
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// One handle: a client, its own or shared, and the callbacks set on this handle.
#[derive(Debug)]
pub struct Manager {
    client: ArcSwap<Client>,
    settings: ArcSwap<HandleSettings>,
}

impl Manager {
    /// A manager for the API at `host`. What is `None` comes from the environment.
    pub fn new(
        host: Option<&str>,
        username: Option<&str>,
        password: Option<&str>,
        options: Option<&str>,
    ) -> Result<Manager> {
        fork::watch();
        let _work = SecretWork::begin();
        let given = |given: Option<&str>, name: &str| match given {
            Some(text) => Ok(Some(zeroize::Zeroizing::new(text.to_owned()))),
            None => from_environment(name),
        };
        let options = Options::parse(options)?;
        let host = given(host, "HOST")?
            .ok_or_else(|| Error::invalid_argument("there is no host; pass one, or set TOKENMGR_HOST"))?;
        let username = given(username, "USERNAME")?.unwrap_or_default();
        let password = given(password, "PASSWORD")?;
        let credentials = Arc::new(Credentials::new(&username, password.as_ref().map(|text| text.as_str()))?);
        let origins = Origins::new(&host, &options.allowed_origins, options.allow_insecure_http)?;
        let dialect = compile(&options)?;
        dialect.check(&Values {
            client_id: options.client_id.as_deref(),
            base: Some(origins.host()),
            ..credentials.values()
        })?;
        let spec = Arc::new(Spec { origins, options, dialect });
        let make = || Client::new(Arc::clone(&spec), Arc::clone(&credentials));
        let client = match spec.options.persistent {
            true => persistent::share(&spec, &credentials, make)?,
            false => Arc::new(make()?),
        };
        Ok(Manager { client: ArcSwap::new(client), settings: ArcSwap::default() })
    }

    /// Sends an API call with a valid token.
    pub fn request(&self, method: &str, url: &str, body: Bytes, options: Option<&str>) -> Result<Response> {
        self.send(method, url, body, &mut Streams::default(), options)
    }

    /// The same with bodies that are not held in memory.
    pub fn request_stream(
        &self,
        method: &str,
        url: &str,
        streams: &mut Streams<'_>,
        options: Option<&str>,
    ) -> Result<Response> {
        self.send(method, url, Bytes::new(), streams, options)
    }

    fn send(
        &self,
        method: &str,
        url: &str,
        body: Bytes,
        streams: &mut Streams<'_>,
        options: Option<&str>,
    ) -> Result<Response> {
        let options = RequestOptions::parse(options)?;
        let context = self.begin(options.timeout_ms.map(|timeout| timeout.duration()))?;
        if streams.sink.is_some() || streams.upload.is_some() {
            context.call.expect_callbacks();
        }
        let outgoing = prepare(&context.client, method, url, body, streams.upload.is_some(), &options)?;
        send(&context, outgoing, options.idempotent, streams)
    }

    /// A pair that is good now; logs in or refreshes when due.
    pub fn token(&self) -> Result<Arc<Pair>> {
        token(&self.begin(None)?, &Budget::new())
    }

    /// F3, the fast path: passes a good token to `take` without beginning a call. `None`: there is none; see [`Manager::token`].
    #[inline]
    pub fn with_good_token<T>(&self, take: impl FnOnce(&Pair) -> T) -> Option<T> {
        let client = self.client.load();
        if client.fork_count != fork::count() {
            return None;
        }
        let current = client.current.load();
        let pair = current.as_ref()?;
        let is_good = pair.freshness(Tick::now()) == Freshness::Good && !pair.is_rejected();
        is_good.then(|| take(pair))
    }

    /// What is held: no I/O, no waiting.
    pub fn peek(&self) -> Result<Option<Arc<Pair>>> {
        Ok(self.client()?.current.load_full())
    }

    /// Logs in now, whatever is held.
    pub fn login(&self) -> Result<()> {
        let context = self.begin(None)?;
        let held = context.client.current.load_full();
        obtain(&context, &TokenNeed::Login(held), &Budget::new()).map(|_| ())
    }

    /// Refreshes now; falls back to a login.
    pub fn refresh(&self) -> Result<()> {
        let context = self.begin(None)?;
        let held = context.client.current.load_full();
        obtain(&context, &TokenNeed::Refresh(held), &Budget::new()).map(|_| ())
    }

    /// Revokes the tokens at the server. The local and the stored ones go whatever it answers.
    pub fn logout(&self) -> Result<()> {
        logout(&self.begin(None)?)
    }

    /// The caller's own HTTP client was answered 401 to this access token.
    pub fn reject(&self, access_token: &str) -> Result<()> {
        if let Some(pair) = self.client()?.current.load_full()
            && pair.access.as_bytes() == access_token.as_bytes()
        {
            pair.reject();
        }
        Ok(())
    }

    /// The caller's own HTTP client was answered something other than 401 to this access token.
    pub fn accept(&self, access_token: &str) -> Result<()> {
        let client = self.client()?;
        let current = client.current.load();
        if let Some(pair) = current.as_ref().filter(|pair| pair.access.as_bytes() == access_token.as_bytes()) {
            pair.accept();
        }
        Ok(())
    }

    /// Reads the store once and changes nothing.
    pub fn check_store(&self) -> Result<()> {
        let context = self.begin(None)?;
        let Context { client, call, .. } = &context;
        let loaded = context.store()?.load(call, &client.client_id).map_err(|fault| fault.error)?;
        match loaded.discarded {
            None => Ok(()),
            Some(why) => Err(Error::new(Status::TM_STORE, format!("{why}; the next login replaces it"))),
        }
    }

    /// Tries the dialect step by step, on tokens of its own, with a GET of `path` as the API call. The report is JSON.
    pub fn check(&self, path: Option<&str>) -> Result<String> {
        check(&self.begin(None)?, path)
    }

    /// S1: whether the token may be sent to a URL, by whatever HTTP client.
    pub fn check_url(&self, url: &str) -> Result<()> {
        if is_ambiguous(url) {
            return Err(Error::new(
                Status::TM_URL_NOT_ALLOWED,
                "the URL holds a backslash, a blank or a control character, of which HTTP clients make different hosts; write it as %5C, %20, …",
            ));
        }
        self.client()?.transport.origins.resolve(url).map(drop)
    }

    /// Takes over a pair from elsewhere. Times are Unix seconds; 0: unknown.
    pub fn set_tokens(
        &self,
        access: &str,
        refresh: Option<&str>,
        expires_at: i64,
        refresh_expires_at: i64,
    ) -> Result<()> {
        replace(&self.begin(None)?, access, refresh, expires_at, refresh_expires_at)
    }

    /// Replaces the credentials. Calls under way end with those that they began with; another username drops
    /// the tokens; a suspended login is lifted.
    pub fn set_credentials(&self, username: Option<&str>, password: &str) -> Result<()> {
        let _work = SecretWork::begin();
        let client = self.client()?;
        let before = client.credentials.load_full();
        let username = username.unwrap_or(&before.username);
        let is_same_user = username == before.username;
        let credentials = Arc::new(Credentials::new(username, Some(password))?.lifting_suspension());
        let settings = self.settings.load();
        let successor = || match is_same_user {
            true => Client::successor(&client, Arc::clone(&credentials), settings.store.as_ref()),
            false => {
                let fresh = Client::new(Arc::clone(&client.spec), Arc::clone(&credentials))?;
                fresh.supersede(client.current.load_full());
                Ok(fresh)
            }
        };
        let successor = || {
            let successor = successor()?;
            successor.carry_pause(&client);
            Ok(successor)
        };
        if client.spec.options.persistent {
            let shared = persistent::share(&client.spec, &credentials, successor)?;
            shared.credentials.store(credentials);
            // Another thread may have changed the handle's client meanwhile: the one that is replaced is released.
            persistent::release(&self.client.swap(shared));
        } else if is_same_user {
            client.credentials.store(credentials);
        } else {
            self.client.store(Arc::new(successor()?));
        }
        Ok(())
    }

    /// Changes the callbacks of this handle. Calls under way keep what they began with.
    pub fn set_hooks(&self, change: impl Fn(&mut Hooks)) -> Result<()> {
        self.set(|settings| change(Arc::make_mut(&mut settings.hooks)))
    }

    fn set(&self, change: impl Fn(&mut HandleSettings)) -> Result<()> {
        self.client()?; // in a forked child, what is set on the handle is made anew first
        self.settings.rcu(|settings| {
            let mut settings = HandleSettings::clone(settings);
            change(&mut settings);
            settings
        });
        Ok(())
    }

    /// Keeps this handle's tokens in a store of the caller's own.
    pub fn set_store(&self, store: Arc<dyn TokenStore>) -> Result<()> {
        let client = self.client()?;
        let options = &client.spec.options;
        let is_callback = matches!(options.store, StoreOptions::Callback { .. });
        if options.persistent && !is_callback {
            return Err(Error::invalid_argument(
                "a persistent manager takes a store of the caller's own only with the option \"store\":{\"type\":\"callback\",\"id\":\"…\"}",
            ));
        }
        if !is_callback && options.store != (StoreOptions::Memory {}) {
            return Err(Error::invalid_argument(
                "the manager was made with another store; leave the option store out, or make it {\"type\":\"callback\"}",
            ));
        }
        self.set(|settings| settings.store = Some(Arc::clone(&store)))
    }

    /// Counters and gauges as one JSON object.
    pub fn stats_json(&self) -> Result<String> {
        let client = self.client()?;
        let mut map = client.stats.to_map();
        let pair = client.current.load_full();
        let now = Tick::now();
        let freshness = pair.as_ref().map_or("none", |pair| match pair.freshness(now) {
            Freshness::Good => "good",
            Freshness::Due => "due",
            Freshness::Dead => "dead",
        });
        map.insert("token".to_owned(), freshness.into());
        map.insert("seconds_left".to_owned(), pair.as_ref().and_then(|pair| pair.seconds_left()).into());
        map.insert("has_refresh_token".to_owned(), pair.as_ref().is_some_and(|pair| pair.refresh.is_some()).into());
        map.insert("token_is_private".to_owned(), pair.is_some_and(|pair| pair.local_only).into());
        map.insert("last_discard".to_owned(), client.last_discard.load_full().map(|why| (*why).clone()).into());
        map.insert("connections_idle".to_owned(), client.transport.pool.idle().into());
        Ok(serde_json::Value::Object(map).to_string())
    }

    fn begin(&self, timeout: Option<Duration>) -> Result<Context> {
        Ok(Context::begin(self.client()?, &self.settings.load(), timeout))
    }

    /// This process's client: in a forked child, the first call makes it from what the parent had published.
    fn client(&self) -> Result<Arc<Client>> {
        let client = self.client.load_full();
        if client.fork_count == fork::count() {
            return Ok(client);
        }
        // P1: what the parent made is leaked: it is not dropped, and none of its locks and connections is used.
        std::mem::forget(Arc::clone(&client));
        let parents = self.settings.load_full();
        std::mem::forget(Arc::clone(&parents));
        let store = parents.store.as_ref().map(|store| store.after_fork());
        let hooked = store.clone();
        let hooks = Arc::new(Hooks::clone(&parents.hooks));
        self.settings.compare_and_swap(&parents, Arc::new(HandleSettings { hooks, store }));
        let credentials = Arc::new(client.credentials.load().after_fork());
        let make = || {
            let successor = Client::successor(&client, Arc::clone(&credentials), hooked.as_ref())?;
            successor.stats.forks_seen.set(client.stats.forks_seen.get() + 1);
            Ok(successor)
        };
        let successor = match client.spec.options.persistent {
            true => persistent::share(&client.spec, &credentials, make)?,
            false => Arc::new(make()?),
        };
        let before = self.client.compare_and_swap(&client, Arc::clone(&successor));
        if !Arc::ptr_eq(&before, &client) && successor.spec.options.persistent {
            persistent::release(&successor); // another thread was first
        }
        Ok(self.client.load_full())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let client = self.client.load_full();
        if client.fork_count != fork::count() {
            std::mem::forget(client);
            std::mem::forget(self.settings.load_full());
        } else if client.spec.options.persistent {
            persistent::release(&client);
        }
    }
}
