//! A dialect: the option `auth`, checked and compiled once per manager.

use crate::auth::assertion::Assertion;
use crate::auth::call::{Call, Filled};
use crate::auth::endpoint::{Endpoint, Prepared};
use crate::auth::json::Document;
use crate::auth::meaning::{self, Meaning, Means, Of};
use crate::auth::template::Name;
use crate::auth::values::{Discovered, Kept, Moment, Values, missing};
use crate::auth::verdict::{Brought, Refusal, Reply, ReplyReader};
use crate::error::{Result, Status};
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use http::HeaderMap;

/// Which of an API's endpoints for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A login may have several steps; the last one's answer holds the pair.
    Login(usize),
    Refresh,
    Logout,
}

/// What a refresh renews the access token with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewsBy {
    /// The usual: spent by its use.
    RefreshToken,
    /// With itself: spent by nobody. Not once it has expired or was refused.
    AccessToken,
    /// With what endpoints kept, or with credentials.
    Neither,
}

/// What login, refresh, logout and calls look like on the wire.
#[derive(Debug)]
pub struct Dialect {
    pub(super) login: Vec<Endpoint>,
    pub(super) refresh: Option<Endpoint>,
    /// The first of which all values are there is asked.
    pub(super) logout: Vec<Endpoint>,
    pub call: Call,
    pub(super) meanings: Vec<Meaning>,
    pub(super) assertion: Option<Assertion>,
    /// Discovery: where its endpoints are is asked from there.
    pub issuer: Option<String>,
    /// The refresh token to begin from, where there is no login.
    pub initial_refresh_token: Option<Secret>,
    /// RFC 9449: proofs go with token requests and calls.
    pub dpop: bool,
    /// Its endpoints are made from OAuth's members.
    pub is_oauth2: bool,
    /// RFC 8705: the client is known by the certificate that it shows.
    pub mutual_tls: bool,
    pub(super) identity: String,
    pub(super) secrets: Vec<Secret>,
    pub(super) credentials: &'static str,
}

impl Dialect {
    pub fn login_steps(&self) -> usize {
        self.login.len()
    }

    /// Whether a login can be sent with these values.
    pub fn can_log_in(&self, values: &Values<'_>) -> bool {
        // What a step keeps for the next ones is not there yet, and the issuer is asked for its endpoints when they are needed.
        let to_come = Discovered { token_endpoint: String::new(), revocation_endpoint: None };
        let values = &Values { discovered: values.discovered.or(Some(&to_come)), ..*values };
        !self.login.is_empty()
            && self.missing(Stage::Login(0), values).is_none()
            && (values.password.is_some() || !self.needs_password())
    }

    /// Whether any step of a login needs the password.
    fn needs_password(&self) -> bool {
        let mut is_needed = false;
        for step in &self.login {
            step.each_name(self.assertion.as_ref(), &mut |name| {
                is_needed |= matches!(name, Name::Password | Name::Basic);
            });
        }
        is_needed
    }

    pub fn has_logout(&self) -> bool {
        !self.logout.is_empty()
    }

    /// Whether a logout says by the access token who is asking, and a refresh token can bring another.
    pub fn logs_out_by_access_token(&self) -> bool {
        let mut is_used = false;
        if let Some(logout) = self.logout.first() {
            logout.each_name(self.assertion.as_ref(), &mut |name| is_used |= *name == Name::AccessToken);
        }
        is_used && self.renews_by() == Some(RenewsBy::RefreshToken)
    }

    pub fn renews_by(&self) -> Option<RenewsBy> {
        let refresh = self.refresh.as_ref()?;
        let uses = |wanted: Name| {
            let mut is_used = false;
            refresh.each_name(self.assertion.as_ref(), &mut |name| is_used |= *name == wanted);
            is_used
        };
        Some(match (uses(Name::RefreshToken), uses(Name::AccessToken)) {
            (true, _) => RenewsBy::RefreshToken,
            (false, true) => RenewsBy::AccessToken,
            (false, false) => RenewsBy::Neither,
        })
    }

    pub(super) fn endpoint(&self, stage: Stage, values: &Values<'_>) -> Option<&Endpoint> {
        match stage {
            Stage::Login(step) => self.login.get(step),
            Stage::Refresh => self.refresh.as_ref(),
            Stage::Logout => {
                let is_ready = |endpoint: &&Endpoint| endpoint.missing(values, self.assertion.as_ref()).is_none();
                self.logout.iter().find(is_ready).or(self.logout.last())
            }
        }
    }

