//! What a manager's options say of HTTP: which headers calls begin with, and how connections are made.

use super::dial::Dialer;
use super::origin::Origins;
use super::pool::Pool;
use super::proxy::Proxies;
use super::tls::{Shared, Side};
use super::transport::Transport;
use crate::error::{Error, Result, Status};
use crate::options::{OneOrMany, Options};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Transport {
    /// The environment is read here and not again.
    pub fn new(origins: Origins, options: &Options, side: Side) -> Result<Transport> {
        let proxies = Proxies::new(options.proxy.as_ref().map(|url| url.0.as_str()), &|name| std::env::var_os(name))?;
        let tls = Shared::of(options, side, origins.host())?;
        Ok(Transport {
            origins,
            pool: Pool::new(options.max_idle_connections.0 as usize),
            headers: Arc::new(default_headers(options)?),
            proxy_secrets: proxies.secrets(),
            kept_timeout: options.kept_timeout_ms.duration(),
            dialer: Dialer {
                proxies,
                tls,
                side,
                connect_timeout: options.connect_timeout_ms.duration(),
                allow_insecure: options.allow_insecure_http,
                user_agent: user_agent(options)?,
            },
        })
    }
}

fn user_agent(options: &Options) -> Result<HeaderValue> {
    HeaderValue::from_str(&options.user_agent).map_err(|_| {
        Error::new(Status::TM_INVALID_OPTIONS, "the option user_agent holds characters that no header can carry")
    })
}

fn default_headers(options: &Options) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, user_agent(options)?);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    set_headers(&mut headers, &options.headers, Status::TM_INVALID_OPTIONS)?;
    Ok(headers)
}

/// Puts the caller's headers in place of those of the same name. A few are the library's own business.
pub fn set_headers(headers: &mut HeaderMap, given: &BTreeMap<String, OneOrMany>, status: Status) -> Result<()> {
    const OURS: [HeaderName; 5] =
        [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    for (name, values) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let shown = crate::scrub::scrub(name, &[]);
            Error::new(status, format!("the option headers has the name \"{shown}\", which no header can have"))
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
