//! Trying a dialect: what does not fit is named together with the member to change, and nothing secret is shown.

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
fn a_token_elsewhere_is_found_and_its_place_is_named() {
    let (_, server) = start();
    let report = check(&speaks(&server, but("/answer/access_token", json!("/access_token"))), Some("/items"));
    assert_eq!(changes(&report), [("login", "auth.answer.access_token")]);
    let login = step(&report, "login");
    says(login, "auth.answer.access_token: the answer has no /access_token; it has /data/token (a JWT of ");
    says(login, "): use \"/data/token\"");
    for name in &STEPS[1..] {
        assert_eq!(step(&report, name)["skipped"], "there is no token to try it with");
    }
    assert_eq!(server.lines(), ["POST /login"]);

    // An answer of the endpoint's own stands before the dialect's.
    let own = json!({"url": "/login", "json": {"user": "{username}", "pass": "{password}"}, "answer": {"access_token": "/a"}});
    assert_eq!(
        changes(&check(&speaks(&server, but("/login", own)), None)),
        [("login", "auth.login.answer.access_token")]
    );

    let report = check(&speaks(&server, but("/answer/refresh_token", json!("/data/refresh_token"))), None);
    assert_eq!(changes(&report), [("login", "auth.answer.refresh_token")]);
    says(step(&report, "login"), "it has /data/renewal (");
    assert_eq!(step(&report, "refresh")["skipped"], "the login gave no refresh token");
}

