//! What a caller needs of a refresh, and how many refreshes and logins it may send.

use crate::token::freshness::Freshness;
use crate::token::pair::Pair;
use std::cell::Cell;
use std::sync::Arc;

/// What a caller needs.
#[derive(Clone, Debug)]
pub enum TokenNeed {
    /// A pair that can be used now: nothing usable is held.
    Usable,
    /// A fresher one, ahead of expiry: what is held serves meanwhile.
    Ahead,
    /// Another than this one, which the server answered 401.
    Other(Arc<Pair>),
    /// A refresh of what is held, good or not.
    Refresh(Option<Arc<Pair>>),
    /// A login that is not the one of this pair, whatever is held.
    Login(Option<Arc<Pair>>),
    /// One whose access token the server takes in a logout.
    Logout,
}

impl TokenNeed {
    /// Whether the caller can continue without a new pair, and needs time for that: it does not wait for other processes, and
    /// a server that hangs takes half of its time at the most.
    pub fn goes_on_without(&self) -> bool {
        matches!(self, TokenNeed::Ahead | TokenNeed::Logout)
    }

    /// Whether a pair is what the caller needs. `freshness` is what it is right now.
    pub fn is_met_by(&self, pair: &Pair, freshness: Freshness) -> bool {
        let is_other = |than: &Pair| !than.is(&pair.access, pair.lineage);
        match self {
            TokenNeed::Usable | TokenNeed::Logout => freshness != Freshness::Dead,
            TokenNeed::Ahead => freshness == Freshness::Good,
            TokenNeed::Other(refused) => freshness != Freshness::Dead && is_other(refused),
            TokenNeed::Refresh(held) => freshness != Freshness::Dead && held.as_deref().is_some_and(is_other),
            TokenNeed::Login(held) => {
                let is_new = |held: &Arc<Pair>| held.lineage.family != pair.lineage.family;
                freshness != Freshness::Dead && pair.lineage.generation == 0 && held.as_ref().is_some_and(is_new)
            }
        }
    }
}

/// What one call may still spend (R1).
#[derive(Debug)]
pub struct Budget {
    pub refresh: Cell<bool>,
    pub login: Cell<bool>,
    /// The one repetition with a token that is new.
    pub repeat: Cell<bool>,
}

impl Budget {
    /// Whether a refresh or a login has been sent.
    pub fn has_spent(&self) -> bool {
        !self.refresh.get() || !self.login.get()
    }

    pub fn new() -> Budget {
        Budget { refresh: Cell::new(true), login: Cell::new(true), repeat: Cell::new(true) }
    }
}
