//! Decides what to do about a record. Pure: the record, the time and all else that matters are arguments, and nothing is
//! sent, written, counted or logged here.

use crate::auth::RenewsBy;
use crate::error::{Error, Status};
use crate::refresh::need::{Budget, TokenNeed};
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::Freshness;
use crate::token::pair::{Lineage, Pair};
use crate::token::record::{PauseCause, Record};
use std::time::Duration;

/// The record, as this process and this call see it.
pub struct View<'a> {
    pub record: &'a Record,
    /// Milliseconds on the store's clock.
    pub now: i64,
    /// The identity that the record's fingerprints are keyed with.
    pub client_id: &'a str,
    /// The pair in the record, if this client may use it, and what it is at this moment.
    pub pair: Option<(&'a Pair, Freshness)>,
    /// The lineage of the pair that this process holds.
    pub last_seen: Option<Lineage>,
    pub has_password: bool,
    /// Whether somebody logged out after the call had begun.
    pub is_logged_out: bool,
    /// What a refresh renews the token with; `None`: the API has none.
    pub renews_by: Option<RenewsBy>,
    /// For how long these credentials must not be sent, and why. Called only if a login is due and any credentials are
    /// suspended: it takes a slow hash.
    pub suspended_for: &'a dyn Fn() -> Option<(Duration, Option<PauseCause>)>,
    /// For how long this process sends no login, because the last one did not reach the API or its caller ended it.
    pub unreached_for: Option<(Duration, Error)>,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Take over the pair that is there.
    Adopt,
    /// Another process has the claim, for this long at the most.
    Wait(Duration),
    Refresh(RefreshToken),
    Login,
    Blocked(Blocked),
}

/// What a refresh may be sent with, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshToken {
    /// `None`: the access token renews itself, so nothing is spent.
    pub token: Option<Secret>,
    /// Unix seconds on this machine's clock.
    pub expires_at: Option<i64>,
    pub lineage: Lineage,
    /// It was sent before, or may have been.
    pub is_replay: bool,
}

/// Why nothing may be sent.
#[derive(Clone, Debug)]
pub enum Blocked {
    LoggedOut,
    /// 429: the server asked everybody to wait.
    RateLimited(Duration),
    NoPassword,
    /// R1: the call has spent its one refresh and its one login.
    BudgetSpent,
    /// R5: these credentials were refused.
    Suspended(Duration),
    /// R5: the last login was answered without a token.
    LoginsPaused(Duration, PauseCause),
    /// R5: the last login of this process did not reach the server, or its caller ended it.
    Unreached(Duration, Error),
}

pub fn decide(view: &View<'_>, need: &TokenNeed, budget: &Budget) -> Step {
    let View { record, now, .. } = view;
    if view.is_logged_out {
        return Step::Blocked(Blocked::LoggedOut);
    }
    let is_met = view.pair.is_some_and(|(pair, freshness)| need.is_met_by(pair, freshness));
    if is_met && !record.is_rolled_back(view.client_id, view.last_seen) {
        return Step::Adopt;
    }
    if let Some(left) = record.claimed_for(*now) {
        return Step::Wait(left);
    }
    if let Some(left) = record.rate_limited_for(*now) {
        return Step::Blocked(Blocked::RateLimited(left));
    }
    if let Some(token) = refresh_token(view, need, budget) {
        return Step::Refresh(token);
    }
    match may_login(view, budget) {
        Ok(()) => Step::Login,
        Err(blocked) => Step::Blocked(blocked),
    }
}

