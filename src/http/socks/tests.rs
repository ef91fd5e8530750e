use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;

/// A proxy that has said all that it will say. Its bytes arrive in these pieces, with a wait before each; then it
/// closes, or fails.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    failure: Option<io::ErrorKind>,
    waited: bool,
    written: Vec<u8>,
    /// How many bytes a write takes at most.
    most_written: usize,
}

impl Script {
    fn new<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Script {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec).collect();
        Script { pieces, failure: None, waited: false, written: Vec::new(), most_written: usize::MAX }
    }

    fn unread(&self) -> Vec<u8> {
        self.pieces.iter().flatten().copied().collect()
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.waited = !self.waited;
        if self.waited {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return Poll::Ready(self.failure.map_or(Ok(()), |kind| Err(kind.into())));
        };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.most_written);
        self.written.extend_from_slice(&bytes[..taken]);
        match taken {
            0 => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls until it is done: no runtime is needed.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("it is not done, and waits for nothing");
}

const NAME: Target<'_> = Target::Name("api.example", 443);
const AUTH: Option<(&[u8], &[u8])> = Some((b"user", b"word"));
const OK_V4: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 0x1f, 0x90];

/// The same outcome however the proxy's bytes arrive.
#[track_caller]
fn handshake(target: Target<'_>, auth: Option<(&[u8], &[u8])>, says: &[u8]) -> (Result<(), String>, Vec<u8>) {
    let run = |mut script: Script| {
        let outcome = block_on(connect(&mut script, target, auth)).map_err(|fault| fault.to_string());
        (outcome, script.unread(), script.written)
    };
    let at_once = run(Script::new([says]));
    assert_eq!(run(Script::new(says.chunks(1))), at_once, "byte by byte");
    assert_eq!(run(Script { most_written: 1, ..Script::new([says]) }), at_once, "written byte by byte");
    for cut in 0..says.len() {
        assert_eq!(run(Script::new([&says[..cut], &says[cut..]])), at_once, "in two pieces, at {cut}");
    }
    (at_once.0, at_once.2)
}

