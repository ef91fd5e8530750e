//! Trying a dialect: what does not fit is named together with the member to change, and nothing secret is shown.

mod answers;
mod calls;
mod example;
mod oauth2;
mod secrecy;

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use support::dialects::{PASSWORD, USER, manager, speaks, stats, status, try_manager_at};
use support::server::{Answer, Arrived, Server};
use support::tokens::{Tokens, jwt};
use tokenmgr::Manager;
use tokenmgr::error::Status;

/// An API with words of its own.
fn shop(request: &Arrived, tokens: &Tokens) -> Answer {
    let pair = |(token, renewal): (String, String)| {
        Answer::json(200, json!({"data": {"token": token, "renewal": renewal, "ttl": 3600}}))
    };
    let no = |why: &str| Answer::json(401, json!({"error": "denied", "message": why}));
    match request.line().as_str() {
        "POST /login" if request.json()["pass"] == PASSWORD => pair(tokens.issue()),
        "POST /login" => no("wrong name or password"),
        "POST /renew" => tokens.rotate(request.json()["renewal"].as_str().unwrap_or_default()).map_or(no("gone"), pair),
        "DELETE /session" if tokens.revoke(request.header("x-session").unwrap_or_default()) => Answer::empty(204),
        "GET /items" if tokens.is_good(request.header("x-session").unwrap_or_default()) => {
            Answer::json(200, json!({"items": [{"name": "Ann's own", "price": 4711}]}))
        }
        "GET /public" => Answer::json(200, json!({"open": true})),
        "POST /missing" => Answer::json(404, json!({"error": "not_found"})),
        _ => no("no session"),
    }
}

fn fitting() -> Value {
    json!({"login": {"url": "/login", "json": {"user": "{username}", "pass": "{password}"}},
        "refresh": {"url": "/renew", "json": {"renewal": "{refresh_token}"}},
        "logout": {"method": "DELETE", "url": "/session", "headers": {"X-Session": "{access_token}"}},
        "answer": {"access_token": "/data/token", "refresh_token": "/data/renewal", "expires_in": "/data/ttl"},
        "call": {"headers": {"X-Session": "{access_token}"}}})
}

/// The dialect that fits, but for one member.
fn but(pointer: &str, value: Value) -> Value {
    let mut auth = fitting();
    *auth.pointer_mut(pointer).expect("a member") = value;
    auth
}

fn start() -> (Tokens, Server) {
    let tokens = Tokens::new();
    let known = tokens.clone();
    (tokens, Server::start(move |request| shop(request, &known)))
}

#[track_caller]
fn check(manager: &Manager, path: Option<&str>) -> Value {
    let report = manager.check(path).expect("a report");
    serde_json::from_slice(report.as_bytes()).expect("JSON")
}

#[track_caller]
fn step<'r>(report: &'r Value, name: &str) -> &'r Value {
    let mut steps = report["steps"].as_array().expect("steps").iter();
    steps.find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name} in {report:#}"))
}

fn names(report: &Value) -> Vec<&str> {
    report["steps"].as_array().expect("steps").iter().filter_map(|step| step["name"].as_str()).collect()
}

/// The steps that went wrong, with what to change.
fn changes(report: &Value) -> Vec<(&str, &str)> {
    let failed = report["steps"].as_array().expect("steps").iter().filter(|step| step["ok"] == false);
    failed.map(|step| (step["name"].as_str().unwrap(), step["change"].as_str().unwrap_or("nothing"))).collect()
}

#[track_caller]
fn says(step: &Value, words: &str) {
    let problem = step["problem"].as_str().unwrap_or_default();
    assert!(problem.contains(words), "{words:?} is not in {step:#}");
}

#[track_caller]
fn understood<'r>(step: &'r Value, what: &str) -> (&'r str, &'r str) {
    let mut all = step["understood"].as_array().expect("something").iter();
    let found = all.find(|one| one["what"] == what).unwrap_or_else(|| panic!("no {what} in {step:#}"));
    (found["from"].as_str().unwrap(), found["value"].as_str().unwrap())
}

const STEPS: [&str; 6] = ["login", "call", "refresh", "call with refreshed token", "dead token", "logout"];

