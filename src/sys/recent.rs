//! Events that the whole process remembers for a time, as a manager may exist for one request only: that a store refused
//! credentials, and that a log line about a store was written. Forked children inherit them.

use crate::sys::clock::Tick;
use ring::hmac;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many are remembered at the most. Where an event takes the place of another, the other is forgotten early.
const SLOTS: usize = 64;

struct Slot {
    mark: AtomicU64,
    since: AtomicU64,
}

static RECENT: [Slot; SLOTS] = [const { Slot { mark: AtomicU64::new(0), since: AtomicU64::new(0) } }; SLOTS];

/// An event, by a hash that does not tell what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(u64);

impl Event {
    /// An event about a server: what was sent to it, or logged about it.
    pub fn of(server: &str, parts: &[&[u8]]) -> Event {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, b"tokenmgr: what is remembered"));
        for part in [server.as_bytes()].iter().chain(parts) {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let (mut number, tag) = ([0; 8], context.sign());
        number.copy_from_slice(&tag.as_ref()[..8]);
        Event(u64::from_le_bytes(number).max(1))
    }

    pub fn number(self) -> u64 {
        self.0
    }

    fn slot(self) -> &'static Slot {
        &RECENT[self.0 as usize % SLOTS]
    }

    /// Whether it happened within this time.
    pub fn happened_within(self, time: Duration) -> bool {
        let slot = self.slot();
        slot.mark.load(Ordering::Acquire) == self.0
            && Tick::now() < Tick(slot.since.load(Ordering::Relaxed)).after(time)
    }

    pub fn note(self) {
        let slot = self.slot();
        slot.since.store(Tick::now().0, Ordering::Relaxed);
        slot.mark.store(self.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_until_it_is_another_or_the_time_is_over() {
        let mark = |server, secret: &str| Event::of(server, &[b"role", secret.as_bytes()]);
        let wrong = mark("vault-1", "wrong");
        assert!(!wrong.happened_within(Duration::from_secs(60)));
        wrong.note();
        assert!(mark("vault-1", "wrong").happened_within(Duration::from_secs(60)));
        assert!(!wrong.happened_within(Duration::ZERO));
        for other in [mark("vault-1", "right"), mark("vault-2", "wrong"), Event::of("vault-1", &[b"rolewrong"])] {
            assert!(other != wrong && !other.happened_within(Duration::from_secs(60)));
        }
    }
}
