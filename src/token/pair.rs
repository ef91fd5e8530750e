//! A token pair as this process holds it: immutable once made, and shared.

use crate::sys::clock::{Tick, unix_seconds};
use crate::sys::secret::Secret;
use crate::token::freshness::{Freshness, Lifetime};
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

/// How far the recovery from a 401 had gone when a pair was obtained (R1, R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecoveryStage {
    /// Not by recovery.
    None,
    /// By a refresh that answered a 401.
    Refreshed,
    /// By a login that answered a 401: there is nothing further to try.
    LoggedIn,
}

/// Where a pair stands among those of its login: `generation` counts the rotations since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lineage {
    pub family: u128,
    pub generation: u64,
}

/// A token pair.
#[derive(Debug)]
pub struct Pair {
    pub access: Secret,
    /// `None` also where this process must not use it (P1).
    pub refresh: Option<Secret>,
    /// How calls carry the access token. `None`: only each call can tell.
    pub call: Option<Arc<CallCredentials>>,
    /// What the API calls the access token.
    pub token_type: Option<String>,
    /// What the dialect keeps with the pair, for its templates.
    pub kept: Kept,
    pub lifetime: Lifetime,
    /// Unix seconds on this machine's clock.
    pub expires_at: Option<i64>,
    pub refresh_expires_at: Option<i64>,
    pub lineage: Lineage,
    /// Only this process knows it (T5): it is never inherited with its refresh token.
    pub local_only: bool,
    pub recovery_stage: RecoveryStage,
    /// When the API issued it, as far as is known.
    issued: Tick,
    made: Tick,
    /// Whether any call was answered other than 401 with it.
    accepted: AtomicBool,
    /// Whether the caller said that its own HTTP client was answered 401 with it.
    rejected: AtomicBool,
    /// Whether recovery has given up on it once.
    given_up: AtomicBool,
}

/// A pair that lived this long without a 401 counts as good.
const PROBATION: Duration = Duration::from_secs(60);

/// What a call is sent with, so that the API knows the token: headers, and what is appended to the query on the wire only, so
/// that no URL that is shown has it.
#[derive(Clone, Default)]
pub struct CallCredentials {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub query: Zeroizing<String>,
}

impl std::fmt::Debug for CallCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[credentials]")
    }
}

/// Values that a dialect keeps with a pair, by name.
pub type Kept = BTreeMap<String, Secret>;

/// What a pair is made from.
#[derive(Clone, Debug)]
pub struct PairParts {
    pub access: Secret,
    pub refresh: Option<Secret>,
    pub call: Option<Arc<CallCredentials>>,
    pub token_type: Option<String>,
    pub kept: Kept,
    pub issued: Tick,
    pub lifetime: Lifetime,
    pub refresh_expires_at: Option<i64>,
    pub lineage: Lineage,
    pub local_only: bool,
    pub recovery_stage: RecoveryStage,
}

impl Pair {
    pub fn new(parts: PairParts) -> Pair {
        Pair {
            expires_at: parts
                .lifetime
                .is_known()
                .then(|| unix_seconds().saturating_add_unsigned(Tick::now().until(parts.lifetime.expires).as_secs())),
            access: parts.access,
            refresh: parts.refresh,
            call: parts.call,
            token_type: parts.token_type,
            kept: parts.kept,
            lifetime: parts.lifetime,
            refresh_expires_at: parts.refresh_expires_at,
            lineage: parts.lineage,
            local_only: parts.local_only,
            recovery_stage: parts.recovery_stage,
            issued: parts.issued,
            made: Tick::now(),
            accepted: AtomicBool::new(false),
            rejected: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        }
    }

    /// P1: the pair as a forked child may have it.
    pub fn without_refresh(&self) -> Pair {
        Pair { refresh: None, refresh_expires_at: None, given_up: AtomicBool::new(false), ..self.copied() }
    }

    /// T5: the pair, published: others may send its refresh token from now on.
    pub fn known_to_all(&self) -> Pair {
        Pair { local_only: false, ..self.copied() }
    }

    /// The pair as it would be with another access token.
    pub fn with_access(&self, access: Secret) -> Pair {
        Pair { access, call: None, ..self.copied() }
    }

    fn copied(&self) -> Pair {
        let copy = |flag: &AtomicBool| AtomicBool::new(flag.load(Ordering::Relaxed));
        Pair {
            access: self.access.clone(),
            refresh: self.refresh.clone(),
            call: self.call.clone(),
            token_type: self.token_type.clone(),
            kept: self.kept.clone(),
            lifetime: self.lifetime,
            expires_at: self.expires_at,
            refresh_expires_at: self.refresh_expires_at,
            lineage: self.lineage,
            local_only: self.local_only,
            recovery_stage: self.recovery_stage,
            issued: self.issued,
            made: self.made,
            accepted: copy(&self.accepted),
            rejected: copy(&self.rejected),
            given_up: copy(&self.given_up),
        }
    }

    /// Whether it is this one. A server may issue the same access token again: that counts as another pair.
    pub fn is(&self, access: &Secret, lineage: Lineage) -> bool {
        self.access == *access && self.lineage == lineage
    }

    pub fn freshness(&self, now: Tick) -> Freshness {
        self.lifetime.at(now)
    }

    /// Notes that the server took it.
    pub fn accept(&self) {
        // Read first: the line is shared by every thread, and a write would take it from them.
        if !self.accepted.load(Ordering::Relaxed) {
            self.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// How long ago the API issued it.
    pub fn age(&self, now: Tick) -> Duration {
        self.issued.until(now)
    }

    /// How far recovery had gone to get it, as long as nobody has seen it work.
    pub fn unproven_stage(&self, now: Tick) -> RecoveryStage {
        match self.accepted.load(Ordering::Relaxed) || now >= self.made.after(PROBATION) {
            true => RecoveryStage::None,
            false => self.recovery_stage,
        }
    }

    pub fn reject(&self) {
        self.rejected.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub fn is_rejected(&self) -> bool {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Recovery gives up on it, until a pause is over.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Never below 0; `None` if unknown.
    pub fn seconds_left(&self) -> Option<i64> {
        self.lifetime
            .is_known()
            .then(|| i64::try_from(Tick::now().until(self.lifetime.expires).as_secs()).unwrap_or(i64::MAX))
    }

    /// Whether no more than `buffer_seconds` are left. A token of unknown lifetime is left to the 401.
    pub fn should_refresh(&self, buffer_seconds: i64) -> bool {
        let buffer = Duration::from_secs(u64::try_from(buffer_seconds).unwrap_or(0));
        self.lifetime.is_known() && Tick::now().until(self.lifetime.expires) <= buffer
    }
}
