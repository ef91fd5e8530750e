//! A server whose connections stay open, and that does byte for byte what a test's script says, over http and https.
//! It grants every login and refresh by itself.

use crate::torn::server_config;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use support::pki::Issued;

/// A request that arrived, without its body.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Which connection it came over: 0 is the first.
    pub connection: usize,
    /// The request line and the headers, as they were sent.
    pub head: String,
}

impl Arrived {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The target as it was sent: a path, or a whole URL where the server is a proxy.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn path(&self) -> &str {
        match self.target().split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => self.target(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        support::server::header(&self.head, name)
    }

    pub fn body_length(&self) -> usize {
        self.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn is_auth(&self) -> bool {
        ["/auth/login", "/auth/refresh", "/auth/logout"].contains(&self.path())
    }
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next request is waited for.
    Stay,
    /// It is closed at once, whatever has not been read: the kernel resets it then. Over TLS, without a close_notify.
    Close,
}

/// One end of a connection, with or without TLS.
pub struct Line {
    stream: Stream,
    /// What was read and not asked for yet.
    ahead: Vec<u8>,
    /// How much of the request's body has not been asked for yet.
    left: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    pub fn plain(stream: TcpStream) -> Line {
        Line { stream: Stream::Plain(stream), ahead: Vec::new(), left: 0 }
    }

    pub fn tls(stream: TcpStream, config: Arc<ServerConfig>) -> Line {
        let connection = ServerConnection::new(config).expect("a configuration that works");
        Line { stream: Stream::Tls(Box::new(StreamOwned::new(connection, stream))), ahead: Vec::new(), left: 0 }
    }

    /// Sends it. The client may have left, which is for the test to find out on the client's side.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_say(bytes.as_ref());
    }

    pub fn try_say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Sends bytes past TLS, as nobody does who speaks it.
    pub fn say_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket().write_all(bytes);
    }

    /// Sends the alert by which TLS ends; the TCP connection stays open. Nothing, without TLS.
    pub fn close_notify(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// The TLS connection itself; what was read ahead is lost.
    pub fn into_tls(self) -> StreamOwned<ServerConnection, TcpStream> {
        match self.stream {
            Stream::Plain(_) => panic!("it has no TLS"),
            Stream::Tls(stream) => *stream,
        }
    }

    /// Waits for a request; `None`: the client left.
    pub fn read_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let rest = self.ahead.split_off(end + 4);
                let head = std::mem::replace(&mut self.ahead, rest);
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            self.read_some()?;
        }
    }

    /// A line, without its end; `None`: the client left.
    pub fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|bytes| bytes == b"\r\n") {
                let rest = self.ahead.split_off(end + 2);
                let line = std::mem::replace(&mut self.ahead, rest);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.read_some()?;
        }
    }

    pub fn read_body(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < length {
            self.read_some()?;
        }
        self.left = self.left.saturating_sub(length);
        let rest = self.ahead.split_off(length);
        Some(std::mem::replace(&mut self.ahead, rest))
    }

    /// Reads until the client leaves.
    pub fn drain(&mut self) {
        while self.read_some().is_some() {
            self.ahead.clear();
        }
    }

    fn read_some(&mut self) -> Option<()> {
        let mut block = [0; 16384];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut block),
            Stream::Tls(stream) => stream.read(&mut block),
        };
        let read = read.ok().filter(|read| *read > 0)?;
        self.ahead.extend_from_slice(&block[..read]);
        Some(())
    }

    /// Carries bytes both ways between the client and `to` until both are through.
    pub fn tunnel(&mut self, to: SocketAddr) {
        let Ok(mut other) = TcpStream::connect(to) else { return };
        let _ = other.write_all(&std::mem::take(&mut self.ahead));
        let (Ok(mut back), Ok(mut front)) = (other.try_clone(), self.socket().try_clone()) else { return };
        let Ok(mut from) = self.socket().try_clone() else { return };
        let answers = thread::spawn(move || {
            let _ = io::copy(&mut back, &mut front);
            let _ = front.shutdown(std::net::Shutdown::Write);
        });
        let _ = io::copy(&mut from, &mut other);
        let _ = other.shutdown(std::net::Shutdown::Write);
        let _ = answers.join();
    }
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    /// Connections before this one are dead: what they bring is noted, and never answered.
    dead_before: AtomicUsize,
    requests: Mutex<Vec<Arrived>>,
    tokens: AtomicUsize,
    is_over: AtomicBool,
}

