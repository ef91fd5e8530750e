//! A TCP or Unix-domain socket that the caller's own thread drives: it waits by poll(2) or in recv(2), and no runtime is needed.
//!
//! A [`Socket`] never wakes the future that reads from it or writes to it, except after so many bytes that the thread has to
//! look at the time. The thread that polls that future waits with [`Socket::wait`], or allows the next read to wait
//! ([`Socket::let_read_wait`]), and then polls it again.

use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a read may wait that was allowed to.
pub const LONGEST_READ: Duration = Duration::from_millis(50);

/// How many bytes are read before the thread looks at the time: a peer that sends faster than the thread reads must not
/// prevent that.
const LONGEST_TURN: u64 = 256 << 10;

/// How many sockets one thread connects at once at the most. One more is waited for beside them.
pub const MOST_AT_ONCE: usize = 8;

/// How far the peer's refusal to take anything more has come: a write waits for ever then, while what the peer said before
/// is read, and the end behind it. HTTP/2 does not read on while it has something to acknowledge. Where nothing was read
/// between two waits, writes go nowhere, so that it does.
const NONE: u8 = 0;
const REFUSED: u8 = 1;
const WAITED: u8 = 2;
const IGNORED: u8 = 3;

/// A socket, and its state as its driver knows it. One thread at a time uses it; the atomics only make it `Sync`.
#[derive(Debug)]
pub struct Socket {
    /// [`CLOSED`] once it is closed.
    fd: AtomicI32,
    /// Bytes, or the end, are known to be there.
    is_readable: AtomicBool,
    /// The next read may wait for bytes, for [`LONGEST_READ`] at the most.
    read_may_wait: AtomicBool,
    /// The last write found no room.
    is_write_blocked: AtomicBool,
    /// The peer takes no more bytes. What it sent before is still to be read.
    refusal: AtomicU8,
    sent: AtomicU64,
    /// Bytes that were read since the driver last had its turn.
    read_in_turn: AtomicU64,
}

