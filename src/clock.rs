//! The two clocks: one that no one can set, for lifetimes in this process, and the wall clock, for
//! what is shown or stored.

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
        // It can not fail: the clock id is a constant that Linux has had since 2.6.32.
        #[allow(unsafe_code)]
        // std offers no coarse clock, and this one line is the token's fast path
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
