//! Asking the auth server: the dialect's requests, sent and read.

use crate::auth::{Brought, Dialect, Kept, Name, Prepared, Reply, Stage, Values, discovery};
use crate::call::log::Level;
use crate::client::Client;
use crate::client::context::Context;
use crate::client::dialect::moment;
use crate::error::{Error, Result, Status};
use crate::http::fault::Fault;
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Streams};
use crate::refresh::outcome::AuthOutcome;
use crate::refresh::transaction::RefreshTransaction;
use crate::store::contract::TokenStore;
use crate::sys::clock::{Tick, unix_millis};
use crate::sys::failpoint::failpoint;
use crate::sys::secret::Secret;
use crate::token::pair::Pair;
use crate::token::record::{Claim, RENEW_EVERY};
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The largest answer of an auth endpoint.
const LARGEST: u64 = 1 << 20;

/// How long an issuer's discovery document is used before it is read again.
const READ_EVERY: Duration = Duration::from_secs(discovery::READ_EVERY_SECONDS);

impl RefreshTransaction<'_> {
    /// Sends a refresh: with the refresh token, or with what the dialect renews the access token with.
    pub(super) fn ask_refresh(
        &self,
        store: &dyn TokenStore,
        claim: &Claim,
        pair: Option<&Pair>,
        token: Option<&Secret>,
    ) -> AuthOutcome {
        let values = Values {
            refresh_token: token,
            access_token: pair.map(|pair| &pair.access),
            token_type: pair.and_then(|pair| pair.token_type.as_deref()),
            kept: pair.map(|pair| &pair.kept),
            ..self.context.values()
        };
        let mut renew = self.renewing(store, claim);
        let mut asking = self.asking(self.may_log_in_after(), &mut renew);
        match asking.ask(Stage::Refresh, &values) {
            Ok((Brought::Grant(grant), arrived)) => AuthOutcome::Granted(grant, arrived),
            Ok((Brought::Kept(_), _)) => AuthOutcome::NoToken(no_token()),
            Err(outcome) => outcome,
        }
    }

    /// Logs in, in as many steps as the dialect has.
    pub(super) fn ask_login(&self, store: &dyn TokenStore, claim: &Claim) -> AuthOutcome {
        let mut renew = self.renewing(store, claim);
        let mut asking = self.asking(false, &mut renew);
        let mut kept = Kept::new();
        for step in 0..self.client.auth.dialect.login_steps() {
            let values = Values { kept: Some(&kept), ..self.context.values() };
            match asking.ask(Stage::Login(step), &values) {
                Ok((Brought::Kept(all), _)) => kept = all,
                Ok((Brought::Grant(grant), arrived)) => return AuthOutcome::Granted(grant, arrived),
                Err(outcome) if step > 0 => return outcome.after_another(),
                Err(outcome) => return outcome,
            }
        }
        AuthOutcome::NoToken(no_token())
    }

    /// Whether a login may follow, for which the refresh must leave the caller time (R1).
    fn may_log_in_after(&self) -> bool {
        self.budget.login.get() && self.has_login()
    }

    fn asking<'a>(&'a self, may_log_in_after: bool, on_tick: &'a mut dyn FnMut()) -> Asking<'a> {
        // A server that hangs must leave the caller time for what comes next: its own request, while it has a token
        // (F4), the logout, or the login after a refresh.
        let is_last_resort = !may_log_in_after && !self.need.goes_on_without();
        let deadline = match is_last_resort {
            true => self.call.deadline(),
            false => Instant::now() + self.call.left() / 2,
        };
        Asking { on_tick: Some(on_tick), ..Asking::until(self.context, deadline) }
    }

    /// Renews the claim while the server is asked, or another process would take it over.
    fn renewing<'a>(&'a self, store: &'a dyn TokenStore, claim: &'a Claim) -> impl FnMut() + 'a {
        let mut renewed = Instant::now();
        move || {
            if renewed.elapsed() >= RENEW_EVERY {
                renewed = Instant::now();
                self.best_effort(store, &mut |record, now| record.renew(claim, self.call.left(), now));
            }
        }
    }
}

/// The result of asking the auth server.
type AuthResult<T> = std::result::Result<T, AuthOutcome>;

/// Asking the auth server, within a time.
pub struct Asking<'a> {
    context: &'a Context,
    deadline: Instant,
    /// Called about every 50 ms.
    on_tick: Option<&'a mut dyn FnMut()>,
    /// Sees every request that goes out, before and after its answer has come.
    pub witness: Option<Witness<'a>>,
    /// What was last sent, or was there to be sent, and must not be shown.
    pub secrets: Vec<Secret>,
}

