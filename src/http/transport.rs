//! Sends requests: over an idle connection or a new one, again where that is safe (R6), and reads the answers.

use crate::call::Call;
use crate::http::body::{Feed, RequestBody};
use crate::http::collect::Collector;
use crate::http::connection::Connection;
use crate::http::dial::Dialer;
use crate::http::fault::Fault;
use crate::http::intermediary;
use crate::http::intermediary::Way;
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Sink, Streams, Upload};
use crate::http::origin::{Origin, Origins};
use crate::http::pool::Pool;
use crate::http::protocol::Head;
use crate::http::tls::settings::OptionScope;
use crate::net::{drive::Alarm, drive::Pace, drive::Stopped, drive::drive, drive::drive_until};
use crate::stats::Stats;
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::sys::socket::Socket;
use crate::sys::zeroing::SecretWork;
use http::{HeaderMap, Method, Response, header};
use hyper::body::{Body, Incoming};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};
use url::Url;

type Result<T> = std::result::Result<T, Fault>;

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

/// One request being sent.
struct Sending<'a, 'b> {
    transport: &'a Transport,
    call: &'a Call,
    stats: &'a Stats,
    outgoing: &'a Outgoing,
    origin: &'a Arc<Origin>,
    pace: Pace<'b>,
    upload: Option<&'b mut Upload>,
}

/// A request under way, and the connection that it went over.
struct InFlight {
    connection: Box<Connection>,
    head: Head,
    feed: Option<Feed>,
    /// Set where the connection's buffers hold secrets.
    _secret: Option<SecretWork>,
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

/// Which of two connections brought something first.
enum First {
    Silent(hyper::Result<Response<Incoming>>),
    Other(hyper::Result<Response<Incoming>>),
}

/// What came over a connection, or what it needs.
enum Event<T> {
    Came(T),
    PieceWanted,
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
            transport: self,
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

impl Sending<'_, '_> {
    fn scope(&self) -> OptionScope {
        self.transport.dialer.scope
    }

    /// How the answer was got.
    fn way(&self) -> Way {
        Way {
            is_https: self.origin.is_https,
            is_forwarded: !self.origin.is_https && self.transport.dialer.proxies.of(&self.origin.url).is_some(),
            certificate_wanted: self.transport.dialer.tls.certificate_wanted.load(Ordering::Relaxed),
            certificate_option: self.scope().option("client_cert_file"),
        }
    }

    fn stopped(&self, stopped: Stopped) -> Fault {
        Fault::of_stopped(stopped, self.call)
    }

    /// R6: sends over an idle connection. `None`: there is none, or it had died, and the request may be sent anew.
    fn over_kept(&mut self, repeatable: bool) -> Result<Option<(InFlight, Response<Incoming>)>> {
        let Some(connection) = self.take_kept() else {
            return Ok(None);
        };
        let mut in_flight = self.send_over(connection)?;
        let may_be_sent_twice = repeatable && self.upload.is_none();
        let patience = match may_be_sent_twice {
            true => Instant::now() + self.transport.kept_timeout,
            false => self.pace.deadline,
        };
        let mut came = self.head(&mut in_flight, patience);
        if matches!(came, Ok(None)) {
            if !in_flight.connection.has_received() {
                self.transport.pool.distrust();
                return self.beside_silent(in_flight).map(Some);
            }
            // An answer that has begun is waited for.
            came = self.head(&mut in_flight, self.pace.deadline);
        }
        let fault = match came {
            Ok(Some(Ok(response))) => return Ok(Some((in_flight, response))),
            Ok(Some(Err(error))) => Fault::of_exchange(&error, in_flight.connection.progress(), self.scope()),
            Ok(None) => return Err(self.stopped(Stopped::StepOutOfTime)),
            Err(fault) => {
                if !in_flight.connection.has_received() {
                    self.transport.pool.distrust();
                }
                return Err(fault);
            }
        };
        let Fault::Lost { sent, .. } = fault else {
            return Err(fault);
        };
        self.transport.pool.distrust();
        let may_repeat = (repeatable || !sent)
            && self.upload.as_mut().is_none_or(|upload| self.call.run_callback(|| upload.rewind()));
        if !may_repeat {
            return Err(fault);
        }
        self.stats.resends.add_one();
        Ok(None)
    }

