//! Taking over a pair that the caller got elsewhere.

use crate::client::context::Context;
use crate::error::{Error, Result};
use crate::sys::clock::{Tick, unix_seconds};
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use crate::token::freshness::Lifetime;
use crate::token::jwt;
use crate::token::pair::Pair;
use std::sync::Arc;
use std::time::Duration;

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
    let pair = Arc::new(Pair::given(secret(access, "access")?, refresh, lifetime, refresh_expires_at)?);
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
