//! The options of a manager: one tree of serde structs, from which the parser, the messages, docs/OPTIONS.md and the
//! JSON Schema all come.
//!
//! To add an option, add a field: its type carries unit and range, its `Default` the default, its doc comment the
//! documentation.

use crate::error::Result;
use crate::http::settings::{HttpSettings, USER_AGENT};
use crate::http::tls::settings::{OptionScope, TlsSettings};
use crate::options::{Bytes, Count, DAY_MS, Json, Millis, MinTls, OneOrMany, ProxyUrl, Seconds, WEEK, reader};
use crate::store::options::StoreOptions;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The JSON object given to `tm_new`. Every key is optional.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long one call may take in all, a login or a refresh within it included.
    pub timeout_ms: Millis<1, DAY_MS>,
    /// How long connecting may take: the name look-up, TCP, the proxy and TLS.
    pub connect_timeout_ms: Millis<1, DAY_MS>,
    /// How long a connection that was kept open may be silent before an idempotent call is also sent over a new one, and
    /// takes the answer that comes first. Firewalls forget idle connections without a word.
    pub kept_timeout_ms: Millis<1, DAY_MS>,
    /// How long before its expiry an access token is refreshed; never more than a quarter of its lifetime.
    pub refresh_before_seconds: Seconds<0, WEEK>,
    /// A random part of this, the same for the whole process, is added to `refresh_before_seconds`, so
    /// that a fleet does not refresh in one instant; never more than another quarter of the lifetime.
    pub refresh_jitter_seconds: Seconds<0, WEEK>,
    /// The identity under which a store keeps the token pair; the username unless given.
    pub client_id: Option<String>,
    /// Where the token pair is kept.
    pub store: StoreOptions,
    /// What login, refresh, logout and calls look like on the wire: a preset's name (`popup`, `oauth2`, `simplejwt`,
    /// `dj-rest-auth`, `directus`, `vault`), `{"file": PATH}`, or a dialect as an object; see
    /// [DIALECTS.md](DIALECTS.md).
    pub auth: Json,
    /// Values for the dialect's templates, by name: each a string, `{"env": NAME}` or `{"file": PATH}`.
    pub auth_params: Json,
    /// Managers with equal host, username, password and options share one client that outlives
    /// `tm_free`, so that a worker's next request neither logs in nor connects again.
    pub persistent: bool,
    /// How many persistent clients the process keeps. Beyond that those end that no manager has, the least recently
    /// used first; their next manager logs in again, or takes its tokens from the store. Those in use never end.
    pub max_persistent: Count<0, 65536>,
    /// Further origins (`https://host[:port]`) that the token may be sent to, beside the host's own.
    pub allowed_origins: Vec<String>,
    /// Allows `http://` to hosts that are not loopback. Passwords and tokens then travel readable.
    pub allow_insecure_http: bool,
    /// Headers sent with every call; a value may be an array (repeated).
    #[serde(deserialize_with = "reader::map_or_empty_array")]
    pub headers: BTreeMap<String, OneOrMany>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// A proxy URL (`http`, `https`, `socks5` or `socks5h` `://[user:password@]host:port`), or `"none"`. Unless given, the
    /// environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`), which never holds for this machine's own addresses.
    /// `NO_PROXY` holds for both. With `socks5h` the proxy looks names up.
    pub proxy: Option<ProxyUrl>,
    /// A PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<String>,
    /// Trust only `ca_file`, not the platform's certificate authorities.
    pub ca_only: bool,
    /// A PEM file with the client's certificate chain, for mutual TLS.
    pub client_cert_file: Option<String>,
    /// A PEM file with that certificate's private key; `client_cert_file` unless given.
    pub client_key_file: Option<String>,
    /// The lowest TLS version to speak.
    pub min_tls: MinTls,
    /// The largest answer taken, after decompression.
    pub max_response_bytes: Bytes<1, { 1 << 40 }>,
    /// How many idle connections are kept.
    pub max_idle_connections: Count<0, 1024>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            timeout_ms: Millis(30_000),
            connect_timeout_ms: Millis(10_000),
            kept_timeout_ms: Millis(5_000),
            refresh_before_seconds: Seconds(300),
            refresh_jitter_seconds: Seconds(60),
            client_id: None,
            store: StoreOptions::Memory {},
            auth: Json("popup".into()),
            auth_params: Json(serde_json::Map::new().into()),
            persistent: false,
            max_persistent: Count(64),
            allowed_origins: Vec::new(),
            allow_insecure_http: false,
            headers: BTreeMap::new(),
            user_agent: USER_AGENT.to_owned(),
            proxy: None,
            ca_file: None,
            ca_only: false,
            client_cert_file: None,
            client_key_file: None,
            min_tls: MinTls::V1_2,
            max_response_bytes: Bytes(67_108_864),
            max_idle_connections: Count(16),
        }
    }
}

impl Options {
    /// Reads the options of a manager. `None` and an empty array stand for the defaults.
    pub fn parse(json: Option<&str>) -> Result<Options> {
        let options: Options = reader::parse(json, "options")?;
        options.store.check(options.persistent)?;
        options.tls().check()?;
        Ok(options)
    }

    /// What they say of HTTP.
    pub fn http(&self) -> HttpSettings {
        HttpSettings {
            connect_timeout: self.connect_timeout_ms.duration(),
            kept_timeout: self.kept_timeout_ms.duration(),
            headers: self.headers.clone(),
            user_agent: self.user_agent.clone(),
            proxy: self.proxy.clone(),
            allow_insecure_http: self.allow_insecure_http,
            max_idle_connections: self.max_idle_connections.0 as usize,
            tls: self.tls(),
        }
    }

    fn tls(&self) -> TlsSettings {
        TlsSettings {
            scope: OptionScope::Manager,
            ca_file: self.ca_file.clone(),
            ca_only: self.ca_only,
            client_cert_file: self.client_cert_file.clone(),
            client_key_file: self.client_key_file.clone(),
            min_tls: self.min_tls,
        }
    }
}

#[cfg(test)]
mod tests;
