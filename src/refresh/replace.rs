//! Tokens that the caller got elsewhere: a pair to take over, or a refresh token to begin from.

use crate::client::context::Context;
use crate::error::{Error, Result};
use crate::refresh::transaction::{Outcome, RefreshTransaction};
use crate::store::contract::{Loaded, TokenStore};
use crate::sys::clock::{Tick, unix_seconds};
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use crate::token::fingerprint::Fingerprint;
use crate::token::freshness::Lifetime;
use crate::token::jwt;
use crate::token::record::{Holding, Record, StoredPair, u128hex};
use std::sync::Arc;
use std::time::Duration;

impl RefreshTransaction<'_> {
    /// Puts the refresh token that the dialect begins from into an empty record, beside an access token that has run out:
    /// so it is sent under a claim, and once, like any other. Says whether the record has changed.
    pub(super) fn begin_from_given_token(&self, store: &dyn TokenStore, loaded: &Loaded) -> Outcome<bool> {
        let Some(token) = &self.client.auth.dialect.initial_refresh_token else { return Ok(false) };
        let client_id = &self.client.client_id;
        let is_empty = |record: &Record, now| record.holding(client_id, now) == Holding::Nothing;
        let name = Fingerprint::of(client_id, token);
        if !is_empty(&loaded.record, loaded.now) || loaded.record.spent.as_ref() == Some(&name) {
            return Ok(false);
        }
        let pair = StoredPair {
            access_token: Secret::new("none-yet"),
            refresh_token: Some(token.clone()),
            expires_at: Some(1),
            family: Some(u128hex::Hex(name.number())),
            ..StoredPair::default()
        };
        let mut is_put = false;
        self.change(store, &mut |record, now| {
            is_put = is_empty(record, now);
            if is_put {
                record.put(client_id, &pair);
                self.client.stamp_owner(record);
            }
            is_put
        })?;
        Ok(true)
    }
}

/// Serves and stores a pair in place of what there is. Times are Unix seconds; 0: unknown.
pub fn replace(
    context: &Context,
    access: &str,
    refresh: Option<&str>,
    expires_at: i64,
    refresh_expires_at: i64,
) -> Result<()> {
    let _work = SecretWork::begin();
    let Context { client, call, .. } = context;
    let secret = |text: &str, what: &str| {
        Secret::new(text).ok_or_else(|| Error::invalid_argument(format!("the {what} token holds a NUL character")))
    };
    let refresh = refresh.filter(|text| !text.is_empty()).map(|text| secret(text, "refresh")).transpose()?;
    let expires_at = Some(expires_at).filter(|at| *at > 0).or_else(|| jwt::expires_at(access));
    let lifetime = match expires_at.map(|at| u64::try_from(at.saturating_sub(unix_seconds())).unwrap_or(0)) {
        Some(left) => Lifetime::new(Tick::now(), Duration::from_secs(left), client.window()),
        None => Lifetime::UNKNOWN,
    };
    let refresh_expires_at = Some(refresh_expires_at).filter(|at| *at > 0);
    let mut pair = client.given_pair(secret(access, "access")?, refresh, lifetime, refresh_expires_at)?;
    pair.expires_at = expires_at; // as it was told: by the clocks it would come out a second early now and then
    let pair = Arc::new(pair);
    context
        .store()?
        .change(call, &client.client_id, &mut |record, now| {
            record.put(&client.client_id, &client.stored(&pair, now));
            client.stamp_owner(record);
            true
        })
        .map_err(|fault| fault.error)?;
    client.forget_degraded();
    client.ahead.end();
    client.recovery.end();
    client.supersede(None);
    client.current.store(Some(pair));
    Ok(())
}
