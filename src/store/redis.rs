//! The store in Redis: a hash for each client, on which processes of many machines agree, and which PHP code can read
//! and write beside them.
//!
//! A change is optimistic: read the hash, change the record, and write it in one script that compares every field and
//! the server's replication ID with what was read. So a claim is acknowledged only on exactly what was read, by the
//! very incarnation of the server that it was read from. Nothing is sent twice by itself: not by the client library,
//! whose clients for Sentinel and Cluster would (which is why finding the server is done here), and not by us, but for
//! reading, which changes nothing.

mod address;
mod fields;
mod lane;
mod link;
mod script;
mod trouble;

use super::record::Record;
use super::seal::Seal;
use super::{Change, Loaded, Marks, StoreFault, TokenStore};
use crate::call::Call;
use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::log::Level;
use crate::options::RedisOptions;
use crate::secret::{Secret, hex, random};
use address::{Address, Servers};
use lane::{Lane, Line, Met, Route};
use parking_lot::Mutex;
use redis::{Value, cmd};
use rustls::ClientConfig;
use script::Snapshot;
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
    /// The lane of the last operation. Its lock is only tried, never waited for: whoever comes second makes a lane.
    lane: Mutex<Option<Lane>>,
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
            lane: Mutex::new(None),
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
        let kept = self.lane.try_lock().and_then(|mut lane| lane.take());
        let kept = kept.filter(|lane| !lane.is_stale(Tick::now()));
        let lane = kept.map_or_else(Lane::new, Ok).map_err(unwritten)?;
        // A store that hangs must leave the call time to go on without it (T5), however many servers there are to ask.
        let most = call.left() / 2;
        let limit = Duration::from_millis(self.setup.options.timeout_ms.0).min(most);
        Ok(Visit { store: self, call, key: self.key(client), lane, limit, until: Instant::now() + most })
    }
}

/// One operation of the store. Its lane is given back only after an operation that went well.
struct Visit<'a> {
    store: &'a RedisStore,
    call: &'a Call,
    key: String,
    lane: Lane,
    /// The most that connecting may take, and each command.
    limit: Duration,
    /// When all of it has taken long enough.
    until: Instant,
}

impl Visit<'_> {
    fn route<'a>(store: &'a RedisStore, limit: Duration) -> Route<'a> {
        let tls = store.tls.as_ref().ok().and_then(Option::as_ref);
        Route { address: &store.setup.address, tls, limit, met: &store.met }
    }

    /// Reads the record. `watch`: it is going to be changed.
    fn read(&mut self, watch: bool) -> std::result::Result<Snapshot, StoreFault> {
        let (store, route, key) = (self.store, Visit::route(self.store, self.limit), self.key.clone());
        let read =
            self.lane.drive(self.call, self.until, |line| async move { read(line, &route, &key, store, watch).await });
        read.map_err(unwritten)?
            .map_err(|trouble| trouble.into_fault("reading the record in Redis", false, &store.setup.address.secrets()))
    }

    fn write(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        ttl_seconds: i64,
    ) -> std::result::Result<Written, StoreFault> {
        let (store, route, key) = (self.store, Visit::route(self.store, self.limit), self.key.clone());
        let written = self.lane.drive(self.call, self.until, |line| async move {
            let by_script = !store.without_scripts.load(Ordering::Relaxed);
            let written = match by_script {
                true => write(line, &route, &key, read, edit, ttl_seconds).await,
                false => write_watched(line, &route, &key, read, edit, ttl_seconds).await,
            };
            match (written, store.setup.options.wait_replicas.0) {
                (Ok(Written::Yes), replicas) if replicas > 0 => {
                    replicated(line, &route, replicas).await.map(|()| Written::Yes)
                }
                (written, _) => written,
            }
        });
        // The call's own end leaves the outcome as unknown as a lost answer does.
        written.map_err(|error| StoreFault { error, maybe_written: true })?.map_err(|trouble| {
            let before = read.hash.0.iter().map(|(name, value)| (&name[..], value));
            let after = edit.set.iter().map(|(name, value)| (name.as_bytes(), value));
            let tokens = fields::tokens(before.chain(after));
            let known: Vec<&Secret> = tokens.iter().chain(store.setup.address.secrets()).collect();
            trouble.into_fault("writing the record in Redis", true, &known)
        })
    }

    fn end(mut self) {
        // By WATCH and MULTI each change has a connection of its own: nobody else's watch is on it.
        if self.store.without_scripts.load(Ordering::Relaxed) {
            self.lane.line.hang_up();
        }
        self.lane.keep();
        if let Some(mut lane) = self.store.lane.try_lock() {
            *lane = Some(self.lane);
        }
    }
}

