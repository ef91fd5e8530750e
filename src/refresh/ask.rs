//! Asking the server: login, refresh and logout over the wire.

use crate::auth::outcome::AuthOutcome;
use crate::auth::popup;
use crate::auth::popup::{AuthAnswer, Endpoint};
use crate::call::log::Level;
use crate::client::Client;
use crate::client::credentials::Credentials;
use crate::error::{Error, Result, Status};
use crate::http::date;
use crate::http::fault::Fault;
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Streams};
use crate::refresh::need::TokenNeed;
use crate::refresh::transaction::RefreshTransaction;
use crate::store::contract::TokenStore;
use crate::sys::clock::{unix_millis, unix_seconds};
use crate::sys::failpoint::failpoint;
use crate::sys::secret::Secret;
use crate::token::record::{Claim, RENEW_EVERY};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use std::sync::Arc;
use std::time::Instant;
use zeroize::Zeroizing;

/// The largest answer of an auth endpoint.
pub(super) const LARGEST: u64 = 1 << 20;

impl RefreshTransaction<'_> {
    pub(super) fn ask_refresh(&self, store: &dyn TokenStore, claim: &Claim, token: &Secret) -> AuthOutcome {
        self.ask(store, claim, Endpoint::Refresh, popup::refresh_body(token), &[token])
    }

    pub(super) fn ask_login(&self, store: &dyn TokenStore, claim: &Claim) -> AuthOutcome {
        let Credentials { username, password, .. } = self.credentials;
        let Some(password) = password else {
            return AuthOutcome::Unsent(Error::new(Status::TM_LOGIN_REJECTED, "there is no password to log in with"));
        };
        self.ask(store, claim, Endpoint::Login, popup::login_body(username, password), &[password])
    }

    /// Whether nothing else could serve the caller. A server that hangs must not cost a caller the time for what comes
    /// next: its own request, while it has a token (F4), or the login where a refresh was tried first (R1).
    fn is_last_resort(&self, endpoint: Endpoint) -> bool {
        let has_password = self.credentials.password.is_some();
        let may_log_in = endpoint == Endpoint::Refresh && self.budget.login.get() && has_password;
        !(may_log_in || matches!(self.need, TokenNeed::Ahead))
    }

    fn ask(
        &self,
        store: &dyn TokenStore,
        claim: &Claim,
        endpoint: Endpoint,
        body: Zeroizing<Vec<u8>>,
        secrets: &[&Secret],
    ) -> AuthOutcome {
        let outgoing = match auth_request(self.client, endpoint, body) {
            Ok(outgoing) => outgoing,
            Err(error) => return AuthOutcome::Unsent(error),
        };
        let redacted = outgoing.redacted();
        self.call.log(Level::Debug, || format!("sending {redacted}"));
        let mut renewed = Instant::now();
        let mut renew = || {
            if renewed.elapsed() >= RENEW_EVERY {
                renewed = Instant::now();
                self.best_effort(store, &mut |record, now| record.renew(claim, self.call.left(), now));
            }
        };
        let mut exchange = Exchange {
            deadline: match self.is_last_resort(endpoint) {
                true => self.call.deadline(),
                false => Instant::now() + self.call.left() / 2,
            },
            limit: LARGEST,
            on_tick: Some(&mut renew),
        };
        let client = self.client;
        let sent = client.transport.send(
            self.call,
            &client.stats,
            &outgoing,
            Reuse::Never,
            &mut Streams::default(),
            &mut exchange,
        );
        failpoint("answered");
        match sent.map_err(|fault| fault.hung(self.call, &format!("{} at {}", endpoint.name(), outgoing.url))) {
            Err(Fault::TooLarge(limit)) => AuthOutcome::Unknown(Error::new(
                Status::TM_RESPONSE_TOO_LARGE,
                format!(
                    "{redacted} got an answer of more than {limit} bytes; check that the host is the API's address"
                ),
            )),
            Err(fault) if fault.nothing_was_written() => AuthOutcome::Unsent(fault.into_error(&redacted)),
            Err(fault) => AuthOutcome::Unknown(fault.into_error(&redacted)),
            Ok(answer) => {
                let others = client.secrets();
                read(endpoint, answer, &secrets.iter().copied().chain(&others).collect::<Vec<_>>())
            }
        }
    }
}

fn read(endpoint: Endpoint, answer: Answer, secrets: &[&Secret]) -> AuthOutcome {
    let date = answer.header(header::DATE).and_then(date::http_date);
    let retry_after = answer.header(header::RETRY_AFTER).and_then(|text| date::retry_after(text, date, unix_seconds()));
    let arrived = answer.arrived;
    let body = Zeroizing::new(answer.body);
    let answer = AuthAnswer {
        status: answer.status,
        body: &body,
        date,
        retry_after,
        intermediary: answer.intermediary.as_deref(),
        arrived,
    };
    popup::read(endpoint, &answer, secrets, unix_millis())
}

pub(super) fn auth_request(client: &Client, endpoint: Endpoint, body: Zeroizing<Vec<u8>>) -> Result<Outgoing> {
    let mut headers = HeaderMap::clone(&client.transport.headers);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(Outgoing {
        method: Method::POST,
        url: client.transport.origins.resolve(endpoint.path())?,
        headers: Arc::new(headers),
        authorization: None,
        body: if body.is_empty() { Bytes::new() } else { Bytes::from_owner(body) },
    })
}
