//! Credentials of a store that its server has refused: they are not sent again as they are. A Vault locks a role for everyone
//! after a few refused logins, and each further one prolongs that.
//!
//! The whole process remembers: a manager may live for one request only. Forked children inherit it.

use crate::clock::Tick;
use ring::hmac;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many are remembered at the most. One that another has taken the place of is sent once more.
const SLOTS: usize = 64;

struct Slot {
    mark: AtomicU64,
    since: AtomicU64,
}

static REFUSED: [Slot; SLOTS] = [const { Slot { mark: AtomicU64::new(0), since: AtomicU64::new(0) } }; SLOTS];

/// What names credentials without telling them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// Of what is sent to this server.
    pub fn of(server: &str, parts: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, b"tokenmgr: refused credentials"));
        for part in [server.as_bytes()].iter().chain(parts) {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let (mut number, tag) = ([0; 8], context.sign());
        number.copy_from_slice(&tag.as_ref()[..8]);
        Mark(u64::from_le_bytes(number).max(1))
    }

    pub fn number(self) -> u64 {
        self.0
    }

    fn slot(self) -> &'static Slot {
        &REFUSED[self.0 as usize % SLOTS]
    }

    /// Whether the server has refused them in this time.
    pub fn was_refused_within(self, time: Duration) -> bool {
        let slot = self.slot();
        slot.mark.load(Ordering::Acquire) == self.0
            && Tick::now() < Tick(slot.since.load(Ordering::Relaxed)).after(time)
    }

    pub fn refuse(self) {
        let slot = self.slot();
        slot.since.store(Tick::now().0, Ordering::Relaxed);
        slot.mark.store(self.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_known_until_it_is_another_or_the_time_is_over() {
        let mark = |server, secret: &str| Mark::of(server, &[b"role", secret.as_bytes()]);
        let wrong = mark("vault-1", "wrong");
        assert!(!wrong.was_refused_within(Duration::from_secs(60)));
        wrong.refuse();
        assert!(mark("vault-1", "wrong").was_refused_within(Duration::from_secs(60)));
        assert!(!wrong.was_refused_within(Duration::ZERO));
        for other in [mark("vault-1", "right"), mark("vault-2", "wrong"), Mark::of("vault-1", &[b"rolewrong"])] {
            assert!(other != wrong && !other.was_refused_within(Duration::from_secs(60)));
        }
    }
}
