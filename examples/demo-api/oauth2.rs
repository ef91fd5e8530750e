//! The same API for clients that speak OAuth 2: client credentials (RFC 6749, 4.4) and revocation (RFC 7009). A client's
//! id and secret are an account's username and password.

use super::{
    auth::Refusal,
    routes::{Answer, Ask},
    state::State,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{Method, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};
use url::form_urlencoded;

/// What is below `/oauth2/`.
pub fn answer(state: &mut State, ask: &Ask, endpoint: &str) -> Answer {
    match endpoint {
        _ if ask.method != Method::POST => error(405, "invalid_request"),
        "token" => token(state, ask),
        "revoke" => revoke(state, ask),
        _ => error(404, "invalid_request"),
    }
}

fn token(state: &mut State, ask: &Ask) -> Answer {
    if ask.form("grant_type").as_deref() != Some("client_credentials") {
        return error(400, "unsupported_grant_type");
    }
    let (id, secret) = client(ask);
    let client_id = match state.client_with(&id, &secret, ask.peer) {
        Ok(client_id) => client_id,
        Err(refusal) => return refused(refusal),
    };
    let family = state.ledger.open_family(client_id);
    let (data, note) = state.hand_out(family, &id, false);
    state.counters.add("oauth2_tokens");
    let seconds = (state.settings.access_ms - state.settings.access_age_ms).div_euclid(1000);
    let body = json!({"access_token": data["access_token"], "token_type": "Bearer", "expires_in": seconds});
    Answer::json(StatusCode::OK, &body, format!("client credentials of {id}: {note}"))
}

/// A token that there is not, or no longer, is as good as revoked.
fn revoke(state: &mut State, ask: &Ask) -> Answer {
    let (id, secret) = client(ask);
    let client_id = match state.client_with(&id, &secret, ask.peer) {
        Ok(client_id) => client_id,
        Err(refusal) => return refused(refusal),
    };
    let family = ask.form("token").and_then(|token| state.ledger.access(&token).map(|held| held.family));
    state.ledger.revoke_all(|f, client| Some(f) == family && client == client_id);
    state.counters.add("oauth2_revocations");
    Answer::json(StatusCode::OK, &json!({}), format!("revoked by {id}"))
}

/// The client's id and secret: by HTTP Basic, each form-encoded, or as fields.
fn client(ask: &Ask) -> (String, String) {
    let basic = ask.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let decoded = basic.and_then(|value| STANDARD.decode(value).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((id, secret)) => (form_decoded(id), form_decoded(secret)),
        None => (ask.form("client_id").unwrap_or_default(), ask.form("client_secret").unwrap_or_default()),
    }
}

fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn refused(refusal: Refusal) -> Answer {
    let answer = error(
        refusal.status,
        match refusal.status {
            403 => "access_denied",
            429 => "slow_down",
            _ => "invalid_client",
        },
    );
    match refusal.retry_after_seconds {
        Some(seconds) => answer.with(RETRY_AFTER, seconds.into()),
        None => answer,
    }
}

fn error(status: u16, code: &str) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status of ours");
    Answer::json(status, &Value::from_iter([("error", code)]), code.replace('_', " "))
}
