//! A connection to one server, made and used within the time that each step may take. It never sends anything twice.

use crate::call::backoff::REFUSED;
use crate::http::tls;
use crate::http::tls::settings::OptionScope;
use crate::net::connect;
use crate::net::connect::Unreached;
use crate::net::drive::{Alarm, Pace, Stopped, drive};
use crate::net::resolve;
use crate::net::stream::{Layers, Stream};
use crate::store::redis::address::{Access, Server};
use crate::store::redis::error::RedisError;
use crate::store::redis::resp::{Command, Reader, Unusable, Value};
use crate::store::redis::route::Route;
use crate::sys::socket::{Socket, SocketStream};
use rustls::pki_types::ServerName;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use url::Host;

/// A connection that is logged in and has its database selected.
pub struct Connection {
    pub server: Server,
    stream: Stream,
    socket: Arc<Socket>,
    alarm: Alarm,
    /// A command's answer has not been read to its end: the next answer would be taken for another command's.
    owes_answer: bool,
    has_answered: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[connection to {}]", self.server)
    }
}

impl Connection {
    /// Connects, logs in and chooses the database, all within the time for one step.
    pub fn open(
        server: &Server,
        access: &Access,
        route: &Route<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<Connection, RedisError> {
        let mark = access.mark(server);
        if let Some(mark) = mark
            && mark.happened_within(REFUSED.most)
        {
            return Err(RedisError::Unreached(format!(
                "{server} answered WRONGPASS to this user and password, so they are not sent again for {} s; correct store.url, or store.username and store.password, or their file, which is then tried at once",
                REFUSED.most.as_secs()
            )));
        }
        let mut pace = pace.within(Instant::now() + route.limit);
        let mut opening = Opening { server, access, route, alarm: Alarm::new(), pace: &mut pace };
        let mut connection = opening.connect()?;
        // Done here, so that the error carries the server's own message.
        let mut ask = |command: &Command<'_>| match connection.ask(command, route.limit, route, &mut pace) {
            Err(RedisError::Lost { timed_out: true, .. }) => Err(too_slow(server, route)),
            other => other,
        };
        if let Some(password) = &access.password {
            let login = Command::new("AUTH");
            let login = match &access.user {
                Some(user) => login.arg(user.as_bytes()),
                None => login,
            };
            ask(&login.arg(password.as_bytes())).inspect_err(|error| {
                if error.refuses_password() {
                    mark.inspect(|mark| mark.note());
                }
            })?;
        }
        if access.database != 0 {
            ask(&Command::new("SELECT").arg_owned(access.database))?;
        }
        Ok(connection)
    }

    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Sends one command and waits for its answer, for `limit` at the most.
    pub fn ask(
        &mut self,
        command: &Command<'_>,
        limit: Duration,
        route: &Route<'_>,
        pace: &mut Pace<'_>,
    ) -> Result<Value, RedisError> {
        if self.owes_answer {
            return Err(self.lost("an answer is missing".to_owned()));
        }
        self.owes_answer = true;
        let bytes = command.encode();
        let mut exchange = Exchange { unsent: &bytes, is_flushed: false, reader: Reader::new() };
        let mut pace = pace.within(Instant::now() + limit);
        let stream = &mut self.stream;
        let came = drive(&mut pace, &self.alarm, &[&self.socket], |cx| exchange.advance(stream, cx));
        let came = came.map_err(|stopped| match stopped {
            Stopped::StepOutOfTime => {
                route.out_of_time(&self.server, || RedisError::timed_out("answer", &self.server, limit))
            }
            Stopped::Call(error) => RedisError::Ended(error),
            Stopped::Unable(cause) => self.lost(cause.to_string()),
        })?;
        let value = match came {
            Ok(Ok(value)) => value,
            Ok(Err(why)) => return Err(RedisError::of_unusable(why, &self.server)),
            Err(cause) => {
                return Err(self.lost(tls::explain(&cause, OptionScope::Store).unwrap_or_else(|| cause.to_string())));
            }
        };
        (self.owes_answer, self.has_answered) = (false, true);
        match value.refusal() {
            Some(refusal) => Err(RedisError::of_refusal(refusal.clone(), &self.server)),
            None => Ok(value),
        }
    }

    fn lost(&self, cause: String) -> RedisError {
        // A server that expects TLS does not answer, and closes.
        let advice = match (&self.server, &self.stream.layers) {
            (Server::Tcp { .. }, Layers::Plain(_)) if !self.has_answered => "; use rediss:// if its port speaks TLS",
            _ => "",
        };
        RedisError::Lost { why: format!("the connection to {} broke: {cause}{advice}", self.server), timed_out: false }
    }

    /// Whether it can be used, as far as can be seen from here: the server has not closed it, and has sent nothing
    /// unasked.
    pub fn is_usable(&mut self) -> bool {
        if self.owes_answer {
            return false;
        }
        match self.socket.has_something() {
            Ok(false) => true,
            // It may be TLS's own.
            Ok(true) => {
                let mut byte = [0];
                let read =
                    Pin::new(&mut self.stream).poll_read(&mut self.alarm.context(), &mut ReadBuf::new(&mut byte));
                read.is_pending()
            }
            Err(_) => false,
        }
    }
}

/// A command on its way, and what has come of its answer.
struct Exchange<'a> {
    unsent: &'a [u8],
    is_flushed: bool,
    reader: Reader,
}

