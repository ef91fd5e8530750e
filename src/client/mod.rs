//! A client: the credentials, tokens and connections of one API client in this process. Usually one handle has
//! one; persistent handles share theirs; a forked child makes its own.

pub mod context;
pub mod credentials;
pub mod dialect;
pub mod options;
pub mod persistent;

use crate::auth::{Dialect, Values, fits_a_header};
use crate::call::backoff::{PASSING, Pause, Rate, UNREACHED};
use crate::call::single_flight::SingleFlight;
use crate::client::credentials::Credentials;
use crate::client::dialect::AuthState;
use crate::client::options::Options;
use crate::error::{Error, Result, WaitEnd};
use crate::http::message::secret_values;
use crate::http::origin::Origins;
use crate::http::transport::Transport;
use crate::stats::Stats;
use crate::store;
use crate::store::contract::TokenStore;
use crate::store::memory::MemoryStore;
use crate::sys::clock;
use crate::sys::clock::{Tick, millis};
use crate::sys::fork;
use crate::sys::secret::{Secret, random, random_fraction};
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::{Lifetime, RefreshWindow};
use crate::token::pair::{CallCredentials, Kept, Lineage, Pair, PairParts, RecoveryStage};
use crate::token::record::{Claim, Record, Spending, StoredPair, u128hex};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client is made from, and made again from in a forked child.
#[derive(Debug)]
pub struct Spec {
    pub origins: Origins,
    pub options: Options,
    pub dialect: Arc<Dialect>,
}

impl PartialEq for Spec {
    /// A dialect comes from the options.
    fn eq(&self, other: &Spec) -> bool {
        self.origins == other.origins && self.options == other.options
    }
}

/// One API client in this process.
#[derive(Debug)]
pub struct Client {
    pub spec: Arc<Spec>,
    /// The count of forks that it was made in.
    pub fork_count: u32,
    /// The identity under which the store keeps the pair.
    pub client_id: String,
    pub credentials: ArcSwap<Credentials>,
    /// What is served. The store's record is the truth about it.
    pub current: ArcSwapOption<Pair>,
    pub single_flight: SingleFlight,
    pub memory: MemoryStore,
    /// The store that the options ask for, where it is not in memory.
    lasting: Option<Arc<dyn TokenStore>>,
    /// T5: the pair of a login while the store was unavailable, known to this process only.
    pub local_store: MemoryStore,
    pub transport: Transport,
    pub auth: AuthState,
    pub stats: Stats,
    /// How often this client was logged out.
    pub logouts: AtomicU64,
    /// F4: when the next refresh ahead of expiry may be tried.
    pub ahead: Pause,
    /// R3: until when a 401 starts no recovery.
    pub recovery: Pause,
    /// R5: until when this process sends no login, because the last one did not reach the server, or its caller ended it.
    pub unreached: Pause,
    /// How that login failed.
    unreached_because: ArcSwapOption<Error>,
    /// R5: how often a 401 led to a login lately, and until when no 401 leads to another because that was too often.
    pub recovery_logins: Rate,
    pub contention: Pause,
    /// This process's share of every jitter, from 0 to 1.
    pub jitter: f64,
    /// The claims that this client may have left in its stores, newest last: none is under way outside the single flight.
    claims: Mutex<Vec<Claim>>,
    /// Why what the store held could not be used, the last time.
    pub last_discard: ArcSwapOption<String>,
    /// A pair in the store that belongs to credentials which were replaced.
    pub superseded: ArcSwapOption<Pair>,
}

/// How many claims a client remembers: by the time that so many have failed, the first have run out.
const MOST_CLAIMS: usize = 16;

impl Client {
    pub fn new(spec: Arc<Spec>, credentials: Arc<Credentials>) -> Result<Client> {
        let lasting = store::open(&spec.options.store)?;
        let auth = AuthState::new(Arc::clone(&spec.dialect), None)?;
        Client::on(lasting, spec, credentials, auth)
    }

    fn on(
        lasting: Option<Arc<dyn TokenStore>>,
        spec: Arc<Spec>,
        credentials: Arc<Credentials>,
        auth: AuthState,
    ) -> Result<Client> {
        Ok(Client {
            fork_count: fork::count(),
            client_id: auth.identity(spec.options.client_id.as_deref().unwrap_or(&credentials.username)),
            auth,
            credentials: ArcSwap::new(credentials),
            current: ArcSwapOption::empty(),
            single_flight: SingleFlight::default(),
            memory: MemoryStore::default(),
            lasting,
            local_store: MemoryStore::default(),
            transport: Transport::new(spec.origins.clone(), &spec.options.http())?,
            stats: Stats::default(),
            logouts: AtomicU64::new(0),
            ahead: Pause::default(),
            recovery: Pause::default(),
            unreached: Pause::default(),
            unreached_because: ArcSwapOption::empty(),
            recovery_logins: Rate::default(),
            contention: Pause::default(),
            jitter: random_fraction(),
            claims: Mutex::default(),
            last_discard: ArcSwapOption::empty(),
            superseded: ArcSwapOption::empty(),
            spec,
        })
    }

