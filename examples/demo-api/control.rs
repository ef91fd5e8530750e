//! The control endpoint: what tests and demos use to bend the server. The reference is README.md.

use super::{
    Shared,
    fault::Fault,
    routes::{Answer, Ask},
    settings::Account,
};
use hyper::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Access,
    Refresh,
    All,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    what: What,
    username: Option<String>,
    token: Option<String>,
}

pub async fn answer(shared: &Arc<Shared>, ask: Ask) -> Answer {
    let reply = |status, json| Answer::json(status, &json, "");
    let applied = |outcome| match outcome {
        Ok(()) => reply(StatusCode::OK, json!({"ok": true})),
        Err(wrong) => reply(StatusCode::BAD_REQUEST, json!({"ok": false, "wrong": wrong})),
    };
    match (ask.method.clone(), ask.path.as_str()) {
        (Method::POST, "/control") => applied(match serde_json::from_slice(&ask.body) {
            Ok(json) => apply(shared, json),
            Err(e) => Err(e.to_string()),
        }),
        (Method::POST, "/control/reset") => applied(apply(shared, json!({"reset": true}))),
        (Method::GET, "/control/counters") => reply(StatusCode::OK, shared.state().counters.to_json()),
        (Method::GET, "/control/lifetimes") => {
            reply(StatusCode::OK, json!({"ms": lifetimes(&shared.state().refreshed_at)}))
        }
        (Method::GET, "/control/wait") => wait(shared.clone(), &ask).await,
        _ => reply(StatusCode::NOT_FOUND, json!({"ok": false, "wrong": "no such control"})),
    }
}

/// The milliseconds from each refresh that was granted to the next.
fn lifetimes(refreshed_at: &[Instant]) -> Vec<f64> {
    refreshed_at.windows(2).map(|two| (two[1] - two[0]).as_secs_f64() * 1000.0).collect()
}

async fn wait(shared: Arc<Shared>, ask: &Ask) -> Answer {
    let number = |name| ask.query(name).and_then(|n| n.parse::<u64>().ok());
    let range = number("at_least").unwrap_or(0)..=number("at_most").unwrap_or(u64::MAX);
    let patience = Duration::from_millis(number("timeout_ms").unwrap_or(10_000));
    let counter = ask.query("counter").unwrap_or_default();
    if shared.state().counters.get(&counter).is_none() {
        return Answer::json(StatusCode::BAD_REQUEST, &json!({"ok": false, "wrong": "no such counter"}), "");
    }
    let waiter = shared.clone();
    let there = tokio::task::spawn_blocking(move || waiter.wait(&counter, range, patience)).await;
    let status = if there.unwrap_or(false) { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT };
    Answer::json(status, &shared.state().counters.to_json(), "")
}

/// Carries out one control document; what is wrong with it is found before anything of it is done.
pub fn apply(shared: &Shared, json: Value) -> Result<(), String> {
    let Value::Object(mut document) = json else {
        return Err("a JSON object is wanted".into());
    };
    let flag = |document: &mut _, name| Ok::<_, String>(take(document, name)?.unwrap_or(false));
    let reset = flag(&mut document, "reset")?;
    let clear_faults = flag(&mut document, "clear_faults")?;
    let cut_connections = flag(&mut document, "cut_connections")?;
    let accounts: Vec<Account> = take(&mut document, "accounts")?.unwrap_or_default();
    let revoke: Option<Revoke> = take(&mut document, "revoke")?;
    let outage: Option<u64> = take(&mut document, "outage_ms")?;
    let faults = match document.remove("faults") {
        Some(Value::Array(all)) => all,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let faults = faults.into_iter().map(Fault::parse).collect::<Result<Vec<_>, _>>()?;

    shared.change(|state| {
        // What is left in the document are settings.
        let base = if reset { state.settings_at_start() } else { &state.settings };
        let settings = base.with(document)?;
        if reset {
            state.reset();
        }
        state.settings = settings;
        accounts.into_iter().for_each(|account| state.put_account(account));
        if clear_faults {
            state.faults.clear();
        }
        state.faults.extend(faults);
        if let Some(Revoke { what, username, token }) = revoke {
            let chosen = state.chosen(username.as_deref(), token.as_deref());
            match what {
                What::Access => state.ledger.revoke_access(chosen),
                What::Refresh => state.ledger.revoke_refresh(chosen),
                What::All => state.ledger.revoke_all(chosen),
            }
        }
        Ok::<_, String>(())
    })?;
    if cut_connections {
        shared.cut_connections();
    }
    if let Some(ms) = outage {
        shared.outages.send(Duration::from_millis(ms)).map_err(|_| "the server is stopping")?;
    }
    Ok(())
}

fn take<T: DeserializeOwned>(document: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    let value = document.remove(name);
    value.map(|v| serde_json::from_value(v).map_err(|e| format!("{name}: {e}"))).transpose()
}
