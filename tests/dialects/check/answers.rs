//! What is said of a login's and a refresh's answer.

use super::*;

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
