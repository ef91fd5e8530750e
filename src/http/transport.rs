//! The connections of one manager: sends a request over them, reads its answer, and keeps what the next call can use.

use crate::call::Call;
use crate::http::collect::Collector;
use crate::http::dial::Dialer;
use crate::http::fault::{Fault, Result};
use crate::http::intermediary;
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Sink, Streams};
use crate::http::origin::{Origin, Origins};
use crate::http::pool::Pool;
use crate::http::sending::Sending;
use crate::net::drive::Pace;
use crate::stats::Stats;
use crate::sys::secret::Secret;
use http::HeaderMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use url::Url;

/// The connections of one manager, and how they are made.
pub struct Transport {
    pub origins: Origins,
    pub dialer: Dialer,
    pub pool: Arc<Pool>,
    /// The headers that every call begins with.
    pub headers: Arc<HeaderMap>,
    /// S2: what a proxy may repeat in its messages, and no error may show.
    pub proxy_secrets: Vec<Secret>,
    /// How long an idle connection may be silent before an idempotent request is also sent over a new one.
    pub kept_timeout: Duration,
}

/// A sink of the caller's own: taking a piece is a callback.
struct CallersSink<'a> {
    call: &'a Call,
    sink: &'a mut dyn Sink,
}

impl Sink for CallersSink<'_> {
    fn take(&mut self, piece: &[u8]) -> crate::error::Result<()> {
        self.call.run_callback(|| self.sink.take(piece))
    }
}

fn no_origin() -> Fault {
    Fault::Unsendable("it has no origin".to_owned())
}

impl Transport {
    /// Sends a request and reads its answer. A connection that a fault or the caller ended is closed.
    pub fn send(
        &self,
        call: &Call,
        stats: &Stats,
        outgoing: &Outgoing,
        reuse: Reuse,
        streams: &mut Streams<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Result<Answer> {
        let elsewhere;
        let origin = match (self.origins.find(&outgoing.url), reuse) {
            (Some(origin), _) => origin,
            // A token service elsewhere: the dialect has said so.
            (None, Reuse::Never) => {
                elsewhere = Origin::of(&outgoing.url).map(Arc::new).ok_or_else(no_origin)?;
                &elsewhere
            }
            (None, Reuse::Kept { .. }) => return Err(no_origin()),
        };
        let mut sink = streams.sink.as_mut().map(|sink| CallersSink { call, sink: &mut **sink });
        let mut collector = Collector::new(exchange.limit, sink.as_mut().map(|sink| sink as _));
        let mut sending = Sending {
            dialer: &self.dialer,
            pool: &self.pool,
            kept_timeout: self.kept_timeout,
            call,
            stats,
            outgoing,
            origin,
            pace: Pace::new(call, exchange.deadline, exchange.on_tick.as_mut().map(|tick| &mut **tick as _)),
            upload: streams.upload.as_mut(),
        };
        let over_kept = match reuse {
            Reuse::Kept { repeatable } => {
                sending.over_kept(repeatable).map_err(|fault| self.name_proxy(fault, &origin.url))?
            }
            Reuse::Never => None,
        };
        let answered = match over_kept {
            Some(answered) => Ok(answered),
            None => sending.over_new(),
        };
        let outcome = answered.and_then(|(in_flight, response)| sending.read(in_flight, response, &mut collector));
        let (mut answer, mut kept) =
            outcome.map_err(|fault| self.name_proxy(self.name_missing_certificate(fault), &origin.url))?;
        if reuse == Reuse::Never {
            kept = kept.and_then(|connection| connection.renewed(&mut sending.pace)).map(Box::new);
        }
        if answer.status >= 400 {
            let way = sending.way();
            answer.intermediary = intermediary::explain(answer.status, &answer.headers, &answer.body, &way);
        }
        // Read before it is written: all threads share it.
        let wanted = &self.dialer.tls.certificate_wanted;
        if wanted.load(Ordering::Relaxed) {
            wanted.store(false, Ordering::Relaxed);
        }
        // A connection that had to be new also serves the next call, unless others idle already: otherwise every
        // refresh would leave one more open.
        if let Some(connection) = kept
            && (reuse != Reuse::Never || (self.pool.idle() == 0 && self.origins.find(&origin.url).is_some()))
        {
            call.remove_socket(connection.socket());
            self.pool.put(connection);
        }
        Ok(answer)
    }

    /// Names the proxy in a fault: it is as likely the cause as the server.
    fn name_proxy(&self, mut fault: Fault, url: &Url) -> Fault {
        if let Some(proxy) = self.dialer.proxies.of(url)
            && let Fault::Connect { why, .. } | Fault::Lost { why, .. } | Fault::Broken(why) = &mut fault
        {
            *why = format!("{why}, by way of the proxy {}", proxy.redacted());
        }
        fault
    }

    /// In TLS 1.3 a server that misses a certificate says so after the handshake and closes, and its alert may be lost.
    fn name_missing_certificate(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Lost { reused: false, .. } | Fault::Broken(_)
                if self.dialer.tls.certificate_wanted.load(Ordering::Relaxed) =>
            {
                Fault::Tls {
                    connected: true,
                    why: format!(
                        "the server asked for a client certificate and left; check {}",
                        self.dialer.scope.option("client_cert_file")
                    ),
                }
            }
            other => other,
        }
    }
}

impl fmt::Debug for Transport {
    /// Without the proxies, which hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("origins", &self.origins).field("pool", &self.pool).finish_non_exhaustive()
    }
}
