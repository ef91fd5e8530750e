//! A server that keeps what arrives, and answers what the test says, byte for byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use support::server::header;

pub struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
    is_over: bool,
}

impl Recorder {
    /// `answer` makes whole answers of requests, head and body together; the connection is closed after each.
    pub fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Recorder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let of_thread = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut now = of_thread.lock().expect("no panic under the lock");
                if now.is_over {
                    return;
                }
                now.connections += 1;
                drop(now);
                if let Ok(mut stream) = stream
                    && let Some(request) = read_request(&mut stream)
                {
                    let reply = answer(&request);
                    of_thread.lock().expect("no panic under the lock").requests.push(request);
                    // Whoever asked may have left.
                    let _ = stream.write_all(reply.as_bytes());
                }
            }
        });
        Recorder { address, seen }
    }

    /// One that answers 200 to everything.
    pub fn content() -> Recorder {
        Recorder::start(|_| reply("200 OK", "", "{}"))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().expect("no panic under the lock").connections
    }

    /// The requests so far, head and body.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic under the lock").requests.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.is_over = true;
        }
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

pub fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

/// The answer to a login, with these tokens.
pub fn login_reply(access: &str, refresh: &str) -> String {
    let pair = serde_json::json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600});
    reply("200 OK", "", &serde_json::json!({"success": true, "data": pair}).to_string())
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text.into_owned());
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&block[..read]),
            _ => return None,
        }
    }
}