    /// The same client for another owner who must not use what `older` may still use itself: the access
    /// token comes along, the refresh token only where the store is shared and keeps it from being used twice.
    /// `hooked`: the store that is set on the handle.
    pub fn successor(
        older: &Client,
        credentials: Arc<Credentials>,
        hooked: Option<&Arc<dyn TokenStore>>,
    ) -> Result<Client> {
        // The store keeps the keys that were read when the first client was made: a worker may no longer be allowed to.
        let lasting = older.lasting.as_ref().map(|store| store.after_fork());
        let store_is_shared = hooked.or(lasting.as_ref()).is_some_and(|store| store.is_shared());
        let auth = AuthState::new(Arc::clone(&older.spec.dialect), Some(&older.auth))?;
        let successor = Client::on(lasting, Arc::clone(&older.spec), credentials, auth)?;
        if let Some(pair) = older.current.load_full() {
            let pair = match store_is_shared && !pair.local_only {
                true => pair,
                false => Arc::new(pair.without_refresh()),
            };
            if !store_is_shared {
                successor.memory.update(|record, now| record.put(&successor.client_id, &successor.stored(&pair, now)));
            }
            successor.current.store(Some(pair));
        }
        Ok(successor)
    }

    /// The store that the options ask for.
    pub fn own_store(&self) -> &dyn TokenStore {
        self.lasting.as_deref().unwrap_or(&self.memory)
    }

    pub fn window(&self) -> RefreshWindow {
        RefreshWindow {
            before: self.spec.options.refresh_before_seconds.duration(),
            jitter: self.spec.options.refresh_jitter_seconds.duration(),
            fraction: self.jitter,
        }
    }

    /// How calls carry an access token. `None`: only each call can tell.
    pub fn call_credentials(
        &self,
        access: &Secret,
        token_type: Option<&str>,
        kept: &Kept,
    ) -> Result<Option<Arc<CallCredentials>>> {
        self.auth.call_credentials(self.spec.origins.host(), access, token_type, kept)
    }

    /// A pair that came from outside: the first of a family of its own.
    pub fn given_pair(
        &self,
        access: Secret,
        refresh: Option<Secret>,
        lifetime: Lifetime,
        refresh_expires_at: Option<i64>,
    ) -> Result<Pair> {
        // A blank at an end is a slip, as is a line's end.
        let text = access.as_str();
        if text.is_empty() || text.trim() != text || !fits_a_header(&access, self.auth.dialect.call.takes_blanks()) {
            return Err(Error::invalid_argument(
                "the access token is empty or holds characters that no header can carry; pass it as the API gave it",
            ));
        }
        let kept = Kept::new();
        Ok(Pair::new(PairParts {
            call: self.call_credentials(&access, None, &kept)?,
            access,
            refresh,
            token_type: None,
            kept,
            issued: Tick::now(),
            lifetime,
            refresh_expires_at,
            lineage: Lineage { family: u128::from_le_bytes(random()), generation: 0 },
            local_only: false,
            recovery_stage: RecoveryStage::None,
        }))
    }

    /// Whether these credentials, and the dialect, allow a login at all.
    pub fn has_login(&self, credentials: &Credentials) -> bool {
        let values = Values { client_id: self.spec.options.client_id.as_deref(), ..credentials.values() };
        self.auth.dialect.can_log_in(&values)
    }

    /// R5: notes that a login did not reach the server, or that its caller ended it.
    pub fn note_unreached(&self, error: &Error) {
        self.unreached_because.store(Some(Arc::new(error.clone())));
        self.unreached.grow(UNREACHED, None);
    }

    /// R5: for how long this process sends no login because of that, and what it was.
    pub fn unreached_for(&self, now: Tick) -> Option<(Duration, Error)> {
        let left = self.unreached.left(now)?;
        Some((left, (*self.unreached_because.load_full()?).clone()))
    }

    /// Serves a pair from now on, unless a later rotation of the same login is served already.
    pub fn install(&self, pair: Arc<Pair>) -> Arc<Pair> {
        self.current.rcu(|current| match current {
            Some(current) if is_later(current.lineage, pair.lineage) => Some(Arc::clone(current)),
            _ => Some(Arc::clone(&pair)),
        });
        pair
    }

    /// A pair as the record keeps it: all times by the store's clock, which says `now`.
    pub fn stored(&self, pair: &Pair, now: i64) -> StoredPair {
        let left = pair.lifetime.is_known().then(|| Tick::now().until(pair.lifetime.expires));
        StoredPair {
            access_token: Some(pair.access.clone()),
            refresh_token: pair.refresh.clone(),
            expires_at: left.map(|left| now.saturating_add_unsigned(millis(left)).div_euclid(1000)),
            refresh_expires_at: pair.refresh_expires_at.map(|at| clock::from_ours(at, now)),
            stored_at: Some(now),
            lifetime_ms: left.map(millis),
            family: Some(u128hex::Hex(pair.lineage.family)),
            generation: pair.lineage.generation,
            token_type: pair.token_type.clone(),
            kept: pair.kept.clone(),
        }
    }