impl Socket {
    /// Begins to connect; [`Socket::wait`] and [`Socket::connected`] tell how that ends.
    pub fn connect(address: SocketAddr) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(address)) {
            Err(cause) if cause.raw_os_error() != Some(libc::EINPROGRESS) => return Err(cause),
            _ => {}
        }
        let socket = Socket::over(OwnedFd::from(socket));
        socket.is_write_blocked.store(true, Relaxed);
        Ok(socket)
    }

    /// Connects to a socket in the file system. Where its queue is full that waits, for [`LONGEST_READ`] at the most,
    /// and fails with [`io::ErrorKind::WouldBlock`].
    pub fn connect_unix(path: &Path) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_write_timeout(Some(LONGEST_READ))?; // it holds for connect(2), too
        socket.set_read_timeout(Some(LONGEST_READ))?;
        socket.connect(&SockAddr::unix(path)?)?;
        Ok(Socket::over(OwnedFd::from(socket)))
    }

    fn over(fd: OwnedFd) -> Socket {
        Socket {
            fd: AtomicI32::new(fd.into_raw_fd()),
            is_readable: AtomicBool::new(false),
            read_may_wait: AtomicBool::new(false),
            is_write_blocked: AtomicBool::new(false),
            refusal: AtomicU8::new(NONE),
            sent: AtomicU64::new(0),
            read_in_turn: AtomicU64::new(0),
        }
    }

    /// The descriptor. System calls on one that is closed fail, or report nothing.
    fn fd(&self) -> RawFd {
        self.fd.load(Relaxed)
    }

    /// Closes it, although a lost call may still refer to it. Only while that call does not use it.
    pub fn close(&self) {
        let fd = self.fd.swap(CLOSED, Relaxed);
        if fd != CLOSED {
            // SAFETY: it came from an `OwnedFd` and, taken out by the swap, no other code closes it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }

    /// Whether the connection has been made. From then on reads may wait.
    pub fn connected(&self) -> io::Result<bool> {
        if self.is_write_blocked.load(Relaxed) {
            return Ok(false);
        }
        let fd = self.fd();
        if fd == CLOSED {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // SAFETY: it is open, and nobody closes it while its user is not in a callback.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let socket = SockRef::from(&fd);
        if let Some(cause) = socket.take_error()? {
            return Err(cause);
        }
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LONGEST_READ))?;
        Ok(true)
    }

    /// Waits until one of the sockets has something to read, or room to write where that was missing. A signal ends the
    /// wait early.
    pub fn wait(sockets: &[&Socket], longest: Duration) -> io::Result<()> {
        let mut entries = [libc::pollfd { fd: -1, events: 0, revents: 0 }; MOST_AT_ONCE + 1];
        let entries = &mut entries[..sockets.len()];
        for (entry, socket) in entries.iter_mut().zip(sockets) {
            socket.begin_turn();
            socket.pass_over_refusal();
            entry.fd = socket.fd();
            entry.events = match (socket.is_write_blocked.load(Relaxed), socket.is_readable.load(Relaxed)) {
                (false, _) => libc::POLLIN,
                (true, false) => libc::POLLIN | libc::POLLOUT,
                // Bytes were left unread: HTTP/2 first has to write an acknowledgement.
                (true, true) => libc::POLLOUT | libc::POLLRDHUP,
            };
        }
        // Rounded up: a wait that ends early would only be begun again.
        let milliseconds = i32::try_from(longest.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: the pointer and the count are those of a live array of pollfd, which the call may write to.
        let found = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
        if found < 0 {
            let cause = io::Error::last_os_error();
            return if cause.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(cause) };
        }
        for (entry, socket) in entries.iter().zip(sockets) {
            if entry.revents & !libc::POLLOUT != 0 {
                socket.is_readable.store(true, Relaxed);
            }
            if entry.revents & !libc::POLLIN != 0 {
                socket.is_write_blocked.store(false, Relaxed);
            }
            // Nothing comes after the unread bytes, and they matter more than what is still to be written.
            if entry.revents & libc::POLLRDHUP != 0 {
                socket.refusal.store(IGNORED, Relaxed);
            }
        }
        Ok(())
    }

    /// The driver has looked at the time: so many bytes may be read again.
    pub fn begin_turn(&self) {
        self.read_in_turn.store(0, Relaxed);
    }

    /// Whether something is there to be read: bytes, the end, or an error.
    pub fn has_something(&self) -> io::Result<bool> {
        Socket::wait(&[self], Duration::ZERO)?;
        Ok(self.is_readable())
    }

    /// The same, as the last wait found it.
    pub fn is_readable(&self) -> bool {
        self.is_readable.load(Relaxed)
    }

    /// Whether its user waits only for bytes of the peer.
    pub fn waits_for_bytes_only(&self) -> bool {
        !self.is_write_blocked.load(Relaxed)
    }

    /// Lets the next read wait in recv(2), which saves the poll(2) before it.
    pub fn let_read_wait(&self) {
        self.read_may_wait.store(true, Relaxed);
    }

    /// Forbids it again, and says whether a read has waited.
    pub fn read_has_waited(&self) -> bool {
        !self.read_may_wait.swap(false, Relaxed)
    }

    /// How many bytes the kernel has taken over for sending.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    fn pass_over_refusal(&self) {
        let refusal = self.refusal.load(Relaxed);
        if matches!(refusal, REFUSED | WAITED) && self.is_readable() {
            self.refusal.store(refusal + 1, Relaxed);
        }
    }

    fn receive(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Again and again, until the driver has had its turn: TLS that has something to hand out passes over the first time.
        if self.read_in_turn.load(Relaxed) >= LONGEST_TURN {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let may_wait = self.read_may_wait.swap(false, Relaxed);
        let flags = match (self.is_readable.load(Relaxed), may_wait) {
            (true, _) => libc::MSG_DONTWAIT,
            (false, true) => 0,
            (false, false) => return Poll::Pending,
        };
        let room = buffer.remaining();
        // SAFETY: the pointer and the length are those of the buffer's unfilled part, which may be written to; recv
        // takes memory that is not initialised.
        let received = unsafe { libc::recv(self.fd(), buffer.unfilled_mut().as_mut_ptr().cast(), room, flags) };
        match usize::try_from(received) {
            Ok(received) => {
                // SAFETY: recv has written so many bytes at the beginning of the unfilled part.
                unsafe { buffer.assume_init(received) };
                buffer.advance(received);
                // A buffer that is not full has taken everything; the end stays readable.
                self.is_readable.store(received == room || received == 0, Relaxed);
                self.read_in_turn.store(self.read_in_turn.load(Relaxed) + received as u64, Relaxed);
                Poll::Ready(Ok(()))
            }
            Err(_) => {
                self.is_readable.store(false, Relaxed);
                let cause = io::Error::last_os_error();
                match cause.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Poll::Pending,
                    _ => Poll::Ready(Err(cause)),
                }
            }
        }
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.refusal.load(Relaxed) {
            NONE => {}
            IGNORED => return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum())),
            _ => return Poll::Pending,
        }
        // SAFETY: all-zero is a valid msghdr: no address, no parts, no control data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // IoSlice has the layout of iovec; sendmsg does not write through it.
        message.msg_iov = parts.as_ptr().cast_mut().cast();
        message.msg_iovlen = parts.len().min(MOST_PARTS) as _;
        // SAFETY: the message points to live slices of bytes for the length of the call. MSG_NOSIGNAL keeps SIGPIPE
        // from the host.
        let sent = unsafe { libc::sendmsg(self.fd(), &message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
        if let Ok(sent) = usize::try_from(sent) {
            self.sent.store(self.sent.load(Relaxed) + sent as u64, Relaxed);
            return Poll::Ready(Ok(sent));
        }
        let cause = io::Error::last_os_error();
        match cause.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {
                self.is_write_blocked.store(true, Relaxed);
                Poll::Pending
            }
            // A server that refuses early closes after its answer: that is read first, and the end, or the reset,
            // is found behind it.
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                self.refusal.store(REFUSED, Relaxed);
                self.is_readable.store(true, Relaxed);
                Poll::Pending
            }
            _ => Poll::Ready(Err(cause)),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}

