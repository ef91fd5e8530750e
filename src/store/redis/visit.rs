//! One operation on a record in Redis: its commands, over one connection, to the master.

use crate::net::idle::{self, Keeper};
use crate::store::contract::StoreFault;
use crate::store::redis::address::Servers;
use crate::store::redis::connection::Connection;
use crate::store::redis::error::RedisError;
use crate::store::redis::fields;
use crate::store::redis::resp::{Command, Value};
use crate::store::redis::script;
use crate::store::redis::script::{Expiry, Life, Snapshot};
use crate::store::redis::session::{Idle, Session};
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::sys::zeroing::Wiped;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What the operations of one store share.
#[derive(Debug)]
pub struct Shared {
    /// The connection of the last operation. Its lock is only tried, never waited for: the second of two callers connects
    /// anew.
    pub idle: Mutex<Option<Idle>>,
    /// See [`Keeper`].
    is_listed: AtomicBool,
    /// The server refused scripts: changes go by WATCH and MULTI.
    pub without_scripts: AtomicBool,
    /// The user may not ask for or set the exact moment at which a record expires: so writes have no numbers.
    pub without_numbers: AtomicBool,
    /// How many replicas must have a write before it counts.
    pub wait_replicas: u64,
}

impl Shared {
    pub fn new(wait_replicas: u64) -> Arc<Shared> {
        Arc::new(Shared {
            idle: Mutex::new(None),
            is_listed: AtomicBool::new(false),
            without_scripts: AtomicBool::new(false),
            without_numbers: AtomicBool::new(false),
            wait_replicas,
        })
    }

    fn keep(self: &Arc<Shared>, connection: Connection) {
        let now = Tick::now();
        if let Some(mut idle) = self.idle.try_lock() {
            *idle = Some(Idle { connection, since: now });
        }
        idle::note(self, now);
    }
}

impl Keeper for Shared {
    fn prune(&self, now: Tick) -> bool {
        // Another thread has the lock: it counts as taken.
        let Some(mut slot) = self.idle.try_lock() else { return true };
        drop(slot.take_if(|idle| idle::is_over(idle.since, now)).map(Wiped::new));
        slot.is_some()
    }

    fn is_listed(&self) -> &AtomicBool {
        &self.is_listed
    }
}

/// What became of a write.
pub enum Written {
    Yes,
    /// The record is another by now: this one.
    Changed(Snapshot),
}

/// One operation of the store. Its connection is given back only after an operation that went well.
pub struct Visit<'a> {
    pub shared: &'a Arc<Shared>,
    pub key: String,
    pub session: Session<'a>,
}

