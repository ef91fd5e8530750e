//! Getting a pair as needed: one caller renews it, the others wait for that and share the outcome (F3, R2).

use crate::call::single_flight::Entry;
use crate::client::Client;
use crate::client::context::Context;
use crate::error::Result;
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::transaction::renew;
use crate::sys::clock::Tick;
use crate::token::pair::Pair;
use std::sync::Arc;

/// Gets a pair as needed: renews it, or waits for the caller that does and shares the outcome.
pub fn obtain(context: &Context, need: &TokenNeed, budget: &Budget) -> Result<Arc<Pair>> {
    let Context { client, call, .. } = context;
    loop {
        match client.single_flight.start_or_join(call)? {
            Entry::Joined(outcome) => {
                client.stats.coalesced_waiters.add_one();
                outcome?;
                if let Some(pair) = current_if(client, need) {
                    return Ok(pair);
                }
            }
            Entry::Started(flight) => {
                if let Some(pair) = current_if(client, need) {
                    return Ok(pair);
                }
                let outcome = renew(context, need, budget);
                flight.finish(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
                return outcome;
            }
        }
    }
}

/// The pair that is held, if it is what is needed.
pub fn current_if(client: &Client, need: &TokenNeed) -> Option<Arc<Pair>> {
    let pair = client.current.load_full()?;
    let is_met = !pair.is_rejected() && need.is_met_by(&pair, pair.freshness(Tick::now()));
    is_met.then_some(pair)
}
