//! A server that keeps what arrives and answers what a test says, many requests at a time.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The request line and the headers, as they were sent.
    pub head: String,
    pub body: String,
}

impl Arrived {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// "POST /auth/login"
    pub fn line(&self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What follows the scheme in `Authorization`.
    pub fn credentials(&self, scheme: &str) -> Option<&str> {
        self.header("authorization")?.strip_prefix(scheme)?.strip_prefix(' ')
    }

    pub fn bearer(&self) -> &str {
        self.credentials("Bearer").unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_bytes()).unwrap_or(Value::Null)
    }

    /// The values of a field of the body, as a form.
    pub fn fields(&self, name: &str) -> Vec<String> {
        values(&self.body, name)
    }

    pub fn field(&self, name: &str) -> String {
        self.fields(name).join(" | ")
    }

    pub fn query(&self, name: &str) -> String {
        values(self.target().split_once('?').map_or("", |(_, query)| query), name).join(" | ")
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> &str {
        let pairs = self.header("cookie").unwrap_or_default().split("; ").filter_map(|pair| pair.split_once('='));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next().unwrap_or_default()
    }
}

fn values(pairs: &str, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(pairs.as_bytes());
    pairs.filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: &str) -> Answer {
        Answer { status, headers: format!("Content-Type: {content_type}\r\n"), body: body.to_owned() }
    }

    pub fn json(status: u16, body: Value) -> Answer {
        Answer::new(status, "application/json", &body.to_string())
    }

    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: String::new(), body: String::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Arrived>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(&Arrived) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (seen, is_over) = (Arc::<Mutex<Vec<Arrived>>>::default(), Arc::<AtomicBool>::default());
        let (noted, over, answer) = (Arc::clone(&seen), Arc::clone(&is_over), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &noted, &*answer));
            }
        });
        Server { address, seen, is_over }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Arrived> {
        self.seen.lock().expect("no panic under the lock").clone()
    }

    /// "POST /auth/login", one for each request so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Arrived::line).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|known| *known == line).count()
    }

    /// The last request with this line.
    #[track_caller]
    pub fn last(&self, line: &str) -> Arrived {
        let mut all = self.requests();
        all.retain(|request| request.line() == line);
        all.pop().unwrap_or_else(|| panic!("no {line} in {:?}", self.lines()))
    }

    /// All that was sent to it, as one text.
    pub fn heard(&self) -> String {
        self.requests().iter().map(|request| format!("{}{}\n", request.head, request.body)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Arrived>>, answer: &dyn Fn(&Arrived) -> Answer) {
    let _ = stream.set_nodelay(true);
    let mut ahead = Vec::new();
    while let Some(request) = read(&mut stream, &mut ahead) {
        let Answer { status, headers, body } = answer(&request);
        seen.lock().expect("no panic under the lock").push(request);
        let reply = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
        // Whoever asked may have left.
        let _ = stream.write_all(reply.as_bytes());
    }
}

fn read(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<Arrived> {
    loop {
        if let Some(end) = ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let mut request =
                Arrived { head: String::from_utf8_lossy(&ahead[..end + 4]).into_owned(), body: String::new() };
            let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if ahead.len() >= end + 4 + length {
                request.body = String::from_utf8_lossy(&ahead[end + 4..end + 4 + length]).into_owned();
                ahead.drain(..end + 4 + length);
                return Some(request);
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(read) if read > 0 => ahead.extend_from_slice(&block[..read]),
            _ => return None,
        }
    }
}