pub type Witness<'a> = &'a mut dyn FnMut(&Outgoing, Option<&Answer>);

impl<'a> Asking<'a> {
    pub fn until(context: &'a Context, deadline: Instant) -> Asking<'a> {
        Asking { context, deadline, on_tick: None, witness: None, secrets: Vec::new() }
    }
}

impl Asking<'_> {
    /// Sends one of the dialect's requests and reads its answer; says when that came.
    pub fn ask(&mut self, stage: Stage, values: &Values<'_>) -> AuthResult<(Brought, Tick)> {
        let dialect: &Dialect = &self.context.client.auth.dialect;
        let discovered = match dialect.missing(stage, values) {
            Some(Name::TokenEndpoint | Name::RevocationEndpoint) => self.discover()?,
            _ => None,
        };
        let values = Values { discovered: discovered.as_deref().map(|(_, found)| found), ..*values };
        if stage == Stage::Logout && dialect.missing(stage, &values) == Some(Name::RevocationEndpoint) {
            return Ok((Brought::Kept(Kept::new()), Tick::now())); // the issuer has none: there is nothing to tell it
        }
        let prepared = match dialect.prepare(stage, &values, &moment()) {
            None => return Ok((Brought::Kept(Kept::new()), Tick::now())),
            Some(prepared) => prepared.map_err(AuthOutcome::Unable)?,
        };
        self.secrets = prepared.secrets.clone();
        self.secrets.extend(values.access_token.into_iter().chain(values.refresh_token).cloned());
        self.secrets.extend(values.kept.iter().flat_map(|kept| kept.values()).cloned());
        let answer = self.send(prepared, stage)?;
        let arrived = answer.arrived;
        let body = Zeroizing::new(answer.body);
        let reply = Reply {
            status: answer.status,
            headers: &answer.headers,
            body: &body,
            intermediary: answer.intermediary.as_deref(),
            now: unix_millis(),
        };
        let others = self.context.client.secrets();
        let secrets: Vec<&Secret> =
            self.secrets.iter().chain(&others).chain(self.context.credentials.password.iter()).collect();
        let brought = dialect.read(stage, &values, &reply, &secrets)?;
        Ok((brought, arrived))
    }

    /// Sends a request, once more where the server asks for a nonce of its own in the proof (RFC 9449, 8).
    fn send(&mut self, prepared: Prepared, stage: Stage) -> AuthResult<Answer> {
        let Context { client, call, .. } = self.context;
        let redacted = match prepared.redacted.split_once(' ') {
            Some((method, path)) if prepared.is_on_host() => {
                format!("{method} {}{path}", client.spec.origins.host())
            }
            _ => prepared.redacted.clone(),
        };
        call.log(Level::Debug, || format!("sending {redacted}"));
        let mut outgoing = outgoing(client, prepared).map_err(AuthOutcome::Unable)?;
        for is_last in [false, true] {
            let proof = client.auth.proof(outgoing.method.as_str(), &outgoing.url, None);
            if let Some(proof) = proof.map_err(AuthOutcome::Unable)? {
                Arc::make_mut(&mut outgoing.headers).insert(crate::auth::dpop::PROOF, proof);
            }
            let answer = self.exchange(&outgoing, &redacted, stage);
            let answer = answer.map_err(|outcome| if is_last { outcome.after_another() } else { outcome })?;
            let wants_nonce = client.auth.wants_nonce(&outgoing.url, answer.status, &answer.headers, &answer.body);
            if is_last || !wants_nonce {
                if stage == Stage::Logout {
                    client.stats.logouts.add_one();
                }
                return Ok(answer);
            }
        }
        unreachable!("the second answer is returned")
    }

