//! The two clocks: the monotonic one, which cannot be set, for lifetimes in this process; and the wall clock, for times that
//! are shown or stored.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An instant on the monotonic clock, in milliseconds. Coarse (a few milliseconds): it is read on the
/// token's fast path, where the precise clock costs eight times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// Later than every instant: the expiry of a token whose lifetime is not known.
    pub const NEVER: Tick = Tick(u64::MAX);

    pub fn now() -> Tick {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a valid, writable timespec for the whole call, and the call keeps no pointer.
        // It cannot fail: the clock id is a constant that Linux has had since 2.6.32.
        #[allow(unsafe_code)]
        // std offers no coarse clock, and this is on the token's fast path
        unsafe {
            libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut now);
        }
        Tick(now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000)
    }

    pub fn after(self, wait: Duration) -> Tick {
        Tick(self.0.saturating_add(millis(wait)))
    }

    pub fn before(self, lead: Duration) -> Tick {
        Tick(self.0.saturating_sub(millis(lead)))
    }

    /// The time from `self` until `later`; zero when it has passed.
    pub fn until(self, later: Tick) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// Whole milliseconds, saturating.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 on this machine's wall clock.
pub fn unix_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// Seconds since 1970 on this machine's wall clock.
pub fn unix_seconds() -> i64 {
    unix_millis().div_euclid(1000)
}

/// A time on this machine's clock, in Unix seconds, as a store's clock counts it that says `now`, in milliseconds.
pub fn from_ours(at: i64, now: i64) -> i64 {
    at.saturating_add(ahead(now))
}

/// The other way round.
pub fn to_ours(at: i64, now: i64) -> i64 {
    at.saturating_sub(ahead(now))
}

/// How many seconds a store's clock is ahead of this machine's, rounded: the time between reading the two clocks does not
/// count.
fn ahead(now: i64) -> i64 {
    now.saturating_sub(unix_millis()).saturating_add(500).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_from_one_clock_to_another_and_back() {
        let at = unix_seconds() + 3600;
        for off in [0, -180, 180, -1_000_000] {
            let now = unix_millis() + off * 1000;
            assert_eq!(from_ours(at, now - 20), at + off, "{off}");
            assert_eq!(to_ours(at + off, now - 20), at, "{off}");
        }
        for now in [i64::MIN, i64::MAX] {
            let _ =
                (from_ours(i64::MAX, now), from_ours(i64::MIN, now), to_ours(i64::MAX, now), to_ours(i64::MIN, now));
        }
    }
}