#[test]
fn the_proxy_is_asked_for_the_target() {
    let name = [b"\x05\x01\x00\x03\x0bapi.example".as_slice(), &[0x01, 0xbb]].concat();
    let v4 = [5, 1, 0, 1, 203, 0, 113, 7, 0x1f, 0x90].to_vec();
    let v6 = [&[5, 1, 0, 4, 0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[1, 0, 80]].concat();
    let (long_name, port) = ("x".repeat(255), 1);
    let long = [&[5, 1, 0, 3, 255][..], long_name.as_bytes(), &[0, 1]].concat();
    for (target, request) in [
        (NAME, name),
        (Target::Address("203.0.113.7:8080".parse().unwrap()), v4),
        (Target::Address("[2001:db8::1]:80".parse().unwrap()), v6),
        (Target::Name(&long_name, port), long),
    ] {
        let without = handshake(target, None, &[&[5, 0], OK_V4].concat());
        assert_eq!(without, (Ok(()), [&[5, 1, 0], &request[..]].concat()), "{target:?}");
        let unwanted = handshake(target, AUTH, &[&[5, 0], OK_V4].concat());
        assert_eq!(unwanted, (Ok(()), [&[5, 2, 0, 2], &request[..]].concat()), "{target:?}");
        let with = handshake(target, AUTH, &[&[5, 2, 1, 0], OK_V4].concat());
        assert_eq!(with, (Ok(()), [&b"\x05\x02\x00\x02\x01\x04user\x04word"[..], &request].concat()), "{target:?}");
    }
}

#[test]
fn not_one_byte_of_the_target_is_read() {
    let name = [&[5, 0, 0, 3, 4][..], b"host", &[0, 80]].concat();
    let no_name = [5, 0, 0, 3, 0, 0, 80];
    let longest = [&[5, 0, 0, 3, 255][..], &[b'x'; 255], &[0, 80]].concat();
    let v6 = [&[5, 0, 0, 4][..], &[0; 16], &[0, 80]].concat();
    for bound in [OK_V4, &name, &no_name, &longest, &v6] {
        let mut script = Script::new([&[&[5, 0], bound, &b"hello"[..]].concat()[..]]);
        assert!(block_on(connect(&mut script, NAME, None)).is_ok(), "{bound:?}");
        assert_eq!(script.unread(), b"hello", "{bound:?}");
    }
}

#[test]
fn a_server_that_repeats_the_version_of_socks_in_its_login_is_understood() {
    assert_eq!(handshake(NAME, AUTH, &[&[5, 2, 5, 0], OK_V4].concat()).0, Ok(()));
}

#[test]
fn each_refusal_says_what_it_is() {
    let refused = |code: u8| [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    let not_socks = "the proxy did not answer as a SOCKS5 server; check the scheme and the port of its URL";
    for (auth, answer, says) in [
        (None, &[5, 0xff][..], "the proxy wants a username and password; put them into its URL"),
        (None, &[5, 2], "the proxy wants a username and password; put them into its URL"),
        (AUTH, &[5, 0xff], "the proxy takes neither a username and password nor a client without them"),
        (AUTH, &[5, 2, 1, 1], "the proxy refused the username or the password in its URL"),
        (AUTH, &[5, 2, 1, 0xff], "the proxy refused the username or the password in its URL"),
        (None, &refused(1), "the proxy reported a general failure"),
        (None, &refused(2), "the proxy's rules do not allow it"),
        (None, &refused(3), "the proxy could not reach the network"),
        (None, &refused(4), "the proxy could not reach the host"),
        (None, &refused(5), "the host refused the proxy's connection"),
        (None, &refused(6), "the proxy could not reach the host before the TTL expired"),
        (None, &refused(7), "the proxy does not support the command CONNECT"),
        (None, &refused(8), "the proxy does not support this type of address"),
        (None, &refused(9), "the proxy refused with the unknown code 9"),
        (None, &refused(2)[..4], "the proxy's rules do not allow it"),
        (None, b"HTTP/1.1 400 Bad Request\r\n\r\n", not_socks),
        (None, &[0, 0x5a], not_socks),
        (None, &[4, 0], not_socks),
        (None, &[5, 1], not_socks),
        (AUTH, &[5, 3], not_socks),
        (None, &[5, 0, 0, 0, 0, 1], not_socks),
        (None, &[5, 0, 5, 0, 0, 0], not_socks),
        (None, &[5, 0, 5, 0, 0, 2, 1, 1], not_socks),
    ] {
        assert_eq!(handshake(NAME, auth, answer).0, Err(says.to_owned()), "{answer:?}");
    }
}

#[test]
fn a_connection_that_ends_early_is_told_wherever_that_is() {
    let whole = [&[5, 2, 1, 0, 5, 0, 0, 3, 4][..], b"host", &[0, 80]].concat();
    for end in 0..whole.len() {
        let mut script = Script::new([&whole[..end]]);
        let fault = block_on(connect(&mut script, NAME, AUTH)).unwrap_err();
        assert!(matches!(fault, SocksFault::Closed), "{end}: {fault}");
        assert_eq!(fault.to_string(), "the proxy closed the connection during the SOCKS5 handshake");
        let mut script = Script { failure: Some(io::ErrorKind::ConnectionReset), ..Script::new([&whole[..end]]) };
        match block_on(connect(&mut script, NAME, AUTH)) {
            Err(SocksFault::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            other => panic!("{end}: {other:?}"),
        }
    }
    let mut script = Script { most_written: 0, ..Script::new([&whole[..]]) };
    match block_on(connect(&mut script, NAME, AUTH)) {
        Err(SocksFault::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_too_long_is_told_before_anything_is_sent() {
    let long = "x".repeat(256);
    for (target, auth, says) in [
        (Target::Name(&long, 443), None, "the host's name is longer than the 255 bytes that SOCKS5 has room for"),
        (NAME, Some((long.as_bytes(), &b"p"[..])), "the proxy's username is longer than the 255 bytes"),
        (NAME, Some((&b"u"[..], long.as_bytes())), "the proxy's password is longer than the 255 bytes"),
    ] {
        let mut script = Script::new([&[5, 0], OK_V4]);
        let fault = block_on(connect(&mut script, target, auth)).unwrap_err();
        assert!(matches!(fault, SocksFault::TooLong(_)) && fault.to_string().starts_with(says), "{fault}");
        assert!(!fault.to_string().contains("xxx") && script.written.is_empty());
    }
    let (most, both) = (&long.as_bytes()[1..], [&[5, 2, 1, 0], OK_V4].concat());
    assert_eq!(handshake(NAME, Some((most, most)), &both).0, Ok(()));
}

#[test]
fn each_message_is_sent_when_the_proxy_has_answered_the_last() {
    let (mut client, mut proxy) = tokio::io::duplex(64);
    let client = async move { connect(&mut client, NAME, AUTH).await };
    let proxy = async move {
        let mut expect = async |message: &[u8], answer: &[u8]| {
            let mut bytes = vec![0; message.len()];
            proxy.read_exact(&mut bytes).await.unwrap();
            assert_eq!(bytes, message);
            let mut early = [0; 1];
            assert!(poll_once(proxy.read(&mut early)).is_none(), "it did not wait for an answer");
            proxy.write_all(answer).await.unwrap();
        };
        expect(b"\x05\x02\x00\x02", &[5, 2]).await;
        expect(b"\x01\x04user\x04word", &[1, 0]).await;
        expect(b"\x05\x01\x00\x03\x0bapi.example\x01\xbb", OK_V4).await;
        proxy
    };
    let (outcome, _proxy) = block_on(async { tokio::join!(client, proxy) });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

proptest! {
    #[test]
    fn s4_whatever_a_proxy_says_it_ends(
        said in vec(prop_oneof![Just(5u8), Just(0), 0..4u8, any::<u8>()], 0..300),
        with_credentials in any::<bool>(),
    ) {
        let mut script = Script::new(said.chunks(7));
        let outcome = block_on(connect(&mut script, NAME, AUTH.filter(|_| with_credentials)));
        if outcome.is_ok() {
            prop_assert_eq!(said[0], 5);
        }
        // The longest conversation.
        prop_assert!(said.len() - script.unread().len() <= 2 + 2 + 4 + 1 + 255 + 2);
    }
}
