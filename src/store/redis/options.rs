//! The options of the Redis store.

use crate::error::{Error, Result, Status};
use crate::http::tls::settings::{OptionScope, TlsSettings};
use crate::options::{Count, Millis, MinTls, SecretSource};
use crate::store::seal::check_keys;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;

/// The store in Redis: a hash for each `client_id`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct RedisOptions {
    /// `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS; or a socket of this machine,
    /// `unix:///path[?db=NUMBER&user=NAME&pass=PASSWORD]`. User, password and path are percent-encoded. With `cluster`
    /// also an array of them, the first nodes to ask.
    #[serde(default)]
    pub url: Urls,
    /// The ACL user, where the URL names none.
    pub username: Option<String>,
    /// The password, where the URL has none.
    pub password: Option<SecretSource>,
    /// The database's number, where the URL names none.
    #[serde(default = "none::<65_535>")]
    pub database: Count<0, 65_535>,
    /// What stands before the `client_id` in the key of the hash.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Seals every value with this key, from `tm_generate_key` or `tokenmgr key`. PHP code that reads the hash itself
    /// cannot read them then.
    pub key: Option<SecretSource>,
    /// Keys that values may still be sealed with, while keys are replaced.
    #[serde(default)]
    pub old_keys: Vec<SecretSource>,
    /// How long connecting may take, and each command; never more than half of what is left of the call.
    #[serde(default = "timeout")]
    pub timeout_ms: Millis<1, 600_000>,
    /// How many replicas must have each write before it counts (`WAIT`). Set it to the number of replicas where the
    /// user may not ask for `INFO replication`: without either, every stored refresh token counts as used.
    #[serde(default = "none::<100>")]
    pub wait_replicas: Count<0, 100>,
    /// Finds the server by Sentinel, in place of `url`: `{"master": NAME, "nodes": URLS}`, with `nodes` as `url` has them,
    /// each with its own user and password; port 26379 unless given.
    pub sentinel: Option<SentinelOptions>,
    /// Whether `url` names nodes of a Cluster.
    #[serde(default)]
    pub cluster: bool,
    /// Speaks TLS to the server that Sentinel names. With a URL, its scheme says so.
    #[serde(default)]
    pub tls: bool,
    /// Allows `redis://` to a server on another machine. Its password and the tokens then travel readable.
    #[serde(default)]
    pub allow_insecure: bool,
    /// A PEM file of certificate authorities to trust beside the platform's.
    pub ca_file: Option<String>,
    /// Trust only `ca_file`, not the platform's certificate authorities.
    #[serde(default)]
    pub ca_only: bool,
    /// A PEM file with the client's certificate chain.
    pub client_cert_file: Option<String>,
    /// A PEM file with that certificate's private key; `client_cert_file` unless given.
    pub client_key_file: Option<String>,
}

/// How to ask Sentinel for the server.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct SentinelOptions {
    /// The name under which the Sentinels watch the server.
    pub master: String,
    /// The Sentinels, as `redis://` or `rediss://` URLs with their own user and password, if any; port 26379 unless
    /// given.
    pub nodes: Urls,
}

/// One URL, or several: each a string, `{"env": NAME}` or `{"file": PATH}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Urls(pub Vec<SecretSource>);

fn prefix() -> String {
    "api_tokens:".to_owned()
}

fn none<const MAX: u64>() -> Count<0, MAX> {
    Count(0)
}

fn timeout() -> Millis<1, 600_000> {
    Millis(1000)
}

impl RedisOptions {
    /// Whether what gets one in stands in a file.
    pub fn has_files(&self) -> bool {
        let urls = self.url.0.iter().chain(self.sentinel.iter().flat_map(|sentinel| &sentinel.nodes.0));
        urls.chain(&self.password).any(|source| matches!(source, SecretSource::File(_)))
    }

    /// Whether they make sense together.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(Status::TM_INVALID_OPTIONS, message));
        if self.sentinel.is_some() && (self.cluster || !self.url.0.is_empty()) {
            return refuse("the option store.sentinel excludes store.url and store.cluster; leave those out");
        }
        if self.sentinel.is_none() && self.url.0.is_empty() {
            return refuse("the option store.url is missing: give redis://host:port/database, or store.sentinel");
        }
        if self.sentinel.is_none() && !self.cluster && self.url.0.len() > 1 {
            return refuse(
                "the option store.url names several servers; give one, or \"cluster\": true if they are one",
            );
        }
        if self.sentinel.as_ref().is_some_and(|sentinel| sentinel.nodes.0.is_empty() || sentinel.master.is_empty()) {
            return refuse("the option store.sentinel needs master, a name, and nodes, at least one URL");
        }
        if self.sentinel.is_none() && self.tls {
            return refuse("the option store.tls goes with store.sentinel; with a URL, write rediss:// instead");
        }
        if self.username.is_some() && self.password.is_none() {
            return refuse("the option store.username needs store.password");
        }
        if self.cluster && self.database.0 != 0 {
            return refuse("the option store.database does not go with store.cluster: a Cluster has one database");
        }
        check_keys(self.key.as_ref(), &self.old_keys)?;
        self.tls_settings().check()
    }

    /// What they say of TLS.
    pub fn tls_settings(&self) -> TlsSettings {
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

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Urls, D::Error> {
        struct Sources;
        impl<'de> Visitor<'de> for Sources {
            type Value = Urls;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL as a string, {\"env\": NAME} or {\"file\": PATH}, or an array of these")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Urls, E> {
                let one = SecretSource::deserialize(de::value::StrDeserializer::<E>::new(text))?;
                Ok(Urls(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Urls, A::Error> {
                SecretSource::deserialize(MapAccessDeserializer::new(map)).map(|one| Urls(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Urls, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Urls(all))
            }
        }
        deserializer.deserialize_any(Sources)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Urls {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Urls".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = SecretSource::json_schema(generator);
        schemars::json_schema!({ "anyOf": [one, {"type": "array", "items": one}] })
    }
}

#[cfg(feature = "schema")]
impl serde::Serialize for Urls {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}
