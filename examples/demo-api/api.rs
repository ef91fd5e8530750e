//! The Popup Reward Store API on a loopback port, for the demo and for every test: its tokens rotate, its
//! reuse detection is real, and it can be told to fail in all the ways that servers and networks do.
//!
//! The tests' crate `tests/support` has it as `support::api`, and a test calls `DemoApi::start`.
//! In reading order: `settings`, `state`, `ledger`, `auth` (the rules), `routes`, `oauth2`, `session`, `serve`, `fault`, `listen`, `wire`, `control`.

// Whoever includes this uses a part of it; the program and its tests together use all.
#![allow(dead_code)]

mod auth;
mod control;
mod counters;
mod fault;
mod ledger;
mod listen;
mod oauth2;
mod routes;
mod serve;
mod session;
mod settings;
mod state;
mod token;
mod wire;

#[allow(unused_imports)]
pub use listen::Tls;
#[allow(unused_imports)]
pub use settings::{Account, Settings};

use serde_json::Value;
use state::State;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use wire::Line;

pub struct Config {
    /// Port 0: any free one.
    pub listen: SocketAddr,
    pub accounts: Vec<Account>,
    pub settings: Settings,
    pub tls: Option<Tls>,
    /// A line on stderr for every request.
    pub verbose: bool,
}

impl Default for Config {
    /// User `demo`, password `demo-password`, client 1001; the documented API on a free port.
    fn default() -> Config {
        Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            accounts: vec![Account {
                username: "demo".into(),
                password: "demo-password".into(),
                client_id: 0,
                active: true,
            }],
            settings: Settings::default(),
            tls: None,
            verbose: false,
        }
    }
}

/// A running server; dropping it closes its port and every connection.
pub struct DemoApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    with_tls: bool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DemoApi {
    /// Listens, and serves on a thread of its own.
    pub fn start(config: Config) -> io::Result<DemoApi> {
        let acceptor = config.tls.as_ref().map(Tls::acceptor).transpose()?;
        let with_tls = acceptor.is_some();
        let (outages, outage) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(config.settings, config.accounts)),
            changed: Condvar::new(),
            lines: Mutex::default(),
            outages,
            verbose: config.verbose,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(config.listen))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let of_thread = shared.clone();
        let thread = thread::Builder::new().name("demo-api".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = listen::accept(of_thread, listener, acceptor, outage) => {}
                    // Sent or dropped: either way it is over.
                    _ = stopped => {}
                }
            });
            // Does not wait for a long poll that is still waiting.
            runtime.shutdown_background();
        })?;
        Ok(DemoApi { shared, address, with_tls, stop: Some(stop), thread: Some(thread) })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.with_tls { "https" } else { "http" }, self.address)
    }

    /// What `POST /control` does; the names are in README.md.
    ///
    /// # Panics
    /// On a name or value that the server does not know: a test that says nonsense should fail.
    pub fn control(&self, json: Value) {
        if let Err(wrong) = control::apply(&self.shared, json) {
            panic!("demo API control: {wrong}");
        }
    }

    pub fn counters(&self) -> Value {
        self.shared.state().counters.to_json()
    }

    /// # Panics
    /// If there is no such counter.
    pub fn counter(&self, name: &str) -> u64 {
        self.shared.state().counters.get(name).unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// Blocks until the counter is there; false if it is not within `patience`.
    pub fn wait_until(&self, counter: &str, at_least: u64, patience: Duration) -> bool {
        self.counter(counter);
        self.shared.wait(counter, at_least..=u64::MAX, patience)
    }

    /// As `wait_until`, for a gauge on its way down.
    pub fn wait_until_at_most(&self, counter: &str, at_most: u64, patience: Duration) -> bool {
        self.counter(counter);
        self.shared.wait(counter, 0..=at_most, patience)
    }
}

impl Drop for DemoApi {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed, and a second one here would abort the test run.
            let _ = thread.join();
        }
    }
}

/// What all connections share. The lock is never held across an await.
struct Shared {
    state: Mutex<State>,
    /// Told of every change of the state.
    changed: Condvar,
    lines: Mutex<Vec<Weak<Line>>>,
    outages: mpsc::UnboundedSender<Duration>,
    verbose: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let result = f(&mut self.state());
        self.changed.notify_all();
        result
    }

    fn idle_close_ms(&self) -> Option<u64> {
        self.state().settings.idle_close_ms
    }

    fn wait(&self, counter: &str, range: std::ops::RangeInclusive<u64>, patience: Duration) -> bool {
        let missing = |s: &mut State| !s.counters.get(counter).is_some_and(|n| range.contains(&n));
        let waited = self.changed.wait_timeout_while(self.state(), patience, missing);
        !waited.expect("no panic under the lock").1.timed_out()
    }

    fn remember_connection(&self, line: &Arc<Line>) {
        self.change(|state| {
            state.counters.add("connections");
            state.counters.add("connections_current");
        });
        let mut lines = self.lines.lock().expect("no panic under the lock");
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    /// A connection turned out to be the control's: the figures are about the others.
    fn forget_connection(&self) {
        self.change(|state| {
            state.counters.drop_one("connections");
            state.counters.drop_one("connections_current");
        });
    }

    /// Resets every connection but the control's.
    fn cut_connections(&self) {
        let lines = self.lines.lock().expect("no panic under the lock");
        let open = lines.iter().filter_map(Weak::upgrade);
        open.filter(|line| !line.is_control()).for_each(|line| line.cut(true));
    }

    fn log(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            let now = token::rfc3339(self.state().now_ms(), true);
            eprintln!("{now} {}", line());
        }
    }
}
