//! Single flight: one caller at a time does the work that others wait for, and those who waited share the outcome.
//!
//! No lock is held while the leader works: it may run callbacks, other threads may fork, and it may never return (a
//! callback may leave by `longjmp`). A leader whose own deadline is past no longer counts, so nobody waits for a lost one.
//!
//! The lock here is std's, not parking_lot's: threads do wait on it, and parking_lot keeps its waiters in a
//! table of the whole process, whose locks a fork could catch half-way.

use crate::call::callback::CallRecord;
use crate::call::{Call, POLL_INTERVAL};
use crate::error::{Error, Result, Status, WaitEnd};
#[cfg(feature = "shuttle")]
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;

#[cfg(not(feature = "shuttle"))]
use std::sync::{Condvar, Mutex, MutexGuard};

/// What one caller at a time does. The one that has its [`Flight`] leads.
#[derive(Debug, Default)]
pub struct SingleFlight {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    leader: Option<Leader>,
    /// Rises with every flight.
    ticket: u64,
    /// How the last leader that finished by itself ended.
    last: Option<(u64, std::result::Result<(), Error>)>,
}

#[derive(Debug)]
struct Leader {
    ticket: u64,
    call: Arc<CallRecord>,
}

/// The right to do the work. Dropped without [`Flight::finish`], it shares no outcome.
#[derive(Debug)]
pub struct Flight<'a> {
    single_flight: &'a SingleFlight,
    ticket: u64,
    outcome: Option<std::result::Result<(), Error>>,
}

/// What a caller got.
#[derive(Debug)]
pub enum Entry<'a> {
    /// The caller does the work.
    Started(Flight<'a>),
    /// Another caller did it meanwhile; this is how it ended.
    Joined(std::result::Result<(), Error>),
}

impl SingleFlight {
    /// Leads if nobody else does; never waits.
    pub fn try_start(&self, call: &Call) -> Option<Flight<'_>> {
        let mut state = self.lock();
        match state.obstacle() {
            Obstacle::None => Some(self.admit(&mut state, call)),
            Obstacle::Other(_) | Obstacle::OwnThread => None,
        }
    }

    /// Leads, or waits for the caller that does and shares the outcome. Waits in slices, within the caller's
    /// time, asking its interrupt callback.
    pub fn start_or_join(&self, call: &Call) -> Result<Entry<'_>> {
        let mut waited_for = None;
        loop {
            let mut state = self.lock();
            if let (Some(ticket), Some((finished, outcome))) = (waited_for, &state.last)
                && *finished >= ticket
            {
                return Ok(Entry::Joined(outcome.clone()));
            }
            match state.obstacle() {
                Obstacle::None => return Ok(Entry::Started(self.admit(&mut state, call))),
                Obstacle::OwnThread => return Err(reentrant()),
                Obstacle::Other(ticket) => {
                    waited_for.get_or_insert(ticket);
                    drop(self.wait(state, call));
                    call.checkpoint().map_err(|error| call.hung(error, "waiting for another call on this manager"))?;
                }
            }
        }
    }

    /// Leads, and waits for each leader before it.
    pub fn start(&self, call: &Call) -> Result<Flight<'_>> {
        loop {
            if let Entry::Started(flight) = self.start_or_join(call)? {
                return Ok(flight);
            }
        }
    }

    fn admit(&self, state: &mut State, call: &Call) -> Flight<'_> {
        state.ticket += 1;
        state.leader = Some(Leader { ticket: state.ticket, call: Arc::clone(call.record()) });
        Flight { single_flight: self, ticket: state.ticket, outcome: None }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, call: &Call) -> MutexGuard<'a, State> {
        let slice = POLL_INTERVAL.min(call.left());
        match self.left.wait_timeout(state, slice) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

enum Obstacle {
    None,
    /// Another caller leads, with this ticket.
    Other(u64),
    /// The caller's own thread does: the call was made in a callback of the very work it would wait for.
    OwnThread,
}

impl State {
    fn obstacle(&self) -> Obstacle {
        match &self.leader {
            Some(leader) if !leader.call.is_over() => match leader.call.is_this_threads() {
                // It has not ended, so this call was made inside one of its callbacks.
                true => Obstacle::OwnThread,
                false => Obstacle::Other(leader.ticket),
            },
            _ => Obstacle::None,
        }
    }
}

fn reentrant() -> Error {
    Error::new(
        Status::TM_REENTRANT,
        "this call, made inside a callback, would wait for the refresh that its own thread is in; make it after the callback has returned",
    )
    .with_wait_end(WaitEnd::Reentrant)
}

impl Flight<'_> {
    /// Ends the flight and shares the outcome with those who waited, unless it is only the caller's.
    pub fn finish(mut self, outcome: std::result::Result<(), Error>) {
        if !matches!(&outcome, Err(error) if error.is_callers_own()) {
            self.outcome = Some(outcome);
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.single_flight.lock();
        // Unless another caller leads by now, as this one's deadline was past.
        if state.leader.as_ref().is_some_and(|leader| leader.ticket == self.ticket) {
            state.leader = None;
            if let Some(outcome) = self.outcome.take() {
                state.last = Some((self.ticket, outcome));
            }
            self.single_flight.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests;
