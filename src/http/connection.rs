//! A connection: hyper's HTTP/1.1 or HTTP/2 over a stream, driven by the thread whose call has the connection. One call
//! uses it at a time, so answers cannot be mixed up, and between calls nothing drives it.

use crate::http::body::RequestBody;
use crate::http::fault::{Fault, Progress};
use crate::http::message::Outgoing;
use crate::http::origin::Origin;
use crate::http::protocol::{Head, Protocol};
use crate::net::stream::Stream;
use crate::net::{drive::Alarm, drive::Pace};
use crate::sys::clock::Tick;
use crate::sys::socket::Socket;
use crate::sys::zeroing::Wiped;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use hyper::body::Body;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Context;
use url::Position;
use zeroize::Zeroizing;

/// A connection to an origin.
pub struct Connection {
    origin: Arc<Origin>,
    socket: Arc<Socket>,
    alarm: Alarm,
    /// Its buffers hold the last request's `Authorization`.
    engine: Wiped<Engine>,
    /// How many bytes the peer has sent so far.
    received: Arc<AtomicU64>,
    /// How much had been received and sent when the present exchange began.
    received_before: u64,
    sent_before: u64,
    /// A plain request over an HTTP proxy names the whole URL, and carries this for the proxy.
    forwarding: Option<Option<HeaderValue>>,
    /// Whether its buffers may still hold the answer to a login or a refresh.
    carried_secrets: bool,
    /// Since when it has been idle; `None`: no call has used it yet.
    pub idle: Option<Idle>,
}

/// hyper's part of a connection.
pub struct Engine {
    protocol: Protocol,
    /// Nothing can be sent any more.
    has_ended: bool,
}

/// When a connection fell idle.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    pub since: Tick,
    /// How many kept connections had turned out to be dead by then.
    pub losses: u64,
}

impl Connection {
    /// Begins to speak HTTP over a stream.
    pub fn open(
        origin: Arc<Origin>,
        socket: Arc<Socket>,
        stream: Stream,
        forwarding: Option<Option<HeaderValue>>,
        alarm: Alarm,
        pace: &mut Pace<'_>,
    ) -> Result<Connection, Fault> {
        let received = Arc::clone(&stream.received);
        let protocol = Protocol::open(stream, &socket, &alarm, pace)?;
        Ok(Connection {
            origin,
            socket,
            alarm,
            engine: Wiped::new(Engine { protocol, has_ended: false }),
            carried_secrets: false,
            received,
            received_before: 0,
            sent_before: 0,
            forwarding,
            idle: None,
        })
    }

    /// The same connection after a login, a refresh or a logout, for calls whose buffers are not zeroed: HTTP/1.1 is begun
    /// anew over it, with new buffers. HTTP/2 cannot be. `None`: more has come than the answer.
    pub fn renewed(self, pace: &mut Pace<'_>) -> Option<Connection> {
        let engine = self.engine.into_inner();
        let protocol = engine.protocol.renewed(&self.socket, &self.alarm, pace)?;
        let carried_secrets = protocol.is_http2();
        let mut engine = Engine { protocol, ..engine };
        // It takes a request once it has been driven.
        engine.advance(&mut self.alarm.context());
        let engine = Wiped::new(engine);
        Some(Connection { engine, carried_secrets, ..self }).filter(Connection::is_open)
    }