pub struct Scripted {
    address: SocketAddr,
    has_tls: bool,
    state: Arc<State>,
}

impl Scripted {
    pub fn http(script: impl Fn(&Arrived, &mut Line) -> Then + Send + Sync + 'static) -> Scripted {
        Scripted::start(None, script)
    }

    pub fn https(
        certificate: &Issued,
        script: impl Fn(&Arrived, &mut Line) -> Then + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::start(Some(server_config(certificate)), script)
    }

    /// The script is given the head of every request but those for tokens; what it leaves of a body is read after it,
    /// unless it closes the connection.
    pub fn start(
        tls: Option<ServerConfig>,
        script: impl Fn(&Arrived, &mut Line) -> Then + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (has_tls, state) = (tls.is_some(), Arc::new(State::default()));
        let (tls, script, of_thread) = (tls.map(Arc::new), Arc::new(script), Arc::clone(&state));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let number = of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let _ = stream.set_nodelay(true);
                let line = match &tls {
                    Some(config) => Line::tls(stream, Arc::clone(config)),
                    None => Line::plain(stream),
                };
                let (state, script) = (Arc::clone(&of_thread), Arc::clone(&script));
                thread::spawn(move || serve(&state, number, line, &*script));
            }
        });
        Scripted { address, has_tls, state }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.has_tls { "https" } else { "http" }, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The requests so far, those for tokens and those on dead connections included.
    pub fn requests(&self) -> Vec<Arrived> {
        self.state.requests.lock().expect("no panic under the lock").clone()
    }

    /// The connections that each request for this path came over.
    pub fn came_over(&self, path: &str) -> Vec<usize> {
        self.requests().iter().filter(|request| request.path() == path).map(|request| request.connection).collect()
    }

    /// As a firewall that forgot them: nothing comes back over the connections that there are now.
    pub fn black_hole(&self) {
        self.state.dead_before.store(self.connections(), Ordering::SeqCst);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(state: &State, connection: usize, mut line: Line, script: &dyn Fn(&Arrived, &mut Line) -> Then) {
    while let Some(head) = line.read_head() {
        let request = Arrived { connection, head };
        line.left = request.body_length();
        state.requests.lock().expect("no panic under the lock").push(request.clone());
        let is_dead = connection < state.dead_before.load(Ordering::SeqCst);
        if !is_dead && !request.is_auth() && script(&request, &mut line) == Then::Close {
            return;
        }
        if line.read_body(line.left).is_none() {
            return;
        }
        if !is_dead && request.is_auth() {
            line.say(grant(state.tokens.fetch_add(1, Ordering::SeqCst)));
        }
    }
}

/// The answer to a login or a refresh: tokens access-N and refresh-N.
fn grant(number: usize) -> String {
    let pair = json!({
        "access_token": format!("access-{number}"),
        "refresh_token": format!("refresh-{number}"),
        "expires_in": 3600,
    });
    kept("200 OK", &json!({"success": true, "data": pair}).to_string())
}

/// An answer after which the connection stays open.
pub fn kept(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A one-way signal between a test and a script that runs on another thread; it stays given.
#[derive(Clone, Default)]
pub struct Signal(Arc<(Mutex<bool>, std::sync::Condvar)>);

impl Signal {
    pub fn give(&self) {
        *self.0.0.lock().expect("no panic under the lock") = true;
        self.0.1.notify_all();
    }

    /// False: it has not come for longer than anything should take.
    pub fn wait(&self) -> bool {
        let given = self.0.0.lock().expect("no panic under the lock");
        let waited = self.0.1.wait_timeout_while(given, crate::client::PATIENCE, |given| !*given);
        *waited.expect("no panic under the lock").0
    }
}
