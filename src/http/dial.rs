//! Making connections: the host's addresses, TCP, the proxy, TLS. Nothing of a request is written before a connection
//! is there, so after a fault in here the server has certainly not seen a byte of it (T3).

use crate::http::body::RequestBody;
use crate::http::connection::Connection;
use crate::http::fault::Fault;
use crate::http::origin::Origin;
use crate::http::protocol::MOST_HEADERS;
use crate::http::proxy::{Proxies, Proxy, Scheme};
use crate::http::socks;
use crate::http::tls::Shared;
use crate::http::tls::settings::OptionScope;
use crate::net::resolve;
use crate::net::{connect::Unreached, connect::first_to_connect, connect::is_loopback, connect::tls_handshake};
use crate::net::{drive::Alarm, drive::Pace, drive::drive};
use crate::net::{stream::Layers, stream::Stream};
use crate::sys::socket::{Socket, SocketStream};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

/// How a manager's connections are made.
pub struct Dialer {
    pub proxies: Proxies,
    pub tls: Arc<Shared>,
    pub scope: OptionScope,
    pub connect_timeout: Duration,
    /// Whether `http://` may go to other machines.
    pub allow_insecure: bool,
    pub user_agent: HeaderValue,
}

/// One connection being made.
struct Dialing<'a, 'b> {
    dialer: &'a Dialer,
    pace: Pace<'b>,
    alarm: Alarm,
}

impl Dialer {
    /// Connects to an origin, within `connect_timeout` and the step's time.
    /// `alarm`: what the connection's parts wake each other through.
    pub fn dial(&self, origin: &Arc<Origin>, alarm: Alarm, pace: &mut Pace<'_>) -> Result<Connection, Fault> {
        let pace = pace.within(Instant::now() + self.connect_timeout);
        Dialing { dialer: self, pace, alarm }.connect(origin)
    }
}

impl Dialing<'_, '_> {
    fn connect(mut self, origin: &Arc<Origin>) -> Result<Connection, Fault> {
        let proxy = self.dialer.proxies.of(&origin.url);
        let socket = match proxy {
            None => self.connect_tcp(&origin.host, origin.port, origin)?,
            Some(proxy) => self.connect_tcp(&proxy.host, proxy.port, origin)?,
        };
        let mut stream = Stream::new(Layers::Plain(SocketStream(Arc::clone(&socket))));
        // What a plain request over an HTTP proxy carries for the proxy itself.
        let mut forwarding = None;
        match proxy {
            Some(proxy @ Proxy { scheme: Scheme::Socks5 | Scheme::Socks5h, .. }) => {
                stream = self.through_socks(proxy, stream, &socket, origin)?;
            }
            Some(proxy) => {
                if matches!(proxy.scheme, Scheme::Https) {
                    let secured = self.secure(stream, &socket, &proxy.host, Arc::clone(&self.dialer.tls.for_proxies));
                    stream = secured.map_err(|fault| match fault {
                        Fault::Tls { connected, why } => {
                            Fault::Tls { connected, why: format!("with the proxy {}: {why}", proxy.redacted()) }
                        }
                        other => other,
                    })?;
                }
                match origin.is_https {
                    true => stream = self.through_tunnel(proxy, stream, &socket, origin)?,
                    false => forwarding = Some(proxy.basic()),
                }
            }
            None => {}
        }
        if origin.is_https {
            stream = self.secure(stream, &socket, &origin.host, Arc::clone(&self.dialer.tls.config))?;
        }
        Connection::open(Arc::clone(origin), socket, stream, forwarding, self.alarm, &mut self.pace)
    }

    fn addresses(&mut self, host: &Host) -> Result<Vec<IpAddr>, Fault> {
        let host = match host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        Ok(resolve::addresses(&host, &mut self.pace)?)
    }

    /// A TCP connection to the first of a host's addresses that takes one (RFC 8305).
    fn connect_tcp(&mut self, host: &Host, port: u16, origin: &Origin) -> Result<Arc<Socket>, Fault> {
        let addresses = self.addresses(host)?;
        // The password and the token would travel readable. What counts is the address, not what the URL says.
        if !origin.is_https && !self.dialer.allow_insecure && !addresses.iter().all(is_loopback) {
            return Err(Fault::Readable { host: host.to_string() });
        }
        Ok(first_to_connect(addresses, port, &self.alarm, &mut self.pace)?)
    }

