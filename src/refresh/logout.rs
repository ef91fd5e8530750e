//! Logging out: the tokens are revoked at the server, and forgotten here and in the store whatever it answers.

use crate::auth::{Stage, Values};
use crate::call::log::Level;
use crate::client::context::Context;
use crate::error::{Error, Result, Status};
use crate::refresh::ask::Asking;
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::transaction::renew;
use crate::sys::clock::Tick;
use crate::sys::zeroing::SecretWork;
use crate::token::freshness::Freshness;
use crate::token::record::StoredPair;
use std::sync::atomic::Ordering;

/// Revokes the tokens at the server. The local and the stored ones go whatever it answers.
pub fn logout(context: &Context) -> Result<()> {
    let _work = SecretWork::begin();
    let Context { client, call, .. } = context;
    let flight = client.single_flight.start(call)?;
    refresh_first(context);
    client.logouts.fetch_add(1, Ordering::Relaxed);
    let held = client.current.swap(None);
    client.forget_degraded();
    let mut stored = None;
    let held = held.map(|pair| (client.stored(&pair, 0), pair.local_only));
    let forgotten = context.store()?.change(call, &client.client_id, &mut |record, now| {
        let pair = Some(record.pair.clone()).filter(|pair| pair.access_token.is_some());
        stored = pair.filter(|_| client.is_owner_of(record));
        let is_empty = stored.is_none() && (record.claim.is_none() || !client.is_owner_of(record));
        if !is_empty {
            record.mark_logged_out(now);
        }
        !is_empty
    });
    // What is held may be older than what another process has put into the store since.
    let pair = match held {
        Some((held, true)) => Some(held),
        held => stored.or(held.map(|(held, _)| held)),
    };
    let revoked = pair.map_or(Ok(()), |pair| revoke(context, &pair));
    drop(flight);
    client.transport.pool.clear();
    call.log(Level::Info, || "logged out".to_owned());
    revoked.and(forgotten.map_err(|fault| fault.error))
}

/// If the server requires the access token in a logout and that has expired, it would refuse the logout, and the refresh token
/// would stay valid. So it is refreshed first; no login, which would only make another pair. If that fails, the logout is sent
/// with the old token.
fn refresh_first(context: &Context) {
    let held = context.client.current.load_full();
    let is_dead = held.is_none_or(|pair| pair.freshness(Tick::now()) == Freshness::Dead);
    if is_dead && context.client.auth.dialect.logs_out_by_access_token() {
        let budget = Budget::new();
        budget.login.set(false);
        if let Err(error) = renew(context, &TokenNeed::Logout, &budget) {
            context.call.log(Level::Debug, || format!("no refresh before the logout: {error}"));
        }
    }
}

/// Tells the server to revoke the pair. A dialect without a logout has nothing to tell.
fn revoke(context: &Context, pair: &StoredPair) -> Result<()> {
    let values = Values {
        access_token: pair.access_token.as_ref(),
        refresh_token: pair.refresh_token.as_ref(),
        token_type: pair.token_type.as_deref(),
        kept: Some(&pair.kept),
        ..context.values()
    };
    if !context.client.auth.dialect.has_logout() {
        return Ok(());
    }
    match Asking::until(context, context.call.deadline()).ask(Stage::Logout, &values) {
        Ok(_) => Ok(()),
        Err(outcome) => Err(outcome.into_error().unwrap_or_else(unexplained)),
    }
}

fn unexplained() -> Error {
    Error::new(Status::TM_BAD_RESPONSE, "the logout was not answered as the option auth expects; check that")
}
