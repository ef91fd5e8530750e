//! What follows from a 401 (R1 to R3).

use crate::call::backoff::{PASSING, REPEAT_AFTER, TOO_NEW};
use crate::call::log::Level;
use crate::client::Client;
use crate::client::context::Context;
use crate::error::Result;
use crate::refresh::need::{Budget, TokenNeed};
use crate::refresh::transaction::adopt_stored;
use crate::request::obtain::{current_if, obtain};
use crate::sys::clock::Tick;
use crate::token::pair::{Pair, RecoveryStage};
use std::sync::Arc;

/// What is known when a call was answered 401.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// How far recovery had gone to get the refused pair, as long as nobody has seen that work.
    pub stage: RecoveryStage,
    /// Whether the pair is so new that the server may not know it everywhere yet, and was not yet sent again for that.
    pub may_be_too_new: bool,
    /// Whether recovery gave up on the pair before the last pause.
    pub was_given_up: bool,
    /// R3: whether recovery is in a pause.
    pub is_paused: bool,
    pub is_logged_out: bool,
    pub may_refresh: bool,
    pub may_login: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Return the 401.
    Return,
    /// Send the same pair again, after a moment: the server's replicas may lag.
    Repeat,
    /// Return the 401, and begin a pause.
    GiveUp,
    /// Get another pair; `may_refresh`: by a refresh, if there is a refresh token, else by a login.
    Renew { may_refresh: bool },
}

/// R1 to R3. Pure.
pub fn decide(view: View) -> Step {
    if view.is_logged_out || view.is_paused {
        return Step::Return;
    }
    if view.may_be_too_new {
        return Step::Repeat;
    }
    let may_refresh = view.may_refresh && view.stage != RecoveryStage::Refreshed;
    // After a pause a login is tried once more: the server may accept fresh tokens again.
    let is_spent = view.stage == RecoveryStage::LoggedIn && !view.was_given_up;
    match is_spent || !(may_refresh || view.may_login) {
        true => Step::GiveUp,
        false => Step::Renew { may_refresh },
    }
}

/// The server answered 401 to this pair. What to send again with; `None`: nothing more to try.
pub fn recover(context: &Context, refused: &Arc<Pair>, budget: &Budget) -> Result<Option<Arc<Pair>>> {
    let Context { client, call, .. } = context;
    let need = TokenNeed::Other(Arc::clone(refused));
    // Only after the first 401 of a call.
    let may_repeat = budget.repeat.replace(false);
    if !context.was_logged_out()
        && let Some(current) = current_if(client, &need)
    {
        return Ok(Some(current));
    }
    let now = Tick::now();
    // Read before the pause is: `give_up` begins the pause first.
    let was_given_up = refused.is_given_up();
    let step = decide(View {
        stage: refused.unproven_stage(now),
        may_be_too_new: may_repeat && refused.age(now) < TOO_NEW && !refused.is_rejected(),
        was_given_up,
        is_paused: !client.recovery.is_over(now) || !client.contention.is_over(now),
        is_logged_out: context.was_logged_out(),
        may_refresh: budget.refresh.get(),
        may_login: budget.login.get(),
    });
    match step {
        Step::Return => Ok(None),
        Step::Repeat => {
            // Another process may have a newer one by now.
            if let Some(stored) = adopt_stored(context, &need, budget) {
                return Ok(Some(stored));
            }
            call.sleep(REPEAT_AFTER)?;
            Ok(Some(current_if(client, &need).unwrap_or_else(|| Arc::clone(refused))))
        }
        Step::GiveUp => {
            give_up(client, refused);
            Ok(None)
        }
        Step::Renew { may_refresh } => {
            budget.refresh.set(may_refresh);
            call.log(Level::Info, || format!("the server refused the token {}", client.label_of(refused)));
            obtain(context, &need, budget).map(Some)
        }
    }
}

/// R3: nothing more is tried with this pair until a pause is over.
pub fn give_up(client: &Client, refused: &Pair) {
    client.recovery.grow_once(PASSING);
    refused.give_up();
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View {
        stage: RecoveryStage::None,
        may_be_too_new: false,
        was_given_up: false,
        is_paused: false,
        is_logged_out: false,
        may_refresh: true,
        may_login: true,
    };

    #[test]
    fn r1_refresh_first_then_one_login_then_no_more() {
        use RecoveryStage::{LoggedIn, None, Refreshed};
        for (stage, may_refresh, may_login, step) in [
            (None, true, true, Step::Renew { may_refresh: true }),
            (None, false, true, Step::Renew { may_refresh: false }),
            (None, true, false, Step::Renew { may_refresh: true }),
            (None, false, false, Step::GiveUp),
            // The refresh was tried, by this call or another.
            (Refreshed, true, true, Step::Renew { may_refresh: false }),
            (Refreshed, true, false, Step::GiveUp),
            (LoggedIn, true, true, Step::GiveUp),
            (LoggedIn, false, false, Step::GiveUp),
        ] {
            let view = View { stage, may_refresh, may_login, ..VIEW };
            assert_eq!(decide(view), step, "{view:?}");
        }
    }

    #[test]
    fn r3_in_a_pause_nothing_is_tried_and_after_it_a_login_once_more() {
        for stage in [RecoveryStage::None, RecoveryStage::Refreshed, RecoveryStage::LoggedIn] {
            assert_eq!(decide(View { stage, is_paused: true, ..VIEW }), Step::Return);
            assert_eq!(decide(View { stage, is_paused: true, was_given_up: true, ..VIEW }), Step::Return);
        }
        let after = View { stage: RecoveryStage::LoggedIn, was_given_up: true, ..VIEW };
        assert_eq!(decide(after), Step::Renew { may_refresh: true });
    }

    #[test]
    fn r1_a_token_that_is_new_is_sent_once_more_before_anything_is_spent() {
        for stage in [RecoveryStage::None, RecoveryStage::Refreshed, RecoveryStage::LoggedIn] {
            assert_eq!(decide(View { stage, may_be_too_new: true, ..VIEW }), Step::Repeat);
        }
        assert_eq!(decide(View { may_be_too_new: true, is_paused: true, ..VIEW }), Step::Return);
    }

    #[test]
    fn a_logout_ends_recovery() {
        assert_eq!(decide(View { is_logged_out: true, ..VIEW }), Step::Return);
    }
}
