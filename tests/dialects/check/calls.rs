//! What is said of a call, and of a token that is not good.

use super::*;

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
