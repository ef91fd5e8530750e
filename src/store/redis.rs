//! The store in Redis: a hash for each client, on which processes of many machines agree, and which PHP code can read
//! and write beside them.
//!
//! A change is optimistic: read the hash, change the record, and write it in one script that compares every field and
//! the server's replication ID with what was read. So a claim is acknowledged only on exactly what was read, by the
//! very incarnation of the server that it was read from. Nothing is sent twice by itself, but for reading, which changes nothing.
//!
//! An operation is driven by its caller's own thread (`session`, `connection`), in the protocol's own words (`resp`).

mod address;
mod connection;
mod fields;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod resp;
mod script;
mod session;
mod trouble;

use super::record::Record;
use super::seal::Seal;
use super::{Change, Loaded, Marks, StoreFault, TokenStore};
use crate::call::Call;
use crate::error::{Error, Result};
use crate::log::Level;
use crate::net::drive::Pace;
use crate::options::RedisOptions;
use crate::secret::{Secret, hex, random};
use address::{Address, Servers};
use parking_lot::Mutex;
use resp::{Command, Value};
use rustls::ClientConfig;
use script::Snapshot;
use session::{Idle, Met, Route, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use trouble::Trouble;

/// How often a change is tried again because somebody else wrote in between.
const MOST_TRIES: u32 = 50;

/// A record in a hash in Redis.
#[derive(Debug)]
pub struct RedisStore {
    setup: Arc<Setup>,
    /// What TLS is spoken with, or why none can be.
    tls: std::result::Result<Option<Arc<ClientConfig>>, Error>,
    /// The connection of the last operation. Its lock is only tried, never waited for: who comes second connects anew.
    idle: Mutex<Option<Idle>>,
    /// A Cluster's nodes, as far as they were met.
    met: Met,
    /// The server refused scripts: changes go by WATCH and MULTI.
    without_scripts: AtomicBool,
    /// It was said that the user may not ask for the replication ID.
    warned: AtomicBool,
}

/// What the options say; shared with forked children, as nothing in it changes.
#[derive(Debug)]
struct Setup {
    options: RedisOptions,
    address: Address,
    seal: Option<Seal>,
}

/// What became of a write.
enum Written {
    Yes,
    /// The record is another by now: this one.
    Changed(Snapshot),
}

impl RedisStore {
    /// Reads secrets, keys and certificates; connects when a token is needed.
    pub fn new(options: &RedisOptions) -> Result<RedisStore> {
        let seal = options.key.as_ref().map(|key| Seal::new(key, &options.old_keys)).transpose()?;
        let setup = Setup { address: Address::read(options)?, seal, options: options.clone() };
        let store = RedisStore::with(Arc::new(setup));
        match &store.tls {
            Err(error) => Err(error.clone()),
            Ok(_) => Ok(store),
        }
    }

    fn with(setup: Arc<Setup>) -> RedisStore {
        RedisStore {
            tls: setup.address.tls(&setup.options),
            setup,
            idle: Mutex::new(None),
            met: Met::default(),
            without_scripts: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    fn key(&self, client: &str) -> String {
        format!("{}{client}", self.setup.options.prefix)
    }

    /// The record in what was read, and why there is none if there should be.
    fn record(&self, call: &Call, client: &str, read: &Snapshot) -> (Record, Option<String>) {
        let mut record = match fields::decode(client, &read.hash, self.setup.seal.as_ref()) {
            Ok(record) => record,
            Err(why) => {
                return (Record::default(), Some(format!("the record {} in Redis {why}", self.key(client))));
            }
        };
        match &read.incarnation {
            Some(incarnation) => record.stand_in(client, incarnation),
            // With a number of replicas that have every write, none is lost with the server.
            None if self.setup.options.wait_replicas.0 > 0 => record.incarnation = None,
            // Nothing tells whether a failover has lost a claim: so what is stored counts as claimed.
            None => {
                record.stand_in(client, &hex(&random::<16>()));
                if !self.warned.swap(true, Ordering::Relaxed) {
                    call.log(Level::Warning, || {
                        "Redis did not tell its replication ID (INFO replication), so every stored refresh token counts as used; \
                         grant the user +info, or set store.wait_replicas"
                            .to_owned()
                    });
                }
            }
        }
        (record, None)
    }

    fn begin<'a>(&'a self, call: &'a Call, client: &str) -> std::result::Result<Visit<'a>, StoreFault> {
        call.go_on().and_then(|()| self.tls.as_ref().map(|_| ()).map_err(Error::clone)).map_err(unwritten)?;
        let kept = self.idle.try_lock().and_then(|mut idle| idle.take());
        let kept = kept.and_then(Idle::into_usable);
        // A store that hangs must leave the call time to go on without it (T5), however many servers there are to ask.
        let most = call.left() / 2;
        let until = Instant::now() + most;
        let route = Route {
            address: &self.setup.address,
            tls: self.tls.as_ref().ok().and_then(Option::as_ref),
            limit: Duration::from_millis(self.setup.options.timeout_ms.0).min(most),
            until,
            met: &self.met,
        };
        let session = Session::new(kept, route, Pace::new(call, until, None));
        Ok(Visit { store: self, key: self.key(client), session })
    }
}

/// One operation of the store. Its connection is given back only after an operation that went well.
struct Visit<'a> {
    store: &'a RedisStore,
    key: String,
    session: Session<'a>,
}

impl Visit<'_> {
    /// Reads the record. `watch`: it is going to be changed.
    fn read(&mut self, watch: bool) -> std::result::Result<Snapshot, StoreFault> {
        self.read_from_master(watch).map_err(|trouble| {
            trouble.into_fault("reading the record in Redis", false, &self.store.setup.address.secrets())
        })
    }

    /// Writes the record, if it is still what was read.
    fn write(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        ttl_seconds: i64,
    ) -> std::result::Result<Written, StoreFault> {
        self.write_replicated(read, edit, ttl_seconds).map_err(|trouble| {
            let before = read.hash.0.iter().map(|(name, value)| (&name[..], value));
            let after = edit.set.iter().map(|(name, value)| (name.as_bytes(), value));
            let tokens = fields::tokens(before.chain(after));
            let known: Vec<&Secret> = tokens.iter().chain(self.store.setup.address.secrets()).collect();
            trouble.into_fault("writing the record in Redis", true, &known)
        })
    }

    fn end(mut self) {
        // By WATCH and MULTI each change has a connection of its own: nobody else's watch is on it.
        if self.store.without_scripts.load(Ordering::Relaxed) {
            self.session.disconnect();
        }
        if let Some(connection) = self.session.into_connection()
            && let Some(mut idle) = self.store.idle.try_lock()
        {
            *idle = Some(Idle::new(connection));
        }
    }

    fn read_from_master(&mut self, watch: bool) -> std::result::Result<Snapshot, Trouble> {
        let is_found = !matches!(self.store.setup.address.servers, Servers::One(_));
        let mut again = true;
        loop {
            let was_kept = self.session.is_kept();
            let outcome = self.read_once(watch);
            let look_again = again
                && match &outcome {
                    // The server has closed a connection that idled, or was told to go: nothing was changed by asking.
                    Err(Trouble::Lost { timed_out: false, .. }) => was_kept,
                    Err(trouble) => trouble.is_demoted() && is_found,
                    Ok(snapshot) => snapshot.is_replica && was_kept,
                };
            if !look_again {
                return match outcome {
                    Ok(snapshot) if snapshot.is_replica => Err(Trouble::Unusable(format!(
                        "{} is a replica, which may lack what was written last; name the master, or use store.sentinel",
                        self.session.server().map(ToString::to_string).unwrap_or_default()
                    ))),
                    other => other,
                };
            }
            again = false;
            self.session.disconnect();
        }
    }

    fn read_once(&mut self, watch: bool) -> std::result::Result<Snapshot, Trouble> {
        let is_cluster = matches!(self.store.setup.address.servers, Servers::Cluster(_));
        if !self.store.without_scripts.load(Ordering::Relaxed) {
            match self.session.ask(&script::load(&self.key)) {
                Err(trouble) if trouble.refuses_scripts() && !is_cluster => {
                    self.store.without_scripts.store(true, Ordering::Relaxed);
                }
                other => return script::snapshot(other?).ok_or_else(|| self.senseless()),
            }
        }
        if watch {
            self.session.ask(&Command::new("WATCH").arg(&self.key))?;
        }
        self.read_by_commands()
    }

    /// What the script reads, where scripts are refused. In one step only under WATCH, which EXEC asks about.
    fn read_by_commands(&mut self) -> std::result::Result<Snapshot, Trouble> {
        let time = self.session.ask(&Command::new("TIME"))?;
        let now = script::time(&time).ok_or_else(|| self.senseless())?;
        let (incarnation, role) = match self.session.ask(&ask_replication()) {
            Ok(info) => script::replication(info),
            Err(trouble) if trouble.is_not_permitted() => (None, None),
            Err(trouble) => return Err(trouble),
        };
        let hash = self.session.ask(&Command::new("HGETALL").arg(&self.key))?;
        let hash = script::hash_in(hash).ok_or_else(|| self.senseless())?;
        let is_replica = role.is_some_and(|role| role != "master");
        Ok(Snapshot { hash, now, incarnation, is_replica })
    }

    fn write_replicated(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        ttl_seconds: i64,
    ) -> std::result::Result<Written, Trouble> {
        let written = match self.store.without_scripts.load(Ordering::Relaxed) {
            false => self.write_by_script(read, edit, ttl_seconds)?,
            true => self.write_watched(read, edit, ttl_seconds)?,
        };
        let replicas = self.store.setup.options.wait_replicas.0;
        if matches!(written, Written::Yes) && replicas > 0 {
            self.wait_for(replicas)?;
        }
        Ok(written)
    }

    fn write_by_script(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        ttl_seconds: i64,
    ) -> std::result::Result<Written, Trouble> {
        match self.session.ask(&script::change(&self.key, read, edit, ttl_seconds))? {
            Value::Int(1) => Ok(Written::Yes),
            other => script::snapshot(other).map(Written::Changed).ok_or_else(|| self.senseless()),
        }
    }

    /// The same under WATCH, which holds since the record was read, on the same connection. Nothing happens before EXEC.
    fn write_watched(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        ttl_seconds: i64,
    ) -> std::result::Result<Written, Trouble> {
        self.session.ask(&Command::new("MULTI"))?;
        for command in script::writes(&self.key, edit, ttl_seconds) {
            self.session.ask(&command)?;
        }
        if read.incarnation.is_some() {
            self.session.ask(&ask_replication())?;
        }
        let answer = self.session.ask(&Command::new("EXEC"))?;
        let is_same = match answer {
            Value::Array(mut answers) if read.incarnation.is_some() => {
                answers.pop().is_some_and(|info| script::replication(info).0 == read.incarnation)
            }
            Value::Array(_) => true,
            // Somebody else has written since.
            _ => false,
        };
        match is_same {
            true => Ok(Written::Yes),
            // If it was written under another incarnation, it was not on what was read: whoever wrote looks again.
            false => {
                self.session.ask(&Command::new("WATCH").arg(&self.key))?;
                self.read_by_commands().map(Written::Changed)
            }
        }
    }

    /// Waits until so many replicas have what this connection wrote.
    fn wait_for(&mut self, wanted: u64) -> std::result::Result<(), Trouble> {
        let limit = self.session.route.limit;
        let wait = Command::new("WAIT").arg_owned(wanted).arg_owned(limit.as_millis().max(1));
        // The server itself waits for up to the limit.
        match (self.session.ask_within(&wait, 2 * limit)?, self.session.server().cloned()) {
            (Value::Int(got), _) if u64::try_from(got).is_ok_and(|got| got >= wanted) => Ok(()),
            (Value::Int(got), Some(server)) => Err(Trouble::Unreplicated { server, wanted, got }),
            _ => Err(self.senseless()),
        }
    }

    fn senseless(&self) -> Trouble {
        match self.session.server() {
            Some(server) => Trouble::Senseless(server.clone()),
            None => Trouble::Unreached("there is no connection".to_owned()),
        }
    }
}

fn ask_replication() -> Command<'static> {
    Command::new("INFO").arg("replication")
}