    fn take_kept(&self) -> Option<Box<Connection>> {
        while let Some(mut connection) = self.transport.pool.take(self.origin) {
            // Where the kernel cannot look at it, a new one is made, and the error of that says why.
            if connection.look().unwrap_or(false) {
                self.call.add_socket(connection.socket());
                return Some(connection);
            }
        }
        None
    }

    fn over_new(&mut self) -> Result<(InFlight, Response<Incoming>)> {
        let connection = self.dial(Alarm::new(), None)?;
        let mut in_flight = self.send_over(connection)?;
        match self.head(&mut in_flight, self.pace.deadline)? {
            Some(Ok(response)) => Ok((in_flight, response)),
            Some(Err(error)) => Err(Fault::of_exchange(&error, in_flight.connection.progress(), self.scope())),
            None => Err(self.stopped(Stopped::StepOutOfTime)),
        }
    }

    /// `beside`: a connection that may still bring the answer; then this one is not needed.
    fn dial(&mut self, alarm: Alarm, beside: Option<&Socket>) -> Result<Box<Connection>> {
        self.stats.connections_opened.add_one();
        let mut pace = self.pace.within(self.pace.deadline);
        pace.beside = beside;
        self.transport.dialer.dial(self.origin, alarm, &mut pace).map(Box::new)
    }

    fn send_over(&mut self, mut connection: Box<Connection>) -> Result<InFlight> {
        let feed = self.upload.as_ref().map(|upload| Feed::new(upload.length));
        let body = match &feed {
            Some(feed) => RequestBody::Pieces(feed.clone()),
            None => RequestBody::Whole(self.outgoing.body.clone()),
        };
        let head = connection.begin(self.outgoing, body)?;
        let secret = connection.carried_secrets().then(SecretWork::begin);
        Ok(InFlight { connection, head, feed, _secret: secret })
    }

    /// Sends, and waits for the answer's head. `None`: nothing has come by then.
    fn head(&mut self, in_flight: &mut InFlight, until: Instant) -> Result<Option<hyper::Result<Response<Incoming>>>> {
        let InFlight { connection, head, feed, .. } = in_flight;
        loop {
            let (socket, alarm, engine) = connection.parts();
            let event = drive_until(&mut self.pace, until, alarm, &[socket], |cx| {
                engine.advance(cx);
                match head.as_mut().poll(cx) {
                    Poll::Ready(response) => Poll::Ready(Event::Came(response)),
                    Poll::Pending => when_piece_is_wanted(feed.as_ref()),
                }
            });
            match event.map_err(|stopped| self.stopped(stopped))? {
                Some(Event::Came(response)) => return Ok(Some(response)),
                Some(Event::PieceWanted) => self.hand_in_piece(feed.as_ref())?,
                None => return Ok(None),
            }
        }
    }

    /// The idle connection is silent, and may have died unnoticed: sends the request over a new one, too, and takes the
    /// answer that comes first.
    fn beside_silent(&mut self, mut silent: InFlight) -> Result<(InFlight, Response<Incoming>)> {
        self.stats.resends.add_one();
        let (socket, alarm, _) = silent.connection.parts();
        let begun = self.dial(alarm.clone(), Some(socket)).and_then(|connection| self.send_over(connection));
        let mut other = match begun {
            Ok(other) => Some(other),
            // The first send has left.
            Err(Fault::Ended(error) | Fault::Unbegun(error)) => return Err(Fault::Ended(error)),
            // No second connection could be made, or the first one is no longer silent.
            Err(_) => None,
        };
        loop {
            match (self.first_of(&mut silent, other.as_mut())?, other.take()) {
                (First::Silent(Ok(response)), _) => return Ok((silent, response)),
                (First::Other(Ok(response)), Some(other)) => return Ok((other, response)),
                // One has failed: the other may still answer.
                (First::Silent(Err(error)), remaining) => {
                    let fault = Fault::of_exchange(&error, silent.connection.progress(), self.scope());
                    silent = remaining.ok_or(fault)?;
                }
                (First::Other(_), _) => {}
            }
        }
    }

