//! The same API with a login of the odd kind: a directory says where an account's region is, a session is opened there by
//! a form, its token comes in a header and is carried in one, and it lives for so many milliseconds.

use super::{
    auth::refuse,
    routes::{Answer, Ask, not_allowed, refused},
    state::State,
};
use hyper::{
    Method, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::json;

/// The header in which the token comes, and goes with calls.
pub const TOKEN: &str = "x-session";

/// What is below `/regions/`.
pub fn answer(state: &mut State, ask: &Ask, path: &str) -> Answer {
    match (path, &ask.method) {
        ("", &Method::GET) => directory(state, ask),
        ("eu-1/session", &Method::POST) => open(state, ask),
        ("eu-1/session", &Method::PUT) => renew(state, ask),
        ("eu-1/session", &Method::DELETE) => close(state, ask),
        ("", _) => not_allowed(&state.settings, "GET"),
        ("eu-1/session", _) => not_allowed(&state.settings, "POST, PUT, DELETE"),
        _ => refused(refuse(404, "not_found", "No such region"), &state.settings),
    }
}

fn directory(state: &State, ask: &Ask) -> Answer {
    match (ask.query("team"), ask.header("host")) {
        (Some(team), Some(host)) => {
            let region = json!({"name": "eu-1", "url": format!("http://{host}/regions/eu-1")});
            Answer::json(StatusCode::OK, &json!({"team": team, "region": region}), "directory")
        }
        _ => refused(refuse(400, "missing_field", "Which team?"), &state.settings),
    }
}

fn open(state: &mut State, ask: &Ask) -> Answer {
    let (user, password) = (ask.form("user").unwrap_or_default(), ask.form("pass").unwrap_or_default());
    match state.client_with(&user, &password, ask.peer) {
        Ok(client_id) => {
            state.counters.add("sessions_opened");
            let family = state.ledger.open_family(client_id);
            session(state, StatusCode::CREATED, family, &user)
        }
        Err(refusal) => refused(refusal, &state.settings),
    }
}

/// Another token for the same session. The one before lives for as long as it would have.
fn renew(state: &mut State, ask: &Ask) -> Answer {
    match state.authorize(ask.header(TOKEN), ask.peer) {
        Ok(_) => {
            state.counters.add("sessions_renewed");
            let family = ask.header(TOKEN).and_then(|token| state.ledger.access(token)).map(|held| held.family);
            session(state, StatusCode::OK, family.expect("it was looked up just now"), "renewed")
        }
        Err(refusal) => refused(refusal, &state.settings),
    }
}

fn close(state: &mut State, ask: &Ask) -> Answer {
    match state.authorize(ask.header(TOKEN), ask.peer) {
        Ok(_) => {
            state.counters.add("sessions_closed");
            let family = ask.header(TOKEN).and_then(|token| state.ledger.access(token)).map(|held| held.family);
            state.ledger.revoke_all(|f, _| Some(f) == family);
            Answer::json(StatusCode::OK, &json!({"closed": true}), "session closed")
        }
        Err(refusal) => refused(refusal, &state.settings),
    }
}

fn session(state: &mut State, status: StatusCode, family: usize, user: &str) -> Answer {
    let (data, note) = state.hand_out(family, user, false);
    let token = HeaderValue::from_str(data["access_token"].as_str().unwrap_or_default()).expect("a token of ours");
    let body = json!({"lives_ms": state.settings.access_ms - state.settings.access_age_ms});
    Answer::json(status, &body, format!("session {family}: {note}")).with(HeaderName::from_static(TOKEN), token)
}