fn unwritten(error: Error) -> StoreFault {
    StoreFault { error, maybe_written: false }
}

impl TokenStore for RedisStore {
    fn load(&self, call: &Call, client: &str) -> std::result::Result<Loaded, StoreFault> {
        let mut visit = self.begin(call, client)?;
        let read = visit.read(false)?;
        visit.end();
        let (record, discarded) = self.record(call, client, &read);
        Ok(Loaded { record, now: read.now, discarded })
    }

    fn change(&self, call: &Call, client: &str, change: Change<'_>) -> std::result::Result<(), StoreFault> {
        let mut visit = self.begin(call, client)?;
        let mut read = visit.read(true)?;
        for _ in 0..MOST_TRIES {
            let (mut record, _) = self.record(call, client, &read);
            if !change(&mut record, read.now) {
                visit.end();
                return Ok(());
            }
            let edit = fields::encode(client, &record, &read.hash, self.setup.seal.as_ref());
            match visit.write(&read, &edit, record.ttl_seconds(read.now))? {
                Written::Yes => {
                    visit.end();
                    return Ok(());
                }
                Written::Changed(now) => read = now,
            }
            call.go_on().map_err(unwritten)?;
        }
        let busy = Trouble::Unusable("others wrote it again and again; see who does (MONITOR)".to_owned());
        Err(busy.into_fault("changing the record in Redis", false, &[]))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn marks(&self) -> Marks<'_> {
        self.setup.seal.as_ref().map_or(Marks::Open, |seal| Marks::Sealed(seal.marks()))
    }

    fn in_child(&self) -> Arc<dyn TokenStore> {
        Arc::new(RedisStore::with(Arc::clone(&self.setup)))
    }
}
