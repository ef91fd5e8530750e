//! The examples of the language's description, each against a server of that API's shape: its whole life.

use serde_json::json;
use support::dialects::{CALL, PASSWORD, USER, fails, get, manager, speaks, stat, stats, status, try_manager_at};
use support::server::{Answer, Server};
use support::tokens::{LIFETIME, Tokens, rfc3339, unix_now};
use tokenmgr::error::Status;

fn assert_lives(manager: &tokenmgr::Manager, lifetime: u64) {
    let left = stats(manager)["seconds_left"].as_u64().expect("an expiry");
    assert!((lifetime - 30..=lifetime + 1).contains(&left), "{left} s");
}

#[test]
fn example_1_oauth2_by_post() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let service = Server::start(move |request| {
        let is_known = request.field("client_id") == USER && request.field("client_secret") == PASSWORD;
        match is_known && request.field("grant_type") == "client_credentials" {
            true => {
                Answer::json(200, json!({"access_token": issue.issue().0, "token_type": "Bearer", "expires_in": 600}))
            }
            false => Answer::json(401, json!({"error": "invalid_client"})),
        }
    });
    let known = tokens.clone();
    let api = Server::start(move |request| match known.is_good(request.bearer()) {
        true => Answer::json(200, json!({})),
        false => Answer::empty(401).with("WWW-Authenticate", "Bearer error=\"invalid_token\""),
    });
    let auth = json!({"preset": "oauth2", "token_url": format!("{}/oauth2/token", service.url()), "scope": "orders.read",
        "client_auth": "post"});
    let manager = speaks(&api, auth.clone());
    assert_eq!(status(&manager), 200);
    assert_lives(&manager, 600);
    assert_eq!(service.last("POST /oauth2/token").field("scope"), "orders.read");
    assert_eq!(service.last("POST /oauth2/token").header("authorization"), None);
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    manager.logout().unwrap();
    assert_eq!((service.requests().len(), stat(&manager, "logins"), stat(&manager, "logouts")), (2, 2, 0));
    // The credentials went to the token service only.
    assert!(!api.heard().contains("client_secret"));
    let wrong = try_manager_at(&api.url(), "wrong", json!({"auth": auth})).unwrap();
    assert_eq!(fails(get(&wrong), Status::TM_LOGIN_REJECTED).server_code(), Some("invalid_client"));
}

#[test]
fn example_2_a_dialect_from_nothing() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let server = Server::start(move |request| {
        let pair = |issued: Option<(String, String)>| match issued {
            Some((access, refresh)) => Answer::json(200, json!({"access": access, "refresh": refresh})),
            None => Answer::json(401, json!({"detail": "no"})),
        };
        match request.path() {
            "/api/token/" if request.json() == json!({"username": USER, "password": PASSWORD}) => {
                pair(Some(issue.issue()))
            }
            "/api/token/" => pair(None),
            "/api/token/refresh/" => pair(issue.rotate(request.json()["refresh"].as_str().unwrap_or_default())),
            _ if issue.is_good(request.bearer()) => Answer::json(200, json!({})),
            _ => Answer::json(401, json!({"detail": "no"})),
        }
    });
    let manager = speaks(
        &server,
        json!({
        "login": {"url": "/api/token/", "json": {"username": "{username}", "password": "{password}"}},
        "refresh": {"url": "/api/token/refresh/", "json": {"refresh": "{refresh_token}"}}, "logout": null,
        "answer": {"access_token": "/access", "refresh_token": "/refresh"}}),
    );
    assert_eq!(status(&manager), 200);
    // By the token's own `exp`.
    assert_lives(&manager, LIFETIME);
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes")), (1, 1));
    let sent = server.requests().len();
    manager.logout().unwrap();
    assert_eq!((server.requests().len(), stat(&manager, "logouts")), (sent, 0), "it has none");
    assert_eq!(status(&manager), 200);
    assert_eq!((server.count("POST /api/token/"), tokens.most_arrivals()), (2, 1));
}

