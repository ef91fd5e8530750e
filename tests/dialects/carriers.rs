//! How calls carry a token: in any header, in a cookie, in the query; and where none of it shows.

use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashSet;
use support::dialects::{CALL, PASSWORD, get, listen, manager, speaks, stats, status, try_manager_at};
use support::server::{Answer, Arrived, Server};
use support::tokens::Tokens;

/// A server that finds the token with `carried`.
fn api(tokens: &Tokens, carried: fn(&Arrived) -> String) -> Server {
    let tokens = tokens.clone();
    Server::start(move |request| match request.path() {
        "/login" => Answer::json(200, json!({"token": tokens.issue().0, "user": "u-17"})),
        "/away" => Answer::empty(302).with("Location", "/items?page=2"),
        "/elsewhere" => Answer::empty(302).with("Location", "https://evil.example.com/"),
        _ if !tokens.is_good(&carried(request)) => {
            Answer::json(401, json!({"message": format!("no: {}", request.target())}))
        }
        "/missing" => Answer::json(404, json!({"message": format!("no {}", request.target())})),
        _ => Answer::json(200, json!({})),
    })
}

fn dialect(call: Value) -> Value {
    json!({"login": {"url": "/login", "json": {"u": "{username}", "p": "{password}"}, "keep": {"user": "/user"}},
        "answer": {"access_token": "/token"}, "call": call})
}

#[test]
fn in_a_header_in_a_cookie_and_in_the_query() {
    type Read = fn(&Arrived) -> String;
    let cases: [(Value, Read); 4] = [
        (json!({"headers": {"X-Session": "{access_token}"}}), |request| {
            request.header("x-session").unwrap_or_default().to_owned()
        }),
        (json!({"headers": {"Cookie": "SID={access_token}; u={kept.user}"}}), |request| {
            assert_eq!(request.cookie("u"), "u-17");
            request.cookie("SID").to_owned()
        }),
        (json!({"query": {"access_token": "{access_token}"}}), |request| request.query("access_token")),
        (json!({"headers": {"Authorization": "Token token=\"{access_token}\""}}), |request| {
            let said = request.header("authorization").unwrap_or_default();
            said.trim_start_matches("Token token=\"").trim_end_matches('"').to_owned()
        }),
    ];
    for (call, carried) in cases {
        let has_default = call["headers"].is_object();
        let tokens = Tokens::new();
        let server = api(&tokens, carried);
        let manager = speaks(&server, dialect(call.clone()));
        let heard = listen(&manager);
        assert_eq!(status(&manager), 200, "{call}");
        let first = manager.peek().unwrap().unwrap().access.as_str().to_owned();
        assert_eq!(
            server.last("GET /items").header("authorization").is_some_and(|said| said.starts_with("Bearer")),
            !has_default
        );
        tokens.kill_access();
        assert_eq!(status(&manager), 200, "{call}");
        let second = manager.peek().unwrap().unwrap().access.as_str().to_owned();
        for path in ["/missing?q=1", "/away?x=1", "/elsewhere"] {
            let response = manager.request("GET", path, Bytes::new(), None).unwrap();
            let shown = format!("{:?} {:?}", response.error, response.url);
            assert!(!shown.contains(&second), "{call} {path}: {shown}");
            if path.starts_with("/away") {
                assert_eq!(response.status, 200, "{call}: {:?}", server.lines());
                assert_eq!(server.last("GET /items").query("page"), "2");
            }
        }
        let heard = format!("{:?} {} {manager:?}", heard.lock().unwrap(), stats(&manager));
        assert!(!heard.contains(&first) && !heard.contains(&second), "{call}: {heard}");
    }
}

#[test]
fn the_query_of_the_call_stays() {
    let tokens = Tokens::new();
    let server = api(&tokens, |request| request.query("t"));
    let manager = speaks(&server, dialect(json!({"headers": {}, "query": {"t": "{access_token}", "v": "1 2"}})));
    assert_eq!(manager.request("GET", "/items?a=1&b=%2F", Bytes::new(), None).unwrap().status, 200);
    let target = server.last("GET /items").target().to_owned();
    assert!(target.starts_with("/items?a=1&b=%2F&t="), "{target}");
    assert_eq!(server.last("GET /items").query("v"), "1 2");
}

