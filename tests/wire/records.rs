//! TLS 1.3 records made by hand, for what no TLS library's server sends when a test wants it sent.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;

pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const DATA: u8 = 23;

/// A server's end of a connection whose handshake is over.
pub struct Records {
    stream: TcpStream,
    sending: Half,
    receiving: Half,
}

struct Half {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    /// Goes on where the TLS library was, which must have been allowed to give its keys away.
    pub fn take_over(tls: StreamOwned<ServerConnection, TcpStream>) -> Records {
        let (connection, stream) = tls.into_parts();
        let secrets = connection.dangerous_extract_secrets().expect("enable_secret_extraction, and nothing to send");
        Records { stream, sending: Half::new(secrets.tx), receiving: Half::new(secrets.rx) }
    }

    pub fn send(&mut self, kind: u8, content: &[u8]) {
        let mut sealed = [content, &[kind]].concat();
        let head = record_head(sealed.len() + 16);
        let nonce = self.sending.nonce();
        self.sending.key.seal_in_place_append_tag(nonce, Aad::from(head), &mut sealed).expect("a key that works");
        // The client may have left, which is for the test to find out on the client's side.
        let _ = self.stream.write_all(&[&head[..], &sealed].concat());
    }

    /// Waits for a record of application data; `None`: the client left, or sent something else.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let mut sealed = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        self.stream.read_exact(&mut sealed).ok()?;
        let nonce = self.receiving.nonce();
        let opened = self.receiving.key.open_in_place(nonce, Aad::from(head), &mut sealed).ok()?;
        let (kind, content) = opened.split_last()?;
        (*kind == DATA).then(|| content.to_vec())
    }
}

impl Half {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Half {
        let (algorithm, key, iv): (&'static Algorithm, _, _) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => panic!("a cipher that this does not know"),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).expect("a key of the right length"));
        Half { key, iv: iv.as_ref().try_into().expect("12 bytes"), sequence }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, of_sequence)| *byte ^= of_sequence);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

fn record_head(length: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(length).expect("a short record").to_be_bytes();
    [DATA, 3, 3, high, low]
}

/// A NewSessionTicket message (RFC 8446, 4.6.1), of which any number may come at any time.
pub fn session_ticket(number: u8) -> Vec<u8> {
    let lifetime = 7200u32.to_be_bytes();
    let body = [&lifetime[..], &[0, 1, 2, 3], &[1, number], &[0, 32], &[number; 32], &[0, 0]].concat();
    [&[4, 0, 0, u8::try_from(body.len()).expect("a short message")], &body[..]].concat()
}
