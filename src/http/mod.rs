//! HTTP on lanes: sends a request on the caller's own thread and reads the answer whole.

#[cfg_attr(not(test), expect(dead_code, reason = "not wired in yet"))]
pub mod decode;
pub mod fault;
pub mod lane;
pub mod origin;
#[cfg_attr(not(test), expect(dead_code, reason = "not wired in yet"))]
pub mod proxy;
pub mod redirect;
#[cfg_attr(not(test), expect(dead_code, reason = "not wired in yet"))]
pub mod socks;
pub mod tls;

use crate::call::Call;
use crate::clock::Tick;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::secret::Secret;
use crate::stats::Stats;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fault::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use lane::{Lane, Lanes};
use origin::Origins;
use reqwest::{Client, NoProxy, Proxy, redirect::Policy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tls::Side;
use url::Url;

/// A request, ready to go. Kept by the caller, so that it can be sent again.
#[derive(Debug)]
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Outgoing {
    /// What errors and log lines call it: never the query, never user-info.
    pub fn shown(&self) -> String {
        let origin = self.url.origin().ascii_serialization();
        format!("{} {origin}{}", self.method, self.url.path())
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub url: Url,
    pub body: Vec<u8>,
    /// When its head arrived.
    pub arrived: Tick,
}

impl Answer {
    /// A header's first value, if it is text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Which connection a request may go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A kept one if there is any. If it turns out to have died, the request is sent once more over a new
    /// one, where `repeatable` says that this does no harm (R6).
    Kept { repeatable: bool },
    /// A new one: for a refresh token, which a connection that turns out to have died would cost (T3).
    New,
}

/// The limits of one exchange, and what is to happen while it goes on.
pub struct Exchange<'a> {
    pub deadline: Instant,
    /// The largest body taken.
    pub limit: u64,
    /// Called about every 50 ms.
    pub beat: Option<&'a mut dyn FnMut()>,
}

/// The lanes of one manager and what they are made from.
pub struct Transport {
    pub origins: Origins,
    options: Options,
    tls: rustls::ClientConfig,
    side: Side,
    /// Whether a server asked for a client certificate, and none has answered since.
    certificate_wanted: Arc<AtomicBool>,
    proxy: ProxyChoice,
    /// What a proxy's words must not repeat.
    pub proxy_secrets: Vec<Secret>,
    headers: HeaderMap,
    lanes: Lanes,
}

impl Transport {
    pub fn new(origins: Origins, options: &Options, side: Side) -> Result<Transport> {
        let certificate_wanted = Arc::default();
        Ok(Transport {
            origins,
            tls: tls::client_config(options, side, &certificate_wanted)?,
            side,
            certificate_wanted,
            proxy: proxy(options)?,
            proxy_secrets: proxy_secrets(options),
            headers: default_headers(options)?,
            lanes: Lanes::new(options.max_idle_connections.0 as usize),
            options: options.clone(),
        })
    }

    /// The headers that every call begins with.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub fn idle_lanes(&self) -> usize {
        self.lanes.idle()
    }

    /// Sends a request and reads its answer. A lane that a fault or the caller ended is dropped with
    /// everything that was under way on it.
    pub fn send(
        &self,
        call: &Call,
        stats: &Stats,
        outgoing: &Outgoing,
        connection: Connection,
        exchange: &mut Exchange<'_>,
    ) -> std::result::Result<Answer, Fault> {
        let kept = match connection {
            Connection::Kept { .. } => self.lanes.take(),
            Connection::New => None,
        };
        let first = self.exchange(call, stats, kept, connection, outgoing, exchange);
        match first {
            Err(fault)
                if connection == (Connection::Kept { repeatable: true }) && fault.is_dead_reused_connection() =>
            {
                stats.resends.add_one();
                self.exchange(call, stats, None, connection, outgoing, exchange)
            }
            other => other,
        }
    }

    fn exchange(
        &self,
        call: &Call,
        stats: &Stats,
        lane: Option<Lane>,
        connection: Connection,
        outgoing: &Outgoing,
        exchange: &mut Exchange<'_>,
    ) -> std::result::Result<Answer, Fault> {
        let lane = match lane {
            Some(lane) => lane,
            None => {
                stats.lanes_made.add_one();
                let client = self.client().map_err(|error| Fault::sort(error, self.side, false, false))?;
                Lane::new(client, self.side).map_err(Fault::Ended)?
            }
        };
        let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
        *request.headers_mut() = outgoing.headers.clone();
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.clone().into());
        } else if matches!(outgoing.method, Method::POST | Method::PUT | Method::PATCH) {
            // RFC 9110, 8.6; some servers and gateways answer 411 without.
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let answer = lane.exchange(call, request, exchange).map_err(|fault| match fault {
            // TLS 1.3 has no word for it in the handshake: the server just leaves, and its alert may be lost.
            Fault::Lost { reused: false, .. } | Fault::Broken(_) if self.certificate_wanted.load(Ordering::Relaxed) => {
                Fault::Tls {
                    connected: true,
                    why: format!(
                        "the server asked for a client certificate and left; check {}",
                        self.side.option("client_cert_file")
                    ),
                }
            }
            other => other,
        })?;
        // Read first: every thread shares it.
        if self.certificate_wanted.load(Ordering::Relaxed) {
            self.certificate_wanted.store(false, Ordering::Relaxed);
        }
        let closes = answer.header(header::CONNECTION).is_some_and(|text| text.eq_ignore_ascii_case("close"));
        // What was made for a new connection's sake serves the next call, too, unless others idle already: else every
        // refresh would leave one more open.
        if connection != Connection::New || self.lanes.idle() == 0 {
            self.lanes.put(lane, !closes);
        }
        Ok(answer)
    }

    fn client(&self) -> reqwest::Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .connect_timeout(self.options.connect_timeout_ms.duration())
            // Ours: see `redirect`, and R6 in `send`.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // One call at a time, and lanes are pruned as a whole: no timer is needed for that.
            .pool_idle_timeout(None)
            .pool_max_idle_per_host(1);
        match &self.proxy {
            ProxyChoice::None => builder.no_proxy(),
            ProxyChoice::Environment => builder,
            ProxyChoice::Url(proxy) => builder.proxy(Proxy::clone(proxy)),
        }
        .build()
    }
}

