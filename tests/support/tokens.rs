//! What the auth servers of the tests keep: which tokens there are, and how often each refresh token came.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

pub const LIFETIME: u64 = 3600;

#[derive(Default)]
struct State {
    issued: u64,
    access: HashSet<String>,
    refresh: HashSet<String>,
    arrivals: HashMap<String, u32>,
}

/// Cloned, it is the same.
#[derive(Clone, Default)]
pub struct Tokens {
    state: Arc<Mutex<State>>,
    lifetime: Arc<AtomicU64>,
}

/// An access token and a refresh token.
pub type Issued = (String, String);

pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A JWT that nobody verifies, of this lifetime.
pub fn jwt(name: &str, lifetime: u64) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"jti": name, "exp": unix_now() + lifetime});
    format!("{}.{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

/// "2026-01-02T03:04:05.678901Z", as Django writes it.
pub fn rfc3339(unix: u64) -> String {
    format!("{}.678901Z", date_of(unix))
}

/// Days to a date, by the civil calendar.
fn date_of(unix: u64) -> String {
    let (days, left) = ((unix / 86_400) as i64 + 719_468, unix % 86_400);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", left / 3600, left / 60 % 60, left % 60)
}

impl Tokens {
    pub fn new() -> Tokens {
        let tokens = Tokens::default();
        tokens.live(LIFETIME);
        tokens
    }

    /// How many seconds the tokens live that are issued from now on.
    pub fn live(&self, seconds: u64) {
        self.lifetime.store(seconds, Ordering::SeqCst);
    }

    pub fn lifetime(&self) -> u64 {
        self.lifetime.load(Ordering::SeqCst)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().expect("no panic under the lock"))
    }

    pub fn issue(&self) -> Issued {
        let lifetime = self.lifetime();
        self.with(|state| {
            state.issued += 1;
            let access = jwt(&format!("access-{}", state.issued), lifetime);
            let refresh = jwt(&format!("refresh-{}", state.issued), 10 * LIFETIME);
            state.access.insert(access.clone());
            state.refresh.insert(refresh.clone());
            (access, refresh)
        })
    }

    /// A new pair for a refresh token, which is dead from then on; `None`: it is not good.
    pub fn rotate(&self, refresh: &str) -> Option<Issued> {
        self.with(|state| {
            *state.arrivals.entry(refresh.to_owned()).or_default() += 1;
            state.refresh.remove(refresh)
        })
        .then(|| self.issue())
    }

    /// Puts a refresh token in that was issued elsewhere.
    pub fn know(&self, refresh: &str) {
        self.with(|state| state.refresh.insert(refresh.to_owned()));
    }

    pub fn is_good(&self, access: &str) -> bool {
        self.with(|state| state.access.contains(access))
    }

    pub fn revoke(&self, token: &str) -> bool {
        self.with(|state| state.access.remove(token) | state.refresh.remove(token))
    }

    /// As if every access token had run out.
    pub fn kill_access(&self) {
        self.with(|state| state.access.clear());
    }

    pub fn kill_all(&self) {
        self.with(|state| (state.access.clear(), state.refresh.clear()));
    }

    /// How often the refresh token came that came most often.
    pub fn most_arrivals(&self) -> u32 {
        self.with(|state| state.arrivals.values().copied().max().unwrap_or(0))
    }
}