    fn exchange(&mut self, outgoing: &Outgoing, redacted: &str, stage: Stage) -> AuthResult<Answer> {
        let Context { client, call, .. } = self.context;
        let mut exchange = Exchange {
            deadline: self.deadline,
            limit: LARGEST,
            on_tick: self.on_tick.as_mut().map(|on_tick| &mut **on_tick as _),
        };
        if let Some(witness) = &mut self.witness {
            witness(outgoing, None);
        }
        let sent =
            client.transport.send(call, &client.stats, outgoing, Reuse::Never, &mut Streams::default(), &mut exchange);
        failpoint("answered");
        if let (Some(witness), Ok(answer)) = (&mut self.witness, &sent) {
            witness(outgoing, Some(answer));
        }
        let (_, address) = redacted.split_once(' ').unwrap_or(("", redacted));
        sent.map_err(|fault| match fault.hung(call, &format!("{} at {address}", name_of(stage))) {
            Fault::TooLarge(limit) => AuthOutcome::NoToken(Error::new(
                Status::TM_RESPONSE_TOO_LARGE,
                format!(
                    "{redacted} got an answer of more than {limit} bytes; check that the host is the API's address"
                ),
            )),
            fault if fault.is_of_this_machine() => AuthOutcome::Unable(fault.into_error(redacted)),
            fault if fault.nothing_was_written() => AuthOutcome::Unsent(fault.into_error(redacted)),
            fault => AuthOutcome::NoAnswer(fault.into_error(redacted)),
        })
    }

    /// Where the issuer's endpoints are, if the dialect asks it: read once an hour.
    fn discover(&mut self) -> AuthResult<Option<Arc<(Tick, discovery::Discovered)>>> {
        let client = &self.context.client;
        let Some(issuer) = &client.auth.dialect.issuer else { return Ok(None) };
        let known = client.auth.discovered.load_full();
        if known.as_ref().is_some_and(|known| Tick::now() < known.0.after(READ_EVERY)) {
            return Ok(known);
        }
        let mut last = None;
        for url in discovery::documents(issuer) {
            match self.read_document(issuer, &url) {
                Ok(found) => {
                    let found = Arc::new((Tick::now(), found));
                    client.auth.discovered.store(Some(Arc::clone(&found)));
                    return Ok(Some(found));
                }
                Err(outcome) => last = last.or(Some(outcome)),
            }
        }
        // What was read an hour ago is better than nothing.
        known.map(Some).ok_or_else(|| last.unwrap_or_else(|| AuthOutcome::Unsent(no_token())))
    }

    fn read_document(&mut self, issuer: &str, url: &str) -> AuthResult<discovery::Discovered> {
        let prepared = Prepared {
            method: Method::GET,
            url: Zeroizing::new(url.to_owned()),
            headers: HeaderMap::new(),
            body: Zeroizing::default(),
            redacted: format!("GET {url}"),
            secrets: Vec::new(),
        };
        let client = &self.context.client;
        let outgoing = outgoing(client, prepared).map_err(AuthOutcome::Unable)?;
        // Whatever became of this request: the one for a token was not sent.
        let answer =
            self.exchange(&outgoing, &format!("GET {url}"), Stage::Login(0)).map_err(|outcome| match outcome {
                AuthOutcome::Unable(_) => outcome,
                other => AuthOutcome::Unsent(other.into_error().unwrap_or_else(no_token)),
            })?;
        let read = match answer.status {
            200 => {
                let allow_insecure = client.spec.options.allow_insecure_http;
                discovery::read(issuer, &answer.body, allow_insecure, client.auth.dialect.mutual_tls)
            }
            status => Err(Error::new(
                Status::TM_BAD_RESPONSE,
                format!("GET {url} was answered {status}; check auth.issuer, or give auth.token_url"),
            )
            .with_http_status(status)),
        };
        read.map_err(AuthOutcome::Unsent)
    }
}

/// The error for an exchange that went well and brought no token.
pub fn no_token() -> Error {
    Error::new(Status::TM_BAD_RESPONSE, "the auth server's answer brought no token; check the option auth")
}

fn name_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Login(_) => "the login",
        Stage::Refresh => "the refresh",
        Stage::Logout => "the logout",
    }
}

/// What goes over the wire. A token service elsewhere gets the dialect's credentials, and nothing that the options add to
/// calls.
fn outgoing(client: &Client, prepared: Prepared) -> Result<Outgoing> {
    let is_on_host = prepared.is_on_host();
    let url = match is_on_host {
        true => client.transport.origins.resolve(&prepared.url)?,
        false => crate::http::origin::parse_absolute(&prepared.url)?,
    };
    let mut headers = match is_on_host || client.transport.origins.find(&url).is_some() {
        true => HeaderMap::clone(&client.transport.headers),
        false => client.transport.own_headers(),
    };
    for (name, value) in &prepared.headers {
        headers.insert(name.clone(), value.clone());
    }
    Ok(Outgoing {
        method: prepared.method,
        url,
        headers: Arc::new(headers),
        credentials: None,
        body: if prepared.body.is_empty() { Bytes::new() } else { Bytes::from_owner(prepared.body) },
    })
}