    /// How long a token that was just handed out lives, as F1 and F5 count it.
    pub fn lifetime(&self, issued: Tick, lifetime: Option<std::time::Duration>) -> Lifetime {
        // F5: whatever lifetime it has, a token that the server has just issued is used for a second;
        // otherwise every call would ask for another one if a server issues expired tokens.
        const SHORTEST: std::time::Duration = std::time::Duration::from_secs(1);
        match lifetime {
            Some(lifetime) => Lifetime::new(issued, lifetime.max(SHORTEST), self.window()),
            None => Lifetime::UNKNOWN,
        }
    }

    /// F4, F5: notes how a refresh ahead of expiry ended.
    pub fn after_ahead(&self, before: &Pair, outcome: &Result<Arc<Pair>>) {
        match outcome {
            // The server gave nothing that lives longer: asking again at once would bring no more.
            Ok(pair) if pair.lifetime.is_known() && pair.lifetime.expires <= before.lifetime.expires => {
                self.ahead.grow(PASSING, None);
            }
            Ok(_) => self.ahead.end(),
            Err(error) => match (error.wait_end(), error.retry_after()) {
                // Another process is refreshing: nothing failed.
                (Some(WaitEnd::Busy), Some(wait)) => self.ahead.rest(wait),
                (_, retry_after) => self.ahead.grow(PASSING, retry_after),
            },
        }
    }

    /// S2: every secret that a server or a proxy could repeat in its words.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = self.transport.proxy_secrets.clone();
        secrets.extend(self.credentials.load().password.clone());
        secrets.extend(secret_values(&self.transport.headers));
        if let Some(pair) = self.current.load_full() {
            secrets.push(pair.access.clone());
            secrets.extend(pair.refresh.clone());
            secrets.extend(pair.kept.values().cloned());
        }
        secrets.extend(self.auth.dialect.secrets().iter().cloned());
        secrets
    }

    /// `None`: a client without a username uses what is stored, and does not change its owner.
    fn user(&self) -> Option<Fingerprint> {
        let credentials = self.credentials.load();
        (!credentials.username.is_empty()).then(|| Fingerprint::of_user(&self.client_id, &credentials.username))
    }

    /// Notes in a record whose pair it holds, for [`Client::is_owner_of`].
    pub fn stamp_owner(&self, record: &mut Record) {
        record.host = Some(self.spec.origins.host().to_owned());
        record.user = self.user().or_else(|| record.user.take());
    }

    /// Whether the pair in a record is this client's to use: neither another host's (S1) nor that of credentials
    /// which were replaced.
    pub fn is_owner_of(&self, record: &Record) -> bool {
        let is_ours = record.host.as_deref().is_none_or(|host| host == self.spec.origins.host())
            && record.user.as_ref().zip(self.user()).is_none_or(|(theirs, ours)| *theirs == ours);
        let superseded = self.superseded.load();
        let is_superseded =
            superseded.as_ref().is_some_and(|pair| record.pair.access_token.as_ref() == Some(&pair.access));
        is_ours && !is_superseded
    }

    /// Notes a claim that stands in a store from now on, or may stand there. `is_only`: it does, and in the shared store, so
    /// that no other does.
    pub fn has_claimed(&self, claim: &Claim, is_only: bool) {
        // std's lock, held for this only; a forked child has a client of its own.
        let mut claims = self.claims.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if is_only {
            claims.clear(); // it was written over whatever stood there
        } else if claims.len() == MOST_CLAIMS {
            claims.remove(0);
        }
        claims.push(claim.clone());
    }

    /// Takes this client's own claims out of a record before a decision: what they were made for has ended, even if
    /// releasing them has failed, so only other processes have to wait for them. What they marked as spent stays so.
    pub fn set_own_claim_aside(&self, record: &mut Record) {
        let claims = self.claims.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for claim in claims.iter() {
            record.release(claim, Spending::Nothing);
        }
    }

    /// R5: a 429 holds whatever becomes of the credentials.
    pub fn carry_pause(&self, older: &Client) {
        let rate_limited_until = older.memory.read().rate_limited_until;
        self.memory.update(|record, _| record.rate_limited_until = rate_limited_until);
    }

    /// Forgets a pair that belongs to replaced credentials.
    pub fn supersede(&self, pair: Option<Arc<Pair>>) {
        self.superseded.store(pair);
    }

    /// What log lines call a pair: the same in every process that shares it.
    pub fn label_of(&self, pair: &Pair) -> String {
        Fingerprint::of(&self.client_id, &pair.access).short().to_owned()
    }

    /// Empties the store that is used while the shared one is unavailable.
    pub fn forget_degraded(&self) {
        self.local_store.update(|record, _| *record = Record::default());
    }
}

fn is_later(a: Lineage, b: Lineage) -> bool {
    a.family == b.family && a.generation > b.generation
}
