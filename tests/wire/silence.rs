//! S2: nothing secret is ever said: not in an error, not in a log line, not in the stats, not in a Debug.

use crate::client::{USERNAME, data, demo, get, send, with};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use support::api::DemoApi;
use tokenmgr::error::{Error, Result};
use tokenmgr::{Level, Manager, Response};

/// Short enough to be taken for an ordinary word by whoever only looks for what looks like a token.
const PASSWORD: &str = "hunter two";
const ACCESS: &str = "acc-orange";
const REFRESH: &str = "ref-violet";

/// A manager, and everything that it says.
struct Witness {
    manager: Manager,
    said: Arc<Mutex<String>>,
}

impl Witness {
    fn new(host: &str, options: Value) -> Witness {
        let said = Arc::new(Mutex::new(String::new()));
        let manager = Manager::new(Some(host), Some(USERNAME), Some(PASSWORD), Some(&with(options))).unwrap();
        let log = Arc::clone(&said);
        let write = Arc::new(move |_: Level, line: &str| *log.lock().unwrap() += &format!("log: {line}\n"));
        manager.set_hooks(|hooks| hooks.log = Some((Level::Debug, write.clone()))).unwrap();
        Witness { manager, said }
    }

    fn note(&self, what: &str, text: &str) {
        *self.said.lock().unwrap() += &format!("{what}: {text}\n");
    }

    fn note_error(&self, error: &Error) {
        self.note("error", &format!("{error} {error:?} {:?}", error.server_code()));
    }

    fn note_outcome(&self, outcome: &Result<Response>) {
        match outcome {
            Ok(response) => {
                response.error.iter().for_each(|error| self.note_error(error));
            }
            Err(error) => self.note_error(error),
        }
    }

    /// Everything said so far, and what can be read off the manager at any time.
    #[track_caller]
    fn has_kept(&self, secrets: &[&str]) {
        self.note("stats", &self.manager.stats_json().unwrap());
        self.note("debug", &format!("{:?}", self.manager));
        self.note("token", &format!("{:?}", self.manager.peek().unwrap()));
        keeps(&self.said.lock().unwrap(), secrets);
    }
}

#[track_caller]
fn keeps(said: &str, secrets: &[&str]) {
    for secret in secrets {
        let as_numbers = format!("{:?}", secret.as_bytes());
        for form in [*secret, &STANDARD.encode(secret), as_numbers.trim_matches(['[', ']'])] {
            let line = said.lines().find(|line| line.contains(form));
            assert!(line.is_none(), "{secret} is in: {}", line.unwrap_or_default());
        }
    }
}

/// A server that knows the password above and hands out the tokens above, though it takes no such tokens.
fn indiscreet() -> DemoApi {
    let api = demo();
    api.control(json!({
        "accounts": [{"username": USERNAME, "password": PASSWORD}],
        "patch": {"access_token": ACCESS, "refresh_token": REFRESH},
    }));
    api
}

/// Answers of that status that repeat every secret, wherever an answer has words.
fn parrots(route: &str, status: u16) -> Vec<Value> {
    let all = format!("{PASSWORD} {ACCESS}, \"{REFRESH}\"");
    let bodies = [
        json!({"error": {"name": "X", "code": PASSWORD, "message": all}}),
        json!({"error": {"name": all, "message": [all]}}),
        json!({"error": ACCESS, "message": all}),
        json!({"error": REFRESH, "message": {"deep": all}}),
        json!({"success": false, "data": {"message": all}, "error": all}),
        json!(format!("<h1>{all}</h1>")),
    ];
    bodies.into_iter().map(|body| json!({"route": route, "status": status, "body": body})).collect()
}

#[test]
fn s2_a_server_that_repeats_secrets_in_refusing_a_login() {
    for status in [200, 302, 400, 401, 403, 422, 429, 500, 503] {
        for fault in parrots("POST /auth/login", status) {
            let api = indiscreet();
            let witness = Witness::new(&api.url(), json!({}));
            witness.manager.set_tokens(ACCESS, Some(REFRESH), 0, 0).unwrap();
            api.control(json!({ "faults": fault }));
            witness.note_error(&witness.manager.login().unwrap_err());
            witness.has_kept(&[PASSWORD, ACCESS, REFRESH]);
        }
    }
}

