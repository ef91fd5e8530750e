//! T3 in the record: whether an older copy of it was restored. The refresh token in such a copy may have been sent since, so it
//! counts as spent.

use super::fields::{Record, Written};
use crate::token::pair::Lineage;

impl Record {
    /// The same login as `last_seen`, but an earlier rotation of it: an old copy was restored.
    pub fn is_rolled_back(&self, client_id: &str, last_seen: Option<Lineage>) -> bool {
        match (last_seen, self.lineage(client_id)) {
            (Some(last_seen), Some(stored)) => {
                stored.family == last_seen.family && stored.generation < last_seen.generation
            }
            _ => false,
        }
    }

    /// Whether the refresh token must not be sent (T3): it was sent already, or may have been.
    pub fn is_spent(&self, client_id: &str, last_seen: Option<Lineage>) -> bool {
        let token = self.pair_name(client_id);
        self.spent.is_some() && self.spent == token
            || self.described != token
            || self.is_rolled_back(client_id, last_seen)
    }

    /// T3: moves the record to this incarnation of its store. One that was written in another may lack later writes, so its
    /// token counts as spent.
    pub fn invalidate_if_restored(&mut self, client_id: &str, incarnation: &str) {
        if self.incarnation.as_deref() == Some(incarnation) {
            return;
        }
        self.count_as_spent(client_id);
        self.incarnation = Some(incarnation.to_owned());
    }

    /// T3: compares the record's number with that of the store's last write. A restored copy was made by an earlier write and
    /// may lack later ones, so its token counts as spent.
    pub fn compare_number(&mut self, client_id: &str, is_last: impl FnOnce(i64) -> bool) {
        let token = self.pair_name(client_id);
        let written = self.written.as_ref().filter(|written| Some(&written.pair) == token.as_ref());
        if written.is_some_and(|written| !is_last(written.number)) {
            self.count_as_spent(client_id);
        }
    }

    /// Notes the number of the write that is about to be made.
    pub fn set_number(&mut self, client_id: &str, number: Option<i64>) {
        let token = self.pair_name(client_id);
        self.written = number.zip(token).map(|(number, pair)| Written { number, pair });
    }

    fn count_as_spent(&mut self, client_id: &str) {
        let token = self.pair_name(client_id);
        if token.is_some() && token != self.spent {
            (self.spent, self.replays) = (token, 0);
        }
    }
}
