//! What the server saw. The oracle of the tests: one name each, listed in README.md.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

const NAMES: [&str; 32] = [
    "api_arrivals",
    "api_lost",
    "connections",
    "connections_current",
    "faults",
    "login_arrivals",
    "logins",
    "logins_bad",
    "logins_forbidden",
    "logins_limited",
    "logins_refused",
    "logout_arrivals",
    "logouts",
    "logouts_refused",
    "max_arrivals_of_one_refresh_token",
    "oauth2_revocations",
    "oauth2_tokens",
    "orders_created",
    "orders_replayed",
    "refresh_arrivals",
    "refreshes",
    "refreshes_bad",
    "refreshes_forbidden",
    "refreshes_refused",
    "requests_current",
    "requests_h1",
    "requests_h2",
    "reuse",
    "sessions_closed",
    "sessions_opened",
    "sessions_renewed",
    "tls_failed",
];
/// These say how things stand, not what happened: a reset leaves them alone.
const GAUGES: [&str; 2] = ["connections_current", "requests_current"];

pub struct Counters {
    named: BTreeMap<&'static str, u64>,
    api_by_status: BTreeMap<u16, u64>,
}

impl Counters {
    pub fn new() -> Counters {
        Counters { named: NAMES.map(|name| (name, 0)).into(), api_by_status: BTreeMap::new() }
    }

    pub fn add(&mut self, name: &'static str) {
        *self.slot(name) += 1;
    }

    pub fn drop_one(&mut self, name: &'static str) {
        let slot = self.slot(name);
        *slot = slot.saturating_sub(1);
    }

    pub fn raise_to(&mut self, name: &'static str, at_least: u64) {
        let slot = self.slot(name);
        *slot = at_least.max(*slot);
    }

    fn slot(&mut self, name: &'static str) -> &mut u64 {
        self.named.get_mut(name).expect("a counter's name")
    }

    pub fn api_answer(&mut self, status: u16) {
        *self.api_by_status.entry(status).or_default() += 1;
    }

    /// `api_NNN` is the number of API calls answered with that status. None: no such counter.
    pub fn get(&self, name: &str) -> Option<u64> {
        let status = || name.strip_prefix("api_")?.parse().ok();
        let by_status = |status| self.api_by_status.get(&status).copied().unwrap_or(0);
        self.named.get(name).copied().or_else(|| status().map(by_status))
    }

    pub fn reset(&mut self) {
        let gauges = GAUGES.map(|name| (name, self.named[name]));
        *self = Counters::new();
        self.named.extend(gauges);
    }

    pub fn to_json(&self) -> Value {
        let named = self.named.iter().map(|(name, n)| (name.to_string(), Value::from(*n)));
        let by_status = self.api_by_status.iter().map(|(status, n)| (format!("api_{status}"), Value::from(*n)));
        Value::Object(named.chain(by_status).collect::<Map<_, _>>())
    }
}
