//! The dialect that the options ask for, and what speaking it takes: the values for its templates, the issuer's endpoints,
//! and the key of DPoP.

use crate::auth::discovery::Discovered;
use crate::auth::dpop::{Key, Nonces, Proof};
use crate::auth::{self, Dialect, Environment, Filled, Kept, Moment, Source, Values};
use crate::client::credentials::Credentials;
use crate::client::options::Options;
use crate::error::Result;
use crate::sys::clock::{Tick, unix_seconds};
use crate::sys::files;
use crate::sys::secret::{Secret, random};
use crate::token::pair::{CallCredentials, Pair};
use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderValue};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use url::Url;
use zeroize::Zeroizing;

/// Compiles the options `auth` and `auth_params`.
pub fn compile(options: &Options) -> Result<Arc<Dialect>> {
    static USUAL: OnceLock<Arc<Dialect>> = OnceLock::new();
    let has_params = options.auth_params.0.as_object().is_some_and(|map| !map.is_empty());
    let is_usual = options.auth.0 == "popup" && !has_params;
    if let (true, Some(usual)) = (is_usual, USUAL.get()) {
        return Ok(Arc::clone(usual));
    }
    let params = auth::params(&options.auth_params.0, &read)?;
    let environment = Environment { params: &params, read: &read, allow_insecure: options.allow_insecure_http };
    let dialect = Arc::new(Dialect::compile(&options.auth.0, &environment)?);
    if is_usual {
        let _ = USUAL.set(Arc::clone(&dialect)); // another thread may have been first, with the same
    }
    Ok(dialect)
}

/// Reads what a dialect names: without a file's byte-order mark and last line end.
fn read(source: Source<'_>) -> std::result::Result<Secret, String> {
    let text = match source {
        Source::Env(name) => {
            Zeroizing::new(std::env::var(name).map_err(|_| "is not set, or not UTF-8 text; set it".to_owned())?)
        }
        Source::File(path) => files::read_credential(Path::new(path))
            .map_err(|cause| format!("could not be read ({cause}); check its path and permissions"))?,
    };
    Secret::new(&text).ok_or_else(|| "holds a NUL character; it takes text without one".to_owned())
}

/// A moment of now.
pub fn moment() -> Moment {
    Moment { now: unix_seconds(), random: random() }
}

/// What one client knows beside its dialect.
#[derive(Debug)]
pub struct AuthState {
    pub dialect: Arc<Dialect>,
    /// RFC 9449: the key that tokens are bound to, of this client only.
    key: Option<Arc<Key>>,
    nonces: Mutex<Nonces>,
    /// The issuer's endpoints, and when they were read.
    pub discovered: ArcSwapOption<(Tick, Discovered)>,
}

impl AuthState {
    /// `older`: the client whose place this one takes, and whose tokens are bound to its key.
    pub fn new(dialect: Arc<Dialect>, older: Option<&AuthState>) -> Result<AuthState> {
        let inherited = older.and_then(|older| older.key.clone());
        Ok(AuthState {
            key: match inherited {
                None if dialect.dpop => Some(Arc::new(Key::generate()?)),
                inherited => inherited,
            },
            nonces: Mutex::default(),
            discovered: ArcSwapOption::empty(),
            dialect,
        })
    }

    /// The identity under which a store keeps the pair: tokens for other scopes or audiences, or bound to another key, are
    /// other tokens.
    pub fn identity(&self, client_id: &str) -> String {
        let mut identity = client_id.to_owned();
        let dialect = self.dialect.identity();
        if !dialect.is_empty() {
            identity.push('#');
            identity.push_str(dialect);
        }
        if let Some(key) = &self.key {
            identity.push('#');
            identity.push_str(&key.thumbprint());
        }
        identity
    }

    /// How calls carry an access token. `None`: only each call can tell.
    pub fn call_credentials(
        &self,
        base: &str,
        access: &Secret,
        token_type: Option<&str>,
        kept: &Kept,
    ) -> Result<Option<Arc<CallCredentials>>> {
        if self.key.is_some() || !self.dialect.call.is_fixed() {
            return Ok(None);
        }
        let values =
            Values { access_token: Some(access), token_type, kept: Some(kept), base: Some(base), ..Values::default() };
        Ok(Some(Arc::new(self.dialect.fill_call(&values, &moment())?.into())))
    }

    /// The same for one request, with a proof where tokens are bound to a key. `path`: as calls give it.
    pub fn credentials_for(
        &self,
        pair: &Pair,
        credentials: &Credentials,
        client_id: Option<&str>,
        method: &str,
        url: &Url,
        path: &str,
    ) -> Result<Arc<CallCredentials>> {
        let values = Values {
            access_token: Some(&pair.access),
            token_type: pair.token_type.as_deref(),
            kept: Some(&pair.kept),
            path: Some(path),
            base: Some(url.as_str()),
            client_id,
            ..credentials.values()
        };
        let mut filled = CallCredentials::from(self.dialect.fill_call(&values, &moment())?);
        if let Some(proof) = self.proof(method, url, Some(&pair.access))? {
            filled.headers.push((auth::dpop::PROOF, proof));
        }
        Ok(Arc::new(filled))
    }

    /// A proof of the key for one request; `None`: the dialect has none.
    pub fn proof(&self, method: &str, url: &Url, access_token: Option<&Secret>) -> Result<Option<HeaderValue>> {
        let Some(key) = &self.key else { return Ok(None) };
        let nonces = self.nonces.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let origin = url.origin().ascii_serialization();
        let moment = moment();
        let proof = Proof {
            method,
            url: url.as_str(),
            access_token,
            nonce: nonces.get(&origin),
            now: moment.now,
            jti: &moment.jti(),
        };
        let proof = key.prove(&proof)?;
        Ok(HeaderValue::from_str(&proof).ok())
    }

    /// Takes over the nonce that an answer brings. Says whether the request is to be sent once more, with it.
    pub fn wants_nonce(&self, url: &Url, status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
        if self.key.is_none() {
            return false;
        }
        let origin = url.origin().ascii_serialization();
        self.nonces.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).note(&origin, headers);
        auth::dpop::wants_nonce(status, headers, body)
    }
}

impl From<Filled> for CallCredentials {
    fn from(Filled { headers, query, .. }: Filled) -> CallCredentials {
        CallCredentials { headers, query }
    }
}
