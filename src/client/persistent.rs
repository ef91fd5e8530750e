//! P3: clients that outlive their handles. One list for the process, bounded; a forked child begins its own.
//!
//! A client that a handle uses stays. Of the others the most recently used stay, up to the limit. A client that is dropped
//! closes its connections, and the next handle for it logs in again or takes its pair from the store. No refresh token is sent
//! twice because of this: a dropped client has no call under way, and a token that only it knew is lost with it.

use crate::client::credentials::Credentials;
use crate::client::{Client, Spec};
use crate::error::Result;
use crate::sys::fork;
use std::sync::{Arc, Mutex, MutexGuard};

/// A client in the list, which is in the order of use: the last to be used stands last.
struct Entry {
    client: Arc<Client>,
    /// How many handles have it. Counted, because a call that never returned keeps a reference for ever.
    handles: usize,
}

/// std's lock: see `single_flight`.
static REGISTRY: fork::PerProcess<Mutex<Vec<Entry>>> = fork::PerProcess::new();

fn lock(registry: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    registry.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The client with these settings and credentials, for one more handle; `make` makes it if there is none yet.
/// [`release`] gives it back.
pub fn share(spec: &Spec, credentials: &Credentials, make: impl FnOnce() -> Result<Client>) -> Result<Arc<Client>> {
    let registry = REGISTRY.get();
    let mut entries = lock(&registry);
    let same = |entry: &Entry| *entry.client.spec == *spec && **entry.client.credentials.load() == *credentials;
    let mut entry = match entries.iter().rposition(same) {
        Some(at) => entries.remove(at),
        None => Entry { client: Arc::new(make()?), handles: 0 },
    };
    entry.handles += 1;
    let client = Arc::clone(&entry.client);
    entries.push(entry);
    let ended = take_surplus(&mut entries, &client);
    drop(entries);
    drop(ended); // closes connections: not under the lock
    Ok(client)
}

/// A handle is done with a client that it shared in this process.
pub fn release(client: &Arc<Client>) {
    let registry = REGISTRY.get();
    let mut entries = lock(&registry);
    let Some(at) = entries.iter().rposition(|entry| Arc::ptr_eq(&entry.client, client)) else {
        return;
    };
    let mut entry = entries.remove(at);
    entry.handles -= 1;
    entries.push(entry);
    let ended = take_surplus(&mut entries, client);
    drop(entries);
    drop(ended);
}

/// Takes out what is more than `newest` allows for: the least recently used first, and none that a handle has.
fn take_surplus(entries: &mut Vec<Entry>, newest: &Client) -> Vec<Entry> {
    let limit = newest.spec.options.max_persistent.0 as usize;
    let mut surplus = entries.len().saturating_sub(limit);
    let mut is_surplus = |entry: &mut Entry| {
        let ends = surplus > 0 && entry.handles == 0;
        surplus -= usize::from(ends);
        ends
    };
    entries.extract_if(.., |entry| is_surplus(entry)).collect()
}
