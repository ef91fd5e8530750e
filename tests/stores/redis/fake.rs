//! What listens where a Redis should, and answers whatever a test likes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

pub struct FakeRedis {
    pub port: u16,
    /// Connections that were closed by the other side.
    left: Arc<AtomicU32>,
}

impl FakeRedis {
    /// `answer`: to the connection's nth command, from 1 on. Its threads end with the process.
    pub fn start(answer: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> FakeRedis {
        FakeRedis::by(move |client, nth| client.write_all(&answer(nth)).is_ok())
    }

    /// `serve` does with each command what it likes, until it says that the connection has ended.
    pub fn by(serve: impl Fn(&mut TcpStream, u32) -> bool + Send + Sync + 'static) -> FakeRedis {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (left, serve) = (Arc::new(AtomicU32::new(0)), Arc::new(serve));
        let count = left.clone();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (count, serve) = (count.clone(), serve.clone());
                thread::spawn(move || {
                    let mut buffer = [0; 65536];
                    let mut nth = 0;
                    while client.read(&mut buffer).is_ok_and(|length| length > 0) {
                        nth += 1;
                        if !serve(&mut client, nth) {
                            break;
                        }
                    }
                    count.fetch_add(1, SeqCst);
                });
            }
        });
        FakeRedis { port, left }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many connections have ended.
    pub fn left(&self) -> u32 {
        self.left.load(SeqCst)
    }
}
