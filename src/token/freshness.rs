//! F1, F2, F5: is a token good, due or dead at this instant. Pure: the caller passes the time in.

use crate::sys::clock::Tick;
use std::time::Duration;

/// What a token is at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Served as it is, with no I/O and no waiting.
    Good,
    /// Inside its refresh window: one caller refreshes, all others keep using it.
    Due,
    /// (Almost) run out: nobody may use it any more.
    Dead,
}

/// How far ahead of its expiry a token is refreshed (F2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefreshWindow {
    pub before: Duration,
    /// What a fleet spreads its refreshes over.
    pub jitter: Duration,
    /// Where in the jitter this process stands, from 0 to 1: drawn once, so that it does not move.
    pub fraction: f64,
}

/// The instants at which a token becomes due and dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub due: Tick,
    pub dead: Tick,
    pub expires: Tick,
}

/// The longest stretch before expiry in which a token is no longer sent: it would run out on the way.
const LONGEST_MARGIN: Duration = Duration::from_secs(2);

impl Lifetime {
    /// The lifetime of a token of which nobody said when it ends: only a 401 tells.
    pub const UNKNOWN: Lifetime = Lifetime { due: Tick::NEVER, dead: Tick::NEVER, expires: Tick::NEVER };

    /// The lifetime of a token that has run out.
    pub const OVER: Lifetime = Lifetime { due: Tick(0), dead: Tick(0), expires: Tick(0) };

    /// A token that was issued at `issued` (counted from before the request was sent, so never too
    /// late) and lives for `lifetime`. The window and its jitter take a quarter of the lifetime each at
    /// the most, so that a short-lived token is not refreshed all the time.
    pub fn new(issued: Tick, lifetime: Duration, window: RefreshWindow) -> Lifetime {
        let expires = issued.after(lifetime);
        let quarter = lifetime / 4;
        let jitter = window.jitter.min(quarter).mul_f64(window.fraction);
        let margin = LONGEST_MARGIN.min(lifetime / 20);
        let ahead = (window.before.min(quarter) + jitter).max(margin);
        Lifetime { due: expires.before(ahead), dead: expires.before(margin), expires }
    }

    #[inline]
    pub fn at(&self, now: Tick) -> Freshness {
        if now < self.due {
            Freshness::Good
        } else if now < self.dead {
            Freshness::Due
        } else {
            Freshness::Dead
        }
    }

    /// The same, of a token that was issued so many milliseconds earlier.
    pub fn aged(&self, millis: u64) -> Lifetime {
        let earlier = |tick: Tick| Tick(tick.0.saturating_sub(millis));
        Lifetime { due: earlier(self.due), dead: earlier(self.dead), expires: earlier(self.expires) }
    }

    pub fn is_known(&self) -> bool {
        self.expires != Tick::NEVER
    }

    /// T5: where the store is unavailable, the moment late in the window at which this process logs in by
    /// itself. `fraction` (0 to 1) spreads a fleet over the last half, without its very end.
    pub fn late(&self, fraction: f64) -> Tick {
        let window = self.due.until(self.dead);
        self.due.after(window.mul_f64(0.5 + 0.4 * fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn window(fraction: f64) -> RefreshWindow {
        RefreshWindow { before: seconds(300), jitter: seconds(60), fraction }
    }

    #[test]
    fn f2_an_hour_is_refreshed_five_to_six_minutes_ahead() {
        let issued = Tick(1_000);
        let plain = Lifetime::new(issued, seconds(3600), window(0.0));
        assert_eq!(plain.due, issued.after(seconds(3300)));
        let late = Lifetime::new(issued, seconds(3600), window(1.0));
        assert_eq!(late.due, issued.after(seconds(3240)));
        assert_eq!(plain.dead, issued.after(seconds(3598)));
    }

    #[test]
    fn f2_the_window_is_never_more_than_a_quarter_and_the_jitter_another() {
        let lifetime = Lifetime::new(Tick(0), seconds(40), window(1.0));
        assert_eq!(lifetime.due, Tick(20_000));
        let lifetime = Lifetime::new(Tick(0), seconds(40), window(0.0));
        assert_eq!(lifetime.due, Tick(30_000));
    }

    #[test]
    fn f3_good_then_due_then_dead() {
        let lifetime = Lifetime::new(Tick(0), seconds(100), window(0.0));
        assert_eq!(lifetime.at(Tick(0)), Freshness::Good);
        assert_eq!(lifetime.at(Tick(74_999)), Freshness::Good);
        assert_eq!(lifetime.at(Tick(75_000)), Freshness::Due);
        assert_eq!(lifetime.at(Tick(97_999)), Freshness::Due);
        assert_eq!(lifetime.at(Tick(98_000)), Freshness::Dead);
    }

    #[test]
    fn f3_without_a_window_a_token_is_due_when_it_is_dead() {
        let none = RefreshWindow { before: Duration::ZERO, jitter: Duration::ZERO, fraction: 0.5 };
        let lifetime = Lifetime::new(Tick(0), seconds(100), none);
        assert_eq!(lifetime.due, lifetime.dead);
        assert_eq!(lifetime.at(Tick(97_999)), Freshness::Good);
    }

    #[test]
    fn f1_an_unknown_lifetime_is_good_until_a_401() {
        assert_eq!(Lifetime::UNKNOWN.at(Tick(u64::MAX - 1)), Freshness::Good);
        assert!(!Lifetime::UNKNOWN.is_known());
    }

    #[test]
    fn f5_a_token_of_two_seconds_is_good_for_at_least_half_of_them() {
        let lifetime = Lifetime::new(Tick(0), seconds(2), window(1.0));
        assert!(lifetime.due >= Tick(1_000));
        assert!(lifetime.dead >= Tick(1_900));
    }

    #[test]
    fn t5_the_late_moment_lies_in_the_second_half_of_the_window_before_death() {
        let lifetime = Lifetime::new(Tick(0), seconds(3600), window(0.0));
        for fraction in [0.0, 0.5, 1.0] {
            let late = lifetime.late(fraction);
            assert!(late > lifetime.due && late < lifetime.dead);
        }
        assert!(lifetime.late(1.0) > lifetime.late(0.0));
    }

    #[test]
    fn every_lifetime_is_ordered() {
        for ms in [0u64, 1, 19, 500, 1_999, 60_000, 86_400_000] {
            for fraction in [0.0, 0.3, 1.0] {
                let l = Lifetime::new(Tick(7), Duration::from_millis(ms), window(fraction));
                assert!(l.due <= l.dead && l.dead <= l.expires, "{ms} ms at {fraction}");
            }
        }
    }
}
