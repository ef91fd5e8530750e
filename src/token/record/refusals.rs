//! R5 in the record: refused credentials, logins that brought no token, and rate limits, each with the time until which nobody
//! asks again.

use super::fields::{PauseCause, Record, Suspension};
use crate::call::backoff::{Backoff, LONGEST_RETRY_AFTER, PASSING, REFUSED};
use crate::sys::clock::millis;
use std::time::Duration;

/// How many suspended credentials a record remembers.
pub(super) const MOST_SUSPENSIONS: usize = 16;

impl Record {
    /// R5: whether a login was refused or a pause was asked for since this record was read. Whoever decided on what
    /// was read then has to decide anew.
    pub fn has_refusals_since(&self, read: &Record) -> bool {
        self.suspensions != read.suspensions || self.rate_limited_until != read.rate_limited_until
    }

    /// R5: notes that these credentials were refused. `fingerprint` names them in this record.
    pub fn suspend(&mut self, fingerprint: &str, now: i64) -> Duration {
        let fails = self.fails_before(fingerprint, true, REFUSED, now).saturating_add(1);
        let wait = REFUSED.wait(fails);
        self.note_suspension(fingerprint, Suspension { fails, until: later(now, wait), cause: None });
        wait
    }

    /// R5: notes that a login was answered without a token and without a word on the credentials. `retry_after`: the pause
    /// that the answer asked for; `fraction`, from 0 to 1, spreads the pause of one that asked for none.
    pub fn pause_logins(
        &mut self,
        fingerprint: &str,
        cause: PauseCause,
        retry_after: Option<Duration>,
        fraction: f64,
        now: i64,
    ) -> Duration {
        let fails = self.fails_before(fingerprint, false, PASSING, now).saturating_add(1);
        let wait = pause(retry_after, fails, fraction);
        self.note_suspension(fingerprint, Suspension { fails, until: later(now, wait), cause: Some(cause) });
        wait
    }

    /// How often in a row that has happened. Long after the last time, the count begins anew.
    fn fails_before(&self, fingerprint: &str, is_refusal: bool, backoff: Backoff, now: i64) -> u32 {
        let most = backoff.most.as_millis() as i64;
        let is_in_row = |s: &&Suspension| s.cause.is_none() == is_refusal && now < s.until.saturating_add(most);
        self.suspensions.get(fingerprint).filter(is_in_row).map_or(0, |suspension| suspension.fails)
    }

    fn note_suspension(&mut self, fingerprint: &str, suspension: Suspension) {
        self.suspensions.insert(fingerprint.to_owned(), suspension);
        while self.suspensions.len() > MOST_SUSPENSIONS {
            let others = self.suspensions.iter().filter(|(other, _)| *other != fingerprint);
            let oldest = others.min_by_key(|(_, suspension)| suspension.until).map(|(other, _)| other.clone());
            oldest.map(|fingerprint| self.suspensions.remove(&fingerprint));
        }
    }

    /// R5: how long nobody tries these credentials, and why, where it was not they that were refused.
    pub fn suspended_for(&self, fingerprint: &str, now: i64) -> Option<(Duration, Option<&PauseCause>)> {
        let suspension = self.suspensions.get(fingerprint)?;
        let most = if suspension.cause.is_some() { LONGEST_RETRY_AFTER } else { REFUSED.most };
        Some((left(suspension.until, now, most)?, suspension.cause.as_ref()))
    }

    /// A login went through: its credentials are good.
    pub fn lift(&mut self, mark: &str) {
        self.suspensions.remove(mark);
    }

    /// R5: 429 holds for everyone, whatever becomes of the credentials.
    pub fn rate_limit(&mut self, retry_after: Option<Duration>, fraction: f64, now: i64) -> Duration {
        let most = PASSING.most.as_millis() as i64;
        let is_in_row = self.rate_limited_until.is_some_and(|until| now < until.saturating_add(most));
        self.rate_limit_fails = if is_in_row { self.rate_limit_fails.saturating_add(1) } else { 1 };
        let wait = pause(retry_after, self.rate_limit_fails, fraction);
        self.rate_limited_until = Some(later(now, wait));
        wait
    }

    pub fn rate_limited_for(&self, now: i64) -> Option<Duration> {
        left(self.rate_limited_until?, now, LONGEST_RETRY_AFTER)
    }
}

/// R5: the pause that a server asked for, else one that doubles.
fn pause(retry_after: Option<Duration>, fails: u32, fraction: f64) -> Duration {
    match retry_after.filter(|wait| !wait.is_zero()) {
        Some(wait) => wait.min(LONGEST_RETRY_AFTER),
        // Never shorter: what is told as the time left is the time that is waited.
        None => PASSING.wait(fails).mul_f64(1.0 + 0.25 * fraction),
    }
}

fn later(now: i64, wait: Duration) -> i64 {
    now.saturating_add_unsigned(millis(wait))
}

/// The time until `until`; `None` if that is past, or further ahead than any rule allows.
fn left(until: i64, now: i64, most: Duration) -> Option<Duration> {
    let left = Duration::from_millis(u64::try_from(until.checked_sub(now)?).ok()?);
    (!left.is_zero() && left <= most).then_some(left)
}
