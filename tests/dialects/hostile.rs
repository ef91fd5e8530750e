//! S1, S4: hostile servers get no request to an origin that the dialect does not name, and no memory without a bound.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::child::{most_memory_kb, order, report, run};
use support::dialects::{PASSWORD, USER, get, speaks, status, together};
use support::managers::make;
use support::server::{Answer, Server};
use support::tokens::Tokens;

/// Nobody may be sent here.
fn elsewhere() -> Server {
    Server::start(|_| Answer::json(200, json!({"access_token": "stolen", "t": "stolen"})))
}

/// A dialect with an endpoint for everything, whose every answer may name another place.
fn dialect() -> Value {
    json!({
        "login": [{"url": "/one", "json": {"p": "{password}"}, "keep": {"tenant": "/tenant", "all": {"cookies": true}, "to": {"header": "Location"}}},
                  {"url": "/t/{kept.tenant}/login?next={kept.tenant}", "headers": {"Cookie": "{kept.all?}"}, "form": {"p": "{password}"}}],
        "refresh": {"url": "/t/{kept.tenant}/renew", "json": {"r": "{refresh_token}"}, "keep": {"tenant": "/tenant"}},
        "logout": {"method": "GET", "url": "/t/{kept.tenant}/end", "headers": {"Authorization": "Bearer {access_token}"}},
        "answer": {"access_token": "/t", "refresh_token": "/r"},
        "call": {"headers": {"Authorization": "Bearer {access_token}"}, "query": {"tenant": "{kept.tenant}"}}
    })
}

#[test]
fn s1_what_an_answer_holds_leads_no_request_elsewhere() {
    let canary = elsewhere();
    let (url, authority) = (canary.url(), canary.url().replace("http://", ""));
    for tenant in [
        url.clone(),
        format!("{url}/"),
        format!("//{authority}/"),
        format!("/{authority}/"),
        format!("\\\\{authority}\\"),
        format!("@{authority}/"),
        format!("..//{authority}/.."),
        format!("%2f%2f{authority}%2f"),
        format!("a\t\n//{authority}"),
        format!(".{authority}"),
        format!("?://{authority}#"),
    ] {
        for code in [200, 303, 307, 401, 403] {
            let (tokens, to, name) = (Tokens::new(), url.clone(), tenant.clone());
            let count = AtomicUsize::new(0);
            let server = Server::start(move |request| {
                let (access, refresh) = tokens.issue();
                let body = json!({"tenant": name, "t": access, "r": refresh, "url": to, "token_endpoint": to});
                // Each second request is answered so, whatever it is.
                let is_odd = count.fetch_add(1, Ordering::SeqCst) % 2 == 1;
                let answer = match request.path() {
                    "/items" => Answer::json(if is_odd { 401 } else { 302 }, body),
                    _ => Answer::json(if is_odd { code } else { 200 }, body),
                };
                answer
                    .with("Location", &to)
                    .with("Refresh", &format!("0; url={to}"))
                    .with("Link", &format!("<{to}>; rel=\"next\""))
                    .with("Alt-Svc", &format!("h2=\"{}\"", to.replace("http://", "")))
                    .with("Set-Cookie", &format!("a={}; Domain={}", to.replace("http://", ""), "127.0.0.1"))
                    .with("WWW-Authenticate", &format!("Bearer realm=\"{to}\", authorization_uri=\"{to}\""))
            });
            let manager = speaks(&server, dialect());
            for _ in 0..3 {
                let _ = get(&manager);
            }
            let _ = (manager.refresh(), get(&manager), manager.logout(), get(&manager));
            assert!(!server.requests().is_empty());
            assert_eq!(canary.lines(), [""; 0], "{tenant} {code}");
        }
    }
}

