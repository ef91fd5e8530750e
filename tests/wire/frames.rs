//! A server that speaks HTTP/2 over TLS frame by frame, as a test's script says.

use crate::torn::server_config;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use support::pki::Issued;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const PREFACE: usize = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

pub struct Frames {
    stream: StreamOwned<ServerConnection, TcpStream>,
    /// 0 is the server's first connection.
    pub connection: usize,
}

impl Frames {
    fn new(stream: TcpStream, config: Arc<ServerConfig>, connection: usize) -> Frames {
        let tls = ServerConnection::new(config).expect("a configuration that works");
        Frames { stream: StreamOwned::new(tls, stream), connection }
    }

    /// Sends a frame. The client may have left, which is for the test to find out on the client's side.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let _ = self.try_say(&frame(kind, flags, stream, payload));
    }

    pub fn try_say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush())
    }

    /// Answers with a status, headers in lower case, and a body; without one, the headers end the stream.
    pub fn answer(&mut self, stream: u32, status: u16, headers: &[(&str, &str)], body: Option<&str>) {
        let end = if body.is_none() { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, &block(status, headers));
        if let Some(body) = body {
            self.send(DATA, END_STREAM, stream, body.as_bytes());
        }
    }

    /// Begins an answer, and leaves the rest to the script.
    pub fn head(&mut self, stream: u32, status: u16, headers: &[(&str, &str)]) {
        self.send(HEADERS, END_HEADERS, stream, &block(status, headers));
    }

    /// Says that this stream was the last that is served here.
    pub fn go_away(&mut self, last_stream: u32) {
        self.send(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), [0; 4]].concat());
    }

    /// Ends the TCP connection, with no word of TLS.
    pub fn close(&self) {
        let _ = self.stream.sock.shutdown(std::net::Shutdown::Both);
    }

    fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff, payload))
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn block(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let status = status.to_string();
    let all = [(":status", status.as_str())].into_iter().chain(headers.iter().copied());
    all.flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// A string as HPACK has it, without Huffman's code (RFC 7541, 5.2), for less than 127 bytes.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text");
    [&[length], text.as_bytes()].concat()
}

pub struct FrameServer {
    address: SocketAddr,
    /// The connection of every request.
    requests: Arc<Mutex<Vec<usize>>>,
    is_over: Arc<AtomicBool>,
}

impl FrameServer {
    /// The script is given the stream of every request when its head is there; the paths stay compressed, so that
    /// managers of these tests hold tokens and need no login.
    pub fn start(certificate: &Issued, script: impl Fn(&mut Frames, u32) + Send + Sync + 'static) -> FrameServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (requests, is_over) = (Arc::<Mutex<Vec<usize>>>::default(), Arc::<AtomicBool>::default());
        let mut config = server_config(certificate);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (config, script) = (Arc::new(config), Arc::new(script));
        let (seen, over) = (Arc::clone(&requests), Arc::clone(&is_over));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let frames = Frames::new(stream, Arc::clone(&config), number);
                thread::spawn(move || serve(frames, &seen, &*script));
            }
        });
        FrameServer { address, requests, is_over }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The connection that each request came over.
    pub fn came_over(&self) -> Vec<usize> {
        self.requests.lock().expect("no panic under the lock").clone()
    }
}

impl Drop for FrameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut frames: Frames, seen: &Mutex<Vec<usize>>, script: &dyn Fn(&mut Frames, u32)) {
    if frames.stream.read_exact(&mut [0; PREFACE]).is_err() {
        return;
    }
    frames.send(SETTINGS, 0, 0, &[]);
    while let Some((kind, flags, stream, payload)) = frames.next() {
        match kind {
            HEADERS => {
                seen.lock().expect("no panic under the lock").push(frames.connection);
                script(&mut frames, stream);
            }
            SETTINGS if flags & ACK == 0 => frames.send(SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frames.send(PING, ACK, 0, &payload),
            _ => {}
        }
    }
}
