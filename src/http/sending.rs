//! One request being sent: over an idle connection or a new one, again where that is safe (R6), and its answer read.

use crate::call::Call;
use crate::http::body::{Feed, RequestBody};
use crate::http::collect::Collector;
use crate::http::connection::Connection;
use crate::http::dial::Dialer;
use crate::http::fault::{Fault, Result};
use crate::http::intermediary::Way;
use crate::http::message::{Answer, Outgoing, Upload};
use crate::http::origin::Origin;
use crate::http::pool::Pool;
use crate::http::protocol::Head;
use crate::http::tls::settings::OptionScope;
use crate::net::{drive::Alarm, drive::Pace, drive::Stopped, drive::drive, drive::drive_until};
use crate::stats::Stats;
use crate::sys::clock::Tick;
use crate::sys::socket::Socket;
use crate::sys::zeroing::SecretWork;
use http::{Method, Response, header};
use hyper::body::{Body, Incoming};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// One request being sent.
pub(super) struct Sending<'a, 'b> {
    pub(super) dialer: &'a Dialer,
    pub(super) pool: &'a Pool,
    /// How long an idle connection may be silent before an idempotent request is also sent over a new one.
    pub(super) kept_timeout: Duration,
    pub(super) call: &'a Call,
    pub(super) stats: &'a Stats,
    pub(super) outgoing: &'a Outgoing,
    pub(super) origin: &'a Arc<Origin>,
    pub(super) pace: Pace<'b>,
    pub(super) upload: Option<&'b mut Upload>,
}

/// A request under way, and the connection that it went over.
pub(super) struct InFlight {
    connection: Box<Connection>,
    head: Head,
    feed: Option<Feed>,
    /// Set where the connection's buffers hold secrets.
    _secret: Option<SecretWork>,
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

impl Sending<'_, '_> {
    fn scope(&self) -> OptionScope {
        self.dialer.scope
    }

    /// How the answer was got.
    pub(super) fn way(&self) -> Way {
        Way {
            is_https: self.origin.is_https,
            is_forwarded: !self.origin.is_https && self.dialer.proxies.of(&self.origin.url).is_some(),
            certificate_wanted: self.dialer.tls.certificate_wanted.load(Ordering::Relaxed),
            certificate_option: self.scope().option("client_cert_file"),
        }
    }

    fn stopped(&self, stopped: Stopped) -> Fault {
        Fault::of_stopped(stopped, self.call)
    }

    /// R6: sends over an idle connection. `None`: there is none, or it had died, and the request may be sent anew.
    pub(super) fn over_kept(&mut self, repeatable: bool) -> Result<Option<(InFlight, Response<Incoming>)>> {
        let Some(connection) = self.take_kept() else {
            return Ok(None);
        };
        let mut in_flight = self.send_over(connection)?;
        let may_be_sent_twice = repeatable && self.upload.is_none();
        let patience = match may_be_sent_twice {
            true => Instant::now() + self.kept_timeout,
            false => self.pace.deadline,
        };
        let mut came = self.head(&mut in_flight, patience);
        if matches!(came, Ok(None)) {
            if !in_flight.connection.has_received() {
                self.pool.distrust();
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
                    self.pool.distrust();
                }
                return Err(fault);
            }
        };
        let Fault::Lost { sent, .. } = fault else {
            return Err(fault);
        };
        self.pool.distrust();
        let may_repeat = (repeatable || !sent)
            && self.upload.as_mut().is_none_or(|upload| self.call.run_callback(|| upload.rewind()));
        if !may_repeat {
            return Err(fault);
        }
        self.stats.resends.add_one();
        Ok(None)
    }

    fn take_kept(&self) -> Option<Box<Connection>> {
        while let Some(mut connection) = self.pool.take(self.origin) {
            // Where the kernel cannot look at it, a new one is made, and the error of that says why.
            if connection.look().unwrap_or(false) {
                self.call.add_socket(connection.socket());
                return Some(connection);
            }
        }
        None
    }

    pub(super) fn over_new(&mut self) -> Result<(InFlight, Response<Incoming>)> {
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
        self.dialer.dial(self.origin, alarm, &mut pace).map(Box::new)
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
            Err(Fault::Ended(error) | Fault::Unbegun { error, .. }) => return Err(Fault::Ended(error)),
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
    pub(super) fn read(
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