#[test]
fn s2_a_server_that_repeats_secrets_in_refusing_a_refresh() {
    for status in [200, 400, 401, 403, 429, 500] {
        for fault in parrots("POST /auth/refresh", status) {
            let api = indiscreet();
            let witness = Witness::new(&api.url(), json!({}));
            witness.manager.login().unwrap();
            api.control(json!({ "faults": fault }));
            // It may end in a login.
            if let Err(error) = witness.manager.refresh() {
                witness.note_error(&error);
            }
            assert_eq!(api.counter("faults"), 1);
            witness.has_kept(&[PASSWORD, ACCESS, REFRESH]);
        }
    }
}

#[test]
fn s2_a_server_that_repeats_secrets_in_answering_a_call() {
    for status in [400, 401, 403, 404, 429, 500] {
        for fault in parrots("/api/v1/products", status) {
            let api = indiscreet();
            let witness = Witness::new(&api.url(), json!({}));
            let mut fault = fault.clone();
            fault["times"] = Value::Null;
            api.control(json!({ "faults": fault }));
            let outcome = get(&witness.manager, "/api/v1/products");
            witness.note_outcome(&outcome);
            witness.has_kept(&[PASSWORD, ACCESS, REFRESH]);
        }
    }
}

#[test]
fn s2_a_server_that_repeats_secrets_in_refusing_a_logout() {
    for status in [401, 500] {
        for fault in parrots("POST /auth/logout", status) {
            let api = indiscreet();
            let witness = Witness::new(&api.url(), json!({}));
            witness.manager.login().unwrap();
            api.control(json!({ "faults": fault }));
            if let Err(error) = witness.manager.logout() {
                witness.note_error(&error);
            }
            assert_eq!(api.counter("faults"), 1);
            witness.has_kept(&[PASSWORD, ACCESS, REFRESH]);
        }
    }
}

#[test]
fn s2_a_whole_life_logged_in_full_shows_fingerprints_only() {
    let api = demo();
    api.control(json!({"accounts": [{"username": USERNAME, "password": PASSWORD}]}));
    let witness = Witness::new(&api.url(), json!({}));
    let mut tokens = Vec::new();
    let mut keep = || {
        let pair = witness.manager.token().unwrap();
        tokens.push(pair.access.as_str().to_owned());
        tokens.extend(pair.refresh.iter().map(|token| token.as_str().to_owned()));
    };
    keep();
    witness.manager.refresh().unwrap();
    keep();
    api.control(json!({"revoke": {"what": "access"}}));
    get(&witness.manager, "/api/v1/products").unwrap();
    keep();
    api.control(json!({"revoke": {"what": "all"}}));
    get(&witness.manager, "/api/v1/products?key=query-secret").unwrap();
    keep();
    witness.manager.logout().unwrap();
    assert!(witness.said.lock().unwrap().contains("log: logged in: the token "));
    let mut secrets: Vec<&str> = tokens.iter().map(String::as_str).collect();
    secrets.extend([PASSWORD, "query-secret"]);
    assert_eq!(secrets.len(), 10);
    witness.has_kept(&secrets);
}

#[test]
fn s2_faults_of_the_network_say_nothing_of_what_was_sent() {
    for deed in ["reset", "close", "garbage", "truncate", "html", "nul", "deep", "big_header"] {
        let api = indiscreet();
        let witness = Witness::new(&api.url(), json!({}));
        api.control(json!({"faults": [
            {"route": "POST /auth/login", "do": deed},
            {"route": "/api/*", "do": deed, "times": null},
        ]}));
        witness.note_error(&witness.manager.login().unwrap_err());
        let options = json!({"query": {"key": "query-secret"}, "headers": {"X-Key": "header-secret"}});
        let outcome = send(&witness.manager, "POST", "/api/v1/orders", "body-secret", options);
        witness.note_outcome(&outcome);
        witness.has_kept(&[PASSWORD, ACCESS, REFRESH, "query-secret", "header-secret", "body-secret"]);
    }
}

#[test]
fn s2_the_debug_of_a_response_has_no_body() {
    let api = demo();
    let witness = Witness::new(&api.url(), json!({}));
    api.control(json!({"accounts": [{"username": USERNAME, "password": PASSWORD}]}));
    let response = send(&witness.manager, "POST", "/api/v1/echo", "body-secret", json!({})).unwrap();
    assert_eq!(data(&response)["body"], "body-secret");
    keeps(&format!("{response:?}"), &["body-secret"]);
}