impl Visit<'_> {
    /// Reads the record. `watch`: it is going to be changed.
    pub fn read(&mut self, watch: bool) -> std::result::Result<Snapshot, StoreFault> {
        self.read_from_master(watch).map_err(|error| {
            error.into_fault("reading the record in Redis", false, &self.session.route.address.secrets())
        })
    }

    /// Writes the record, if it is still what was read.
    pub fn write(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        life: Life,
    ) -> std::result::Result<Written, StoreFault> {
        self.write_replicated(read, edit, life).map_err(|error| {
            let before = read.hash.0.iter().map(|(name, value)| (&name[..], value));
            let after = edit.set.iter().map(|(name, value)| (name.as_bytes(), value));
            let tokens = fields::tokens(before.chain(after));
            let secrets: Vec<&Secret> = tokens.iter().chain(self.session.route.address.secrets()).collect();
            error.into_fault("writing the record in Redis", true, &secrets)
        })
    }

    pub fn end(mut self) {
        // With WATCH and MULTI each change has a connection of its own, on which no other change watches.
        if self.shared.without_scripts.load(Ordering::Relaxed) {
            self.session.disconnect();
        }
        if let Some(connection) = self.session.into_connection() {
            self.shared.keep(connection);
        }
    }

    fn read_from_master(&mut self, watch: bool) -> std::result::Result<Snapshot, RedisError> {
        let is_found = !matches!(self.session.route.address.servers, Servers::One(_));
        let mut again = true;
        loop {
            let was_kept = self.session.is_kept();
            let outcome = self.read_once(watch);
            let look_again = again
                && match &outcome {
                    // The server has closed an idle connection. Reading has changed nothing, so it may be repeated.
                    Err(RedisError::Lost { timed_out: false, .. }) => was_kept,
                    Err(error) => error.is_demoted() && is_found,
                    Ok(snapshot) => snapshot.is_replica && was_kept,
                };
            if !look_again {
                return match outcome {
                    Ok(snapshot) if snapshot.is_replica => Err(RedisError::Unusable(format!(
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

    fn read_once(&mut self, watch: bool) -> std::result::Result<Snapshot, RedisError> {
        let is_cluster = matches!(self.session.route.address.servers, Servers::Cluster(_));
        if !self.shared.without_scripts.load(Ordering::Relaxed) {
            match self.session.ask(&script::load(&self.key)) {
                Err(error) if error.refuses_scripts() && !is_cluster => {
                    self.shared.without_scripts.store(true, Ordering::Relaxed);
                }
                other => return script::snapshot(other?).ok_or_else(|| self.senseless()),
            }
        }
        match watch {
            true => self.watch(),
            false => self.read_by_commands(),
        }
    }

    fn watch(&mut self) -> std::result::Result<Snapshot, RedisError> {
        self.session.ask(&Command::new("WATCH").arg(&self.key))?;
        self.read_by_commands()
    }

    /// What the script reads, where scripts are refused. In one step only under WATCH, which EXEC asks about.
    fn read_by_commands(&mut self) -> std::result::Result<Snapshot, RedisError> {
        let asked = Instant::now();
        let time = self.session.ask(&Command::new("TIME"))?;
        let now = script::time(&time).ok_or_else(|| self.senseless())?;
        let expiry = match self.session.ask(&Command::new("PTTL").arg(&self.key)) {
            Ok(left) => Expiry::read(now, &left, asked.elapsed().as_millis() as i64),
            Err(error) if error.is_not_permitted() => None,
            Err(error) => return Err(error),
        };
        let (incarnation, role) = match self.session.ask(&ask_replication()) {
            Ok(info) => script::replication(info),
            Err(error) if error.is_not_permitted() => (None, None),
            Err(error) => return Err(error),
        };
        let hash = self.session.ask(&Command::new("HGETALL").arg(&self.key))?;
        let hash = script::hash_in(hash).ok_or_else(|| self.senseless())?;
        let is_replica = role.is_some_and(|role| role != "master");
        Ok(Snapshot { hash, now, incarnation, is_replica, expiry })
    }

    fn write_replicated(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        life: Life,
    ) -> std::result::Result<Written, RedisError> {
        let written = match self.shared.without_scripts.load(Ordering::Relaxed) {
            false => self.write_by_script(read, edit, life)?,
            true => self.write_watched(read, edit, life)?,
        };
        let replicas = self.shared.wait_replicas;
        if matches!(written, Written::Yes) && replicas > 0 {
            self.wait_for(replicas)?;
        }
        Ok(written)
    }

    fn write_by_script(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        life: Life,
    ) -> std::result::Result<Written, RedisError> {
        match self.session.ask(&script::change(&self.key, read, edit, life))? {
            Value::Int(1) => Ok(Written::Yes),
            Value::Int(2) => {
                self.shared.without_numbers.store(true, Ordering::Relaxed);
                Ok(Written::Yes)
            }
            other => script::snapshot(other).map(Written::Changed).ok_or_else(|| self.senseless()),
        }
    }

    /// The same under WATCH, which holds since the record was read, on the same connection. Nothing happens before EXEC.
    fn write_watched(
        &mut self,
        read: &Snapshot,
        edit: &fields::Edit,
        life: Life,
    ) -> std::result::Result<Written, RedisError> {
        self.session.ask(&Command::new("MULTI"))?;
        for command in script::writes(&self.key, edit, life) {
            match self.session.ask(&command) {
                // The user may lack the right to set the exact moment: once more, without it.
                Err(error) if error.is_not_permitted() && life.until.is_some() => {
                    self.shared.without_numbers.store(true, Ordering::Relaxed);
                    self.session.disconnect();
                    return self.watch().map(Written::Changed);
                }
                answer => answer?,
            };
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
            // Another process has written since.
            _ => false,
        };
        match is_same {
            true => Ok(Written::Yes),
            // Written under another incarnation, it was not on what was read: the caller has to look again.
            false => self.watch().map(Written::Changed),
        }
    }

    /// Waits until so many replicas have what this connection wrote.
    fn wait_for(&mut self, wanted: u64) -> std::result::Result<(), RedisError> {
        let limit = self.session.route.limit;
        let wait = Command::new("WAIT").arg_owned(wanted).arg_owned(limit.as_millis().max(1));
        // The server itself waits for up to the limit.
        match (self.session.ask_within(&wait, 2 * limit)?, self.session.server().cloned()) {
            (Value::Int(got), _) if u64::try_from(got).is_ok_and(|got| got >= wanted) => Ok(()),
            (Value::Int(got), Some(server)) => Err(RedisError::Unreplicated { server, wanted, got }),
            _ => Err(self.senseless()),
        }
    }

    fn senseless(&self) -> RedisError {
        match self.session.server() {
            Some(server) => RedisError::Senseless(server.clone()),
            None => RedisError::Unreached("there is no connection".to_owned()),
        }
    }
}

fn ask_replication() -> Command<'static> {
    Command::new("INFO").arg("replication")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::net::drive::Pace;
    use crate::store::redis::address::{Address, Server};
    use crate::store::redis::route::{KnownNodes, Route};
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    #[test]
    fn a_connection_that_idled_for_a_minute_is_closed_by_the_next_call() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = serde_json::from_str(&format!(r#"{{"url": "redis://127.0.0.1:{port}"}}"#)).unwrap();
        let (address, known_nodes) = (Arc::new(Address::read(&options).unwrap()), KnownNodes::default());
        let limit = Duration::from_secs(60);
        let until = Instant::now() + limit;
        let route = Route { address: Arc::clone(&address), tls: None, limit, until, known_nodes: &known_nodes };
        let call = Call::begin(Arc::default(), limit);
        let mut pace = Pace::new(&call, until, None);
        let server = Server::Tcp { host: "127.0.0.1".to_owned(), port };
        let shared = Shared::new(0);
        shared.keep(Connection::open(&server, &address.access, &route, &mut pace).unwrap());
        let (mut peer, _) = listener.accept().unwrap();

        let another = Shared::new(0);
        idle::note(&another, Tick::now().after(limit));
        assert!(shared.idle.try_lock().unwrap().is_some());
        idle::note(&another, Tick::now().after(limit + Duration::from_secs(10)));
        assert!(shared.idle.try_lock().unwrap().is_none());
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "it is closed");
    }
}
