//! Counters and gauges of one manager, as `tm_stats_json` shows them.

use serde_json::{Map, Value};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What happened so far. Each counter only rises.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[doc = $doc])* pub $name: Counter,)*
        }

        /// Every counter with its meaning, for the documentation.
        pub const COUNTERS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),*)),)*];

        impl Stats {
            /// Every counter by its name.
            pub fn to_map(&self) -> Map<String, Value> {
                let mut map = Map::new();
                $(map.insert(stringify!($name).to_owned(), self.$name.get().into());)*
                map
            }
        }
    };
}

/// What `Manager::stats_json` adds to the counters: how things stand at that moment.
pub const GAUGES: &[(&str, &str)] = &[
    ("token", "`none`, `good`, `due` (inside its refresh window) or `dead`."),
    ("seconds_left", "How long the access token still lives; `null` if unknown or none is held."),
    ("has_refresh_token", "Whether a refresh token is held that this process may use."),
    ("token_is_private", "Whether only this process knows the pair, from a login while the store was unavailable."),
    ("last_discard", "Why what the token store held could not be used, the last time; `null` if it always could."),
    ("connections_idle", "Connections kept for the next call."),
];

counters! {
    /// Logins that the server granted.
    logins,
    /// Refreshes that the server granted.
    refreshes,
    /// Pairs taken over from the store instead of asking the server.
    adoptions,
    /// Calls that a 401 stopped and that were sent again with another token.
    recoveries,
    /// Logins that the server refused.
    logins_refused,
    /// Calls that needed a login while login was suspended.
    logins_suspended,
    /// Refreshes that the server refused.
    refreshes_refused,
    /// Refreshes and logins that ended neither with a token nor with a refusal of what was sent.
    renewals_failed,
    /// Callers that waited for another caller's refresh or login and shared its outcome.
    coalesced_waiters,
    /// Logouts that the server answered; where there is nothing to tell it, none is sent.
    logouts,
    /// Answers to API calls with a status from 200 to 299.
    calls_2xx,
    /// Answers to API calls that were redirects, followed or not.
    calls_3xx,
    /// Answers to API calls with a status from 400 to 499.
    calls_4xx,
    /// Answers to API calls with a status of 500 and above.
    calls_5xx,
    /// API calls that ended without an answer.
    calls_failed,
    /// Calls sent again because a kept connection had died.
    resends,
    /// Connections made since the manager was.
    connections_opened,
    /// Operations on the token store.
    store_operations,
    /// Operations on the token store that failed.
    store_failures,
    /// Times that what the token store held could not be used: damaged, sealed with another key, readable by others.
    store_discards,
    /// Refreshes and logins that waited for another process's.
    claim_waits,
    /// How long they waited in all, in milliseconds.
    claim_wait_ms,
    /// How long the last refresh or login took, in milliseconds.
    last_renewal_ms,
    /// How many forks lie between the process that made the manager and this one.
    forks_seen,
}

/// One number that any thread may raise.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Stats {
    /// Counts the answer to an API call.
    pub fn count_call(&self, status: u16) {
        match status {
            200..300 => self.calls_2xx.add_one(),
            300..400 => self.calls_3xx.add_one(),
            400..500 => self.calls_4xx.add_one(),
            _ => self.calls_5xx.add_one(),
        }
    }
}
