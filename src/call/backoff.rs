//! Every pause: after failures, and between two looks at what other processes change.

use crate::sys::clock::Tick;
use crate::sys::secret::random_fraction;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A wait that doubles from `first` up to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub most: Duration,
}

/// F4 and R3: a refresh that fails for a passing reason; a recovery that did not help.
pub const PASSING: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };

/// R5: a login that was refused.
pub const REFUSED: Backoff = Backoff { first: Duration::from_secs(2), most: Duration::from_secs(300) };

/// R1: a token that is newer than this may not be known everywhere yet, and is sent once more after a moment.
pub const TOO_NEW: Duration = Duration::from_secs(2);
pub const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// R5: a login that never reached the server, or that its caller's time or interrupt ended.
pub const UNREACHED: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(5) };

/// How soon a call that waits for another process's claim looks again: most refreshes are quick; a call that waits for a slow
/// one, with a thousand others, looks less often.
pub const POLL_CLAIM: Poll = Poll { first: Duration::from_millis(20), most: Duration::from_millis(250), factor: 1.5 };

/// How soon a store tries again to lock its file, which processes hold for milliseconds.
pub const POLL_FILE_LOCK: Poll = Poll { first: Duration::from_millis(1), most: Duration::from_millis(20), factor: 2.0 };

/// How soon the lock callback of a store is asked again, where it does not wait itself.
pub const POLL_LOCK_CALLBACK: Poll =
    Poll { first: Duration::from_millis(10), most: Duration::from_millis(10), factor: 1.0 };

/// How soon a write to a Vault is tried again after another process wrote first.
pub const RETRY_VAULT_WRITE: Poll =
    Poll { first: Duration::from_millis(2), most: Duration::from_millis(60), factor: 2.0 };

/// How long a Vault token that should be renewed and cannot be is used before that is tried again.
pub const RENEW_VAULT_TOKEN: Backoff = Backoff { first: Duration::from_secs(5), most: Duration::from_secs(600) };

/// The longest pause that a server may ask for: a mistake there must not stop a service for a day.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How soon a process that has a good token looks for the one that another process is getting.
pub const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Delays between two looks at something that other processes change.
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    pub first: Duration,
    pub most: Duration,
    pub factor: f64,
}

impl Poll {
    /// The delay after so many looks, half as long or half as long again at random.
    pub fn jittered_delay(self, looks: u32) -> Duration {
        spread(self.first.mul_f64(self.factor.powi(looks.min(16) as i32)).min(self.most))
    }
}

/// A delay, half as long or half as long again at random: so that many do not come at one instant.
pub fn spread(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + random_fraction())
}

impl Backoff {
    /// The wait after the `failures`-th failure in a row, counted from 1.
    pub fn wait(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// The same, with a random quarter more or less, so that a fleet does not come back in one instant.
    pub fn jittered(self, failures: u32, fraction: f64) -> Duration {
        self.wait(failures).mul_f64(0.75 + 0.5 * fraction)
    }
}

/// R5: recovery by login more often than this in a minute slows down.
const MOST_IN_A_MINUTE: usize = 3;

/// When something happened the last few times.
#[derive(Debug, Default)]
pub struct Rate([AtomicU64; MOST_IN_A_MINUTE]);

impl Rate {
    /// Notes that it happened again. Says whether that was more than three times in a minute.
    pub fn is_too_often(&self) -> bool {
        self.note(Tick::now())
    }

    fn note(&self, now: Tick) -> bool {
        let minute_ago = now.before(Duration::from_secs(60)).0;
        let oldest = self.0.iter().min_by_key(|at| at.load(Ordering::Relaxed)).expect("it has three");
        // One call of this process at a time logs in, so nobody writes in between.
        let before = oldest.swap(now.0.max(1), Ordering::Relaxed);
        before != 0 && before > minute_ago
    }
}

/// A pause that grows with every failure in a row.
#[derive(Debug, Default)]
pub struct Pause {
    until: AtomicU64,
    failures: AtomicU32,
}

impl Pause {
    pub fn is_over(&self, now: Tick) -> bool {
        now.0 >= self.until.load(Ordering::Relaxed)
    }

    /// One more failure: the next try comes later, and not before `at_least`.
    pub fn grow(&self, backoff: Backoff, at_least: Option<Duration>) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let wait = backoff.jittered(failures, random_fraction()).max(at_least.unwrap_or_default());
        self.until.store(Tick::now().after(wait).0, Ordering::Relaxed);
    }

    /// The same, unless another caller has begun the pause already.
    pub fn grow_once(&self, backoff: Backoff) {
        if self.is_over(Tick::now()) {
            self.grow(backoff, None);
        }
    }

    /// A short pause after something that was no failure.
    pub fn rest(&self, wait: Duration) {
        self.until.store(Tick::now().after(wait).0, Ordering::Relaxed);
    }

    /// How long it lasts; `None`: it is over.
    pub fn left(&self, now: Tick) -> Option<Duration> {
        Some(now.until(Tick(self.until.load(Ordering::Relaxed)))).filter(|left| !left.is_zero())
    }

    pub fn end(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.until.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r5_refused_logins_wait_two_seconds_doubling_to_five_minutes() {
        let waits: Vec<u64> = (1..=9).map(|n| REFUSED.wait(n).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(REFUSED.wait(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn f4_a_passing_failure_waits_one_second_doubling_to_a_minute_give_or_take_a_quarter() {
        let waits: Vec<u64> = (1..=8).map(|n| PASSING.wait(n).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(PASSING.jittered(1, 0.0), Duration::from_millis(750));
        assert_eq!(PASSING.jittered(1, 1.0), Duration::from_millis(1250));
    }
}
