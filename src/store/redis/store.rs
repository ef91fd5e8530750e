//! The store in Redis: a hash for each client, on which processes of many machines agree, and which PHP code can read
//! and write beside them.
//!
//! A change is optimistic: read the hash, change the record, and write it in one script that compares every field and
//! the server's replication ID with what was read. So a claim is acknowledged only on exactly what was read, by the
//! very incarnation of the server that it was read from. Only reading, which changes nothing, may be sent twice by itself.
//!
//! An operation is driven by its caller's own thread (`session`, `connection`), and speaks RESP2 (`resp`).

use crate::call::Call;
use crate::call::log::Level;
use crate::error::{Error, Result};
use crate::net::drive::Pace;
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore};
use crate::store::redis::address::Address;
use crate::store::redis::error::RedisError;
use crate::store::redis::fields;
use crate::store::redis::options::RedisOptions;
use crate::store::redis::route::{KnownNodes, Route};
use crate::store::redis::script::{Expiry, Life, Snapshot};
use crate::store::redis::session::{Idle, Session};
use crate::store::redis::visit::{Shared, Visit, Written};
use crate::store::seal::{self, Seal};
use crate::sys::secret::{hex, random, random_fraction};
use crate::token::fingerprint::FingerprintKey;
use crate::token::record::Record;
use arc_swap::ArcSwap;
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a change is tried again because another process wrote in between.
const MOST_TRIES: u32 = 50;

/// A record in a hash in Redis.
#[derive(Debug)]
pub struct RedisStore {
    setup: Arc<Setup>,
    /// The settings of TLS, or why it cannot be used.
    tls: std::result::Result<Option<Arc<ClientConfig>>, Error>,
    /// The nodes of a Cluster that are known so far.
    known_nodes: KnownNodes,
    shared: Arc<Shared>,
    /// What was said once: that the user may not ask for the replication ID, and that writes have no numbers.
    warned: [AtomicBool; 2],
}

/// What the options say; shared with forked children, as nothing in it changes.
#[derive(Debug)]
struct Setup {
    options: RedisOptions,
    /// As it was read last: files are read again for each operation, as a password may have been replaced.
    address: ArcSwap<Address>,
    seal: Option<Arc<Seal>>,
}

impl Setup {
    /// What cannot be read now, or is no address, is being replaced, or the worker has no right to it: what was read
    /// before holds.
    fn address(&self) -> Arc<Address> {
        if self.options.has_files()
            && let Ok(address) = Address::read(&self.options)
        {
            self.address.store(Arc::new(address));
        }
        self.address.load_full()
    }
}

impl RedisStore {
    /// Reads secrets, keys and certificates; connects when a token is needed.
    pub fn new(options: &RedisOptions) -> Result<RedisStore> {
        let seal = seal::keys(options.key.as_ref(), &options.old_keys)?;
        let setup = Setup { address: ArcSwap::from_pointee(Address::read(options)?), seal, options: options.clone() };
        let store = RedisStore::with(Arc::new(setup));
        match &store.tls {
            Err(error) => Err(error.clone()),
            Ok(_) => Ok(store),
        }
    }

    fn with(setup: Arc<Setup>) -> RedisStore {
        RedisStore {
            tls: setup.address.load().tls(&setup.options),
            shared: Shared::new(setup.options.wait_replicas.0),
            setup,
            known_nodes: KnownNodes::default(),
            warned: Default::default(),
        }
    }

    fn key(&self, client_id: &str) -> String {
        format!("{}{client_id}", self.setup.options.prefix)
    }

