//! Below HTTP: a connection that can be cut, reset, slowed down, or made to talk nonsense.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, mpsc},
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;

/// One connection, as those see it who answer on it and the task that drives it.
#[derive(Default)]
pub struct Line {
    mischief: Mutex<Mischief>,
    with_reset: AtomicBool,
    cut: Notify,
    /// Requests whose answer is not out yet.
    busy: AtomicUsize,
    pub quiet: Notify,
    is_control: AtomicBool,
}

#[derive(Default)]
enum Mischief {
    #[default]
    None,
    /// A byte at a time, until the end of the answer's head.
    SlowHead { every: Duration, seen: usize, pause: Option<Pin<Box<Sleep>>> },
    /// These bytes in place of whatever HTTP has to say; then the end.
    Instead(Bytes),
}

impl Line {
    /// Ends the connection at once: with an RST, or with a FIN.
    pub fn cut(&self, with_reset: bool) {
        self.with_reset.store(with_reset, Relaxed);
        self.cut.notify_one();
    }

    pub async fn is_cut(&self) {
        self.cut.notified().await
    }

    pub fn slow_head(&self, every: Duration) {
        *self.mischief.lock().unwrap() = Mischief::SlowHead { every, seen: 0, pause: None };
    }

    pub fn say_instead(&self, bytes: Bytes) {
        *self.mischief.lock().unwrap() = Mischief::Instead(bytes);
    }

    /// Is this the first time that the line is found to carry the control's requests?
    pub fn turns_out_control(&self) -> bool {
        !self.is_control.swap(true, Relaxed)
    }

    pub fn is_control(&self) -> bool {
        self.is_control.load(Relaxed)
    }

    pub fn is_idle(&self) -> bool {
        self.busy.load(Relaxed) == 0
    }
}

/// An answer under way; the line falls quiet when the last is gone.
pub struct Busy(Arc<Line>);

impl Busy {
    pub fn on(line: &Arc<Line>) -> Busy {
        line.busy.fetch_add(1, Relaxed);
        Busy(line.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.fetch_sub(1, Relaxed) == 1 {
            self.0.quiet.notify_one();
        }
    }
}

/// A body: something at once, then whatever a task feeds.
pub struct Payload {
    first: Option<Bytes>,
    rest: Option<mpsc::Receiver<Bytes>>,
    _busy: Busy,
}

impl Payload {
    pub fn new(first: Bytes, rest: Option<mpsc::Receiver<Bytes>>, busy: Busy) -> Payload {
        Payload { first: Some(first).filter(|b| !b.is_empty()), rest, _busy: busy }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let next = match &mut self.rest {
            Some(rest) => ready!(rest.poll_recv(cx)),
            None => None,
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.first, &self.rest) {
            (_, Some(_)) => SizeHint::default(),
            (first, None) => SizeHint::with_exact(first.as_ref().map_or(0, |b| b.len() as u64)),
        }
    }
}

/// The socket under a stream, which alone can be told to close with an RST.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// What HTTP writes to: the stream, and in between whatever mischief the line is up to.
pub struct Wire<S: Socket> {
    pub stream: S,
    pub line: Arc<Line>,
}

impl<S: Socket> Drop for Wire<S> {
    fn drop(&mut self) {
        if self.line.with_reset.load(Relaxed) {
            // Without it the close is an ordinary one: nothing worse can come of a failure here.
            let _ = self.stream.tcp().set_zero_linger();
        }
    }
}

impl<S: Socket> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context, buf: &mut ReadBuf) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Socket> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context, buf: &[u8]) -> Poll<io::Result<usize>> {
        const END_OF_HEAD: &[u8] = b"\r\n\r\n";
        let Wire { stream, line } = self.get_mut();
        let mut mischief = line.mischief.lock().unwrap();
        match &mut *mischief {
            Mischief::None => Pin::new(stream).poll_write(cx, buf),
            Mischief::SlowHead { every, seen, pause } => {
                if let Some(pause) = pause {
                    ready!(pause.as_mut().poll(cx));
                }
                let byte = &buf[..buf.len().min(1)];
                let written = ready!(Pin::new(&mut *stream).poll_write(cx, byte))?;
                *pause = Some(Box::pin(sleep(*every)));
                *seen = match byte {
                    [b] if *b == END_OF_HEAD[*seen] => *seen + 1,
                    b"\r" => 1,
                    _ => 0,
                };
                if *seen == END_OF_HEAD.len() {
                    *mischief = Mischief::None;
                }
                Poll::Ready(Ok(written))
            }
            Mischief::Instead(bytes) => {
                while !bytes.is_empty() {
                    let written = ready!(Pin::new(&mut *stream).poll_write(cx, bytes))?;
                    let _ = bytes.split_to(written);
                }
                ready!(Pin::new(&mut *stream).poll_flush(cx))?;
                line.cut(false);
                Poll::Ready(Ok(buf.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