impl std::fmt::Debug for Transport {
    /// Without the proxy and the headers, which hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("origins", &self.origins).field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

enum ProxyChoice {
    None,
    Environment,
    Url(Box<Proxy>),
}

fn proxy(options: &Options) -> Result<ProxyChoice> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // The engine takes it for every name, but not for every address.
    let is_star = |name: &&str| std::env::var(name).is_ok_and(|value| value.trim() == "*");
    if ["NO_PROXY", "no_proxy"].iter().any(is_star) {
        return Ok(ProxyChoice::None);
    }
    match options.proxy.as_ref().map(|url| url.0.as_str()) {
        Some("none") => Ok(ProxyChoice::None),
        // Where the environment names none, nothing needs to be looked up with every request.
        None if !PROXY_VARIABLES.iter().any(is_set) => Ok(ProxyChoice::None),
        None => Ok(ProxyChoice::Environment),
        // The URL may hold a password: it is not repeated.
        Some(url) => Proxy::all(url)
            .ok()
            .filter(|_| Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()))
            .map(|proxy| ProxyChoice::Url(Box::new(proxy.no_proxy(NoProxy::from_env()))))
            .ok_or_else(|| {
                Error::new(
                    Status::TM_INVALID_OPTIONS,
                    "the option proxy is not a proxy's URL; it takes http://[user:password@]host:port, or \"none\"",
                )
            }),
    }
}

/// S2: the passwords of all proxies that may be used, in every form that one can be repeated in.
fn proxy_secrets(options: &Options) -> Vec<Secret> {
    let environment = PROXY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    let urls = options.proxy.iter().map(|url| url.0.clone()).chain(environment);
    let users = urls.filter_map(|url| Url::parse(&url).ok()).filter_map(|url| {
        let decoded = |text: &str| {
            url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
                .next()
                .map_or_else(String::new, |(text, _)| text.into_owned())
        };
        let (password, username) = (url.password()?, decoded(url.username()));
        let basic = STANDARD.encode(format!("{username}:{}", decoded(password)));
        Some([basic, decoded(password), password.to_owned()])
    });
    users.flatten().filter_map(|text| Secret::new(&text)).collect()
}

const PROXY_VARIABLES: [&str; 6] = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

fn default_headers(options: &Options) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let agent = HeaderValue::from_str(&options.user_agent).map_err(|_| {
        Error::new(Status::TM_INVALID_OPTIONS, "the option user_agent holds characters that no header can carry")
    })?;
    headers.insert(header::USER_AGENT, agent);
    set_headers(&mut headers, &options.headers, Status::TM_INVALID_OPTIONS)?;
    Ok(headers)
}

/// Puts the caller's headers in place of those of the same name. A few are the library's own business.
pub fn set_headers(
    headers: &mut HeaderMap,
    given: &std::collections::BTreeMap<String, crate::options::OneOrMany>,
    status: Status,
) -> Result<()> {
    const OURS: [HeaderName; 5] =
        [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];
    for (name, values) in given {
        let shown = crate::secret::scrub(name, &[]);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
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
    Ok(())
}
