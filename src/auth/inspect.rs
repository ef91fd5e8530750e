//! What a dialect says of itself, for `check`: where in the option `auth` something stands, and what decided what
//! an answer means.

use crate::auth::dialect::{Dialect, Stage};
use crate::auth::json::Document;
use crate::auth::meaning::{self, Means, Of};
use crate::auth::place::Places;
use crate::auth::values::Values;
use crate::auth::verdict::{Decided, Reply};
use http::HeaderMap;

/// What an answer means, and what says so.
pub struct Meant {
    pub means: Option<Means>,
    /// A member of the option, or the default.
    pub by: String,
}

impl Meant {
    pub fn name(&self) -> &'static str {
        self.means.map_or("nothing", Means::name)
    }
}

impl Dialect {
    /// The member that an endpoint stands in.
    pub fn member(&self, stage: Stage) -> String {
        match stage {
            Stage::Login(step) if self.login.len() > 1 => format!("auth.login.{step}"),
            Stage::Login(_) => "auth.login".to_owned(),
            Stage::Refresh => "auth.refresh".to_owned(),
            Stage::Logout => "auth.logout".to_owned(),
        }
    }

    /// The member that says where an endpoint is.
    pub fn url_member(&self, stage: Stage) -> String {
        match (self.is_oauth2, self.issuer.is_some(), stage) {
            (false, ..) => format!("{}.url", self.member(stage)),
            (_, true, _) => "auth.issuer".to_owned(),
            (_, _, Stage::Logout) => "auth.revocation_url".to_owned(),
            _ => "auth.token_url".to_owned(),
        }
    }

    /// The member that says what is sent to an endpoint.
    pub fn body_member(&self, stage: Stage, values: &Values<'_>) -> String {
        let name = self.endpoint(stage, values).map_or("json", |endpoint| endpoint.body_member());
        format!("{}.{name}", self.member(stage))
    }

    /// Whether it is asked with credentials in Authorization.
    pub fn is_authorized(&self, stage: Stage, values: &Values<'_>) -> bool {
        self.endpoint(stage, values).is_some_and(|endpoint| endpoint.is_authorized())
    }

    /// Whether its answer has to hold a token.
    pub fn brings_token(&self, stage: Stage) -> bool {
        match stage {
            Stage::Login(step) => step + 1 == self.login.len(),
            Stage::Refresh => true,
            Stage::Logout => false,
        }
    }

    /// The member that says where in an endpoint's answer something is.
    pub fn answer_member(&self, stage: Stage, values: &Values<'_>, name: &str) -> String {
        match self.endpoint(stage, values) {
            Some(endpoint) if endpoint.has_own_answer => format!("{}.answer.{name}", self.member(stage)),
            _ => format!("auth.answer.{name}"),
        }
    }

    /// Where in an endpoint's answer something is looked for, as a message lists it; `None`: nowhere.
    pub fn places(&self, stage: Stage, values: &Values<'_>, name: &str) -> Option<String> {
        let places = self.endpoint(stage, values)?.shape.places(name)?;
        (!places.is_empty()).then(|| places.to_string())
    }

    /// Where what an endpoint keeps under a name is looked for.
    pub fn keeps(&self, stage: Stage, values: &Values<'_>, name: &str) -> Option<String> {
        let (_, places) = self.endpoint(stage, values)?.keep.iter().find(|(kept, _)| kept == name)?;
        Some(Places::to_string(places))
    }

    /// The member of the login that keeps a name.
    pub fn keeper(&self, name: &str) -> String {
        let keeps = |step: &usize| self.login[*step].keep.iter().any(|(kept, _)| kept == name);
        let step = (0..self.login.len()).rev().find(keeps).unwrap_or(0);
        format!("{}.keep.{name}", self.member(Stage::Login(step)))
    }

    /// What the answer of an auth endpoint means.
    pub fn meant(&self, stage: Stage, values: &Values<'_>, reply: &Reply<'_>) -> Meant {
        let Some(reader) = self.reader(stage, values, &[]) else {
            return Meant { means: None, by: String::new() };
        };
        let (means, decided) = reader.decide(reply, &Document::new(reply.body));
        let by = match decided {
            Decided::Endpoint(at) => format!("{}.meanings.{at}", self.member(stage)),
            Decided::Dialect(at) => format!("auth.meanings.{at}"),
            Decided::Success => format!("{}.success", self.member(stage)),
            Decided::Default => "the default".to_owned(),
        };
        Meant { means: Some(means), by }
    }

    /// What the answer to a call means; `means` is `None` where there is nothing beside its status.
    pub fn call_meant(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Meant {
        match meaning::find(&self.meanings, Of::Call, status, headers, &Document::new(body)) {
            Some((at, means)) => Meant { means: Some(means), by: format!("auth.meanings.{at}") },
            None => Meant { means: meaning::default(Of::Call, status), by: "the default".to_owned() },
        }
    }
}