/// What servers answer that want a client's memory, and what a process takes that meets them.
#[test]
fn s4_no_dialects_answer_takes_memory_without_a_bound() {
    type Body = fn() -> (Answer, Value);
    let own = |answer: Value| json!({"login": {"url": "/l"}, "refresh": {"url": "/r", "json": {"r": "{kept.k?}"}, "keep": {"k": {"cookies": true}}}, "answer": answer});
    let cases: [(&str, Value, Body); 7] = [
        ("64 MB of text for a token", own(json!({"access_token": {"text": true}})), || {
            (Answer::new(200, "text/plain", &"t".repeat(64 << 20)), json!("TM_RESPONSE_TOO_LARGE"))
        }),
        ("a token of nearly 1 MB", own(json!({"access_token": {"text": true}})), || {
            (Answer::new(200, "text/plain", &"t".repeat((1 << 20) - 1)), json!(null))
        }),
        ("a megabyte of brackets", own(json!({"access_token": "/t"})), || {
            (Answer::new(200, "application/json", &"[".repeat((1 << 20) - 1)), json!("TM_BAD_RESPONSE"))
        }),
        ("a megabyte of numbers", own(json!({"access_token": "/t"})), || {
            (
                Answer::new(200, "application/json", &format!("[{}0]", "0,".repeat((1 << 19) - 8))),
                json!("TM_BAD_RESPONSE"),
            )
        }),
        ("a document of an issuer without an end", json!({"preset": "oauth2", "issuer": "ISSUER"}), || {
            (Answer::new(200, "application/json", &" ".repeat(64 << 20)), json!("TM_RESPONSE_TOO_LARGE"))
        }),
        ("cookies in masses", own(json!({"access_token": {"cookie": "c7"}})), || {
            let all = (0..90)
                .fold(Answer::empty(200), |answer, n| answer.with("Set-Cookie", &format!("c{n}={}", "v".repeat(2000))));
            (all, json!(null))
        }),
        ("a refusal of nearly a megabyte", own(json!({"access_token": "/t"})), || {
            (
                Answer::json(401, json!({"error": "e".repeat(1 << 18), "message": "m ".repeat(1 << 18)})),
                json!("TM_LOGIN_REJECTED"),
            )
        }),
    ];
    for (what, auth, body) in cases {
        let (answer, expected) = body();
        let answer = Arc::new(answer);
        let server = Server::start(move |_| Answer::clone(&answer));
        let auth = auth.to_string().replace("ISSUER", &server.url());
        let order = json!({"host": server.url(), "auth": serde_json::from_slice::<Value>(auth.as_bytes()).unwrap()});
        let said = run(&[], "hostile::meets_a_hostile_server", Vec::<(&str, String)>::new(), &order).expect("a report");
        assert_eq!(said["status"], expected, "{what}: {said}");
        assert!(said["grown_kb"].as_u64().unwrap() < 40 << 10, "{what}: {said}");
    }
}

#[test]
#[ignore = "the other side of the test above, which runs it"]
fn meets_a_hostile_server() {
    let Some(order) = order() else { return };
    let manager =
        make(order["host"].as_str().unwrap(), USER, PASSWORD, json!({"auth": order["auth"]})).expect("a manager");
    let before = most_memory_kb();
    let first = manager.token().err();
    for _ in 0..2 {
        let _ = (manager.refresh(), manager.login());
    }
    // Its message is short, too.
    let error = first.as_ref().map(|error| error.message().len());
    assert!(error.unwrap_or(0) < 2000, "{error:?}");
    report(
        json!({"status": first.map(|error| format!("{:?}", error.status())), "grown_kb": most_memory_kb() - before}),
    );
}

/// A record does not grow with the number of refreshes.
#[test]
fn s4_a_server_that_sets_another_cookie_each_time_fills_no_record() {
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/l" | "/r" => {
            let token = of_server.issue().0;
            let name = format!("n{}", token.len() + token.bytes().map(usize::from).sum::<usize>());
            Answer::json(200, json!({"t": token})).with("Set-Cookie", &format!("{name}={}", "v".repeat(100)))
        }
        _ if of_server.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401),
    });
    let keep = json!({"jar": {"cookies": true}});
    let auth = json!({"login": {"url": "/l", "keep": keep}, "refresh": {"url": "/r", "headers": {"Cookie": "{kept.jar?}"}, "keep": keep},
        "answer": {"access_token": "/t"}});
    let manager = speaks(&server, auth);
    assert_eq!(status(&manager), 200);
    for _ in 0..120 {
        manager.refresh().expect("a refresh");
    }
    let sent = server.last("POST /r").header("cookie").unwrap_or_default().to_owned();
    let names = sent.split("; ").count();
    assert!((2..=50).contains(&names), "{names}: {sent}");
    together(4, |_| assert_eq!(status(&manager), 200));
}
