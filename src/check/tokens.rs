//! The steps that get tokens and end them: login, refresh, logout.

use crate::auth::{Brought, Grant, Kept, RenewsBy, Stage, Values};
use crate::check::advice::Advice;
use crate::check::evidence::Evidence;
use crate::check::suspects::Sought;
use crate::check::trial::Trial;
use crate::client::context::Context;
use crate::error::{Error, Result, Status};
use crate::refresh::apart;
use crate::refresh::ask::no_token;
use crate::refresh::outcome::AuthOutcome;
use crate::sys::clock::Tick;
use crate::token::freshness::Lifetime;
use crate::token::jwt;
use crate::token::pair::{Lineage, Pair, PairParts, RecoveryStage};
use std::sync::Arc;

impl Trial<'_> {
    /// Logs in once, in as many steps as the dialect has. `None`: that brought no token.
    pub fn log_in(&mut self) -> Option<Arc<Pair>> {
        let context = self.context;
        let count = context.client.auth.dialect.login_steps();
        let flight = context.client.single_flight.start(&context.call);
        match flight.as_ref().map_err(Error::clone).and_then(|_| may_log_in(context, count)) {
            Ok(is_in_use) => self.is_in_use = is_in_use,
            Err(error) => {
                self.report.begin("login");
                self.report.end(false, Some(Advice::plain(error.message().to_owned())));
                return None;
            }
        }
        let mut kept = Kept::new();
        for at in 0..count {
            let name = if count > 1 { format!("login {}", at + 1) } else { "login".to_owned() };
            match self.log_in_step(&name, Stage::Login(at), &kept)? {
                Brought::Kept(all) => kept = all,
                Brought::Grant(grant) => return Some(pair_of(grant)),
            }
        }
        None
    }

    fn log_in_step(&mut self, name: &str, stage: Stage, kept: &Kept) -> Option<Brought> {
        let context = self.context;
        let values = Values { kept: Some(kept), ..context.values() };
        match self.ask(name, stage, &values) {
            Ok(brought) => {
                self.note(stage, &values, &brought);
                let (is_ok, advice) = match &brought {
                    Brought::Grant(grant) => self.judge(stage, &values, grant),
                    Brought::Kept(_) => (true, None),
                };
                self.report.end(is_ok, advice);
                Some(brought)
            }
            Err(outcome) => {
                let error = apart::conclude(context, outcome).err().unwrap_or_else(no_token);
                self.fail(stage, &values, &error);
                None
            }
        }
    }

    /// Whether the login has brought what the dialect needs, and what its answer holds beside that.
    fn judge(&self, stage: Stage, values: &Values<'_>, grant: &Grant) -> (bool, Option<Advice>) {
        let dialect = &self.context.client.auth.dialect;
        let Some(answer) = &self.answer else { return (true, None) };
        let evidence = Evidence { dialect, stage, values, answer, secrets: &self.secrets };
        let renews_by = dialect.renews_by();
        let elsewhere = if grant.refresh.is_none() { evidence.token(Sought::RefreshToken) } else { None };
        // Without it nothing would ever be refreshed. Of OAuth most grants bring none (RFC 6749, 4.4.3).
        let is_optional = dialect.is_oauth2 && elsewhere.is_none();
        let is_ok = grant.refresh.is_some() || is_optional || renews_by != Some(RenewsBy::RefreshToken);
        let why = match (&elsewhere, renews_by) {
            (Some(_), None) => {
                "the login's answer holds a refresh token, and the dialect has no refresh; give it one, and answer.refresh_token"
            }
            (None, _) if !is_ok => {
                "it sends a refresh token, and the login's answer holds none; leave refresh out, or see what makes the API issue one"
            }
            (None, _) if grant.lifetime.is_none() => return (is_ok, evidence.expiry()),
            _ => return (is_ok, elsewhere),
        };
        (is_ok, Some(Advice::change("auth.refresh".to_owned(), &[why])))
    }

    /// Refreshes. `None`: that was not tried, or brought no token.
    pub fn refresh(&mut self, pair: &Pair) -> Option<Arc<Pair>> {
        const NAME: &str = "refresh";
        let why_not = match self.context.client.auth.dialect.renews_by() {
            None => "the dialect has none: a new token comes from a login",
            Some(RenewsBy::RefreshToken) if pair.refresh.is_none() => "the login gave no refresh token",
            Some(_) => "",
        };
        if !why_not.is_empty() {
            self.report.skip(NAME, why_not);
            return None;
        }
        let values = values_of(self.context, pair);
        match self.ask(NAME, Stage::Refresh, &values) {
            Ok(brought) => {
                self.note(Stage::Refresh, &values, &brought);
                let renewed = self.renewed(pair, brought)?;
                // The end of a JWT stands in it.
                let is_unchanged = renewed.access == pair.access && jwt::expires_at(pair.access.as_str()).is_some();
                let why = "it brought the token that there was, which lives no longer by its own exp; leave refresh out, or see what makes the API issue another";
                let advice = is_unchanged.then(|| Advice::change("auth.refresh".to_owned(), &[why]));
                self.report.end(!is_unchanged, advice);
                Some(renewed)
            }
            Err(outcome) => {
                self.fail(Stage::Refresh, &values, &error_of(outcome));
                None
            }
        }
    }

    /// The pair after a refresh, and whether the refresh token rotated.
    fn renewed(&mut self, before: &Pair, brought: Brought) -> Option<Arc<Pair>> {
        let Brought::Grant(mut grant) = brought else { return None };
        if let Some(token) = &before.refresh {
            let (from, what) = match &grant.refresh {
                None => ("nothing", "the answer has no refresh token: the old one stays"),
                Some(new) if new == token => ("the same refresh token", "it does not rotate"),
                Some(_) => ("another refresh token", "it rotates: each is used once"),
            };
            self.report.understand("rotation", from, what);
        }
        grant.refresh = grant.refresh.or_else(|| before.refresh.clone());
        Some(pair_of(grant))
    }

    /// Ends what the check has got.
    pub fn log_out(&mut self, pair: &Pair) {
        const NAME: &str = "logout";
        if !self.context.client.auth.dialect.has_logout() {
            return self.report.skip(NAME, "the dialect has none");
        }
        if self.is_in_use {
            // Of some APIs a logout revokes every token of the account.
            return self.report.skip(
                NAME,
                "this client holds or stores another token, which a logout may end, too; to try it, check with an account of its own",
            );
        }
        let values = values_of(self.context, pair);
        match self.ask(NAME, Stage::Logout, &values) {
            Err(outcome) => self.fail(Stage::Logout, &values, &error_of(outcome)),
            Ok(_) => {
                if self.answer.is_none() {
                    self.report.add("skipped", "\"the issuer names no revocation endpoint\"");
                }
                self.report.end(true, None);
            }
        }
    }
}

