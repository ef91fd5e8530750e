//! What a connection's bytes go through: the socket, TLS, and TLS within a proxy's TLS.

use crate::sys::socket::SocketStream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// A stream of bytes to the server or the proxy. It counts the bytes that the peer has sent, without TLS's own
/// records.
#[derive(Debug)]
pub struct Stream {
    pub layers: Layers,
    pub received: Arc<AtomicU64>,
}

#[derive(Debug)]
pub enum Layers {
    Plain(SocketStream),
    Tls(Box<TlsStream<SocketStream>>),
    TlsInTls(Box<TlsStream<Box<TlsStream<SocketStream>>>>),
}

impl Stream {
    pub fn new(layers: Layers) -> Stream {
        Stream { layers, received: Arc::default() }
    }

    /// Whether the two sides agreed on HTTP/2 (ALPN).
    #[cfg(feature = "http2")]
    pub fn speaks_http2(&self) -> bool {
        let agreed = match &self.layers {
            Layers::Plain(_) => None,
            Layers::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            Layers::TlsInTls(stream) => stream.get_ref().1.alpn_protocol(),
        };
        agreed == Some(b"h2")
    }
}

/// Does the same with whichever stream it is.
macro_rules! with_inner {
    ($self:expr, $inner:ident => $work:expr) => {
        match $self {
            Layers::Plain($inner) => $work,
            Layers::Tls($inner) => $work,
            Layers::TlsInTls($inner) => $work,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = with_inner!(&mut this.layers, inner => Pin::new(inner).poll_read(cx, buffer));
        let read = (buffer.filled().len() - before) as u64;
        // A plain addition: one thread at a time uses the stream.
        this.received.store(this.received.load(Ordering::Relaxed) + read, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        with_inner!(&mut self.get_mut().layers, inner => Pin::new(inner).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_inner!(&mut self.get_mut().layers, inner => Pin::new(inner).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        with_inner!(&self.layers, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_inner!(&mut self.get_mut().layers, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_inner!(&mut self.get_mut().layers, inner => Pin::new(inner).poll_shutdown(cx))
    }
}
