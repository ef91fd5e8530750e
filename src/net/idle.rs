//! Idle connections, which end after a minute: the next call of any manager closes those of all.

use crate::call::callback;
use crate::sys::clock::Tick;
use crate::sys::fork;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A connection that idled this long is closed: most servers have closed their side by then, and firewalls forget it.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// How often idle connections are looked through, in milliseconds.
const PRUNE_EVERY: u64 = 1000;

/// Whether a connection that has been idle since then is too old.
pub fn is_over(since: Tick, now: Tick) -> bool {
    since < now.before(LONGEST_IDLE)
}

/// Where one manager or store keeps its idle connections.
pub trait Keeper: Debug + Send + Sync {
    /// Closes what idled too long, and says whether any is left.
    fn prune(&self, now: Tick) -> bool;
    /// Whether it is known to be looked through.
    fn is_listed(&self) -> &AtomicBool;
}

/// Notes that a keeper has a connection from now on, and closes those that idled too long, wherever they are.
pub fn note<K: Keeper + 'static>(keeper: &Arc<K>, now: Tick) {
    if !keeper.is_listed().load(Ordering::Relaxed) {
        REGISTRY.get().add(Arc::clone(keeper) as _);
    }
    REGISTRY.if_made(|registry| registry.prune(now));
}

/// The keepers of this process that have idle connections. Its lock is only ever tried, so that a fork cannot catch it
/// half-way.
#[derive(Debug, Default)]
struct Registry {
    keepers: Mutex<Vec<Weak<dyn Keeper>>>,
    pruned: AtomicU64,
}

static REGISTRY: fork::PerProcess<Registry> = fork::PerProcess::new();

impl Registry {
    fn add(&self, keeper: Arc<dyn Keeper>) {
        if let Some(mut keepers) = self.keepers.try_lock() {
            keeper.is_listed().store(true, Ordering::Relaxed);
            keepers.push(Arc::downgrade(&keeper));
        }
    }

    /// Looks through all, once a second at the most.
    fn prune(&self, now: Tick) {
        let last = self.pruned.load(Ordering::Relaxed);
        let is_ours = now.0 >= last + PRUNE_EVERY
            && self.pruned.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_ours {
            return;
        }
        callback::give_up_overdue();
        if let Some(mut keepers) = self.keepers.try_lock() {
            keepers.retain(|keeper| {
                let Some(keeper) = keeper.upgrade() else { return false };
                let any = keeper.prune(now);
                keeper.is_listed().store(any, Ordering::Relaxed);
                any
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_idled_for_a_minute_is_over() {
        let since = Tick::now();
        assert!(!is_over(since, since.after(LONGEST_IDLE)));
        assert!(is_over(since, since.after(LONGEST_IDLE + Duration::from_millis(1))));
    }
}