/// Whether a login may be sent; says whether the client has a pair already.
fn may_log_in(context: &Context, steps: usize) -> Result<bool> {
    match steps {
        0 => Err(Error::new(
            Status::TM_LOGIN_REJECTED,
            "the dialect has no login, and a check takes no refresh token that was given or stored, which it would spend; try a call itself",
        )),
        _ => apart::may_log_in(context),
    }
}

fn values_of<'v>(context: &'v Context, pair: &'v Pair) -> Values<'v> {
    Values {
        access_token: Some(&pair.access),
        refresh_token: pair.refresh.as_ref(),
        token_type: pair.token_type.as_deref(),
        kept: Some(&pair.kept),
        ..context.values()
    }
}

/// A pair of which only the check knows.
fn pair_of(grant: Box<Grant>) -> Arc<Pair> {
    let grant = *grant;
    Arc::new(Pair::new(PairParts {
        access: grant.access,
        refresh: grant.refresh,
        call: None,
        token_type: grant.token_type,
        kept: grant.kept,
        issued: Tick::now(),
        lifetime: Lifetime::UNKNOWN,
        refresh_expires_at: None,
        lineage: Lineage { family: 0, generation: 0 },
        local_only: true,
        recovery_stage: RecoveryStage::None,
    }))
}

fn error_of(outcome: AuthOutcome) -> Error {
    outcome.into_error().unwrap_or_else(no_token)
}