#[test]
fn tokens_in_headers_cookies_and_text_are_found_too() {
    for (answer, place) in [
        (
            Answer::json(201, json!({"ok": true})).with("X-Subject-Token", "0123456789abcdef"),
            r#"{"header": "x-subject-token"}"#,
        ),
        (Answer::empty(204).with("Set-Cookie", "SID=0123456789abcdef; Path=/"), r#"{"cookie": "SID"}"#),
        (Answer::new(200, "text/plain", "0123456789abcdef\n"), r#"{"text": true}"#),
    ] {
        let server = Server::start(move |_| answer.clone());
        let report = check(&speaks(&server, fitting()), None);
        says(step(&report, "login"), &format!(": use {place}"));
        assert!(!report.to_string().contains("0123456789abcdef"), "{report:#}");
    }
    let page = Server::start(|_| Answer::new(200, "text/html", "<!doctype html><title>Welcome</title>"));
    assert_eq!(changes(&check(&speaks(&page, fitting()), None)), [("login", "auth.login.url")]);
}

#[test]
fn how_long_a_token_lives_is_looked_for() {
    let server = Server::start(|_| Answer::json(200, json!({"token": "0123456789abcdef", "validFor": 900})));
    let auth = json!({"login": {"url": "/login"}, "answer": {"access_token": "/token"}});
    let report = check(&speaks(&server, auth), None);
    let login = step(&report, "login");
    assert_eq!(
        (report["ok"].as_bool(), login["change"].as_str()),
        (Some(true), Some("auth.answer.expires_in")),
        "{report:#}"
    );
    says(login, "the answer has /validFor (900): use \"/validFor\"");
    assert_eq!(step(&report, "logout")["skipped"], "the dialect has none");
}

#[test]
fn an_address_a_method_or_a_body_that_is_wrong_is_named() {
    let (_, server) = start();
    let report = check(&speaks(&server, but("/login/url", json!("/missing"))), Some("/items"));
    assert_eq!(changes(&report), [("login", "auth.login.url")]);
    for (answer, change) in [
        (Answer::empty(405).with("Allow", "PUT"), "auth.login.method"),
        (Answer::json(415, json!({"error": "form_wanted"})), "auth.login.json"),
        (Answer::json(422, json!({"message": "email is required"})), "auth.login.json"),
        (Answer::empty(302).with("Location", "/elsewhere"), "auth.login.url"),
    ] {
        let server = Server::start(move |_| answer.clone());
        assert_eq!(changes(&check(&speaks(&server, fitting()), None)), [("login", change)]);
    }
}

#[test]
fn what_a_refusal_lets_guess_is_told() {
    let page = || Answer::new(200, "text/html", "<html><form><input name=csrftoken>");
    let json_login = fitting();
    let form_login = but("/login", json!({"url": "/login", "form": {"user": "{username}"}}));
    let cookie = but("/answer/access_token", json!({"cookie": "sessionid"}));
    let by_redirect = but("/login", json!({"url": "/login", "success": 302, "json": {"user": "{username}"}}));
    for (answer, auth, change, words) in [
        (Answer::empty(400), &json_login, "auth.login.json", "perhaps it takes auth.login.form instead"),
        (Answer::empty(415), &form_login, "auth.login.form", "perhaps it takes auth.login.json instead"),
        (
            Answer::json(
                422,
                json!({"detail": [{"type": "missing", "loc": ["body", "username"], "msg": "Field required"}]}),
            ),
            &json_login,
            "auth.login.json",
            "(missing: Field required); check the username and the password (422 means rejected by the default); perhaps it takes",
        ),
        (
            Answer::json(401, json!({"detail": "not provided"})).with("WWW-Authenticate", "Basic realm=\"api\""),
            &json_login,
            "auth.login.basic",
            r#"perhaps "basic": ["{username}", "{password}"]"#,
        ),
        (
            Answer::new(403, "text/html", "<html><p>CSRF verification failed.</p>"),
            &form_login,
            "auth.login",
            "it speaks of a CSRF token",
        ),
        (
            Answer::empty(302).with("Location", "/home").with("Set-Cookie", "sessionid=0123456789abcdef"),
            &cookie,
            "auth.login.success",
            r#"add "success": [302], and use {"cookie": "sessionid"}"#,
        ),
        (
            Answer::empty(409).with("X-Session-Id", "0123456789abcdef"),
            &json_login,
            "auth.login.success",
            r#"add "success": [409], and use {"header": "x-session-id"}"#,
        ),
        // Not the CSRF token that such a page holds.
        (page(), &by_redirect, "auth.login.meanings", r#"add {"status": 200, "means": "rejected"}"#),
        (
            Answer::new(200, "text/plain", "Fails."),
            &cookie,
            "auth.answer.access_token",
            r#"add {"status": 200, "body": {"": "Fails."}, "means": "rejected"} to auth.login.meanings"#,
        ),
        (
            Answer::json(200, json!({"jsonrpc": "2.0", "error": {"code": -32500, "message": "no"}})),
            &json_login,
            "auth.answer.access_token",
            r#""body": {"/error/code": -32500}, "means": "rejected"}"#,
        ),
    ] {
        let server = Server::start(move |_| answer.clone());
        let report = check(&speaks(&server, auth.clone()), None);
        assert_eq!(changes(&report), [("login", change)], "{report:#}");
        says(step(&report, "login"), words);
    }
    // What is no refusal is not called one.
    let server = Server::start(|_| Answer::json(200, json!({"status": "ok", "type": "login", "success": true})));
    let report = check(&speaks(&server, fitting()), None);
    assert!(!report.to_string().contains("rejected"), "{report:#}");
}

#[test]
fn r5_a_refused_login_is_told_with_its_meaning_and_not_sent_again() {
    let (_, server) = start();
    let manager = try_manager_at(&server.url(), "wrong-password", json!({"auth": fitting()})).unwrap();
    let report = check(&manager, Some("/items"));
    assert_eq!(changes(&report), [("login", "nothing")]);
    let login = step(&report, "login");
    says(
        login,
        "(denied: wrong name or password); check the username and the password (401 means rejected by the default)",
    );
    assert_eq!(understood(login, "meaning"), ("the default", "rejected"));
    let again = check(&manager, Some("/items"));
    says(step(&again, "login"), "no login was tried");
    assert!(step(&again, "login")["sent"].is_null());
    assert_eq!(manager.login().unwrap_err().status(), Status::TM_LOGIN_SUSPENDED);
    assert_eq!(server.lines(), ["POST /login"]);

    let stated = json!([{"of": "login", "status": 401, "means": "forbidden"}]);
    let mut auth = fitting();
    auth["meanings"] = stated;
    let report = check(&try_manager_at(&server.url(), "wrong-password", json!({"auth": auth})).unwrap(), None);
    says(step(&report, "login"), "(401 means forbidden by auth.meanings.0)");
}

#[test]
fn a_call_that_carries_the_token_wrongly_is_told_from_a_wrong_token() {
    let (tokens, server) = start();
    let auth = but("/call/headers", json!({"Authorization": "Bearer {access_token}"}));
    let report = check(&speaks(&server, auth), Some("/items"));
    assert_eq!(
        changes(&report),
        [("call", "auth.call.headers"), ("call with refreshed token", "auth.call.headers")],
        "{report:#}"
    );
    says(
        step(&report, "call"),
        "the API answered 401 to the token that it has just issued, which the call carried in authorization: Bearer ***",
    );
    assert_eq!(step(&report, "dead token")["skipped"], "the right token was not taken either, or cannot be changed");

    let asking =
        Server::start(move |request| match request.credentials("Token").is_some_and(|token| tokens.is_good(token)) {
            _ if request.line() != "GET /items" => shop(request, &tokens),
            true => Answer::empty(204),
            false => Answer::empty(401).with("WWW-Authenticate", "Token realm=\"api\""),
        });
    let auth = but("/call/headers", json!({"Authorization": "Bearer {access_token}"}));
    says(
        step(&check(&speaks(&asking, auth), Some("/items")), "call"),
        r#"perhaps {"Authorization": "Token {access_token}"}"#,
    );
    // Some redirect to where people log in, or say 403.
    for (answer, words) in [
        (
            Answer::empty(302).with("Location", "https://elsewhere.example.com/login"),
            "the API answered 302 to the token",
        ),
        (
            Answer::json(403, json!({"error": "no_session"})),
            "or the API sees no token, which the call carried in x-session: ***",
        ),
    ] {
        let tokens = Tokens::new();
        let server = Server::start(move |request| match request.line().as_str() {
            "GET /items" => answer.clone(),
            _ => shop(request, &tokens),
        });
        let report = check(&speaks(&server, fitting()), Some("/items"));
        assert_eq!(changes(&report)[0], ("call", "auth.call.headers"), "{report:#}");
        says(step(&report, "call"), words);
    }
    let auth = but("/call/headers", json!({"Authorization": "Token {access_token}"}));
    let report = check(&speaks(&asking, auth), Some("/items"));
    assert_eq!(report["ok"], true, "{report:#}");
}

#[test]
fn a_wrong_token_that_is_not_called_expired_needs_a_meaning() {
    let tokens = Tokens::new();
    let known = tokens.clone();
    let server = Server::start(move |request| match shop(request, &known) {
        answer if !request.line().starts_with("GET") => answer,
        _ if request.line() == "GET /coded" && known.is_good(request.header("x-session").unwrap_or_default()) => {
            Answer::json(200, json!({"code": 0, "result": []}))
        }
        _ if request.line() == "GET /coded" => Answer::json(200, json!({"code": 40101, "msg": "token dead"})),
        _ if request.line() == "GET /strict" && known.is_good(request.header("x-session").unwrap_or_default()) => {
            Answer::json(200, json!({}))
        }
        _ if request.line() == "GET /strict" => Answer::json(403, json!({"error": {"code": "bad_session"}})),
        answer => answer,
    });
    let manager = speaks(&server, fitting());
    let report = check(&manager, Some("/coded"));
    assert_eq!(changes(&report), [("dead token", "auth.meanings")]);
    let coded = r#"{"of": "call", "status": 200, "body": {"/code": 40101}, "means": "expired"}"#;
    says(step(&report, "dead token"), coded);
    let report = check(&manager, Some("/strict"));
    let strict = r#"{"of": "call", "status": 403, "body": {"/error/code": "bad_session"}, "means": "expired"}"#;
    says(step(&report, "dead token"), strict);
    let report = check(&manager, Some("/public"));
    assert_eq!(changes(&report), [("dead token", "nothing")]);
    says(step(&report, "dead token"), "a wrong token was answered 200 like the right one");

    // What it says is taken as it is said.
    for (path, meaning) in [("/coded", coded), ("/strict", strict)] {
        let mut auth = fitting();
        auth["meanings"] = json!([serde_json::from_slice::<Value>(meaning.as_bytes()).unwrap()]);
        let report = check(&speaks(&server, auth), Some(path));
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!(understood(step(&report, "dead token"), "meaning"), ("auth.meanings.0", "expired"));
    }
}

#[test]
fn a_wrong_token_that_is_redirected_needs_a_meaning_of_the_redirect() {
    let tokens = Tokens::new();
    let server = Server::start(move |request| {
        let is_good = tokens.is_good(request.header("x-session").unwrap_or_default());
        match request.line().as_str() {
            "GET /moved" => Answer::empty(302).with("Location", "/list"),
            "GET /items" | "GET /list" if is_good => Answer::json(200, json!({"items": []})),
            "GET /items" | "GET /list" => Answer::empty(302).with("Location", "/signin?next=%2Fitems"),
            "GET /signin" => Answer::new(404, "text/html", "<html>no such page</html>"),
            _ => shop(request, &tokens),
        }
    });
    let report = check(&speaks(&server, fitting()), Some("/items"));
    assert_eq!(changes(&report), [("dead token", "auth.meanings")], "{report:#}");
    let dead = step(&report, "dead token");
    assert_eq!(
        (&dead["redirected"], &dead["answered"]["status"]),
        (&json!(["302 to /signin"]), &json!(404)),
        "{dead:#}"
    );
    let meaning = r#"{"of": "call", "status": 302, "means": "expired"}"#;
    says(
        dead,
        &format!(
            "a wrong token was redirected to /signin, which was followed and has to mean expired if the API answers so to expired ones: add {meaning}"
        ),
    );

    let mut auth = fitting();
    auth["meanings"] = json!([serde_json::from_slice::<Value>(meaning.as_bytes()).unwrap()]);
    let report = check(&speaks(&server, auth), Some("/items"));
    assert_eq!(report["ok"], true, "{report:#}");

    // A call that is redirected with the right token, too, would take that meaning for its own.
    let report = check(&speaks(&server, fitting()), Some("/moved"));
    assert_eq!(changes(&report), [("dead token", "nothing")], "{report:#}");
    assert_eq!(step(&report, "call")["redirected"], json!(["302 to /list"]));
    says(step(&report, "dead token"), "give a call that is not redirected");
}

#[test]
fn s2_what_a_dialect_holds_is_shown_unless_it_looks_like_a_secret() {
    let (_, server) = start();
    let login = json!({"url": "/login",
        "json": {"user": "{username}", "pass": "{password}", "kind": "m.login.oauth2", "tenant": "k3y7x9q2", "session": "hunter"},
        "query": {"lang": "de", "app": "0a1b2c3d"},
        "headers": {"X-Kind": "shop", "X-App": "app-9f8e7d6c5b", "X-Session-Name": "hunter", "Authorization": "hunter",
            "X-Api-Key": "hunter", "Cookie": "kind=hunter"}});
    let report = check(&speaks(&server, but("/login", login)), None);
    let sent = &step(&report, "login")["sent"];
    let body = r#"{"kind":"m.login.oauth2","pass":"***","session":"***","tenant":"***","user":"ann"}"#;
    assert_eq!(sent["body"], body);
    assert_eq!(sent["url"], format!("{}/login?app=***&lang=de", server.url()));
    let headers = &sent["headers"];
    assert_eq!((&headers["x-kind"], &headers["cookie"]), (&json!("shop"), &json!("kind=***")));
    for name in ["x-app", "x-session-name", "authorization", "x-api-key"] {
        assert_eq!(headers[name], "***", "{headers:#}");
    }
}

#[test]
fn a_refresh_that_brings_no_token_or_is_refused_is_told() {
    let tokens = Tokens::new();
    let server = Server::start(move |request| match request.line().as_str() {
        "POST /renew" => Answer::json(200, json!({"accepted": true})),
        "POST /other" => Answer::json(401, json!({"error": "no_such_token"})),
        "POST /flat" => Answer::json(200, json!({"token": tokens.issue().0})),
        _ => shop(request, &tokens),
    });
    for (url, change, words) in [
        (
            "/renew",
            "auth.answer.access_token",
            "nothing like a token is in the answer, neither at /data/token nor elsewhere",
        ),
        ("/other", "auth.refresh.json", "(401 means rejected by the default)"),
        ("/flat", "auth.answer.access_token", "it has /token ("),
    ] {
        let report = check(&speaks(&server, but("/refresh/url", json!(url))), Some("/items"));
        assert_eq!(changes(&report), [("refresh", change)], "{report:#}");
        says(step(&report, "refresh"), words);
        assert_eq!(step(&report, "call with refreshed token")["skipped"], "there is no refreshed token");
        assert_eq!(step(&report, "dead token")["ok"], true);
        assert_eq!(step(&report, "logout")["answered"]["status"], 204, "{report:#}");
    }
}

#[test]
fn a_refresh_that_brings_the_same_jwt_renews_nothing() {
    let tokens = Tokens::new();
    let (login, token) = (fitting()["login"].clone(), jwt("access-1", 60));
    let server = Server::start(move |request| match request.line().as_str() {
        "POST /login" | "POST /again" => Answer::json(200, json!({"data": {"token": &token}})),
        _ => shop(request, &tokens),
    });
    let renew = json!({"url": "/again", "headers": {"X-Session": "{access_token}"}});
    let auth = json!({"login": login, "refresh": renew, "answer": {"access_token": "/data/token"}});
    let report = check(&speaks(&server, auth), None);
    assert_eq!(changes(&report), [("refresh", "auth.refresh")], "{report:#}");
    says(step(&report, "refresh"), "it brought the token that there was, which lives no longer by its own exp");
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
fn codes_of_oauth_name_its_members() {
    for (code, change) in [
        ("invalid_scope", "auth.scope"),
        ("unsupported_grant_type", "auth.grant"),
        ("invalid_client", "auth.client_auth"),
        ("invalid_request", "auth.login.form"),
    ] {
        let server = Server::start(move |_| Answer::json(400, json!({"error": code})));
        let auth = json!({"preset": "oauth2", "token_url": "/token", "scope": "all"});
        let report = check(&speaks(&server, auth), None);
        assert_eq!(changes(&report), [("login", change)], "{report:#}");
        let sent = &step(&report, "login")["sent"];
        assert_eq!(sent["headers"]["authorization"], "Basic ***");
        assert_eq!(sent["body"], "grant_type=client_credentials&scope=all");
    }
    let server = Server::start(|_| Answer::empty(404));
    for auth in
        [json!({"preset": "oauth2", "token_url": "/token"}), json!({"preset": "oauth2", "issuer": server.url()})]
    {
        let change = if auth["issuer"].is_null() { "auth.token_url" } else { "auth.issuer" };
        assert_eq!(changes(&check(&speaks(&server, auth), None)), [("login", change)]);
    }
}

#[test]
fn s2_what_a_url_was_given_with_is_shown_unless_its_name_speaks_of_a_secret() {
    let server = Server::start(|_| Answer::json(200, json!({"token": "access-0123456789"})));
    let auth = json!({"login": {"url": "/login?api_key=k-4711&lang=de"}, "answer": {"access_token": "/token"}});
    let report = check(&speaks(&server, auth), Some("/items?api_key=k-4712&page=2"));
    for (name, url) in [("login", "/login?api_key=***&lang=de"), ("call", "/items?api_key=***&page=2")] {
        assert_eq!(step(&report, name)["sent"]["url"], server.url() + url);
    }
}

/// An issuer that is its own token service.
fn issuer(token: fn() -> Answer) -> Server {
    Server::start(move |request| match request.path() {
        "/token" => token(),
        _ => {
            let url = format!("http://{}", request.header("host").unwrap_or_default());
            Answer::json(200, json!({"issuer": url, "token_endpoint": format!("{url}/token")}))
        }
    })
}

#[test]
fn an_issuer_is_not_to_blame_for_what_its_endpoints_answer() {
    let server = issuer(|| Answer::json(401, json!({"error": "invalid_client"})));
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(changes(&report), [("login", "auth.client_auth")], "{report:#}");
}

#[test]
fn of_oauth_a_login_need_bring_no_refresh_token() {
    let server = issuer(|| Answer::json(200, json!({"access_token": "access-0123456789", "expires_in": 600})));
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(step(&report, "refresh")["skipped"], "the login gave no refresh token");
    let server = issuer(|| {
        Answer::json(
            200,
            json!({"access_token": "access-0123456789", "expires_in": 600, "refreshToken": "renew-0123456789"}),
        )
    });
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(changes(&report).len(), 1, "one that stands elsewhere is named: {report:#}");
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

/// The API of the worked example in docs/DIALECTS.md; `live` are the keys of its one session.
fn orders(request: &Arrived, live: &Mutex<Vec<String>>) -> Answer {
    let mut live = live.lock().unwrap();
    let (json, session) = (request.json(), request.header("x-session").map(Value::from));
    let is_live = |key: &Value, live: &Vec<String>| live.iter().any(|known| *key == *known);
    let number = match request.line().as_str() {
        "POST /v1/sessions" if json["secret"] == PASSWORD => 1,
        "PUT /v1/sessions" if is_live(&json["renewal_key"], &live) => 2,
        line => {
            return match session {
                None => Answer::json(401, json!({"error": {"code": "no_session", "text": "where is X-Session?"}})),
                Some(key) if !is_live(&key, &live) => {
                    Answer::json(403, json!({"error": {"code": "session_over", "text": "log in again"}}))
                }
                Some(_) if line == "DELETE /v1/sessions" => Answer::empty(204),
                Some(_) => Answer::json(200, json!({"orders": []})),
            };
        }
    };
    *live = ["key", "renewal"].map(|name| format!("{name}-{number:036}")).to_vec();
    Answer::json(201, json!({"session": {"key": live[0], "renewal_key": live[1], "valid_for": 900}}))
}

/// The fenced blocks in a language within a chapter of a page.
fn blocks(page: &str, chapter: &str, language: &str) -> Vec<String> {
    let chapter = page.split("\n## ").find(|text| text.starts_with(chapter)).expect("the chapter");
    let fence = format!("```{language}\n");
    chapter.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned()).collect()
}

/// RFC 7396, but that nothing is removed.
fn merge(into: &mut Value, patch: Value) {
    match patch {
        Value::Object(members) if into.is_object() => {
            members.into_iter().for_each(|(name, value)| merge(&mut into[name], value));
        }
        patch => *into = patch,
    }
}

#[test]
fn the_worked_example_of_the_documentation_works() {
    let page = include_str!("../../docs/DIALECTS.md");
    let live = Mutex::default();
    let server = Server::start(move |request| orders(request, &live));
    let (jsons, outputs) = (blocks(page, "A worked example", "json"), blocks(page, "A worked example", "text"));
    assert!(jsons.len() == 4 && outputs.len() == 4, "{jsons:?} {outputs:?}");
    let mut auth = json!({});
    for (change, output) in jsons.iter().zip(&outputs) {
        merge(&mut auth, serde_json::from_slice(change.as_bytes()).expect("JSON"));
        let report = check(&speaks(&server, auth.clone()), Some("/v1/orders"));
        for step in report["steps"].as_array().unwrap().iter().filter(|step| step["problem"].is_string()) {
            let line = format!("{}: {}", step["name"].as_str().unwrap(), step["problem"].as_str().unwrap());
            assert!(output.lines().any(|told| told == line), "{line}\nis not in\n{output}");
        }
        assert_eq!(report["ok"] == true, output.trim() == "ok", "{report:#}");
    }
}

/// Whatever came, in every place and many encodings.
fn echo(request: &Arrived, heard: &Mutex<Vec<String>>) -> Value {
    use base64::Engine;
    let mut heard = heard.lock().unwrap();
    let values =
        request.head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(_, value)| value.to_owned());
    heard.extend(values.chain([request.body.clone(), request.target().to_owned()]).filter(|text| text.len() > 3));
    let mut echo =
        json!({"message": request.body, "detail": request.head, "code": request.body, "error": request.head});
    for text in heard.iter() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for told in [text.clone(), encoded, hex, escaped] {
            echo[&told] = json!({"token": told, "type": told, "expires": told});
            echo[format!("{told}_token")] = json!([told]);
        }
    }
    echo
}

#[test]
fn s2_a_server_that_repeats_everything_everywhere_gets_no_secret_into_the_report() {
    use base64::Engine;
    const KEY: &str = "param-secret-99";
    for refuses in [false, true] {
        let tokens = Tokens::new();
        let issued = Arc::<Mutex<Vec<String>>>::default();
        let (heard, mine) = (Mutex::<Vec<String>>::default(), Arc::clone(&issued));
        let server = Server::start(move |request| {
            let mut body = echo(request, &heard);
            if matches!(request.path(), "/login" | "/renew") && !refuses {
                let (access, refresh) = tokens.issue();
                mine.lock().unwrap().extend([access.clone(), refresh.clone()]);
                body["data"] = json!({"token": access, "renewal": refresh, "note": "kept-secret-1", "ttl": 3600});
            }
            let is_call = request.path() == "/items";
            let code = if refuses || (is_call && !tokens.is_good(request.header("x-session").unwrap_or_default())) {
                400
            } else {
                200
            };
            let told = request.header("x-session").map_or_else(|| PASSWORD.to_owned(), str::to_owned);
            Answer::json(code, body)
                .with("WWW-Authenticate", &format!("Bearer error=\"{told}\", {told}"))
                .with("Location", &format!("/{told}?{told}"))
                .with("Set-Cookie", &format!("{}={told}", told.replace(['=', ' ', ';'], "-")))
                .with("Allow", &told)
                .with("Retry-After", &told)
                .with(&format!("X-Token-{}", KEY), KEY)
        });
        let mut auth = fitting();
        auth["login"]["keep"] = json!({"note": "/data/note"});
        auth["login"]["headers"] = json!({"X-Key": "{params.key}", "X-Digest": "{sha256(password)}", "X-Both": "{base64(username ':' password)}"});
        auth["refresh"]["headers"] = json!({"X-Note": "{kept.note}"});
        auth["call"]["query"] = json!({"sig": "{base64(params.key ':' access_token)}"});
        let options = json!({"auth": auth, "auth_params": {"key": KEY}, "headers": {"X-Api-Key": "option-secret-7"}});
        let report = manager(&server, options).check(Some("/items?q=1")).expect("a report");
        let mut secrets: Vec<String> = issued.lock().unwrap().clone();
        secrets.extend([PASSWORD, KEY, "option-secret-7"].map(str::to_owned));
        secrets.extend((!refuses).then(|| "kept-secret-1".to_owned()));
        for secret in secrets {
            let encoded = base64::engine::general_purpose::STANDARD.encode(&secret);
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            let escaped: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for form in [secret.clone(), encoded.trim_end_matches('=').to_owned(), hex, escaped] {
                assert!(!report.contains(&form), "{form} is in {report}");
            }
        }
        assert!(report.contains("***"), "{report}");
        assert!(server.count("POST /login") == 1 && report.contains(USER));
    }
}
