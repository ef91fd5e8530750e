//! A pair to send a call with (F3, F4).

use crate::call::log::Level;
use crate::client::context::Context;
use crate::error::{Result, WaitEnd};
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::transaction::renew;
use crate::request::obtain::{current_if, obtain};
use crate::request::recover::recover;
use crate::sys::clock::Tick;
use crate::token::freshness::Freshness;
use crate::token::pair::Pair;
use std::sync::Arc;

/// A pair that can be used now (F3): at once if it is good; if it is due, one caller refreshes it and
/// all others keep using it; only when it is dead do callers wait.
pub fn token(context: &Context, budget: &Budget) -> Result<Arc<Pair>> {
    let Some(pair) = context.client.current.load_full() else {
        return obtain(context, &TokenNeed::Usable, budget);
    };
    if pair.is_rejected() {
        return Ok(recover(context, &pair, budget)?.unwrap_or(pair));
    }
    match pair.freshness(Tick::now()) {
        Freshness::Good => Ok(pair),
        Freshness::Due => refresh_ahead(context, pair, budget),
        Freshness::Dead => obtain(context, &TokenNeed::Usable, budget),
    }
}

/// F3, F4: refreshes ahead of expiry, if no other caller is refreshing and the last failure is long enough ago.
fn refresh_ahead(context: &Context, held: Arc<Pair>, budget: &Budget) -> Result<Arc<Pair>> {
    let Context { client, call, .. } = context;
    if !client.ahead.is_over(Tick::now()) {
        return Ok(held);
    }
    let Some(flight) = client.single_flight.try_start(call) else {
        return Ok(held);
    };
    if let Some(current) = current_if(client, &TokenNeed::Ahead) {
        return Ok(current);
    }
    let outcome = renew(context, &TokenNeed::Ahead, budget);
    client.after_ahead(&held, &outcome);
    match outcome {
        Ok(pair) => {
            flight.finish(Ok(()));
            Ok(pair)
        }
        Err(error) if error.wait_end() == Some(WaitEnd::Interrupted) => Err(error),
        Err(error) => {
            // Whoever has begun to wait meanwhile has a dead token, and tries for itself.
            let level = if error.wait_end() == Some(WaitEnd::Busy) { Level::Debug } else { Level::Warning };
            call.log(level, || {
                format!("the token was not refreshed ahead of its expiry and goes on being used: {error}")
            });
            Ok(held)
        }
    }
}