/// The answer, or why it is none; or why the connection ended.
type Came = io::Result<Result<Value, Unusable>>;

impl Exchange<'_> {
    fn advance(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Came> {
        if let Poll::Ready(Err(cause)) = self.send(stream, cx) {
            return Poll::Ready(Err(cause));
        }
        // Also while the command is not sent in full: a server that refuses it early says so and closes.
        loop {
            let mut buffer = ReadBuf::new(self.reader.unfilled());
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
                Poll::Ready(Ok(())) => {}
            }
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it")));
            }
            match self.reader.came(count) {
                Ok(None) => {}
                Ok(Some(value)) => return Poll::Ready(Ok(Ok(value))),
                Err(why) => return Poll::Ready(Ok(Err(why))),
            }
        }
    }

    fn send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, self.unsent) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.unsent = &self.unsent[count..],
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if !self.is_flushed {
            match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_flushed = true,
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A connection being made.
struct Opening<'a, 'b, 'c> {
    server: &'a Server,
    access: &'a Access,
    route: &'a Route<'a>,
    alarm: Alarm,
    pace: &'c mut Pace<'b>,
}

impl Opening<'_, '_, '_> {
    fn connect(&mut self) -> Result<Connection, RedisError> {
        let socket = match self.server {
            Server::Tcp { host, port } => self.connect_tcp(host, *port)?,
            Server::Unix(path) => connect::to_unix(path, self.pace).map_err(|why| self.unreached(why))?,
        };
        let stream = SocketStream(Arc::clone(&socket));
        let layers = match (self.access.tls, self.server) {
            (true, Server::Tcp { host, .. }) => self.secure(host, stream, &socket)?,
            _ => Layers::Plain(stream),
        };
        Ok(Connection {
            server: self.server.clone(),
            stream: Stream::new(layers),
            socket,
            alarm: self.alarm.clone(),
            owes_answer: false,
            has_answered: false,
        })
    }

    /// A TCP connection to the first of the host's addresses that takes one.
    fn connect_tcp(&mut self, host: &str, port: u16) -> Result<Arc<Socket>, RedisError> {
        let named = match host.parse() {
            Ok(IpAddr::V4(address)) => Host::Ipv4(address),
            Ok(IpAddr::V6(address)) => Host::Ipv6(address),
            Err(_) => Host::Domain(host),
        };
        let found = resolve::addresses(&named, self.pace);
        let addresses = found.map_err(|why| self.unreached(why))?;
        // What counts is the address, not what the URL, a Sentinel or a node says.
        if !self.access.tls && !self.route.address.allow_insecure && !addresses.iter().all(connect::is_loopback) {
            return Err(RedisError::Unreached(format!(
                "tokens would travel readable to {}, which is not on this machine; use rediss://, or set store.allow_insecure",
                self.server
            )));
        }
        connect::first_to_connect(addresses, port, &self.alarm, self.pace).map_err(|why| self.unreached(why))
    }

    fn secure(&mut self, host: &str, stream: SocketStream, socket: &Socket) -> Result<Layers, RedisError> {
        let failed = |why: String| RedisError::Unreached(format!("no TLS with {}: {why}", self.server));
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed("its host is no name that a certificate can have; correct it".to_owned()))?;
        let config = self.route.tls.ok_or_else(|| failed("it was not prepared".to_owned()))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match connect::tls_handshake(handshake, socket, &self.alarm, self.pace) {
            Ok(Ok(stream)) => Ok(Layers::Tls(stream)),
            Ok(Err(cause)) => {
                Err(failed(tls::explain(&cause, OptionScope::Store).unwrap_or_else(|| format!("{cause}; see its log"))))
            }
            // A server without TLS waits for the end of a line.
            Err(Stopped::StepOutOfTime) => Err(self.route.out_of_time(self.server, || {
                failed(format!(
                    "it began none within {} ms; use redis:// if its port speaks no TLS, or see whether it is overloaded or stopped",
                    self.route.limit.as_millis()
                ))
            })),
            Err(stopped) => Err(self.unreached(Unreached::Stopped(stopped))),
        }
    }

    fn unreached(&self, why: Unreached) -> RedisError {
        let because = |cause: &dyn std::fmt::Display| {
            RedisError::Unreached(format!(
                "{} could not be connected to ({cause}); see whether it runs and can be reached from here",
                self.server
            ))
        };
        match why {
            Unreached::Stopped(Stopped::Call(error)) => RedisError::Ended(error),
            Unreached::Stopped(Stopped::StepOutOfTime) => {
                self.route.out_of_time(self.server, || too_slow(self.server, self.route))
            }
            Unreached::LookUp(cause) if cause.kind() == io::ErrorKind::TimedOut => {
                self.route.out_of_time(self.server, || too_slow(self.server, self.route))
            }
            Unreached::NoAddress => because(&"the host has no address"),
            Unreached::LookUp(cause) | Unreached::Refused(cause) | Unreached::Stopped(Stopped::Unable(cause)) => {
                because(&cause)
            }
        }
    }
}

fn too_slow(server: &Server, route: &Route<'_>) -> RedisError {
    RedisError::Unreached(format!(
        "{server} could not be connected to within {} ms; see whether it runs and can be reached from here",
        route.limit.as_millis()
    ))
}

#[cfg(test)]
mod tests;
