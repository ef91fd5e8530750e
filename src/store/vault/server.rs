//! One request to the Vault, over connections that no API call uses.

use crate::auth::http_date;
use crate::call::Call;
use crate::call::log::Level;
use crate::error::{Error, Result, Status, WaitEnd};
use crate::http::fault::Fault;
use crate::http::message::{Exchange, Outgoing, Reuse, Streams};
use crate::http::origin::Origins;
use crate::http::settings::{HttpSettings, USER_AGENT};
use crate::http::transport::Transport;
use crate::stats::Stats;
use crate::store::contract::StoreFault;
use crate::store::vault::answer::{Body, Reply};
use crate::store::vault::options::VaultOptions;
use crate::sys::clock::unix_millis;
use crate::sys::secret::Secret;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use once_cell::sync::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Far more than any record has.
const LARGEST: u64 = 1 << 20;

/// The Vault, and how requests to it are made.
pub struct Server {
    origins: Origins,
    settings: HttpSettings,
    timeout: Duration,
    headers: HeaderMap,
    /// Made when first needed: a forked child must not use its parent's, and may never need one.
    transport: OnceCell<Transport>,
    /// Counters of its connections, which are not read.
    stats: Stats,
}

/// A request, without what every request has.
pub struct Request<'a> {
    pub method: Method,
    /// Below `/v1/`, as a URL has it.
    pub path: &'a str,
    pub token: Option<&'a Secret>,
    /// JSON; empty where there is none.
    pub body: Zeroizing<Vec<u8>>,
    /// Secrets in the body that the Vault may repeat in its messages.
    pub secrets: Vec<Secret>,
    pub reuse: Reuse,
}

/// An answer, read as far as it is the Vault's own.
pub struct Answered {
    pub redacted: String,
    pub status: u16,
    pub body: Body,
    /// The body's text, for the content of the secret.
    pub text: Zeroizing<Vec<u8>>,
    pub clock: Clock,
    /// Which intermediary refused, if it was not the Vault, and what to do about it.
    intermediary: Option<String>,
    secrets: Vec<Secret>,
}

/// The Vault's clock when it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds since 1970, no more exact than a second where this machine's clock is off.
    pub now: i64,
    /// The beginning of that second. A process that reads the record later reads a clock that is past it.
    pub second: i64,
}

impl Clock {
    /// By the answer's `Date`, which all processes that share the record see, so that no machine's own clock
    /// matters. It counts whole seconds. Within the second the machine's clock tells, where it agrees to the
    /// second: then an age is right to milliseconds; where it does not, it is right to a second.
    fn read(date: Option<i64>, machine: i64) -> Clock {
        match date.map(|seconds| seconds.saturating_mul(1000)) {
            Some(second) => Clock { now: machine.clamp(second, second.saturating_add(999)), second },
            None => Clock { now: machine, second: machine },
        }
    }
}

impl Answered {
    /// The answer, with what messages about it need.
    pub fn reply(&self) -> Reply<'_> {
        let Answered { redacted, status, body, intermediary, secrets, .. } = self;
        Reply { redacted, status: *status, body, intermediary: intermediary.as_deref(), secrets }
    }
}

impl Server {
    pub fn new(options: &VaultOptions) -> Result<Server> {
        let server = Server {
            origins: Origins::of_one(&options.url, "the option store.url", options.allow_insecure_http)?,
            settings: HttpSettings {
                connect_timeout: options.timeout_ms.duration(),
                kept_timeout: Duration::from_secs(5),
                headers: BTreeMap::new(),
                user_agent: USER_AGENT.to_owned(),
                // A Vault is usually in the same network; where a proxy is needed, the environment names it.
                proxy: None,
                allow_insecure_http: options.allow_insecure_http,
                max_idle_connections: 2,
                tls: options.tls(),
            },
            timeout: options.timeout_ms.duration(),
            headers: headers(options.namespace.as_deref())?,
            transport: OnceCell::new(),
            stats: Stats::default(),
        };
        server.transport()?;
        Ok(server)
    }

    /// Which Vault, and which namespace in it.
    pub fn name(&self) -> String {
        format!("{} {:?}", self.origins.host(), self.headers.get(NAMESPACE))
    }

    /// The same server for a forked child.
    pub fn after_fork(&self) -> Server {
        Server {
            origins: self.origins.clone(),
            settings: self.settings.clone(),
            timeout: self.timeout,
            headers: self.headers.clone(),
            transport: OnceCell::new(),
            stats: Stats::default(),
        }
    }

    fn transport(&self) -> Result<&Transport> {
        self.transport.get_or_try_init(|| {
            Transport::new(self.origins.clone(), &self.settings)
                .map_err(|error| Error::new(error.status(), format!("of the store \"vault\", {error}")))
        })
    }