    /// Waits for a step of the dialling.
    fn wait<T>(&mut self, socket: &Socket, step: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Fault> {
        drive(&mut self.pace, &self.alarm, &[socket], step).map_err(Fault::of_stopped_dial)
    }

    fn through_socks(
        &mut self,
        proxy: &Proxy,
        mut stream: Stream,
        socket: &Socket,
        origin: &Origin,
    ) -> Result<Stream, Fault> {
        let target = match (&origin.host, proxy.scheme) {
            (Host::Domain(name), Scheme::Socks5h) => socks::Target::Name(name, origin.port),
            (host, _) => {
                let addresses = self.addresses(host)?;
                // The proxy tries one address only, and most proxies cannot reach IPv6 addresses.
                let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
                let address = address.ok_or(Unreached::NoAddress)?;
                socks::Target::Address(SocketAddr::new(*address, origin.port))
            }
        };
        let ended = {
            let mut handshake = pin!(socks::connect(&mut stream, target, proxy.login()));
            self.wait(socket, |cx| handshake.as_mut().poll(cx))?
        };
        ended.map_err(|fault| Fault::Proxy { proxy: proxy.redacted(), why: fault.to_string() })?;
        Ok(stream)
    }

    /// Has an HTTP proxy connect to the origin (RFC 9110, 9.3.6).
    fn through_tunnel(
        &mut self,
        proxy: &Proxy,
        stream: Stream,
        socket: &Socket,
        origin: &Origin,
    ) -> Result<Stream, Fault> {
        let refused = |why: String| Fault::Proxy { proxy: proxy.redacted(), why };
        let broken = |error: hyper::Error| refused(format!("it did not answer in HTTP ({error}); check its URL"));
        let mut handshake = pin!(
            http1::Builder::new().title_case_headers(true).max_headers(MOST_HEADERS).handshake(TokioIo::new(stream))
        );
        let (mut sender, mut driver) = self.wait(socket, |cx| handshake.as_mut().poll(cx))?.map_err(broken)?;
        let authority = format!("{}:{}", origin.host, origin.port);
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(&authority)
            .header(header::HOST, &authority)
            .header(header::USER_AGENT, &self.dialer.user_agent);
        if let Some(basic) = proxy.basic() {
            request = request.header(header::PROXY_AUTHORIZATION, basic);
        }
        let request = request
            .body(RequestBody::Whole(Bytes::new()))
            .map_err(|cause| Fault::Unsendable(format!("its host cannot be named to a proxy ({cause})")))?;
        let mut answer = pin!(sender.send_request(request));
        let answer = self.wait(socket, |cx| {
            let _ = driver.poll_without_shutdown(cx); // its error comes through the answer
            answer.as_mut().poll(cx)
        })?;
        let status = answer.map_err(broken)?.status();
        if !status.is_success() {
            return Err(refused(refusal(status.as_u16())));
        }
        self.wait(socket, |cx| driver.poll_without_shutdown(cx))?.map_err(broken)?;
        let parts = driver.into_parts();
        match parts.read_buf.is_empty() {
            true => Ok(parts.io.into_inner()),
            false => Err(refused("it sent bytes that are not the server's; check its URL".to_owned())),
        }
    }

    fn secure(
        &mut self,
        stream: Stream,
        socket: &Socket,
        host: &Host,
        config: Arc<ClientConfig>,
    ) -> Result<Stream, Fault> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| Fault::Unsendable("its host is no name that a certificate can have".to_owned()))?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let connector = TlsConnector::from(config);
        let layers = match stream.layers {
            Layers::Plain(inner) => Layers::Tls(self.handshake(socket, connector.connect(name, inner))?),
            Layers::Tls(inner) => Layers::TlsInTls(self.handshake(socket, connector.connect(name, inner))?),
            Layers::TlsInTls(_) => unreachable!("TLS is laid over a proxy's TLS at the most"),
        };
        Ok(Stream::new(layers))
    }

    fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: &Socket,
        handshake: tokio_rustls::Connect<S>,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        let ended =
            tls_handshake(handshake, socket, &self.alarm, &mut self.pace).map_err(Fault::of_stopped_handshake)?;
        ended.map_err(|cause| Fault::of_handshake(&cause, self.dialer.scope))
    }
}

/// What a proxy's refusal to connect means.
fn refusal(status: u16) -> String {
    match status {
        407 => {
            "it wants a username and a password (407); put them into the proxy's URL, http://user:password@host:port"
                .to_owned()
        }
        403 => "its rules do not allow this host (403); ask whoever runs the proxy, or name the host in NO_PROXY"
            .to_owned(),
        502..=504 => format!("it could not reach the host ({status}); check the host, and the proxy's own way out"),
        _ => format!("it answered CONNECT with {status}; check that it allows CONNECT to this host and port"),
    }
}
