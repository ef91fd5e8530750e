//! Waits that double. Pure, but for the dice.

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
