//! The main job: an API call with a valid token, sent again as R1 allows after a 401.

use crate::auth::Means;
use crate::call::log::Level;
use crate::client::Client;
use crate::client::context::Context;
use crate::error::{Error, Result, Status, WaitEnd};
use crate::http::message::{Answer, Exchange, Outgoing, Reuse, Streams};
use crate::http::redirect;
use crate::refresh::need::Budget;
use crate::request::acquire::token;
use crate::request::explain::explain;
use crate::request::recover::{give_up, recover};
use crate::request::response::Response;
use crate::sys::secret::Secret;
use crate::token::pair::Pair;
use std::sync::Arc;
use std::time::Instant;

/// R1: how often one call is sent at the most.
const MOST_SENDS: usize = 3;

/// Sends an API call, renewing the token and sending again as R1 says.
pub fn send(
    context: &Context,
    mut outgoing: Outgoing,
    idempotent: bool,
    streams: &mut Streams<'_>,
) -> Result<Response> {
    let Context { client, call, .. } = context;
    let dialect = &client.auth.dialect;
    let budget = Budget::new();
    let mut has_nonce = false;
    let mut pair = token(context, &budget)?;
    for sends in 1.. {
        carry(context, &pair, &mut outgoing)?;
        let answer = follow(context, &pair, &outgoing, idempotent, streams, call.deadline(), &mut |_| {})
            .inspect_err(|_| client.stats.calls_failed.add_one())?;
        client.stats.count_call(answer.status);
        call.log(Level::Debug, || format!("{} was answered {}", outgoing.redacted(), answer.status));
        let means = dialect.call_means(answer.status, &answer.headers, &answer.body);
        if means != Some(Means::Expired) {
            pair.accept();
            if sends > 1 {
                // Only a call that itself got a 401 shows that recovery helps. The success of other calls does not: a call
                // that always gets 401, for reasons of its own, would then try recovery for ever.
                client.stats.recoveries.add_one();
                client.recovery.end();
            }
            return Ok(respond(client, answer, means, &outgoing, &pair));
        }
        // RFC 9449, 9: the proof lacks the server's nonce, which the token is not to blame for.
        let wants_nonce = client.auth.wants_nonce(&answer.url, answer.status, &answer.headers, &answer.body);
        let is_for_nonce = wants_nonce && !has_nonce;
        has_nonce |= wants_nonce;
        let is_rewound = streams.rewind(call);
        if !is_rewound {
            budget.repeat.set(false); // a body that is gone cannot be sent with the same token either
        }
        let next = match sends < MOST_SENDS {
            true if is_for_nonce => Ok(Some(Arc::clone(&pair))),
            true => recover(context, &pair, &budget),
            false => {
                // R1. Where nothing was spent, as the call was sent with old tokens only, the next call may recover.
                if budget.has_spent() {
                    give_up(client, &pair);
                }
                Ok(None)
            }
        };
        // Where the body is gone, the token was renewed all the same: the next call need not do it.
        pair = match next.map(|next| next.filter(|_| is_rewound)) {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(respond(client, answer, means, &outgoing, &pair)),
            Err(error) if error.wait_end() == Some(WaitEnd::Interrupted) => return Err(error),
            Err(error) => {
                let mut response = respond(client, answer, means, &outgoing, &pair);
                response.error = response.error.map(|answered| unrecovered(&outgoing.redacted(), answered, &error));
                return Ok(response);
            }
        };
    }
    unreachable!("the loop returns from its {MOST_SENDS}rd turn at the latest")
}

/// Puts the token into a request, as the dialect has it.
pub fn carry(context: &Context, pair: &Pair, outgoing: &mut Outgoing) -> Result<()> {
    let Context { client, credentials, .. } = context;
    let filled = match &pair.call {
        Some(filled) => Arc::clone(filled),
        None => {
            let (client_id, url) = (client.spec.options.client_id.as_deref(), &outgoing.url);
            let path = client.spec.origins.path_of(url);
            client.auth.credentials_for(pair, credentials, client_id, outgoing.method.as_str(), url, path)?
        }
    };
    outgoing.credentials = Some(filled);
    Ok(())
}

/// Sends a request and follows the redirects that S1 allows, each of which is shown to `on_redirect`.
pub fn follow(
    context: &Context,
    pair: &Pair,
    outgoing: &Outgoing,
    idempotent: bool,
    streams: &mut Streams<'_>,
    deadline: Instant,
    on_redirect: &mut dyn FnMut(&Answer),
) -> Result<Answer> {
    let Context { client, call, .. } = context;
    let repeatable = idempotent || outgoing.method.is_idempotent();
    let redacted = || outgoing.redacted();
    let send = |outgoing: &Outgoing, streams: &mut Streams<'_>| {
        let mut exchange = Exchange { deadline, limit: client.spec.options.max_response_bytes.0, on_tick: None };
        let sent =
            client.transport.send(call, &client.stats, outgoing, Reuse::Kept { repeatable }, streams, &mut exchange);
        sent.map_err(|fault| fault.hung(call, &format!("the call {}", redacted())).into_error(&redacted()))
    };
    let mut answer = send(outgoing, streams)?;
    for _ in 0..redirect::MOST {
        let next =
            redirect::next(&outgoing.method, answer.status, &answer.headers, &answer.url, &client.transport.origins);
        // A redirect to a login page: a program would take the page for the API's answer.
        let means = |answer: &Answer| client.auth.dialect.call_means(answer.status, &answer.headers, &answer.body);
        let next = next.filter(|_| means(&answer) != Some(Means::Expired));
        let Some(url) = next.filter(|_| streams.rewind(call)) else {
            return Ok(answer);
        };
        on_redirect(&answer);
        let mut outgoing = Outgoing {
            method: outgoing.method.clone(),
            url,
            headers: Arc::clone(&outgoing.headers),
            credentials: None,
            body: outgoing.body.clone(),
        };
        // A proof is for one URL, and so is what a dialect makes of the path.
        carry(context, pair, &mut outgoing)?;
        answer = send(&outgoing, streams)?;
    }
    Ok(answer)
}

fn respond(client: &Client, answer: Answer, means: Option<Means>, outgoing: &Outgoing, pair: &Pair) -> Response {
    let error = (answer.status >= 400 || means.is_some()).then(|| {
        let others: Vec<Secret> = client.secrets().into_iter().chain(outgoing.secrets()).collect();
        let secrets: Vec<&Secret> = std::iter::once(&pair.access).chain(&pair.refresh).chain(&others).collect();
        explain(&outgoing.redacted(), &answer, means, &secrets)
    });
    let Answer { status, headers, url, body, .. } = answer;
    Response { status, headers, url, body, error: error.flatten() }
}

/// The error of a 401 that recovery did not change, with the reason why there was no other token.
fn unrecovered(redacted: &str, answered: Error, cause: &Error) -> Error {
    Error::new(
        Status::TM_UNAUTHORIZED,
        format!("{redacted} was answered {}, and no other token could be had: {cause}", answered.http_status()),
    )
    .with_http_status(answered.http_status())
    .with_server_code(answered.server_code().map(str::to_owned))
    .with_retry_after(cause.retry_after())
}