    /// Waits until one of two connections has its answer's head, or has failed.
    fn first_of(&mut self, silent: &mut InFlight, other: Option<&mut InFlight>) -> Result<First> {
        let InFlight { connection, head, .. } = silent;
        let (socket, alarm, engine) = connection.parts();
        let mut other = other.map(|InFlight { connection, head, .. }| {
            let (socket, _, engine) = connection.parts();
            (socket, engine, head)
        });
        let sockets: Vec<_> = std::iter::once(socket).chain(other.as_ref().map(|(socket, ..)| *socket)).collect();
        let came = drive(&mut self.pace, alarm, &sockets, |cx| {
            engine.advance(cx);
            if let Poll::Ready(response) = head.as_mut().poll(cx) {
                return Poll::Ready(First::Silent(response));
            }
            if let Some((_, engine, head)) = &mut other {
                engine.advance(cx);
                if let Poll::Ready(response) = head.as_mut().poll(cx) {
                    return Poll::Ready(First::Other(response));
                }
            }
            Poll::Pending
        });
        came.map_err(|stopped| self.stopped(stopped))
    }

    /// Reads an answer to its end. The connection comes back if another request can be sent over it.
    fn read(
        &mut self,
        in_flight: InFlight,
        response: Response<Incoming>,
        collector: &mut Collector<'_>,
    ) -> Result<(Answer, Option<Box<Connection>>)> {
        let InFlight { mut connection, feed, .. } = in_flight;
        let arrived = Tick::now();
        let (parts, mut body) = response.into_parts();
        let status = parts.status.as_u16();
        let mut headers = parts.headers;
        // The length in these is that of another answer's body (RFC 9110, 6.4.1).
        let has_none = self.outgoing.method == Method::HEAD || matches!(status, 204 | 304);
        let announced = if has_none { None } else { body.size_hint().exact() };
        collector.begin(status, &headers, announced)?;
        while !body.is_end_stream() {
            let (socket, alarm, engine) = connection.parts();
            let event = drive(&mut self.pace, alarm, &[socket], |cx| {
                let mut poll = |cx: &mut _| Pin::new(&mut body).poll_frame(cx);
                let mut polled = poll(cx);
                if polled.is_pending() {
                    engine.advance(cx);
                    polled = poll(cx);
                }
                match polled {
                    Poll::Ready(frame) => Poll::Ready(Event::Came(frame)),
                    Poll::Pending => when_piece_is_wanted(feed.as_ref()),
                }
            });
            match event.map_err(|stopped| self.stopped(stopped))? {
                Event::Came(None) => break,
                Event::Came(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        let (pace, call) = (&mut self.pace, self.call);
                        collector.take(&data, &mut || {
                            pace.checkpoint(Instant::now()).map_err(|stopped| Fault::of_stopped(stopped, call))
                        })?;
                    }
                }
                Event::Came(Some(Err(error))) => return Err(Fault::of_body(&error, self.scope())),
                Event::PieceWanted => self.hand_in_piece(feed.as_ref())?,
            }
        }
        let is_sent = self.request_length().is_some_and(|length| connection.has_sent_whole(length));
        // hyper takes every reset with NO_ERROR for the end of an answer, which it is only where the server wants no more
        // of the request (RFC 9113, 8.1).
        let is_cut_off = is_sent || body.size_hint().exact().is_some_and(|left| left > 0);
        if connection.is_http2() && is_cut_off && !body.is_end_stream() {
            return Err(Fault::Broken("its stream was reset before its end".to_owned()));
        }
        let was_decoded = collector.end()?;
        if was_decoded {
            headers.remove(header::CONTENT_ENCODING);
            headers.remove(header::CONTENT_LENGTH);
        }
        let answer = Answer {
            status,
            headers,
            url: self.outgoing.url.clone(),
            body: collector.whole(),
            intermediary: None,
            arrived,
        };
        // An HTTP/2 connection that still has to send of this request could not be used for the next one.
        Ok((answer, Some(connection).filter(|connection| is_sent && connection.is_open())))
    }

    /// The length of the request's body; `None`: its end has not been read yet.
    fn request_length(&self) -> Option<u64> {
        match &self.upload {
            Some(upload) => upload.whole_length(),
            None => Some(self.outgoing.body.len() as u64),
        }
    }

    fn hand_in_piece(&mut self, feed: Option<&Feed>) -> Result<()> {
        if let (Some(feed), Some(upload)) = (feed, self.upload.as_mut()) {
            feed.put(self.call.run_callback(|| upload.next_piece()).map_err(Fault::Ended)?);
        }
        Ok(())
    }
}

fn when_piece_is_wanted<T>(feed: Option<&Feed>) -> Poll<Event<T>> {
    match feed.is_some_and(Feed::is_wanted) {
        true => Poll::Ready(Event::PieceWanted),
        false => Poll::Pending,
    }
}