    /// Sends a request and reads the answer. A fault here says that something may have been written as soon as
    /// a byte of the request was.
    pub fn ask(&self, call: &Call, request: Request<'_>) -> std::result::Result<Answered, StoreFault> {
        let unsent = |error: Error| StoreFault { error, maybe_written: false };
        let transport = self.transport().map_err(|error| unsent(Error::new(Status::TM_STORE, error.message())))?;
        let secrets = request.token.cloned().into_iter().chain(request.secrets).collect();
        let mut headers = self.headers.clone();
        if let Some(token) = request.token {
            headers.insert(TOKEN, header_value(token).map_err(unsent)?);
        }
        let outgoing = Outgoing {
            method: request.method,
            url: self.origins.resolve(&format!("/v1/{}", request.path)).map_err(unsent)?,
            headers: Arc::new(headers),
            credentials: None,
            body: if request.body.is_empty() { Bytes::new() } else { Bytes::from_owner(request.body) },
        };
        let redacted = outgoing.redacted();
        call.log(Level::Debug, || format!("sending {redacted}"));
        // Where the Vault hangs, the call goes on without it (T5).
        let most = self.timeout.min(call.left_for_store());
        let mut exchange = Exchange { deadline: Instant::now() + most, limit: LARGEST, on_tick: None };
        let answer = transport
            .send(call, &self.stats, &outgoing, request.reuse, &mut Streams::default(), &mut exchange)
            .map_err(|fault| self.fault(call, &redacted, most, fault))?;
        let clock = Clock::read(answer.header(header::DATE).and_then(http_date), unix_millis());
        let (status, text, intermediary) = (answer.status, Zeroizing::new(answer.body), answer.intermediary);
        // A body that is no JSON is not the Vault's; the status says enough.
        let body = serde_json::from_slice(&text).unwrap_or_default();
        Ok(Answered { redacted, status, body, text, clock, intermediary, secrets })
    }

    /// `most`: the time that the request had.
    fn fault(&self, call: &Call, redacted: &str, most: Duration, fault: Fault) -> StoreFault {
        let maybe_written = !fault.nothing_was_written();
        let error = match fault {
            Fault::Ended(error) | Fault::Unbegun { error, .. } if error.wait_end() != Some(WaitEnd::StepDeadline) => {
                call.hung(error, &format!("waiting for {redacted}"))
            }
            Fault::Ended(_) | Fault::Unbegun { .. } | Fault::Connect { timeout: true, .. } => {
                let (within, option) = match most < self.timeout {
                    true => ("before half of the call's time was over".to_owned(), "timeout_ms"),
                    false => (format!("within {} ms", most.as_millis()), "store.timeout_ms"),
                };
                let advice = format!("see whether the Vault is well, or raise {option}");
                Error::new(Status::TM_STORE, format!("{redacted} was not answered {within}; {advice}"))
            }
            Fault::Connect { why, .. } => Error::new(
                Status::TM_STORE,
                format!("{redacted} could not connect ({why}); check store.url and that the Vault runs"),
            ),
            Fault::Tls { why, .. } => Error::new(Status::TM_STORE, format!("{redacted} got no TLS connection: {why}")),
            Fault::TooLarge(limit) => Error::new(
                Status::TM_STORE,
                format!("{redacted} got more than {limit} bytes, which no record has; check store.url and store.path"),
            ),
            Fault::Proxy { proxy, why } => {
                Error::new(Status::TM_STORE, format!("{redacted} was not let through by the proxy {proxy}: {why}"))
            }
            Fault::Exhausted(why) => Error::new(Status::TM_STORE, format!("{redacted} could not be sent: {why}")),
            Fault::Readable { host } => Error::new(
                Status::TM_STORE,
                format!(
                    "{redacted} would travel readable to {host}, which is not on this machine; use https://, take the proxy away, or set store.allow_insecure_http"
                ),
            ),
            Fault::Lost { why, .. } | Fault::Broken(why) | Fault::Unsendable(why) => {
                let advice = match self.origins.host().starts_with("https:") {
                    true => "see whether the Vault is well",
                    false => "see whether the Vault is well, or use https:// if its port speaks TLS",
                };
                Error::new(Status::TM_STORE, format!("{redacted} got no answer that could be read ({why}); {advice}"))
            }
        };
        StoreFault { error, maybe_written }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("origins", &self.origins).finish_non_exhaustive()
    }
}

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Every client of a Vault sends it; a Vault Agent may ask for it, because no page in a browser can.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

fn headers(namespace: Option<&str>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("libtokenmgr/", env!("CARGO_PKG_VERSION"))));
    headers.insert(REQUEST, HeaderValue::from_static("true"));
    if let Some(namespace) = namespace {
        let value = HeaderValue::from_str(namespace).map_err(|_| {
            Error::new(
                Status::TM_INVALID_OPTIONS,
                "the option store.namespace holds characters that no header can carry",
            )
        })?;
        headers.insert(NAMESPACE, value);
    }
    Ok(headers)
}

/// The token as a header, zeroed like the token itself when the last copy goes.
fn header_value(token: &Secret) -> Result<HeaderValue> {
    let bytes = Bytes::from_owner(Zeroizing::new(token.as_bytes().to_vec()));
    let mut value = HeaderValue::from_maybe_shared(bytes).map_err(|_| {
        Error::new(
            Status::TM_STORE,
            "the Vault token holds characters that no header can carry; check where it comes from",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_the_vaults_and_the_machine_only_tells_where_in_the_second() {
        let at = |date, machine| Clock::read(date, machine).now;
        assert_eq!(at(Some(100), 100_250), 100_250);
        assert_eq!(at(Some(100), 700_000), 100_999, "a machine that is ahead");
        assert_eq!(at(Some(100), 7), 100_000, "one that is behind");
        assert_eq!(at(None, 7), 7);
        assert_eq!(Clock::read(Some(100), 100_250).second, 100_000);
    }
}
