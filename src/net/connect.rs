//! Connecting to the first of a host's addresses that takes a connection, and the TLS handshake.

use crate::call::Call;
use crate::call::callback;
use crate::net::drive::{Alarm, Pace, Stopped, drive, drive_until};
use crate::sys::socket::{MOST_AT_ONCE, Socket};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

/// How long an address is given before the next one is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Why there is no connection. Nothing was sent.
#[derive(Debug)]
pub enum Unreached {
    /// The name was not found. `TimedOut`: not within the time there was.
    LookUp(io::Error),
    /// The host has no address.
    NoAddress,
    /// No address took the connection: why the last one did not.
    Refused(io::Error),
    Stopped(Stopped),
}

/// A TCP connection to the first address that takes one (RFC 8305).
pub fn first_to_connect(
    addresses: Vec<IpAddr>,
    port: u16,
    alarm: &Alarm,
    pace: &mut Pace<'_>,
) -> Result<Arc<Socket>, Unreached> {
    callback::give_up_overdue(); // closes their descriptors, which may be needed here
    let mut untried: VecDeque<IpAddr> = alternating(addresses);
    let mut attempts: Vec<Arc<Socket>> = Vec::new();
    let mut refused = Unreached::NoAddress;
    let mut next_begins = Instant::now();
    loop {
        let is_time = attempts.is_empty() || Instant::now() >= next_begins;
        if is_time
            && attempts.len() < MOST_AT_ONCE
            && let Some(address) = untried.pop_front()
        {
            match Socket::connect(SocketAddr::new(address, port)) {
                Ok(socket) => attempts.push(registered(socket, pace.call)),
                Err(cause) => refused = Unreached::Refused(cause),
            }
            next_begins = Instant::now() + NEXT_ADDRESS_AFTER;
            continue;
        }
        if attempts.is_empty() {
            return Err(refused);
        }
        let until = if untried.is_empty() { pace.deadline } else { next_begins };
        let sockets: Vec<&Socket> = attempts.iter().map(|socket| &**socket).collect();
        let ended = drive_until(pace, until, alarm, &sockets, |_| first_outcome(&sockets));
        match ended.map_err(Unreached::Stopped)? {
            Some((index, Ok(()))) => return Ok(attempts.swap_remove(index)),
            Some((index, Err(cause))) => {
                attempts.swap_remove(index);
                refused = Unreached::Refused(cause);
            }
            None => {}
        }
    }
}

/// A connection to a socket in the file system.
pub fn to_unix(path: &Path, pace: &mut Pace<'_>) -> Result<Arc<Socket>, Unreached> {
    loop {
        match Socket::connect_unix(path) {
            Ok(socket) => return Ok(registered(socket, pace.call)),
            // Its queue is full: the server may still accept.
            Err(cause) if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                pace.checkpoint(Instant::now()).map_err(Unreached::Stopped)?;
            }
            Err(cause) => return Err(Unreached::Refused(cause)),
        }
    }
}

fn registered(socket: Socket, call: &Call) -> Arc<Socket> {
    let socket = Arc::new(socket);
    call.add_socket(&socket);
    socket
}

/// The first socket that is connected, or failed to be.
fn first_outcome(sockets: &[&Socket]) -> Poll<(usize, io::Result<()>)> {
    for (index, socket) in sockets.iter().enumerate() {
        match socket.connected() {
            Ok(false) => {}
            Ok(true) => return Poll::Ready((index, Ok(()))),
            Err(cause) => return Poll::Ready((index, Err(cause))),
        }
    }
    Poll::Pending
}

/// The families by turns, each in its own order, beginning with the first address's (RFC 8305, 4).
fn alternating(addresses: Vec<IpAddr>) -> VecDeque<IpAddr> {
    let begins_with_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_v6);
    let mut ordered = VecDeque::with_capacity(first.len() + second.len());
    while !first.is_empty() || !second.is_empty() {
        ordered.extend(first.pop_front());
        ordered.extend(second.pop_front());
    }
    ordered
}

/// Whether bytes that go to an address stay on this machine.
pub fn is_loopback(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Waits for a TLS handshake.
pub fn tls_handshake<S: AsyncRead + AsyncWrite + Unpin>(
    mut handshake: tokio_rustls::Connect<S>,
    socket: &Socket,
    alarm: &Alarm,
    pace: &mut Pace<'_>,
) -> Result<io::Result<Box<TlsStream<S>>>, Stopped> {
    let ended = drive(pace, alarm, &[socket], |cx| Pin::new(&mut handshake).poll(cx))?;
    Ok(ended.map(Box::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::hooks::Hooks;

    #[test]
    fn families_alternate_beginning_with_the_preferred_one() {
        let order = |addresses: &[&str]| {
            let parsed = addresses.iter().map(|text| text.parse().unwrap()).collect();
            alternating(parsed).iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(&["::1", "::2", "1.1.1.1", "2.2.2.2"]), "::1 1.1.1.1 ::2 2.2.2.2");
        assert_eq!(order(&["1.1.1.1", "2.2.2.2", "::1"]), "1.1.1.1 ::1 2.2.2.2");
        assert_eq!(order(&["::1"]), "::1");
        assert_eq!(order(&[]), "");
    }

    #[test]
    fn a_socket_whose_queue_is_full_is_waited_for() {
        let folder = std::env::temp_dir().join(format!("tokenmgr-connect-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(1).unwrap();
        let call = Call::begin(Arc::new(Hooks::default()), Duration::from_secs(60));
        let connect = |limit| to_unix(&path, &mut Pace::new(&call, Instant::now() + limit, None));
        let mut waiting = Vec::new();
        let stopped = loop {
            match connect(Duration::from_millis(120)) {
                Ok(socket) => waiting.push(socket),
                Err(why) => break why,
            }
            assert!(waiting.len() < 100, "the queue has no end");
        };
        assert!(matches!(stopped, Unreached::Stopped(Stopped::StepOutOfTime)), "{stopped:?}");
        let accepting = std::thread::spawn(move || listener.accept().map(|_| listener).unwrap());
        connect(Duration::from_secs(60)).unwrap();
        drop(accepting.join().unwrap());
        assert!(matches!(connect(Duration::from_secs(60)), Err(Unreached::Refused(_))), "nobody listens");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(connect(Duration::from_secs(60)), Err(Unreached::Refused(_))), "nothing is there");
    }

    #[test]
    fn loopback_is_judged_by_the_address_however_it_is_written() {
        for good in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(&good.parse().unwrap()), "{good}");
        }
        for bad in ["10.0.0.1", "::2", "::ffff:10.0.0.1", "0.0.0.0", "::"] {
            assert!(!is_loopback(&bad.parse().unwrap()), "{bad}");
        }
    }
}