    pub fn carried_secrets(&self) -> bool {
        self.carried_secrets
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// What [`drive`] needs, beside what it drives.
    pub fn parts(&mut self) -> (&Socket, &Alarm, &mut Engine) {
        (&self.socket, &self.alarm, &mut self.engine)
    }

    /// Whether it served a call before, so that its peer may have closed it since.
    pub fn is_reused(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether another request can be sent over it.
    pub fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Looks at an idle connection before a request is sent over it: what has come meanwhile is TLS's or HTTP/2's own,
    /// or it ends the connection. It is never the answer to a request that was not yet sent.
    pub fn look(&mut self) -> io::Result<bool> {
        if self.socket.has_something()? {
            self.engine.advance(&mut self.alarm.context());
        }
        Ok(self.is_open())
    }

    /// Whether a byte of the present exchange's request may have left this machine.
    pub fn has_sent(&self) -> bool {
        self.socket.sent() > self.sent_before
    }

    /// Whether a byte of the present exchange's answer has come. HTTP/2's own frames are no part of any answer, and
    /// do not count.
    pub fn has_received(&self) -> bool {
        !self.is_http2() && self.received.load(Ordering::Relaxed) > self.received_before
    }

    /// How far the present exchange has come.
    pub fn progress(&self) -> Progress {
        Progress { is_reused: self.is_reused(), has_sent: self.has_sent(), has_received: self.has_received() }
    }

    /// Whether the present exchange's request may have been sent to its end; `body`: the length of its body. HTTP/1.1 by
    /// itself does not serve another request before that.
    pub fn has_sent_whole(&self, body: u64) -> bool {
        !self.is_http2() || self.socket.sent() - self.sent_before >= body
    }

    pub fn is_http2(&self) -> bool {
        self.engine.protocol.is_http2()
    }

    /// Hands a request over to hyper, which sends it when the connection is driven.
    pub fn begin(&mut self, outgoing: &Outgoing, body: RequestBody) -> Result<Head, Fault> {
        self.received_before = self.received.load(Ordering::Relaxed);
        self.sent_before = self.socket.sent();
        let request = self.request(outgoing, body)?;
        Ok(self.engine.protocol.send(request))
    }

    fn request(&self, outgoing: &Outgoing, body: RequestBody) -> Result<Request<RequestBody>, Fault> {
        let url = &outgoing.url;
        let has_no_body = body.is_end_stream();
        let is_http2 = self.is_http2();
        let target = match is_http2 || self.forwarding.is_some() {
            true => &url[..Position::AfterQuery],
            false => &url[Position::BeforePath..Position::AfterQuery],
        };
        let target = match &outgoing.credentials {
            Some(credentials) if !credentials.query.is_empty() => {
                let separator = if url.query().is_some() { "&" } else { "?" };
                Bytes::from_owner(Zeroizing::new([target, separator, credentials.query.as_str()].concat()))
            }
            _ => Bytes::copy_from_slice(target.as_bytes()),
        };
        let uri = Uri::from_maybe_shared(target)
            .map_err(|cause| Fault::Unsendable(format!("its URL has no place in a request ({cause})")))?;
        let mut request = Request::new(body);
        let headers = request.headers_mut();
        headers.clone_from(&outgoing.headers);
        if let Some(credentials) = &outgoing.credentials {
            for (name, value) in &credentials.headers {
                // A call may have cookies of its own.
                let value = match headers.get(name).filter(|_| *name == header::COOKIE) {
                    Some(own) => joined(own, value).unwrap_or_else(|| value.clone()),
                    None => value.clone(),
                };
                headers.insert(name.clone(), value);
            }
        }
        if !is_http2 {
            headers.insert(header::HOST, self.origin.authority.clone());
        }
        if let Some(Some(basic)) = &self.forwarding {
            headers.insert(header::PROXY_AUTHORIZATION, basic.clone());
        }
        // RFC 9110, 8.6. Without it some servers and gateways answer 411.
        if has_no_body && matches!(outgoing.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        Ok(request)
    }
}

/// Two values of the header `Cookie` in one (RFC 6265, 5.4).
fn joined(own: &HeaderValue, value: &HeaderValue) -> Option<HeaderValue> {
    let both = Zeroizing::new([own.as_bytes(), b"; ", value.as_bytes()].concat());
    let mut joined = HeaderValue::from_maybe_shared(Bytes::from_owner(both)).ok()?;
    joined.set_sensitive(true);
    Some(joined)
}

impl Engine {
    /// Polls hyper: it writes what fits, reads what is there, and passes it on.
    pub fn advance(&mut self, cx: &mut Context<'_>) {
        if self.has_ended {
            return;
        }
        // An error also comes through the exchange that it ended.
        self.has_ended = self.protocol.poll(cx).is_ready();
    }

    fn is_open(&self) -> bool {
        !self.has_ended && self.protocol.is_ready()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("origin", &self.origin).finish_non_exhaustive()
    }
}