    /// The first value that an endpoint needs and there is not. `None` also where there is no such endpoint.
    pub fn missing(&self, stage: Stage, values: &Values<'_>) -> Option<Name> {
        self.endpoint(stage, values)?.missing(values, self.assertion.as_ref())
    }

    /// A request, ready to be sent; `None`: the dialect has no such endpoint.
    pub fn prepare(&self, stage: Stage, values: &Values<'_>, moment: &Moment) -> Option<Result<Prepared>> {
        let _work = SecretWork::begin();
        Some(self.endpoint(stage, values)?.prepare(values, moment, self.assertion.as_ref()))
    }

    /// Reads the answer to one. `values` are those that it was prepared with, `secrets` what must not be shown of it.
    pub fn read(
        &self,
        stage: Stage,
        values: &Values<'_>,
        reply: &Reply<'_>,
        secrets: &[&Secret],
    ) -> std::result::Result<Brought, Refusal> {
        let _work = SecretWork::begin();
        let secrets: Vec<&Secret> = secrets.iter().copied().chain(&self.secrets).collect();
        match self.reader(stage, values, &secrets) {
            Some(reader) => reader.read(reply, self.brings_token(stage)),
            None => Ok(Brought::Kept(Kept::new())),
        }
    }

    /// What reads a reply; `None`: the dialect has no such endpoint.
    pub(super) fn reader<'a>(
        &'a self,
        stage: Stage,
        values: &Values<'a>,
        secrets: &'a [&'a Secret],
    ) -> Option<ReplyReader<'a>> {
        let of = match stage {
            Stage::Login(_) => Of::Login,
            Stage::Refresh => Of::Refresh,
            Stage::Logout => Of::Logout,
        };
        let endpoint = self.endpoint(stage, values)?;
        Some(ReplyReader {
            of,
            endpoint,
            discovered: values.discovered,
            meanings: &self.meanings,
            call: &self.call,
            credentials: self.credentials,
            secrets,
            kept: values.kept,
        })
    }

    /// What the answer to a call means; `None`: nothing beside its status.
    pub fn call_means(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Means> {
        // Most dialects say nothing of calls, and most calls go well.
        if status < 400 && !self.meanings.iter().any(Meaning::is_of_calls) {
            return None;
        }
        let document = Document::new(body);
        let stated = meaning::find(&self.meanings, Of::Call, status, headers, &document);
        stated.map(|(_, means)| means).or_else(|| meaning::default(Of::Call, status))
    }

    /// Checks what can be known before the first request: `values` are the credentials.
    pub fn check(&self, values: &Values<'_>) -> Result<()> {
        let _work = SecretWork::begin();
        let token = Secret::new("token");
        let values = Values { access_token: token.as_ref(), refresh_token: token.as_ref(), path: Some("/"), ..*values };
        let moment = Moment { now: 0, random: [0; 32] };
        for endpoint in self.login.iter().chain(&self.refresh).chain(&self.logout) {
            // Signing takes its time, and is checked when it is done.
            let mut is_signed = false;
            endpoint.each_name(None, &mut |name| is_signed |= *name == Name::Assertion);
            match endpoint.missing(&values, self.assertion.as_ref()) {
                None if !is_signed => of_options(endpoint.prepare(&values, &moment, None).map(drop))?,
                Some(name) => of_options(Err(missing(&name)))?,
                None => {}
            }
        }
        if self.call.missing(&values).is_none() && !self.call.uses_assertion() {
            of_options(self.call.fill(&values, &moment, None, false).map(drop))?;
        }
        Ok(())
    }

    /// A call's headers and query with a token.
    pub fn fill_call(&self, values: &Values<'_>, moment: &Moment) -> Result<Filled> {
        let _work = SecretWork::begin();
        self.call.fill(values, moment, self.assertion.as_ref(), self.dpop)
    }

    /// What distinguishes pairs beside host and client in every store: scope, audience, resource and the dialect. Empty for
    /// `popup` as it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What the dialect itself carries and must not be shown.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }
}

/// Only what the options are to blame for.
fn of_options(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.status() == Status::TM_INVALID_OPTIONS { Err(error) } else { Ok(()) })
}
