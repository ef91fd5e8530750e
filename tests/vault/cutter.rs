//! Stands between a manager and its Vault, and loses a write or the answer to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use support::demo::PATIENCE;

pub struct Cutter {
    port: u16,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    /// How many writes may pass before one is lost; below 0: none is.
    before: AtomicI64,
    /// Whether the write itself is lost, not only its answer.
    whole: AtomicBool,
    over: AtomicBool,
    connections: AtomicUsize,
}

impl Cutter {
    pub fn start(to: u16) -> Cutter {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let plan = Arc::new(Plan { before: AtomicI64::new(i64::MIN), ..Plan::default() });
        let of_thread = Arc::clone(&plan);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.over.load(Ordering::SeqCst) {
                    return;
                }
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let plan = Arc::clone(&of_thread);
                thread::spawn(move || carry(&client, to, &plan));
            }
        });
        Cutter { port, plan }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many were made so far.
    pub fn connections(&self) -> usize {
        self.plan.connections.load(Ordering::SeqCst)
    }

    /// The `nth` write from now on, counted from 1, is done, and its connection cut before the answer.
    pub fn lose_answer_to_write(&self, nth: i64) {
        self.plan.whole.store(false, Ordering::SeqCst);
        self.plan.before.store(nth - 1, Ordering::SeqCst);
    }

    /// The `nth` write from now on never reaches the Vault, and its connection is cut.
    pub fn lose_write(&self, nth: i64) {
        self.plan.whole.store(true, Ordering::SeqCst);
        self.plan.before.store(nth - 1, Ordering::SeqCst);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.plan.over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Carries one connection's requests and answers, one after the other.
fn carry(mut client: &TcpStream, to: u16, plan: &Plan) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else {
        return;
    };
    let _ = server.set_read_timeout(Some(PATIENCE));
    while let Some(request) = read_message(&mut client) {
        let is_write = request.starts_with(b"POST /v1/secret/data/");
        let is_lost = is_write && plan.before.fetch_sub(1, Ordering::SeqCst) == 0;
        if is_lost && plan.whole.load(Ordering::SeqCst) {
            break;
        }
        let answer = server.write_all(&request).ok().and_then(|()| read_message(&mut server));
        match answer {
            Some(answer) if !is_lost && client.write_all(&answer).is_ok() => {}
            _ => break,
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// A request or an answer, head and body.
fn read_message(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|text| text.parse().ok()).unwrap_or(0) {
                return Some(bytes);
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&block[..read]),
            _ => return None,
        }
    }
}