#[test]
fn example_3_a_token_in_a_header() {
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::start(move |request| {
        let carried = request.header("x-auth-token").unwrap_or_default();
        match request.line().as_str() {
            "POST /v3/auth/tokens" => {
                let identity = json!({"methods": ["password"], "password": {"user": {"name": USER, "domain": {"id": "default"}, "password": PASSWORD}}});
                match request.json() == json!({"auth": {"identity": identity}}) {
                    true => Answer::json(
                        201,
                        json!({"token": {"expires_at": rfc3339(unix_now() + 1200), "methods": ["password"]}}),
                    )
                    .with("X-Subject-Token", &of_server.issue().0),
                    false => Answer::json(
                        401,
                        json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}),
                    ),
                }
            }
            _ if !of_server.is_good(carried) => {
                Answer::json(401, json!({"error": {"code": 401, "title": "Unauthorized"}}))
                    .with("WWW-Authenticate", "Keystone uri=\"http://127.0.0.1\"")
            }
            "DELETE /v3/auth/tokens" => {
                of_server.revoke(request.header("x-subject-token").unwrap_or_default());
                Answer::empty(204)
            }
            _ => Answer::json(200, json!({})),
        }
    });
    let auth = json!({
        "login": {"url": "/v3/auth/tokens", "json": {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "{username}", "domain": {"id": "{params.domain}"}, "password": "{password}"}}}}},
                  "answer": {"access_token": {"header": "X-Subject-Token"}, "expires_at": "/token/expires_at"}},
        "logout": {"method": "DELETE", "url": "/v3/auth/tokens", "headers": {"X-Auth-Token": "{access_token}", "X-Subject-Token": "{access_token}"}},
        "call": {"headers": {"X-Auth-Token": "{access_token}"}}});
    let options = json!({"auth": auth, "auth_params": {"domain": "default"}});
    let keystone = manager(&server, options.clone());
    assert_eq!(status(&keystone), 200);
    assert_lives(&keystone, 1200);
    assert_eq!(server.last(&format!("GET {CALL}")).header("authorization"), None);
    // There is no refresh: a 401 leads to one login.
    tokens.kill_access();
    assert_eq!(status(&keystone), 200);
    assert_eq!((stat(&keystone, "logins"), stat(&keystone, "refreshes")), (2, 0));
    let token = keystone.peek().unwrap().unwrap().access.as_str().to_owned();
    keystone.logout().unwrap();
    assert!(!tokens.is_good(&token) && keystone.peek().unwrap().is_none());
    assert_eq!(stat(&keystone, "logouts"), 1);
    let wrong = try_manager_at(&server.url(), "wrong", options).unwrap();
    fails(get(&wrong), Status::TM_LOGIN_REJECTED);
    fails(get(&wrong), Status::TM_LOGIN_SUSPENDED);
}

#[test]
fn example_4_codes_in_the_body() {
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::start(move |request| {
        let error = |status, code: &str| Answer::json(status, json!({"errcode": code, "error": "The server's words"}));
        let pair = |(access, refresh)| {
            Answer::json(
                200,
                json!({"access_token": access, "refresh_token": refresh, "expires_in_ms": 300_000, "user_id": "@ann"}),
            )
        };
        match request.path() {
            "/_api/login" => {
                let wanted = json!({"type": "m.login.password", "identifier": {"type": "m.id.user", "user": USER}, "password": PASSWORD, "refresh_token": true});
                match request.json() == wanted {
                    true => pair(of_server.issue()),
                    false => error(403, "M_FORBIDDEN"),
                }
            }
            "/_api/refresh" => match of_server.rotate(request.json()["refresh_token"].as_str().unwrap_or_default()) {
                Some(issued) => pair(issued),
                None => error(403, "M_FORBIDDEN"),
            },
            "/_api/logout" => {
                assert_eq!(request.body, "{}");
                of_server.revoke(request.bearer());
                Answer::json(200, json!({}))
            }
            _ if !of_server.is_good(request.bearer()) => error(401, "M_UNKNOWN_TOKEN"),
            "/items" => Answer::json(200, json!({})),
            _ => error(403, "M_FORBIDDEN"),
        }
    });
    let auth = json!({
        "login": {"url": "/_api/login", "json": {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "{username}"}, "password": "{password}", "refresh_token": true}},
        "refresh": {"url": "/_api/refresh", "json": {"refresh_token": "{refresh_token}"}},
        "logout": {"url": "/_api/logout", "headers": {"Authorization": "Bearer {access_token}"}, "json": {}},
        "answer": {"access_token": "/access_token", "refresh_token": "/refresh_token", "expires_in": "/expires_in_ms", "expires_in_unit": "ms"},
        "meanings": [{"of": ["login", "refresh"], "status": 403, "body": {"/errcode": "M_FORBIDDEN"}, "means": "rejected"}]});
    let manager = speaks(&server, auth.clone());
    assert_eq!(status(&manager), 200);
    assert_lives(&manager, 300);
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes")), (1, 1));
    // A refused refresh becomes a login.
    tokens.kill_all();
    assert_eq!(status(&manager), 200);
    assert_eq!(["logins", "refreshes_refused"].map(|name| stat(&manager, name)), [2, 1]);
    // R4: the same code of a call spends nothing.
    let forbidden = manager.request("GET", "/other", Default::default(), None).unwrap().error.unwrap();
    assert_eq!((forbidden.status(), forbidden.server_code()), (Status::TM_FORBIDDEN, Some("M_FORBIDDEN")));
    assert_eq!(status(&manager), 200);
    manager.logout().unwrap();
    assert_eq!((server.count("POST /_api/login"), stat(&manager, "logouts"), tokens.most_arrivals()), (2, 1, 1));
    // The code, not the status, says that it is the password.
    let wrong = try_manager_at(&server.url(), "wrong", json!({"auth": auth})).unwrap();
    let error = fails(get(&wrong), Status::TM_LOGIN_REJECTED);
    assert_eq!((error.http_status(), error.server_code()), (403, Some("M_FORBIDDEN")));
    assert!(error.message().contains("The server's words"), "{error}");
    fails(get(&wrong), Status::TM_LOGIN_SUSPENDED);
}

