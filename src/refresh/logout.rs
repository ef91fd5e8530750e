//! Logging out: the tokens are revoked at the server, and forgotten here and in the store whatever it answers.

use crate::auth::answer::explain;
use crate::auth::popup::Endpoint;
use crate::call::Call;
use crate::call::log::Level;
use crate::client::Client;
use crate::client::context::Context;
use crate::error::{Error, Result, Status};
use crate::http::message::{Exchange, Reuse, Streams};
use crate::refresh::ask::{LARGEST, auth_request};
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use crate::token::freshness::Lifetime;
use crate::token::pair::Pair;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// Revokes the tokens at the server. The local and the stored ones go whatever it answers.
pub fn logout(context: &Context) -> Result<()> {
    let _work = SecretWork::begin();
    let Context { client, call, .. } = context;
    let flight = client.single_flight.start(call)?;
    client.logouts.fetch_add(1, Ordering::Relaxed);
    let held = client.current.swap(None);
    client.forget_degraded();
    let mut stored = None;
    let forgotten = context.store()?.change(call, &client.client_id, &mut |record, now| {
        let tokens = record.pair.access_token.clone().map(|access| (access, record.pair.refresh_token.clone()));
        stored = tokens.filter(|_| client.is_owner_of(record));
        let is_empty = stored.is_none() && (record.claim.is_none() || !client.is_owner_of(record));
        if !is_empty {
            record.mark_logged_out(now);
        }
        !is_empty
    });
    // What is held may be older than what another process has put into the store since.
    let pair = match stored.filter(|_| !held.as_ref().is_some_and(|held| held.local_only)) {
        Some((access, refresh)) => Some(Arc::new(Pair::given(access, refresh, Lifetime::UNKNOWN, None)?)),
        None => held,
    };
    let revoked = match &pair {
        Some(pair) => revoke(client, call, pair),
        None => Ok(()),
    };
    drop(flight);
    client.transport.pool.clear();
    call.log(Level::Info, || "logged out".to_owned());
    revoked.and(forgotten.map_err(|fault| fault.error))
}

/// Tells the server to revoke every token of the client.
fn revoke(client: &Client, call: &Call, pair: &Pair) -> Result<()> {
    let mut outgoing = auth_request(client, Endpoint::Logout, Zeroizing::new(Vec::new()))?;
    outgoing.authorization = Some(pair.bearer.clone());
    let redacted = outgoing.redacted();
    call.log(Level::Debug, || format!("sending {redacted}"));
    let mut exchange = Exchange { deadline: call.deadline(), limit: LARGEST, on_tick: None };
    let answer = client
        .transport
        .send(call, &client.stats, &outgoing, Reuse::Never, &mut Streams::default(), &mut exchange)
        .map_err(|fault| fault.hung(call, &format!("the logout at {}", outgoing.url)).into_error(&redacted))?;
    client.stats.logouts.add_one();
    let others = client.secrets();
    let secrets: Vec<&Secret> = std::iter::once(&pair.access).chain(&pair.refresh).chain(&others).collect();
    match answer.status {
        200..300 => Ok(()),
        401 => Err(Error::new(
            Status::TM_UNAUTHORIZED,
            format!(
                "{redacted} was answered 401: the token was no longer valid there; the local and the stored ones are gone"
            ),
        )
        .with_http_status(401)),
        _ => Err(explain(&redacted, &answer, &secrets)),
    }
}