    /// The record in what was read, and why there is none if there should be.
    fn record(&self, call: &Call, client_id: &str, read: &Snapshot) -> (Record, Option<String>) {
        let mut record = match fields::decode(client_id, &read.hash, self.setup.seal.as_deref()) {
            Ok(record) => record,
            Err(why) => {
                let location =
                    format!("the record {} in Redis at {}", self.key(client_id), self.setup.address.load().redacted());
                return (Record::default(), Some(format!("{location} {why}")));
            }
        };
        self.compare_number(call, client_id, &mut record, read);
        match &read.incarnation {
            Some(incarnation) => record.invalidate_if_restored(client_id, incarnation),
            // Where enough replicas have every write, a failover loses none.
            None if self.setup.options.wait_replicas.0 > 0 => record.incarnation = None,
            // Nothing tells whether a failover has lost a claim: so what is stored counts as claimed.
            None => {
                record.invalidate_if_restored(client_id, &hex(&random::<16>()));
                if !self.warned[0].swap(true, Ordering::Relaxed) {
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

    fn compare_number(&self, call: &Call, client_id: &str, record: &mut Record, read: &Snapshot) {
        match self.expiry_in(read) {
            Some(expiry) => record.compare_number(client_id, |number| expiry.is(number)),
            None if !self.warned[1].swap(true, Ordering::Relaxed) => call.log(Level::Warning, || {
                "Redis did not let the moment be set and asked for at which the record expires (PEXPIREAT, PTTL), so an old \
                 copy of it that is put back is not noticed; grant the user +pttl +pexpireat"
                    .to_owned()
            }),
            None => {}
        }
    }

    fn expiry_in(&self, read: &Snapshot) -> Option<Expiry> {
        read.expiry.filter(|_| !self.shared.without_numbers.load(Ordering::Relaxed))
    }

    fn begin<'a>(&'a self, call: &'a Call, client_id: &str) -> std::result::Result<Visit<'a>, StoreFault> {
        call.checkpoint().and_then(|()| self.tls.as_ref().map(|_| ()).map_err(Error::clone)).map_err(unwritten)?;
        let kept = self.shared.idle.try_lock().and_then(|mut idle| idle.take());
        let kept = kept.and_then(Idle::into_usable);
        // A store that hangs must leave the call time to go on without it (T5), however many servers there are to ask.
        let most = call.left_for_store();
        let until = Instant::now() + most;
        let route = Route {
            address: self.setup.address(),
            tls: self.tls.as_ref().ok().and_then(Option::as_ref),
            limit: Duration::from_millis(self.setup.options.timeout_ms.0).min(most),
            until,
            known_nodes: &self.known_nodes,
        };
        let session = Session::new(kept, route, Pace::new(call, until, None));
        Ok(Visit { shared: &self.shared, key: self.key(client_id), session })
    }
}

fn unwritten(error: Error) -> StoreFault {
    StoreFault { error, maybe_written: false }
}

impl TokenStore for RedisStore {
    fn load(&self, call: &Call, client_id: &str) -> std::result::Result<Loaded, StoreFault> {
        let mut visit = self.begin(call, client_id)?;
        let read = visit.read(false)?;
        visit.end();
        let (record, discarded) = self.record(call, client_id, &read);
        Ok(Loaded { record, now: read.now, discarded })
    }

    fn change(&self, call: &Call, client_id: &str, change: Change<'_>) -> std::result::Result<(), StoreFault> {
        let mut visit = self.begin(call, client_id)?;
        let mut read = visit.read(true)?;
        for _ in 0..MOST_TRIES {
            let (mut record, _) = self.record(call, client_id, &read);
            if !change(&mut record, read.now) {
                visit.end();
                return Ok(());
            }
            read.expiry = self.expiry_in(&read);
            let life = Life::new(record.ttl_seconds(read.now), &read, random_fraction());
            record.set_number(client_id, life.until);
            let edit = fields::encode(client_id, &record, &read.hash, self.setup.seal.as_deref());
            match visit.write(&read, &edit, life)? {
                Written::Yes => {
                    visit.end();
                    return Ok(());
                }
                Written::Changed(now) => read = now,
            }
            call.checkpoint().map_err(unwritten)?;
        }
        let busy = RedisError::Unusable("others wrote it again and again; see who does (MONITOR)".to_owned());
        Err(busy.into_fault("changing the record in Redis", false, &[]))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn fingerprint_key(&self) -> FingerprintKey<'_> {
        seal::fingerprint_key(self.setup.seal.as_deref())
    }

    fn after_fork(&self) -> Arc<dyn TokenStore> {
        Arc::new(RedisStore::with(Arc::clone(&self.setup)))
    }
}