#[test]
fn s2_the_debug_of_a_manager_has_none_of_its_options_secrets() {
    let options = json!({
        "proxy": "http://proxy-user:proxy-secret@127.0.0.1:1",
        "headers": {"X-Api-Key": "header-secret"},
    });
    let witness = Witness::new("http://127.0.0.1:1", options.clone());
    witness.has_kept(&[PASSWORD, "proxy-secret", "proxy-user:proxy-secret", "header-secret"]);
    let parsed = tokenmgr::Options::parse(Some(&options.to_string())).unwrap();
    keeps(&format!("{parsed:?}"), &["proxy-secret", "header-secret"]);
}

#[test]
fn s2_wrong_options_are_refused_without_repeating_values() {
    for options in [
        r#"{"proxy": ["hunter2"]}"#,
        r#"{"proxy": "hunter2"}"#,
        r#"{"proxy": "ftp://user:hunter2@127.0.0.1:1"}"#,
        r#"{"proxy": "http://user:hunter2@:1"}"#,
        r#"{"proxy": "http://user:hunter2@127.0.0.1:port"}"#,
        r#"{"headers": {"X-Key": "hunter2\n"}}"#,
        r#"{"headers": {"X-Key": {"hunter2": 1}}}"#,
        r#"{"headers": ["hunter2"]}"#,
        r#"{"user_agent": "hunter2\u0000"}"#,
        r#"{"allowed_origins": ["https://user:hunter2@example.com"]}"#,
        r#"{"allowed_origins": ["hunter2"]}"#,
        r#"{"allowed_origins": ["https://example.com/hunter2"]}"#,
        r#"{"allowed_origins": ["https://example.com?hunter2"]}"#,
        r#"{"min_tls": "hunter2"}"#,
        r#"{"timeout_ms": "hunter2"}"#,
        r#"{"store": {"type": "callback", "id": ["hunter2"]}}"#,
        r#"{"store": {"type": "hunter2"}}"#,
        r#"{"auth": "hunter2"}"#,
        r#"{"auth": ["hunter2"]}"#,
        r#"{"auth": {"login": "hunter2"}}"#,
        r#"{"auth": {"login": {"url": "hunter2"}}}"#,
        r#"{"auth": {"preset": "popup", "login": {"json": {"password": "hunter2{x}"}}}}"#,
        r#"{"auth_params": {"key": ["hunter2"]}}"#,
        r#"{"user_agent": hunter2"#,
        r#"["hunter2"]"#,
        r#""hunter2""#,
        r#"hunter2"#,
    ] {
        let made = Manager::new(Some("https://api.example.com"), Some("demo"), Some("x"), Some(options));
        let error = made.expect_err(options);
        keeps(&format!("{error} {error:?}"), &["hunter2"]);
    }
}

#[test]
fn s2_wrong_calls_are_refused_without_repeating_values() {
    let manager = Manager::new(Some("http://127.0.0.1:1"), Some("demo"), Some("x"), Some(&with(json!({})))).unwrap();
    for options in [
        r#"{"headers": {"X-Key": "hunter2\n"}}"#,
        r#"{"headers": {"Authorization": "Bearer hunter2"}}"#,
        r#"{"content_type": "hunter2\n"}"#,
        r#"{"query": "hunter2"}"#,
        r#"{"idempotent": "hunter2"}"#,
        r#"{"timeout_ms": "hunter2"}"#,
        r#"{"query": {"a": "hunter2}"#,
    ] {
        let error = manager.request("GET", "/x", Bytes::new(), Some(options)).unwrap_err();
        keeps(&format!("{error} {error:?}"), &["hunter2"]);
    }
    for url in ["http://demo:hunter2@127.0.0.1:1/", "http://demo:hunter2@[::/", "https://evil.example/?token=hunter2"] {
        let error = get(&manager, url).unwrap_err();
        keeps(&format!("{error} {error:?}"), &["hunter2"]);
    }
    for token in ["hunter2\n", "hunter2\0", "hunter2 hunter2"] {
        let error = manager.set_tokens(token, Some("hunter2"), 0, 0).unwrap_err();
        keeps(&format!("{error} {error:?}"), &["hunter2"]);
    }
    let error = manager.set_credentials(None, "hunter2\0").unwrap_err();
    keeps(&format!("{error} {error:?}"), &["hunter2"]);
}
