//! The main job: an API call with a valid token, and what follows from a 401 (F3, F4, R1 to R4).

pub mod options;
pub mod response;

use crate::call::Call;
use crate::call::backoff::PASSING;
use crate::call::log::Level;
use crate::call::single_flight::Entry;
use crate::client::{Client, is_elsewhere};
use crate::error::{Error, Result, Status};
use crate::http::fault::Fault;
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Streams};
use crate::http::redirect;
use crate::http::settings::set_headers;
use crate::refresh;
use crate::refresh::{Budget, TokenNeed};
use crate::request::options::RequestOptions;
use crate::request::response::Response;
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::token::freshness::Freshness;
use crate::token::pair::{Pair, RecoveryStage};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// R1: how often one call is sent at the most.
const MOST_SENDS: usize = 3;

impl Client {
    /// Sends an API call, renewing the token and sending again as R1 says.
    pub fn request(
        &self,
        call: &Call,
        mut outgoing: Outgoing,
        idempotent: bool,
        streams: &mut Streams<'_>,
    ) -> Result<Response> {
        let budget = Budget::new();
        let mut pair = self.token(call, &budget)?;
        for send in 1.. {
            outgoing.authorization = Some(pair.bearer.clone());
            let answer = self.follow(call, &outgoing, idempotent, streams).map_err(|fault| {
                self.stats.calls_failed.add_one();
                let redacted = outgoing.redacted();
                fault.hung(call, &format!("the call {redacted}")).into_error(&redacted)
            })?;
            self.stats.count_call(answer.status);
            call.log(Level::Debug, || format!("{} was answered {}", outgoing.redacted(), answer.status));
            if answer.status != 401 {
                pair.accept();
                if send > 1 {
                    // Only a call that was itself stopped by a 401 can tell that recovery helps: one that
                    // is answered 401 for reasons of its own must not be kept trying by the others' luck.
                    self.stats.recoveries.add_one();
                    self.recovery.end();
                }
                return Ok(self.respond(answer, &outgoing, &pair));
            }
            let next = match send < MOST_SENDS {
                true => self.recover(call, &pair, &budget),
                false => Ok(self.give_up(&pair)),
            };
            // The token was renewed all the same: the next call is spared it.
            let next = next.map(|next| next.filter(|_| streams.rewind(call)));
            pair = match next {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(self.respond(answer, &outgoing, &pair)),
                Err(error) if error.status() == Status::TM_CANCELLED => return Err(error),
                Err(error) => {
                    let mut response = self.respond(answer, &outgoing, &pair);
                    response.error = response.error.map(|answered| unrecovered(&outgoing.redacted(), answered, &error));
                    return Ok(response);
                }
            };
        }
        unreachable!("the loop returns from its {MOST_SENDS}rd turn at the latest")
    }

    /// A pair that can be used now (F3): at once if it is good; if it is due, one caller refreshes it and
    /// everyone else goes on with it; only when it is dead do callers wait.
    pub fn token(&self, call: &Call, budget: &Budget) -> Result<Arc<Pair>> {
        let now = Tick::now();
        let Some(pair) = self.current.load_full() else {
            return self.obtain(call, &TokenNeed::Usable, budget);
        };
        if pair.is_rejected() {
            return Ok(self.recover(call, &pair, budget)?.unwrap_or(pair));
        }
        match pair.freshness(now) {
            Freshness::Good => Ok(pair),
            Freshness::Due => self.ahead(call, pair, budget),
            Freshness::Dead => self.obtain(call, &TokenNeed::Usable, budget),
        }
    }

    /// F3, F4: refreshes ahead of expiry, if nobody else is at it and it is not too soon after a failure.
    fn ahead(&self, call: &Call, held: Arc<Pair>, budget: &Budget) -> Result<Arc<Pair>> {
        if !self.ahead.is_over(Tick::now()) {
            return Ok(held);
        }
        let Some(flight) = self.single_flight.try_start(call) else {
            return Ok(held);
        };
        if let Some(current) = self.current_if(&TokenNeed::Ahead) {
            return Ok(current);
        }
        let outcome = refresh::timed(self, || refresh::renew(self, call, &TokenNeed::Ahead, budget));
        self.after_ahead(&held, &outcome);
        match outcome {
            Ok(pair) => {
                flight.finish(Ok(()));
                Ok(pair)
            }
            Err(error) if error.status() == Status::TM_CANCELLED => Err(error),
            Err(error) => {
                // Whoever has begun to wait meanwhile has a dead token, and tries for itself.
                let level = if is_elsewhere(&error) { Level::Debug } else { Level::Warning };
                call.log(level, || {
                    format!("the token was not refreshed ahead of its expiry and goes on being used: {error}")
                });
                Ok(held)
            }
        }
    }

    /// Gets a pair as wanted: renews it, or waits for whoever does and shares the outcome.
    pub fn obtain(&self, call: &Call, need: &TokenNeed, budget: &Budget) -> Result<Arc<Pair>> {
        loop {
            match self.single_flight.start_or_join(call)? {
                Entry::Finished(outcome) => {
                    self.stats.coalesced_waiters.add_one();
                    outcome?;
                    if let Some(pair) = self.current_if(need) {
                        return Ok(pair);
                    }
                }
                Entry::Flight(flight) => {
                    if let Some(pair) = self.current_if(need) {
                        return Ok(pair);
                    }
                    let outcome = refresh::timed(self, || refresh::renew(self, call, need, budget));
                    flight.finish(outcome.as_ref().map(|_| ()).map_err(Error::clone));
                    return outcome;
                }
            }
        }
    }