async fn read(
    line: &mut Line,
    route: &Route<'_>,
    key: &str,
    store: &RedisStore,
    watch: bool,
) -> std::result::Result<Snapshot, Trouble> {
    let mut again = true;
    loop {
        let was_kept = line.is_kept();
        let outcome = read_once(line, route, key, store, watch).await;
        let demoted = |trouble: &Trouble| trouble.is_demoted() && !matches!(route.address.servers, Servers::One(_));
        let look_again = again
            && match &outcome {
                // The server has closed a connection that idled, or was told to go: nothing was changed by asking.
                Err(Trouble::Lost { timed_out: false, .. }) => was_kept,
                Err(trouble) => demoted(trouble),
                Ok(snapshot) => snapshot.is_replica && was_kept,
            };
        if !look_again {
            return match outcome {
                Ok(snapshot) if snapshot.is_replica => Err(Trouble::Unusable(format!(
                    "{} is a replica, which may lack what was written last; name the master, or use store.sentinel",
                    line.server().map(ToString::to_string).unwrap_or_default()
                ))),
                other => other,
            };
        }
        again = false;
        line.hang_up();
    }
}

async fn read_once(
    line: &mut Line,
    route: &Route<'_>,
    key: &str,
    store: &RedisStore,
    watch: bool,
) -> std::result::Result<Snapshot, Trouble> {
    if !store.without_scripts.load(Ordering::Relaxed) {
        match line.ask(route, &script::load(key)).await {
            Err(trouble) if trouble.refuses_scripts() && !matches!(route.address.servers, Servers::Cluster(_)) => {
                store.without_scripts.store(true, Ordering::Relaxed);
            }
            other => {
                let value = other?;
                return script::snapshot(value).ok_or_else(|| senseless(line));
            }
        }
    }
    if watch {
        line.ask(route, cmd("WATCH").arg(key)).await?;
    }
    read_by_commands(line, route, key).await
}

/// What the script reads, where scripts are refused. In one step only under WATCH, which EXEC asks about.
async fn read_by_commands(line: &mut Line, route: &Route<'_>, key: &str) -> std::result::Result<Snapshot, Trouble> {
    let now = script::time(&line.ask(route, &cmd("TIME")).await?).ok_or_else(|| senseless(line))?;
    let (incarnation, role) = match line.ask(route, cmd("INFO").arg("replication")).await {
        Ok(info) => script::replication(info),
        Err(trouble) if trouble.is_not_permitted() => (None, None),
        Err(trouble) => return Err(trouble),
    };
    let hash = script::hash_in(line.ask(route, cmd("HGETALL").arg(key)).await?).ok_or_else(|| senseless(line))?;
    let is_replica = role.is_some_and(|role| role != "master");
    Ok(Snapshot { hash, now, incarnation, is_replica })
}

async fn write(
    line: &mut Line,
    route: &Route<'_>,
    key: &str,
    read: &Snapshot,
    edit: &fields::Edit,
    ttl_seconds: i64,
) -> std::result::Result<Written, Trouble> {
    match line.ask(route, &script::change(key, read, edit, ttl_seconds)).await? {
        Value::Int(1) => Ok(Written::Yes),
        other => script::snapshot(other).map(Written::Changed).ok_or_else(|| senseless(line)),
    }
}

/// The same under WATCH, which holds since the record was read, on the same connection. Nothing happens before EXEC.
async fn write_watched(
    line: &mut Line,
    route: &Route<'_>,
    key: &str,
    read: &Snapshot,
    edit: &fields::Edit,
    ttl_seconds: i64,
) -> std::result::Result<Written, Trouble> {
    line.ask(route, &cmd("MULTI")).await?;
    for command in script::writes(key, edit, ttl_seconds) {
        line.ask(route, &command).await?;
    }
    if read.incarnation.is_some() {
        line.ask(route, cmd("INFO").arg("replication")).await?;
    }
    let answer = line.ask(route, &cmd("EXEC")).await?;
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
            line.ask(route, cmd("WATCH").arg(key)).await?;
            read_by_commands(line, route, key).await.map(Written::Changed)
        }
    }
}

/// Waits until so many replicas have what this connection wrote.
async fn replicated(line: &mut Line, route: &Route<'_>, wanted: u64) -> std::result::Result<(), Trouble> {
    let link = line.link(route).await?;
    let mut wait = cmd("WAIT");
    wait.arg(wanted).arg(route.limit.as_millis().max(1) as u64);
    let server = link.server.clone();
    match link.wait(&wait, route.limit).await? {
        Value::Int(got) if u64::try_from(got).is_ok_and(|got| got >= wanted) => Ok(()),
        Value::Int(got) => Err(Trouble::Unreplicated { server, wanted, got }),
        _ => Err(Trouble::Senseless(server)),
    }
}

fn senseless(line: &Line) -> Trouble {
    match line.server() {
        Some(server) => Trouble::Senseless(server.clone()),
        None => Trouble::Unreached("there is no connection".to_owned()),
    }
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