/// In place of a descriptor: no system call takes it for one, and poll(2) passes over it.
const CLOSED: RawFd = -1;

/// The kernel takes no more parts at once (IOV_MAX).
const MOST_PARTS: usize = 1024;

/// A [`Socket`] as a stream; its driver keeps the other reference.
#[derive(Debug)]
pub struct SocketStream(pub Arc<Socket>);

impl AsyncRead for SocketStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.receive(cx, buffer)
    }
}

impl AsyncWrite for SocketStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.send(&[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.send(parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closing the descriptor is what ends a connection here.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// TLS that has bytes to hand out reads on, and takes no notice of the first `Pending`.
    #[test]
    fn a_peer_that_never_stops_leaves_the_driver_its_turn_however_often_the_socket_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(Socket::connect(listener.local_addr().unwrap()).unwrap());
        let (mut peer, _) = listener.accept().unwrap();
        std::thread::spawn(move || while peer.write_all(&[0; 64 << 10]).is_ok() {});
        while !socket.connected().unwrap() {
            Socket::wait(&[&socket], LONGEST_READ).unwrap();
        }
        let mut stream = SocketStream(Arc::clone(&socket));
        let mut bytes = vec![0; 4096];
        let mut read = || {
            socket.let_read_wait();
            let mut buffer = ReadBuf::new(&mut bytes);
            let polled =
                Pin::new(&mut stream).poll_read(&mut Context::from_waker(std::task::Waker::noop()), &mut buffer);
            polled.map(|read| read.map(|()| buffer.filled().len() as u64))
        };
        for _ in 0..2 {
            socket.begin_turn();
            let mut taken = 0;
            while taken < LONGEST_TURN {
                if let Poll::Ready(read) = read() {
                    taken += read.unwrap();
                }
            }
            assert!((0..10).all(|_| read().is_pending()), "it goes on reading");
        }
    }
}
