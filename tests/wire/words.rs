//! S2: what a server repeats of what it was sent comes through no error and no log line, whatever it wraps it in.

use crate::client::{PASSWORD, get, manager, send};
use crate::recorder::{Recorder, reply};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokenmgr::{Level, Manager};

const KEY: &str = "key & \"half\" of ü%41";
const PIN: &str = "4111 1111&1111-0007";

/// What a server may do to a text before it says it.
const WRAPPERS: [fn(&str) -> String; 7] = [
    str::to_owned,
    |text| json!({"got": text}).to_string(),
    |text| json!({"outer": json!({"got": text}).to_string()}).to_string(),
    |text| text.replace('&', "&amp;").replace('"', "&quot;").replace('-', "&#45;").replace('1', "&#x31;"),
    |text| url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
    |text| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
    |text| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(format!("demo:{text}"))
    },
];

/// Everything that a manager logs.
fn log_of(manager: &Manager) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let lines = Arc::clone(&log);
    manager
        .set_hooks(|hooks| {
            let lines = Arc::clone(&lines);
            hooks.log = Some((
                Level::Debug,
                Arc::new(move |_, line: &str| {
                    let mut lines = lines.lock().unwrap();
                    lines.push_str(line);
                    lines.push('\n');
                }),
            ));
        })
        .unwrap();
    log
}

#[track_caller]
fn says_nothing_of(secret: &str, wrapped: &str, said: &str) {
    assert!(!said.contains(secret) && !said.contains(wrapped), "{wrapped}: {said}");
}

#[test]
fn s2_a_refused_login_repeats_neither_the_password_nor_a_secret_header() {
    for wrap in WRAPPERS {
        for (secret, wrapped) in [(PASSWORD, wrap(PASSWORD)), (KEY, wrap(KEY))] {
            let error = json!({"error": {"code": &wrapped, "message": format!("no login with {wrapped} here")}});
            let flat = json!({"error": &wrapped, "message": format!("not with {wrapped}")});
            for (status, body) in [("401 X", &error), ("403 X", &error), ("500 X", &flat), ("429 X", &flat)] {
                let body = body.to_string();
                let server = Recorder::start(move |_| reply(status, "", &body));
                let manager = manager(&server.url(), json!({"headers": {"X-Api-Key": KEY}}));
                let log = log_of(&manager);
                let error = get(&manager, "/x").unwrap_err();
                says_nothing_of(secret, &wrapped, error.message());
                says_nothing_of(secret, &wrapped, error.server_code().unwrap_or_default());
                says_nothing_of(secret, &wrapped, &log.lock().unwrap());
            }
        }
    }
}

#[test]
fn s2_a_refused_call_repeats_no_value_of_its_body_nor_of_its_headers() {
    for wrap in WRAPPERS {
        for (secret, wrapped) in [(PIN, wrap(PIN)), (KEY, wrap(KEY)), ("the-token", wrap("the-token"))] {
            let body = json!({"error": {"code": "bad_card", "message": format!("{wrapped} is wrong")}}).to_string();
            let server = Recorder::start(move |_| reply("400 X", "", &body));
            let manager = manager(&server.url(), json!({}));
            manager.set_tokens("the-token", None, 0, 0).unwrap();
            let log = log_of(&manager);
            let body = json!({"card": {"number": PIN}}).to_string();
            let answer = send(&manager, "POST", "/x", &body, json!({"headers": {"X-Key": KEY}})).unwrap();
            let error = answer.error.unwrap();
            says_nothing_of(secret, &wrapped, error.message());
            says_nothing_of(secret, &wrapped, &log.lock().unwrap());
            assert_eq!(error.server_code(), Some("bad_card"), "ordinary words are shown");
        }
    }
}

#[test]
fn s2_a_number_in_a_body_is_not_repeated_either() {
    let body = json!({"error": {"code": 4_111_111_111_110_007_u64, "message": "4111111111110007 is no card"}});
    let server = Recorder::start(move |_| reply("400 X", "", &body.to_string()));
    let manager = manager(&server.url(), json!({}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let sent: Value = json!({"number": 4_111_111_111_110_007_u64});
    let error = send(&manager, "POST", "/x", &sent.to_string(), json!({})).unwrap().error.unwrap();
    let said = format!("{} {:?}", error.message(), error.server_code());
    assert!(!said.contains("4111111111110007"), "{said}");
}

#[test]
fn s2_what_a_server_quotes_beside_what_it_was_sent_is_no_longer_than_a_code() {
    let long = "all that the server knows about this account of yours";
    let message = format!("card {PIN} of \"{long}\" was refused by `visa`");
    let server = Recorder::start(move |_| reply("400 X", "", &json!({"error": "x", "message": message}).to_string()));
    let manager = manager(&server.url(), json!({}));
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    let error = send(&manager, "POST", "/x", &json!({"n": PIN}).to_string(), json!({})).unwrap().error.unwrap();
    assert!(!error.message().contains(long) && error.message().contains("`visa`"), "{}", error.message());
}
