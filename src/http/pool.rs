//! Idle connections, kept for the next call.

use crate::call::callback;
use crate::http::connection::{Connection, Idle};
use crate::http::origin::Origin;
use crate::sys::clock::Tick;
use crate::sys::fork;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A connection that idled this long is closed: most servers have closed their side by then.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// How often idle connections are looked through, in milliseconds.
const PRUNE_EVERY: u64 = 1000;

/// One manager's idle connections. Every slot has a lock that is only ever tried, never waited for: so a fork cannot
/// catch it half-way, and threads do not queue for it.
#[derive(Debug)]
pub struct Pool {
    slots: Box<[Mutex<Option<Box<Connection>>>]>,
    /// How many kept connections turned out to be dead: those that became idle before the last of them are not used.
    losses: AtomicU64,
    /// Whether [`Registry`] knows it.
    is_registered: AtomicBool,
}

impl Pool {
    pub fn new(most_idle: usize) -> Arc<Pool> {
        Arc::new(Pool {
            slots: (0..most_idle).map(|_| Mutex::new(None)).collect(),
            losses: AtomicU64::new(0),
            is_registered: AtomicBool::new(false),
        })
    }

    /// The first idle connection to an origin. So a few callers use a few connections, and the others stay idle until they are
    /// closed.
    pub fn take(&self, origin: &Origin) -> Option<Box<Connection>> {
        let now = Tick::now();
        self.slots.iter().find_map(|slot| {
            let mut slot = slot.try_lock()?;
            drop(slot.take_if(|idle| self.is_over(idle, now)));
            slot.take_if(|idle| idle.origin() == origin)
        })
    }

    /// Keeps a connection for the next call, or closes it when enough are kept.
    pub fn put(self: &Arc<Pool>, mut connection: Box<Connection>) {
        let now = Tick::now();
        connection.idle = Some(Idle { since: now, losses: self.losses.load(Ordering::Relaxed) });
        let free = self.slots.iter().find_map(|slot| slot.try_lock().filter(|slot| slot.is_none()));
        if let Some(mut slot) = free {
            *slot = Some(connection);
        }
        if !self.is_registered.load(Ordering::Relaxed) {
            Registry::add(self);
        }
        REGISTRY.if_made(|registry| registry.prune(now));
    }

    /// From now on, no connection that is idle now is used again: one of the same age has died unnoticed.
    pub fn distrust(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes what is idle: their buffers still hold the tokens that they carried.
    pub fn clear(&self) {
        for slot in &self.slots {
            if let Some(mut slot) = slot.try_lock() {
                drop(slot.take());
            }
        }
    }

    /// Whether an idle connection is not to be used any more.
    fn is_over(&self, connection: &Connection, now: Tick) -> bool {
        connection.idle.is_some_and(|idle| {
            idle.since < now.before(LONGEST_IDLE) || idle.losses != self.losses.load(Ordering::Relaxed)
        })
    }

    /// Closes what idled too long, and says whether any is left.
    fn prune(&self, now: Tick) -> bool {
        let mut any = false;
        for slot in &self.slots {
            // Another thread has this slot's lock: it counts as taken.
            let Some(mut slot) = slot.try_lock() else {
                any = true;
                continue;
            };
            drop(slot.take_if(|idle| self.is_over(idle, now)));
            any |= slot.is_some();
        }
        any
    }

    /// How many connections are idle, without those whose slot another thread has locked.
    pub fn idle(&self) -> usize {
        self.slots.iter().filter(|slot| slot.try_lock().is_some_and(|slot| slot.is_some())).count()
    }
}

/// The pools of this process that have idle connections. The next call of any manager closes those of all pools that
/// idled for too long.
#[derive(Debug, Default)]
struct Registry {
    pools: Mutex<Vec<Weak<Pool>>>,
    pruned: AtomicU64,
}

static REGISTRY: fork::PerProcess<Registry> = fork::PerProcess::new();

impl Registry {
    fn add(pool: &Arc<Pool>) {
        let registry = REGISTRY.get();
        if let Some(mut pools) = registry.pools.try_lock() {
            pool.is_registered.store(true, Ordering::Relaxed);
            pools.push(Arc::downgrade(pool));
        }
    }

    /// Looks through all pools, once a second at the most.
    fn prune(&self, now: Tick) {
        let last = self.pruned.load(Ordering::Relaxed);
        let is_ours = now.0 >= last + PRUNE_EVERY
            && self.pruned.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_ours {
            return;
        }
        callback::give_up_overdue();
        if let Some(mut pools) = self.pools.try_lock() {
            pools.retain(|pool| {
                let Some(pool) = pool.upgrade() else { return false };
                let any = pool.prune(now);
                pool.is_registered.store(any, Ordering::Relaxed);
                any
            });
        }
    }
}