    fn current_if(&self, need: &TokenNeed) -> Option<Arc<Pair>> {
        let pair = self.current.load_full()?;
        let is_met = !pair.is_rejected() && need.is_met_by(&pair, pair.freshness(Tick::now()));
        is_met.then_some(pair)
    }

    /// R1 to R3: the server answered 401 to this pair. What to send again with; `None`: nothing more to try.
    fn recover(&self, call: &Call, refused: &Arc<Pair>, budget: &Budget) -> Result<Option<Arc<Pair>>> {
        if self.logouts.load(Ordering::Relaxed) != call.logouts {
            return Ok(None);
        }
        let need = TokenNeed::Other(Arc::clone(refused));
        if let Some(current) = self.current_if(&need) {
            return Ok(Some(current));
        }
        let now = Tick::now();
        // Read before the pause is: `give_up` begins the pause first.
        let is_given_up = refused.is_given_up();
        if !self.recovery.is_over(now) {
            return Ok(None);
        }
        match refused.unproven_stage(now) {
            RecoveryStage::None => {}
            // The refresh was tried, by this call or another.
            RecoveryStage::Refreshed => budget.refresh.set(false),
            RecoveryStage::LoggedIn if !is_given_up => return Ok(self.give_up(refused)),
            // A pause has gone by since: the server may have come to its senses.
            RecoveryStage::LoggedIn => {}
        }
        if !budget.refresh.get() && !budget.login.get() {
            return Ok(self.give_up(refused));
        }
        call.log(Level::Info, || format!("the server refused the token {}", self.label_of(refused)));
        self.obtain(call, &need, budget).map(Some)
    }

    /// R3: nothing more is tried with this pair until a pause is over.
    fn give_up(&self, refused: &Pair) -> Option<Arc<Pair>> {
        self.recovery.grow_once(PASSING);
        refused.give_up();
        None
    }

    /// Sends a request and follows the redirects that S1 allows.
    fn follow(
        &self,
        call: &Call,
        outgoing: &Outgoing,
        idempotent: bool,
        streams: &mut Streams<'_>,
    ) -> std::result::Result<Answer, Fault> {
        let repeatable = idempotent || outgoing.method.is_idempotent();
        let send = |outgoing: &Outgoing, streams: &mut Streams<'_>| {
            let mut exchange =
                Exchange { deadline: call.deadline(), limit: self.spec.options.max_response_bytes.0, on_tick: None };
            self.transport.send(call, &self.stats, outgoing, Reuse::Kept { repeatable }, streams, &mut exchange)
        };
        let mut answer = send(outgoing, streams)?;
        for _ in 0..redirect::MOST {
            let next =
                redirect::next(&outgoing.method, answer.status, &answer.headers, &answer.url, &self.transport.origins);
            let Some(url) = next.filter(|_| streams.rewind(call)) else {
                return Ok(answer);
            };
            let outgoing = Outgoing {
                method: outgoing.method.clone(),
                url,
                headers: Arc::clone(&outgoing.headers),
                authorization: outgoing.authorization.clone(),
                body: outgoing.body.clone(),
            };
            answer = send(&outgoing, streams)?;
        }
        Ok(answer)
    }

    fn respond(&self, answer: Answer, outgoing: &Outgoing, pair: &Pair) -> Response {
        let error = (answer.status >= 400).then(|| {
            let others: Vec<Secret> = self.secrets().into_iter().chain(outgoing.secrets()).collect();
            let secrets: Vec<&Secret> = std::iter::once(&pair.access).chain(&pair.refresh).chain(&others).collect();
            response::explain(&outgoing.redacted(), &answer, &secrets)
        });
        let Answer { status, headers, url, body, .. } = answer;
        Response { status, headers, url, body, error }
    }

    /// A request ready to be sent, but for its token.
    pub fn prepare(
        &self,
        method: &str,
        url: &str,
        body: Bytes,
        has_upload: bool,
        options: &RequestOptions,
    ) -> Result<Outgoing> {
        let method = parse_method(method)?;
        let mut url = self.transport.origins.resolve(url)?;
        for (name, values) in &options.query {
            for value in &values.0 {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let mut headers = Arc::clone(&self.transport.headers);
        if !options.headers.is_empty() {
            set_headers(Arc::make_mut(&mut headers), &options.headers, Status::TM_INVALID_OPTIONS)?;
        }
        if let Some(content_type) = &options.content_type {
            let value = HeaderValue::from_str(content_type).map_err(|_| {
                Error::new(
                    Status::TM_INVALID_OPTIONS,
                    "the option content_type holds characters that no header can carry",
                )
            })?;
            Arc::make_mut(&mut headers).insert(header::CONTENT_TYPE, value);
        } else if (has_upload || !body.is_empty()) && !headers.contains_key(header::CONTENT_TYPE) {
            let json = HeaderValue::from_static("application/json");
            Arc::make_mut(&mut headers).insert(header::CONTENT_TYPE, json);
        }
        Ok(Outgoing { method, url, headers, authorization: None, body })
    }
}

fn parse_method(method: &str) -> Result<Method> {
    let upper = method.to_ascii_uppercase();
    match Method::from_bytes(upper.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(Error::invalid_argument(
            "the method is none that an API call can have; pass GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS",
        )),
        Ok(method) => Ok(method),
    }
}

/// The 401 that stayed, with the reason why nothing better could be had.
fn unrecovered(redacted: &str, answered: Error, cause: &Error) -> Error {
    Error::new(
        Status::TM_UNAUTHORIZED,
        format!("{redacted} was answered 401, and no other token could be had: {cause}"),
    )
    .with_http_status(answered.http_status())
    .with_server_code(answered.server_code().map(str::to_owned))
    .with_retry_after(cause.retry_after())
}
