//! Idle connections, kept for the next call.

use crate::http::connection::{Connection, Idle};
use crate::http::origin::Origin;
use crate::net::idle::{self, Keeper};
use crate::sys::clock::Tick;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One manager's idle connections. Every slot has a lock that is only ever tried, never waited for: so a fork cannot
/// catch it half-way, and threads do not queue for it.
#[derive(Debug)]
pub struct Pool {
    slots: Box<[Mutex<Option<Box<Connection>>>]>,
    /// How many kept connections turned out to be dead: those that became idle before the last of them are not used.
    losses: AtomicU64,
    /// See [`Keeper`].
    is_listed: AtomicBool,
}

impl Pool {
    pub fn new(most_idle: usize) -> Arc<Pool> {
        Arc::new(Pool {
            slots: (0..most_idle).map(|_| Mutex::new(None)).collect(),
            losses: AtomicU64::new(0),
            is_listed: AtomicBool::new(false),
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
        idle::note(self, now);
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
        connection
            .idle
            .is_some_and(|idle| idle::is_over(idle.since, now) || idle.losses != self.losses.load(Ordering::Relaxed))
    }

    /// How many connections are idle, without those whose slot another thread has locked.
    pub fn idle(&self) -> usize {
        self.slots.iter().filter(|slot| slot.try_lock().is_some_and(|slot| slot.is_some())).count()
    }
}

impl Keeper for Pool {
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

    fn is_listed(&self) -> &AtomicBool {
        &self.is_listed
    }
}
