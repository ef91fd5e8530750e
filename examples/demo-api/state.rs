//! All that the server knows. The rules that work on it are in `auth`. No I/O.

use super::{
    auth::fields,
    counters::Counters,
    fault::Fault,
    ledger::Ledger,
    settings::{Account, Settings},
    token::Mint,
};
use std::{
    collections::HashMap,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

pub struct State {
    pub settings: Settings,
    pub accounts: Vec<Account>,
    pub faults: Vec<Fault>,
    pub counters: Counters,
    pub ledger: Ledger,
    pub mint: Mint,
    /// The logins of the rate limit's window.
    pub login_times: Vec<i64>,
    /// When each refresh was granted.
    pub refreshed_at: Vec<Instant>,
    at_start: (Settings, Vec<Account>),
    arrivals: HashMap<String, u64>,
    orders: HashMap<(u64, String), u64>,
    order_count: u64,
}

impl State {
    pub fn new(settings: Settings, accounts: Vec<Account>) -> State {
        let mut state = State {
            at_start: (settings.clone(), accounts.clone()),
            settings,
            accounts: Vec::new(),
            faults: Vec::new(),
            counters: Counters::new(),
            ledger: Ledger::default(),
            mint: Mint::new(),
            login_times: Vec::new(),
            refreshed_at: Vec::new(),
            arrivals: HashMap::new(),
            orders: HashMap::new(),
            order_count: 0,
        };
        accounts.into_iter().for_each(|a| state.put_account(a));
        state
    }

    /// As at the start, but for connections that are open.
    pub fn reset(&mut self) {
        let (settings, accounts) = self.at_start.clone();
        let fresh = State::new(settings, accounts);
        let mut counters = std::mem::replace(self, fresh).counters;
        counters.reset();
        self.counters = counters;
    }

    pub fn settings_at_start(&self) -> &Settings {
        &self.at_start.0
    }

    /// The server's own clock.
    pub fn now_ms(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let ms = since_1970.expect("a clock after 1970").as_millis();
        ms as i64 + self.settings.clock_skew_ms
    }

    /// Adds an account, or replaces the one of that name.
    pub fn put_account(&mut self, mut account: Account) {
        let next_id = 1001 + self.accounts.len() as u64;
        let known = (self.accounts.iter_mut()).find(|a| a.username == account.username);
        if account.client_id == 0 {
            account.client_id = known.as_ref().map_or(next_id, |a| a.client_id);
        }
        match known {
            Some(slot) => *slot = account,
            None => self.accounts.push(account),
        }
    }

    /// The families that a user or one of their tokens stands for; None of both: all.
    pub fn chosen(&self, username: Option<&str>, token: Option<&str>) -> impl Fn(usize, u64) -> bool + use<> {
        let user = username.map(|u| self.accounts.iter().find(|a| a.username == u));
        let client = user.map(|a| a.map(|a| a.client_id));
        let family = token.map(|t| {
            let of_access = self.ledger.access(t).map(|a| a.family);
            of_access.or_else(|| self.ledger.refresh(t).map(|r| r.family))
        });
        move |f, c| client.is_none_or(|x| x == Some(c)) && family.is_none_or(|x| x == Some(f))
    }

    /// Every refresh token is counted as it arrives, whatever then becomes of the request.
    pub fn note_arrival(&mut self, body: &[u8]) {
        if let Ok([token]) = fields(body, ["refresh_token"]) {
            let times = self.arrivals.entry(token).or_default();
            *times += 1;
            let name = "max_arrivals_of_one_refresh_token";
            self.counters.raise_to(name, *times);
        }
    }

    /// The client was left with this token, so that its next arrival is rightful.
    pub fn forget_arrivals(&mut self, token: &str) {
        self.arrivals.remove(token);
    }

    /// The number of an order, and whether it was placed before under this key.
    pub fn order(&mut self, client_id: u64, key: Option<&str>) -> (u64, bool) {
        let slot = key.map(|k| (client_id, k.to_string()));
        if let Some(number) = slot.as_ref().and_then(|s| self.orders.get(s)) {
            self.counters.add("orders_replayed");
            return (*number, true);
        }
        self.order_count += 1;
        if let Some(slot) = slot {
            self.orders.insert(slot, self.order_count);
        }
        self.counters.add("orders_created");
        (self.order_count, false)
    }
}
