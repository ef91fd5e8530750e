//! What a manager's options say of HTTP: which headers calls begin with, and how connections are made.

use crate::error::{Error, Result, Status};
use crate::http::dial::Dialer;
use crate::http::origin::Origins;
use crate::http::pool::Pool;
use crate::http::proxy::Proxies;
use crate::http::tls::Shared;
use crate::http::tls::settings::TlsSettings;
use crate::http::transport::Transport;
use crate::options::{OneOrMany, ProxyUrl};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The `User-Agent` unless the options say otherwise.
pub const USER_AGENT: &str = concat!("libtokenmgr/", env!("CARGO_PKG_VERSION"));

/// What the options say of HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub connect_timeout: Duration,
    pub kept_timeout: Duration,
    pub headers: BTreeMap<String, OneOrMany>,
    pub user_agent: String,
    pub proxy: Option<ProxyUrl>,
    pub allow_insecure_http: bool,
    pub max_idle_connections: usize,
    pub tls: TlsSettings,
}

impl Transport {
    /// The environment is read here and not again.
    pub fn new(origins: Origins, settings: &HttpSettings) -> Result<Transport> {
        let proxies = Proxies::new(settings.proxy.as_ref().map(|url| url.0.as_str()), &|name| std::env::var_os(name))?;
        let tls = Shared::of(&settings.tls, origins.host())?;
        Ok(Transport {
            origins,
            pool: Pool::new(settings.max_idle_connections),
            headers: Arc::new(default_headers(settings)?),
            proxy_secrets: proxies.secrets(),
            kept_timeout: settings.kept_timeout,
            dialer: Dialer {
                proxies,
                tls,
                scope: settings.tls.scope,
                connect_timeout: settings.connect_timeout,
                allow_insecure: settings.allow_insecure_http,
                user_agent: user_agent(settings)?,
            },
        })
    }
}

fn user_agent(settings: &HttpSettings) -> Result<HeaderValue> {
    HeaderValue::from_str(&settings.user_agent).map_err(|_| {
        Error::new(Status::TM_INVALID_OPTIONS, "the option user_agent holds characters that no header can carry")
    })
}

impl Transport {
    /// The headers that go to a server which the options' own are not meant for.
    pub fn own_headers(&self) -> HeaderMap {
        library_headers(self.dialer.user_agent.clone())
    }
}

/// What every request begins with.
fn library_headers(user_agent: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, user_agent);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers
}

fn default_headers(settings: &HttpSettings) -> Result<HeaderMap> {
    let mut headers = library_headers(user_agent(settings)?);
    set_headers(&mut headers, &settings.headers, Status::TM_INVALID_OPTIONS)?;
    Ok(headers)
}

/// Puts the caller's headers in place of those of the same name. A few are set by the library only.
pub fn set_headers(headers: &mut HeaderMap, given: &BTreeMap<String, OneOrMany>, status: Status) -> Result<()> {
    const OURS: [HeaderName; 5] =
        [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    for (name, values) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let redacted = crate::redact::scrub(name, &[]);
            Error::new(status, format!("the option headers has the name \"{redacted}\", which no header can have"))
        })?;
        if OURS.contains(&name) {
            return Err(Error::new(
                status,
                format!("the option headers sets {name}, which the library sets itself; leave it out"),
            ));
        }
        headers.remove(&name);
        for value in &values.0 {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Error::new(status, format!("the option headers.{name} holds characters that no header can carry"))
            })?;
            headers.append(&name, value);
        }
    }
    // A part of an encoded body cannot be decoded.
    if headers.contains_key(header::RANGE) && !given.keys().any(|name| name.eq_ignore_ascii_case("accept-encoding")) {
        headers.remove(header::ACCEPT_ENCODING);
    }
    Ok(())
}
