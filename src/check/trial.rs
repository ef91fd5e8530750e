//! A check under way: what its steps have brought so far, and how they ask an auth endpoint.

use crate::auth::{Brought, Grant, Kept, Means, Name, Reply, Stage, Values};
use crate::check::advice::{Advice, Called};
use crate::check::evidence::Evidence;
use crate::check::outline::{self, Show, describe};
use crate::check::report::Report;
use crate::client::context::Context;
use crate::error::Error;
use crate::http::message::{Answer, Outgoing};
use crate::refresh::ask::Asking;
use crate::refresh::outcome::AuthOutcome;
use crate::sys::clock::{Tick, unix_millis};
use crate::sys::secret::Secret;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Trial<'a> {
    pub context: &'a Context,
    /// S2: what was sent or received so far and must not be shown.
    pub secrets: Vec<Secret>,
    pub report: Report,
    /// The client has a pair beside this one.
    pub is_in_use: bool,
    /// The answer to what an auth endpoint was last asked; `None`: none came.
    pub answer: Option<Answer>,
    /// The answer to the last call whose token was taken.
    pub good: Option<Called>,
}

impl<'a> Trial<'a> {
    pub fn new(context: &'a Context) -> Trial<'a> {
        let secrets = context.client.secrets();
        Trial { context, secrets, report: Report::new(), is_in_use: false, answer: None, good: None }
    }

    /// How long the next request may take: one that hangs is to leave time for what follows it.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.context.call.left() / 2
    }

    /// Begins a step with one of the dialect's requests.
    pub fn ask(&mut self, name: &str, stage: Stage, values: &Values<'_>) -> Result<Brought, AuthOutcome> {
        let (mut sent, mut answer) = (None, None);
        let mut witness = |outgoing: &Outgoing, came: Option<&Answer>| {
            sent = Some(copy_of_request(outgoing));
            answer = came.map(copy_of_answer);
        };
        let mut asking = Asking::until(self.context, self.deadline());
        asking.witness = Some(&mut witness);
        let outcome = asking.ask(stage, values).map(|(brought, _)| brought);
        self.secrets.append(&mut asking.secrets);
        if let Ok(brought) = &outcome {
            self.secrets.extend(kept_in(brought).values().cloned());
        }
        if let Ok(Brought::Grant(grant)) = &outcome {
            self.secrets.push(grant.access.clone());
            self.secrets.extend(grant.refresh.clone());
        }
        self.report.begin(name);
        if let Some(sent) = sent {
            self.report.add("sent", &outline::sent(&sent, &self.secrets));
        }
        if let Some(answer) = &answer {
            let meant = self.context.client.auth.dialect.meant(stage, values, &reply(answer));
            let show = if meant.means == Some(Means::Accepted) { Show::Values } else { Show::Words };
            self.report.add("answered", &outline::answered(answer, show, &self.secrets));
            self.report.understand_meaning(&meant);
        }
        self.answer = answer;
        outcome
    }

    /// Ends the step of an auth endpoint that brought nothing.
    pub fn fail(&mut self, stage: Stage, values: &Values<'_>, error: &Error) {
        let dialect = &self.context.client.auth.dialect;
        let blame = |member: String| Advice::change(member, &[error.message()]);
        let advice = match (dialect.missing(stage, values), &self.answer) {
            (Some(Name::Kept(name)), _) => blame(dialect.keeper(&name)),
            // Nothing of the dialect's was sent yet but the question for its endpoints.
            (Some(Name::TokenEndpoint), _) if self.context.client.auth.discovered.load().is_none() => {
                blame("auth.issuer".to_owned())
            }
            (_, None) => Advice::plain(error.message().to_owned()),
            (_, Some(answer)) => {
                let meant = dialect.meant(stage, values, &reply(answer));
                let evidence = Evidence { dialect, stage, values, answer, secrets: &self.secrets };
                match meant.means {
                    Some(Means::Accepted) => evidence.no_token(error),
                    _ => evidence.refused(&meant, error),
                }
            }
        };
        self.report.end(false, Some(advice));
    }

    /// Notes what was taken from an answer.
    pub fn note(&mut self, stage: Stage, values: &Values<'_>, brought: &Brought) {
        for (name, value) in kept_in(brought) {
            // What an earlier step has kept is told there.
            let Some(places) = self.context.client.auth.dialect.keeps(stage, values, name) else { continue };
            self.report.understand(&["kept ", name].concat(), &places, &describe(value.as_str()));
        }
        if let Brought::Grant(grant) = brought {
            self.note_grant(grant);
        }
    }

    fn note_grant(&mut self, grant: &Grant) {
        let sources = &grant.sources;
        let mut note = |what: &str, from: &Option<String>, value: &str| {
            self.report.understand(what, from.as_deref().unwrap_or("nothing"), value);
        };
        note("access_token", &sources.access, &describe(grant.access.as_str()));
        if let Some(token) = &grant.refresh {
            note("refresh_token", &sources.refresh, &describe(token.as_str()));
        }
        if let Some(kind) = &grant.token_type {
            let is_fit = outline::is_fit(kind, &self.secrets);
            note("token_type", &sources.token_type, if is_fit { kind } else { "***" });
        }
        note("expires in", &sources.lifetime, &spelled(grant.lifetime));
        if grant.refresh_lifetime.is_some() {
            note("refresh expires in", &sources.refresh_lifetime, &spelled(grant.refresh_lifetime));
        }
    }
}

fn kept_in(brought: &Brought) -> &Kept {
    match brought {
        Brought::Kept(kept) => kept,
        Brought::Grant(grant) => &grant.kept,
    }
}

/// "3600 s", "1209600 s (14 days)": a unit that was mistaken shows.
fn spelled(lifetime: Option<Duration>) -> String {
    const DAY: u64 = 86_400;
    let Some(lifetime) = lifetime else { return "unknown: a refused call tells".to_owned() };
    // What an instant says is a little less by now.
    let seconds = lifetime.as_secs();
    let days = (seconds + DAY / 2) / DAY;
    if days < 2 { format!("{seconds} s") } else { format!("{seconds} s ({days} days)") }
}

fn reply(answer: &Answer) -> Reply<'_> {
    Reply {
        status: answer.status,
        headers: &answer.headers,
        body: &answer.body,
        intermediary: answer.intermediary.as_deref(),
        now: unix_millis(),
    }
}

fn copy_of_request(outgoing: &Outgoing) -> Outgoing {
    Outgoing {
        method: outgoing.method.clone(),
        url: outgoing.url.clone(),
        headers: Arc::clone(&outgoing.headers),
        credentials: outgoing.credentials.clone(),
        body: outgoing.body.clone(),
    }
}

fn copy_of_answer(answer: &Answer) -> Answer {
    Answer {
        status: answer.status,
        headers: answer.headers.clone(),
        url: answer.url.clone(),
        body: answer.body.clone(),
        intermediary: answer.intermediary.clone(),
        arrived: Tick::now(),
    }
}