#[test]
fn what_differs_from_call_to_call_is_made_anew() {
    let tokens = Tokens::new();
    let server = api(&tokens, |request| request.bearer().to_owned());
    let headers = json!({"Authorization": "Bearer {access_token}", "X-Path": "{path}", "X-Id": "{uuid}", "X-Now": "{now}",
        "X-Sign": "{sha256(path ':' password)}"});
    let manager = speaks(&server, dialect(json!({"headers": headers})));
    for _ in 0..3 {
        assert_eq!(manager.request("GET", "/items?x=1", Bytes::new(), None).unwrap().status, 200);
    }
    let calls: Vec<Arrived> = server.requests().into_iter().filter(|request| request.path() == CALL).collect();
    let ids: HashSet<&str> = calls.iter().filter_map(|call| call.header("x-id")).collect();
    assert_eq!(ids.len(), 3);
    assert!(calls.iter().all(|call| call.header("x-path") == Some(CALL)));
    assert!(
        calls.iter().all(|call| call.header("x-now").is_some_and(|now| now.starts_with("20") && now.ends_with('Z')))
    );
    assert!(calls.iter().all(|call| call.header("x-sign").is_some_and(|sign| sign.len() == 64)));
}

#[test]
fn the_path_is_as_it_was_given_below_the_hosts_own() {
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/base/login" => Answer::json(200, json!({"token": of_server.issue().0, "user": "u"})),
        "/base/away" => Answer::empty(302).with("Location", "there?x=2"),
        _ => Answer::json(200, json!({})),
    });
    let headers = json!({"Authorization": "Bearer {access_token}", "X-Path": "{path}"});
    let options = json!({"auth": dialect(json!({"headers": headers}))});
    let manager = try_manager_at(&format!("{}/base", server.url()), PASSWORD, options).expect("a manager");
    let absolute = format!("{}/base/a/c", server.url());
    for (given, arrives, path) in [
        ("/a%20b/c?x=1", "/base/a%20b/c", "/a%20b/c"),
        ("/base/c", "/base/base/c", "/base/c"),
        (&absolute, "/base/a/c", "/a/c"),
        // What is sent after a redirect is another request.
        ("/away?x=1", "/base/there", "/there"),
    ] {
        assert_eq!(manager.request("GET", given, Bytes::new(), None).unwrap().status, 200);
        assert_eq!(server.last(&format!("GET {arrives}")).header("x-path"), Some(path), "{given}");
    }
}

#[test]
fn an_own_header_of_the_options_goes_along_with_calls_and_own_logins() {
    let tokens = Tokens::new();
    let server = api(&tokens, |request| request.header("x-session").unwrap_or_default().to_owned());
    let auth = dialect(json!({"headers": {"X-Session": "{access_token}"}}));
    let manager = manager(&server, json!({"auth": auth, "headers": {"X-Api-Key": "key-of-the-options"}}));
    assert_eq!(get(&manager).unwrap().status, 200);
    assert!(server.requests().iter().all(|request| request.header("x-api-key") == Some("key-of-the-options")));
}

#[test]
fn popup_sends_the_cookies_of_its_login_along_beside_a_calls_own() {
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/auth/login" => Answer::json(200, json!({"access_token": of_server.issue().0}))
            .with("Set-Cookie", "AWSALB=node7; Path=/; HttpOnly"),
        _ if request.cookie("AWSALB") != "node7" => Answer::empty(401),
        _ => Answer::json(200, json!({"mine": request.cookie("mine")})),
    });
    let manager = manager(&server, json!({}));
    assert_eq!((status(&manager), server.count("POST /auth/login")), (200, 1));
    let own = Some(r#"{"headers": {"Cookie": "mine=1"}}"#);
    let answer = manager.request("GET", CALL, Bytes::new(), own).expect("an answer");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status, &body["mine"]), (200, &json!("1")));
}

#[test]
fn a_token_may_have_blanks_and_quotes() {
    let server = Server::start(|request| match request.line().as_str() {
        "POST /login" => Answer::json(200, json!({"token": r#"["demo", [], true].s1"#})),
        _ if request.header("x-auth") == Some(r#"["demo", [], true].s1"#) => Answer::json(200, json!({})),
        _ => Answer::empty(401),
    });
    let manager = speaks(&server, dialect(json!({"headers": {"X-Auth": "{access_token}"}})));
    assert_eq!(status(&manager), 200);
    let token = manager.token().expect("a token");
    manager.set_tokens(token.access.as_str(), None, 0, 0).expect("taken");
    assert_eq!(status(&manager), 200);
    assert_eq!(server.lines().iter().filter(|line| *line == "POST /login").count(), 1);
    for slip in ["", " a", "a\n", "a\u{e4}"] {
        assert!(manager.set_tokens(slip, None, 0, 0).is_err(), "{slip:?}");
    }
}
