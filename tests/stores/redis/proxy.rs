//! A TCP proxy that can cut a connection before or after a certain command, or stop passing anything on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// The server never sees the command.
    Before,
    /// The server has carried it out; the answer is lost.
    After,
}

#[derive(Default)]
struct Orders {
    to: u16,
    /// Commands until the cut, counted down; 0: none.
    left: AtomicU32,
    cut: Mutex<Option<Cut>>,
    stalled: AtomicBool,
    seen: AtomicU32,
    /// What is done before a command that holds this text is passed on, once.
    meddler: Mutex<Option<(String, Meddler)>>,
}

type Meddler = Box<dyn FnOnce() + Send>;

pub struct Proxy {
    pub port: u16,
    orders: Arc<Orders>,
}

impl Proxy {
    /// Its threads end with the process: each waits for a connection of a test's own.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let orders = Arc::new(Orders { to: port, ..Orders::default() });
        let shared = orders.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let orders = shared.clone();
                thread::spawn(move || serve(client, &orders));
            }
        });
        Proxy { port: own, orders }
    }

    /// Cuts the connection at the `nth` command from now on.
    pub fn cut_at(&self, nth: u32, cut: Cut) {
        *self.orders.cut.lock().unwrap() = Some(cut);
        self.orders.left.store(nth, SeqCst);
    }

    /// Whether it has been cut.
    pub fn has_cut(&self) -> bool {
        self.orders.left.load(SeqCst) == 0
    }

    /// Does something once, just before a command that holds this text is passed on.
    pub fn before(&self, text: &str, meddle: impl FnOnce() + Send + 'static) {
        *self.orders.meddler.lock().unwrap() = Some((text.to_owned(), Box::new(meddle)));
    }

    /// Whether that was done.
    pub fn has_meddled(&self) -> bool {
        self.orders.meddler.lock().unwrap().is_none()
    }

    /// From now on nothing passes, and no connection is closed.
    pub fn stall(&self) {
        self.orders.stalled.store(true, SeqCst);
    }

    pub fn seen(&self) -> u32 {
        self.orders.seen.load(SeqCst)
    }
}

fn serve(mut client: TcpStream, orders: &Arc<Orders>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, orders.to)) else {
        return;
    };
    let (mut back, mut answers) = (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
    // When set, what the server says goes nowhere.
    let mute = Arc::new(AtomicBool::new(false));
    let (muted, watched) = (mute.clone(), orders.clone());
    let answering = thread::spawn(move || {
        let mut buffer = [0; 65536];
        while let Ok(length) = answers.read(&mut buffer) {
            if length == 0 {
                break;
            }
            while watched.stalled.load(SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            if muted.load(SeqCst) || back.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Both);
        let _ = answers.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 65536];
    while let Ok(length) = client.read(&mut buffer) {
        if length == 0 || orders.stalled.load(SeqCst) {
            break;
        }
        orders.seen.fetch_add(1, SeqCst);
        let holds = |text: &str| buffer[..length].windows(text.len()).any(|window| window == text.as_bytes());
        let meddler = orders.meddler.lock().unwrap().take_if(|(text, _)| holds(text));
        if let Some((_, meddle)) = meddler {
            meddle();
        }
        let is_last = orders.left.load(SeqCst) > 0 && orders.left.fetch_sub(1, SeqCst) == 1;
        let cut = is_last.then(|| *orders.cut.lock().unwrap()).flatten();
        if cut == Some(Cut::Before) {
            break;
        }
        mute.store(cut == Some(Cut::After), SeqCst);
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
        if cut == Some(Cut::After) {
            // The answer has come when the other thread has thrown it away.
            let _ = answering.join();
            return;
        }
    }
    if !orders.stalled.load(SeqCst) {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = answering.join();
}
