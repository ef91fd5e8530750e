//! HTTP/1.1 or HTTP/2 over a stream, as hyper speaks them.

use crate::http::body::RequestBody;
use crate::http::fault::Fault;
#[cfg(feature = "http2")]
use crate::http::tasks::Tasks;
use crate::net::stream::Stream;
use crate::net::{drive::Alarm, drive::Pace, drive::drive};
use crate::sys::socket::Socket;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// How many headers an answer may have, and how large its head may be.
pub const MOST_HEADERS: usize = 512;
const LARGEST_HEAD: usize = 400 << 10;

/// The answer's head, when it is there.
pub type Head = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// hyper's two halves of a connection: what takes requests, and what moves bytes when it is polled. HTTP/1.1 is what
/// nearly all connections speak, and each is in a box of its own, so the difference in size costs nothing.
#[allow(clippy::large_enum_variant)]
pub enum Protocol {
    Http1 {
        sender: http1::SendRequest<RequestBody>,
        driver: http1::Connection<TokioIo<Stream>, RequestBody>,
    },
    #[cfg(feature = "http2")]
    Http2 {
        sender: http2::SendRequest<RequestBody>,
        driver: Tasks,
    },
}

impl Protocol {
    /// Begins the protocol that both sides agreed on.
    pub fn open(stream: Stream, socket: &Socket, alarm: &Alarm, pace: &mut Pace<'_>) -> Result<Protocol, Fault> {
        #[cfg(feature = "http2")]
        if stream.speaks_http2() {
            return Protocol::open_http2(stream, socket, alarm, pace);
        }
        let mut opening = pin!(
            http1::Builder::new()
                // Many servers look for `Authorization` in this spelling only.
                .title_case_headers(true)
                .max_headers(MOST_HEADERS)
                .max_buf_size(LARGEST_HEAD)
                .allow_spaces_after_header_name_in_responses(true)
                .allow_obsolete_multiline_headers_in_responses(true)
                .ignore_invalid_headers_in_responses(true)
                .handshake(TokioIo::new(stream))
        );
        let opened = drive(pace, alarm, &[socket], |cx| opening.as_mut().poll(cx)).map_err(Fault::of_stopped_dial)?;
        let (sender, driver) = opened.map_err(Fault::of_opening)?;
        Ok(Protocol::Http1 { sender, driver })
    }

    #[cfg(feature = "http2")]
    fn open_http2(stream: Stream, socket: &Socket, alarm: &Alarm, pace: &mut Pace<'_>) -> Result<Protocol, Fault> {
        let mut tasks = Tasks::default();
        let mut opening = pin!(
            http2::Builder::new(tasks.spawner())
                .max_header_list_size(LARGEST_HEAD as u32)
                .handshake(TokioIo::new(stream))
        );
        let opened = drive(pace, alarm, &[socket], |cx| opening.as_mut().poll(cx)).map_err(Fault::of_stopped_dial)?;
        let (sender, connection) = opened.map_err(Fault::of_opening)?;
        tasks.add(Box::pin(async move { drop(connection.await) }));
        Ok(Protocol::Http2 { sender, driver: tasks })
    }

    /// HTTP/1.1 begun anew between two exchanges; HTTP/2 as it is. `None`: bytes have come that belong to no answer.
    pub fn renewed(self, socket: &Socket, alarm: &Alarm, pace: &mut Pace<'_>) -> Option<Protocol> {
        match self {
            Protocol::Http1 { driver, .. } => {
                let parts = driver.into_parts();
                let is_between = parts.read_buf.is_empty();
                is_between.then(|| Protocol::open(parts.io.into_inner(), socket, alarm, pace).ok()).flatten()
            }
            #[cfg(feature = "http2")]
            Protocol::Http2 { .. } => Some(self),
        }
    }

    pub fn is_http2(&self) -> bool {
        !matches!(self, Protocol::Http1 { .. })
    }

    /// Takes a request, which is sent when this is polled.
    pub fn send(&mut self, request: Request<RequestBody>) -> Head {
        match self {
            Protocol::Http1 { sender, .. } => Box::pin(sender.send_request(request)),
            #[cfg(feature = "http2")]
            Protocol::Http2 { sender, .. } => Box::pin(sender.send_request(request)),
        }
    }

    /// Moves what can be moved. Ready once the connection has ended; an error also comes through the exchange that it
    /// ended.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Protocol::Http1 { driver, .. } => Pin::new(driver).poll(cx).map(drop),
            #[cfg(feature = "http2")]
            Protocol::Http2 { driver, .. } => driver.poll(cx),
        }
    }

    /// Whether it takes another request.
    pub fn is_ready(&self) -> bool {
        match self {
            Protocol::Http1 { sender, .. } => sender.is_ready(),
            #[cfg(feature = "http2")]
            Protocol::Http2 { sender, .. } => sender.is_ready(),
        }
    }
}
