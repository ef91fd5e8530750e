//! Every token that was handed out. A login opens a family; its refreshes hand on within it.

use super::token::fingerprint;
use std::collections::HashMap;

pub struct Access {
    pub family: usize,
    pub expires_ms: i64,
    pub fingerprint: String,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Use {
    Unused,
    Rotated,
    Revoked,
}

pub struct Refresh {
    pub family: usize,
    pub expires_ms: i64,
    pub used: Use,
}

#[derive(Default)]
pub struct Ledger {
    /// The client that each family belongs to; family 1 is the first.
    families: Vec<u64>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
}

impl Ledger {
    pub fn open_family(&mut self, client_id: u64) -> usize {
        self.families.push(client_id);
        self.families.len()
    }

    pub fn client_of(&self, family: usize) -> u64 {
        self.families[family - 1]
    }

    pub fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    pub fn refresh(&self, token: &str) -> Option<&Refresh> {
        self.refresh.get(token)
    }

    /// The access token of a client that will live longest.
    pub fn live_access(&self, client_id: u64, now_ms: i64) -> Option<(&String, &Access)> {
        let of_client = |a: &Access| self.client_of(a.family) == client_id && a.expires_ms > now_ms;
        let live = self.access.iter().filter(|(_, a)| of_client(a));
        live.max_by_key(|(_, a)| a.expires_ms)
    }

    /// A token that is handed out again stays what it was.
    pub fn add_access(&mut self, token: String, family: usize, expires_ms: i64) {
        let fingerprint = fingerprint(&token);
        self.access.entry(token).or_insert(Access { family, expires_ms, fingerprint });
    }

    pub fn add_refresh(&mut self, token: String, family: usize, expires_ms: i64) {
        let used = Use::Unused;
        let unused = Refresh { family, expires_ms, used };
        self.refresh.insert(token, unused);
    }

    pub fn mark_rotated(&mut self, token: &str) {
        if let Some(refresh) = self.refresh.get_mut(token) {
            refresh.used = Use::Rotated;
        }
    }

    pub fn revoke_access(&mut self, which: impl Fn(usize, u64) -> bool) {
        let families = &self.families;
        self.access.retain(|_, a| !which(a.family, families[a.family - 1]));
    }

    /// A rotated token stays known as such: its reuse must still be seen.
    pub fn revoke_refresh(&mut self, which: impl Fn(usize, u64) -> bool) {
        for refresh in self.refresh.values_mut() {
            let family = refresh.family;
            if refresh.used == Use::Unused && which(family, self.families[family - 1]) {
                refresh.used = Use::Revoked;
            }
        }
    }

    pub fn revoke_all(&mut self, which: impl Fn(usize, u64) -> bool) {
        self.revoke_access(&which);
        self.revoke_refresh(which);
    }
}