#[test]
fn example_5_two_steps_and_a_cookie() {
    let tokens = Tokens::new();
    let of_api = tokens.clone();
    // The API that the first step names: it logs in and serves the calls.
    let api = Server::start(move |request| match request.path() {
        "/v1/session" if (request.field("user").as_str(), request.field("pass").as_str()) == (USER, PASSWORD) => {
            Answer::empty(204)
                .with("Set-Cookie", "theme=dark")
                .with("Set-Cookie", &format!("SID={}; Path=/; HttpOnly", of_api.issue().0))
        }
        "/v1/session" => Answer::json(401, json!({"message": "no"})),
        _ if of_api.is_good(request.cookie("SID")) => Answer::json(200, json!({})),
        _ => Answer::json(401, json!({"message": "no"})),
    });
    let url = format!("{}/v1", api.url());
    let id = Server::start(move |request| match request.line().as_str() {
        "GET /tenants/red%20team" => Answer::json(200, json!({"endpoints": [{"url": url}]})),
        _ => Answer::empty(404),
    });
    let auth = json!({"login": [
            {"method": "GET", "url": format!("{}/tenants/{{params.team}}", id.url()), "keep": {"api": "/endpoints/0/url"}},
            {"url": "{kept.api}/session", "form": {"user": "{username}", "pass": "{password}"}, "answer": {"access_token": {"cookie": "SID"}, "lifetime_seconds": 1700}}],
        "refresh": null, "call": {"headers": {"Cookie": "SID={access_token}"}}});
    let options = json!({"auth": auth, "auth_params": {"team": "red team"}});
    let manager = manager(&api, options.clone());
    assert_eq!(status(&manager), 200);
    // The tokens here are JWTs, whose own `exp` is believed before `lifetime_seconds`.
    assert_lives(&manager, LIFETIME);
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes"), id.requests().len()), (2, 0, 2));
    let call = api.last(&format!("GET {CALL}"));
    assert!(call.header("authorization").is_none() && call.cookie("theme").is_empty(), "{call:?}");
    manager.logout().unwrap();
    assert_eq!(stat(&manager, "logouts"), 0);
    // Nothing secret goes to the first step's server, and nothing of a pair.
    assert!(!id.heard().contains("pass") && !id.heard().to_ascii_lowercase().contains("cookie"), "{}", id.heard());
    let wrong = try_manager_at(&api.url(), "wrong", options).unwrap();
    fails(get(&wrong), Status::TM_LOGIN_REJECTED);
    fails(get(&wrong), Status::TM_LOGIN_SUSPENDED);
    assert_eq!(id.requests().len(), 3);
}