#[test]
fn a_dialect_that_fits_is_tried_to_its_end() {
    let (tokens, server) = start();
    let manager = speaks(&server, fitting());
    let report = check(&manager, Some("/items"));
    assert_eq!((report["ok"].as_bool(), names(&report)), (Some(true), STEPS.to_vec()), "{report:#}");
    let lines = ["POST /login", "GET /items", "POST /renew", "GET /items", "GET /items", "DELETE /session"];
    assert_eq!(server.lines(), lines);

    let login = step(&report, "login");
    assert_eq!(login["sent"]["body"], r#"{"pass":"***","user":"ann"}"#);
    assert_eq!((login["sent"]["method"].as_str(), login["answered"]["status"].as_u64()), (Some("POST"), Some(200)));
    assert_eq!(understood(login, "meaning"), ("auth.login.success", "accepted"));
    assert_eq!(understood(login, "expires in"), ("/data/ttl", "3600 s"));
    let (from, value) = understood(login, "access_token");
    assert!(from == "/data/token" && value.starts_with("a JWT of "), "{login:#}");
    assert!(login["answered"]["body"].as_str().unwrap().contains(r#""ttl":3600"#), "{login:#}");
    assert_eq!(
        understood(step(&report, "refresh"), "rotation"),
        ("another refresh token", "it rotates: each is used once")
    );
    let call = step(&report, "call");
    assert_eq!(call["sent"]["headers"]["x-session"], "***");
    // What the API holds for its clients is theirs.
    let body = r#"{"items":[{"name":"a string of 9 characters","price":"a number"}]}"#;
    assert_eq!(call["answered"]["body"], body);
    assert_eq!(understood(step(&report, "dead token"), "meaning"), ("the default", "expired"));

    // Nothing of it is left.
    assert!(manager.peek().unwrap().is_none());
    assert_eq!((stats(&manager)["token"].as_str(), tokens.most_arrivals()), (Some("none"), 1));
    assert_eq!((status(&manager), server.count("POST /login")), (200, 2));
}

#[test]
fn several_steps_are_told_one_by_one_with_what_they_keep() {
    let tokens = Tokens::new();
    let server = Server::start(move |request| match request.path() {
        "/tenants/red" => Answer::json(200, json!({"endpoints": [{"secret": "kept-secret-1"}]})),
        "/session" if request.header("x-tenant") == Some("kept-secret-1") => {
            Answer::json(200, json!({"token": tokens.issue().0}))
        }
        "/session" => Answer::json(401, json!({"message": "no"})),
        "/items" if tokens.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::json(401, json!({"message": "no"})),
    });
    let auth = |place: &str| {
        json!({"login": [{"method": "GET", "url": "/tenants/{params.team}", "keep": {"secret": place}},
            {"url": "/session", "headers": {"X-Tenant": "{kept.secret}"}, "form": {"user": "{username}", "pass": "{password}"}}],
            "answer": {"access_token": "/token"}})
    };
    let make = |place: &str| manager(&server, json!({"auth": auth(place), "auth_params": {"team": "red"}}));
    let report = check(&make("/endpoints/0/secret"), Some("/items"));
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(names(&report)[..2], ["login 1", "login 2"]);
    assert_eq!(
        understood(step(&report, "login 1"), "kept secret"),
        ("/endpoints/0/secret", "a string of 13 characters")
    );
    assert_eq!(step(&report, "login 2")["sent"]["headers"]["x-tenant"], "***");
    assert_eq!(step(&report, "login 2")["sent"]["body"], "pass=***&user=ann");
    let second = step(&report, "login 2")["understood"].as_array().expect("a list");
    assert!(second.iter().all(|one| one["what"] != "kept secret"), "it was kept by the first step: {second:#?}");
    assert_eq!(step(&report, "refresh")["skipped"], "the dialect has none: a new token comes from a login");
    assert!(!report.to_string().contains("kept-secret-1"), "{report:#}");

    let report = check(&make("/endpoints/1/secret"), None);
    assert_eq!(changes(&report), [("login 2", "auth.login.0.keep.secret")]);
    assert_eq!(names(&report)[..2], ["login 1", "login 2"]);
}

#[test]
fn a_token_that_is_in_use_is_left_alone() {
    let (tokens, server) = start();
    let manager = speaks(&server, fitting());
    assert_eq!(status(&manager), 200);
    let held = manager.token().unwrap().access.as_str().to_owned();
    let report = check(&manager, Some("/items"));
    assert_eq!(report["ok"], true, "{report:#}");
    assert!(step(&report, "logout")["skipped"].as_str().unwrap().contains("holds or stores another token"));
    assert_eq!(manager.token().unwrap().access.as_str(), held);
    assert_eq!((server.count("DELETE /session"), tokens.most_arrivals()), (0, 1));
    let carried = |request: &Arrived| request.header("x-session") == Some(held.as_str());
    assert_eq!(server.requests().iter().filter(|request| carried(request)).count(), 1, "only the call before");
}

#[test]
fn nobody_to_ask_and_nothing_to_ask_with_are_told() {
    let gone = try_manager_at("http://127.0.0.1:9", PASSWORD, json!({"auth": fitting()})).unwrap();
    let report = check(&gone, Some("/items"));
    says(step(&report, "login"), "could not connect");
    assert_eq!(step(&report, "login")["sent"]["url"], "http://127.0.0.1:9/login");
    assert!(step(&report, "login")["answered"].is_null());
    let (_, server) = start();
    let auth = json!({"preset": "oauth2", "token_url": "/token", "grant": "refresh_token", "initial_refresh_token": "first-and-only"});
    let report = check(&speaks(&server, auth), Some("/items"));
    says(step(&report, "login"), "the dialect has no login");
    for refused in ["items", "//evil.example.com/", "https://evil.example.com/"] {
        assert!(speaks(&server, fitting()).check(Some(refused)).is_err(), "{refused}");
    }
    assert!(server.lines().is_empty());
}