/// What a refresh may be sent with, if anything.
fn refresh_token(view: &View<'_>, need: &TokenNeed, budget: &Budget) -> Option<RefreshToken> {
    let View { record, client_id, .. } = view;
    if matches!(need, TokenNeed::Login(_)) || !budget.refresh.get() {
        return None;
    }
    let (pair, freshness) = view.pair?;
    let may_be_sent = |token, is_replay| {
        Some(RefreshToken { token, expires_at: pair.refresh_expires_at, lineage: pair.lineage, is_replay })
    };
    match view.renews_by? {
        RenewsBy::RefreshToken => {}
        RenewsBy::Neither => return may_be_sent(None, false),
        RenewsBy::AccessToken => {
            // Sending it does not spend it, but the server refuses it once it has expired or was answered 401.
            let is_refused = matches!(need, TokenNeed::Other(refused) if refused.access == pair.access);
            return if freshness == Freshness::Dead || is_refused { None } else { may_be_sent(None, false) };
        }
    }
    let token = record.pair.refresh_token.clone()?;
    let is_over = record.pair.refresh_expires_at.is_some_and(|at| at <= view.now.div_euclid(1000));
    let is_replay = record.is_spent(client_id, view.last_seen);
    // T3: without a password there is no other way to a new pair: once, after the lease, a spent token is sent again.
    let is_last_chance = !view.has_password && record.replays_of(&Fingerprint::of(client_id, &token)) == 0;
    let is_good = !is_over && (!is_replay || is_last_chance);
    is_good.then(|| may_be_sent(Some(token), is_replay)).flatten()
}

/// R1, R5: whether a login may be sent.
pub fn may_login(view: &View<'_>, budget: &Budget) -> Result<(), Blocked> {
    if !view.has_password {
        return Err(Blocked::NoPassword);
    }
    if !budget.login.get() {
        return Err(Blocked::BudgetSpent);
    }
    if let Some((left, cause)) = &view.unreached_for {
        return Err(Blocked::Unreached(*left, cause.clone()));
    }
    if view.record.suspensions.is_empty() {
        return Ok(());
    }
    match (view.suspended_for)() {
        None => Ok(()),
        Some((left, None)) => Err(Blocked::Suspended(left)),
        Some((left, Some(cause))) => Err(Blocked::LoginsPaused(left, cause)),
    }
}

impl From<Blocked> for Error {
    fn from(blocked: Blocked) -> Error {
        match blocked {
            Blocked::LoggedOut => Error::new(
                Status::TM_UNAUTHORIZED,
                "the manager was logged out while this call was under way; make the call again to log in anew",
            ),
            Blocked::RateLimited(left) => Error::new(
                Status::TM_RATE_LIMITED,
                format!("nothing was sent: the server asked for a pause, which lasts another {} s", left.as_secs() + 1),
            )
            .with_retry_after(Some(left)),
            Blocked::NoPassword => Error::new(
                Status::TM_LOGIN_REJECTED,
                "only a login could help, and there is no password; give one with tm_set_credentials, or tokens with tm_set_tokens",
            ),
            Blocked::BudgetSpent => Error::new(
                Status::TM_UNAUTHORIZED,
                "the server refused what the call's one refresh and one login gave; see whether the account may do this",
            ),
            Blocked::Suspended(left) => Error::new(
                Status::TM_LOGIN_SUSPENDED,
                format!(
                    "no login was tried: the credentials were refused, and the next try is in {} s; correct them with tm_set_credentials",
                    left.as_secs() + 1
                ),
            )
            .with_retry_after(Some(left)),
            Blocked::LoginsPaused(left, cause) => {
                let status = Status::from_number(cause.status).unwrap_or(Status::TM_BAD_RESPONSE);
                paused(Error::new(status, cause.message).with_http_status(cause.http_status), left)
            }
            Blocked::Unreached(left, cause) => paused(cause, left),
        }
    }
}

/// R5: the last login's error, and when the next one may be sent.
fn paused(cause: Error, left: Duration) -> Error {
    let seconds = left.as_secs() + 1;
    let status = match cause.wait_end() {
        // That was the end of another call. This one ends because it has no time to wait for the pause.
        Some(_) => Status::TM_TIMEOUT,
        None => cause.status(),
    };
    Error::new(status, format!("no login was tried: the last one failed, and the next try is in {seconds} s; {cause}"))
        .with_http_status(cause.http_status())
        .with_retry_after(Some(left))
}

#[cfg(test)]
mod tests;
