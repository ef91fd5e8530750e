//! A login apart from the client's own: its pair goes to the caller and into no store. The rules for logins (R5) apply to
//! it, too.

use crate::auth::Grant;
use crate::client::context::Context;
use crate::error::Result;
use crate::refresh::decide::{Blocked, may_login};
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::outcome::AuthOutcome;
use crate::refresh::transaction::{Failure, Outcome, RefreshTransaction};
use crate::store::contract::{Loaded, StoreFault, TokenStore};
use crate::sys::clock::Tick;
use crate::token::record::Claim;

/// R5: whether a login may be sent now. Also says whether a pair is in use, here or in the store.
pub fn may_log_in(context: &Context) -> Result<bool> {
    with_transaction(context, |transaction| {
        let shared = context.store().map_err(Failure::Error);
        let loaded = shared.and_then(|store| Ok((store, transaction.load(store)?)));
        let (store, loaded): (&dyn TokenStore, Loaded) = match loaded {
            Ok(loaded) => loaded,
            // T5: the store is unavailable.
            Err(_) => (local(context), transaction.load(local(context))?),
        };
        if let Some(left) = loaded.record.rate_limited_for(loaded.now) {
            return Err(Blocked::RateLimited(left).into());
        }
        let is_in_use = context.client.current.load().is_some() || transaction.pair_in(&loaded).is_some();
        transaction.with_view(store, &loaded, None, |view| may_login(view, transaction.budget))?;
        Ok(is_in_use)
    })
}

/// R5: the result of such a login; a failure is noted for every process that shares the store.
pub fn conclude(context: &Context, outcome: AuthOutcome) -> Result<(Box<Grant>, Tick)> {
    with_transaction(context, |transaction| {
        let store = context.store().unwrap_or(local(context));
        // No claim was made: this login spends nothing that other processes share.
        Ok(transaction.conclude(store, &Claim::new(), outcome)?)
    })
}

fn local(context: &Context) -> &dyn TokenStore {
    &context.client.local_store
}

fn with_transaction<T>(context: &Context, work: impl FnOnce(&RefreshTransaction<'_>) -> Outcome<T>) -> Result<T> {
    let (need, budget) = (TokenNeed::Login(None), Budget::new());
    work(&RefreshTransaction::new(context, &need, &budget)).map_err(|failure| match failure {
        Failure::Error(error) | Failure::Store(StoreFault { error, .. }) => error,
    })
}
