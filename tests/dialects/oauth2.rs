//! The preset `oauth2`: what each grant, client authentication and body looks like on the wire, and its tokens' lives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::caller_store::CallerStore;
use support::dialects::{
    PASSWORD, USER, answered, fails, get, manager, on, speaks, stat, status, together, try_manager_at, until,
};
use support::folder::Folder;
use support::server::{Answer, Arrived, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

/// A token endpoint that grants everything but dead refresh tokens; `refreshes`: whether it hands out refresh tokens.
fn service(tokens: &Tokens, refreshes: bool) -> Server {
    let tokens = tokens.clone();
    Server::start(move |request| match request.path() {
        "/token" => {
            let said = format!("{}&{}", request.field("refresh_token"), request.query("refresh_token"));
            let said =
                if said == "&" { request.json()["refresh_token"].as_str().unwrap_or("&").to_owned() } else { said };
            let issued = match said.as_str() {
                "&" => Some(tokens.issue()),
                said => tokens.rotate(said.trim_matches('&')),
            };
            let Some((access, refresh)) = issued else {
                return Answer::json(400, json!({"error": "invalid_grant"}));
            };
            let mut body = json!({"access_token": access, "token_type": "Bearer", "expires_in": tokens.lifetime()});
            if refreshes {
                body["refresh_token"] = refresh.into();
            }
            Answer::json(200, body)
        }
        "/revoke" => {
            tokens.revoke(&request.field("token"));
            Answer::empty(200)
        }
        _ if tokens.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401).with("WWW-Authenticate", "Bearer error=\"invalid_token\""),
    })
}

/// The token request that this dialect makes, on a server of its own.
#[track_caller]
fn asked(auth: Value) -> Arrived {
    let server = service(&Tokens::new(), false);
    let mut all = json!({"preset": "oauth2", "token_url": "/token"});
    all.as_object_mut().unwrap().extend(auth.as_object().unwrap().clone());
    assert_eq!(status(&speaks(&server, all)), 200);
    server.last("POST /token")
}

fn decoded(basic: Option<&str>) -> String {
    String::from_utf8(STANDARD.decode(basic.expect("Basic")).expect("base64")).expect("text")
}

#[test]
fn client_credentials_come_from_the_username_or_from_the_client() {
    let request = asked(
        json!({"scope": ["a", "b"], "audience": "https://api", "resource": ["r1", "r2"], "extra": {"x": "{username}"}}),
    );
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    assert_eq!(decoded(request.credentials("Basic")), format!("{}:{}", encode(USER), encode(PASSWORD)));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let fields = ["grant_type", "scope", "audience", "resource", "x", "client_id"].map(|name| request.field(name));
    assert_eq!(fields, ["client_credentials", "a b", "https://api", "r1 | r2", USER, ""]);

    let request = asked(json!({"client": {"id": "shop", "secret": "s:s"}, "client_auth": "basic_raw"}));
    assert_eq!(decoded(request.credentials("Basic")), "shop:s:s");
    let request = asked(json!({"client": {"id": "shop", "secret": "s+s"}, "client_auth": "post"}));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(["client_id", "client_secret"].map(|name| request.field(name)), ["shop", "s+s"]);
    let request = asked(json!({"client": {"id": "shop"}, "client_auth": "none"}));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(["client_id", "client_secret"].map(|name| request.field(name)), ["shop", ""]);
}

#[test]
fn bodies_are_a_form_json_or_the_query() {
    let request = asked(json!({"body": "json", "client_auth": "post", "extra": {"n": "1"}}));
    let body = json!({"grant_type": "client_credentials", "client_id": USER, "client_secret": PASSWORD, "n": "1"});
    assert_eq!(request.json(), body);
    let request = asked(json!({"body": "query", "client_auth": "post"}));
    assert_eq!(request.body, "");
    assert_eq!(["client_id", "client_secret"].map(|name| request.query(name)), [USER, PASSWORD]);
}

#[test]
fn the_grants_password_and_token_exchange_send_their_fields() {
    let request = asked(json!({"grant": "password", "client": {"id": "app", "secret": "s"}, "scope": "openid"}));
    let fields = ["grant_type", "username", "password", "scope"].map(|name| request.field(name));
    assert_eq!(fields, ["password", USER, PASSWORD, "openid"]);
    assert_eq!(decoded(request.credentials("Basic")), "app:s");

    let request =
        asked(json!({"grant": "token_exchange", "client": {"id": "app", "secret": "s"}, "subject_token": "{password}",
        "subject_token_type": "urn:x:jwt", "actor_token": "actor", "requested_token_type": "urn:x:access"}));
    let names = [
        "grant_type",
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "requested_token_type",
    ];
    let expected = [
        "urn:ietf:params:oauth:grant-type:token-exchange",
        PASSWORD,
        "urn:x:jwt",
        "actor",
        "urn:ietf:params:oauth:token-type:access_token",
        "urn:x:access",
    ];
    assert_eq!(names.map(|name| request.field(name)), expected);
    assert_eq!(asked(json!({"grant": "urn:own:grant"})).field("grant_type"), "urn:own:grant");
}

#[test]
fn without_a_refresh_token_many_threads_and_two_managers_log_in_once() {
    let tokens = Tokens::new();
    let server = service(&tokens, false);
    let caller_store = CallerStore::new();
    let two = [(), ()].map(|()| on(&caller_store, speaks(&server, json!({"preset": "oauth2", "token_url": "/token"}))));
    together(16, |at| assert_eq!(status(&two[at % 2]), 200));
    assert_eq!(server.count("POST /token"), 1);
    tokens.kill_access();
    together(16, |at| assert_eq!(status(&two[at % 2]), 200));
    assert_eq!(server.count("POST /token"), 2);
    // Due: a login, as there is no refresh.
    caller_store.grow_older(3590);
    let third = on(&caller_store, speaks(&server, json!({"preset": "oauth2", "token_url": "/token"})));
    until("a login at the window", || status(&third) == 200 && stat(&third, "logins") == 1);
    assert_eq!(server.count("POST /token"), 3);
    assert!(server.requests().iter().all(|request| request.field("grant_type") != "refresh_token"));
}

fn given(file: &str) -> Value {
    json!({"preset": "oauth2", "token_url": "/token", "revocation_url": "/revoke", "grant": "refresh_token",
        "client": {"id": "app", "secret": "app-secret"}, "initial_refresh_token": {"file": file}})
}

#[test]
fn a_given_refresh_token_is_sent_once_and_the_rotated_one_serves_whoever_comes_next() {
    let (tokens, folder, caller_store) = (Tokens::new(), Folder::new(), CallerStore::new());
    tokens.know("first-refresh-token");
    let file = folder.file("token", "first-refresh-token\n");
    let server = service(&tokens, true);
    let managers = [(), (), ()].map(|()| on(&caller_store, speaks(&server, given(&file))));
    together(16, |at| assert_eq!(status(&managers[at % 3]), 200));
    assert_eq!(server.count("POST /token"), 1);
    assert_eq!(server.last("POST /token").field("refresh_token"), "first-refresh-token");
    tokens.kill_access();
    together(16, |at| assert_eq!(status(&managers[at % 3]), 200));
    let next = on(&caller_store, speaks(&server, given(&file)));
    assert_eq!(status(&next), 200);
    assert_eq!(server.count("POST /token"), 2);
    assert_eq!(tokens.most_arrivals(), 1);
    next.logout().unwrap();
    assert_eq!(server.last("POST /revoke").field("token_type_hint"), "refresh_token");
}

#[test]
fn a_given_refresh_token_that_is_refused_is_not_sent_again_and_again() {
    let (tokens, folder, caller_store) = (Tokens::new(), Folder::new(), CallerStore::new());
    let file = folder.file("token", "dead-refresh-token");
    let server = service(&tokens, true);
    let manager = on(&caller_store, speaks(&server, given(&file)));
    let error = fails(get(&manager), Status::TM_LOGIN_REJECTED);
    assert!(!format!("{error} {error:?}").contains("dead-refresh"), "{error}");
    for _ in 0..10 {
        fails(get(&manager), Status::TM_LOGIN_REJECTED);
        fails(get(&on(&caller_store, speaks(&server, given(&file)))), Status::TM_LOGIN_REJECTED);
    }
    // T3: for want of a password a spent one is tried once more.
    assert!(server.count("POST /token") <= 2, "{:?}", server.lines());
    manager.set_tokens("given-access", Some("given-refresh"), 0, 0).unwrap();
    tokens.know("given-refresh");
    assert_eq!(status(&manager), 200);
}

#[test]
fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/token" if request.field("grant_type") == "refresh_token" => {
            assert_eq!(request.field("refresh_token"), "reusable");
            Answer::json(200, json!({"access_token": issue.issue().0, "token_type": "bearer", "expires_in": "3600"}))
        }
        "/token" => {
            let access = issue.issue().0;
            Answer::json(200, json!({"access_token": access, "refresh_token": "reusable", "expires_in": 3600}))
        }
        _ if issue.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401),
    });
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token"}));
    assert_eq!(status(&manager), 200);
    for refreshes in 1..=3 {
        tokens.kill_access();
        assert_eq!(status(&manager), 200);
        assert_eq!((stat(&manager, "refreshes"), stat(&manager, "logins")), (refreshes, 1));
        assert_eq!(manager.peek().unwrap().unwrap().refresh.as_ref().unwrap().as_str(), "reusable");
    }
}

#[test]
fn oauths_codes_decide_over_the_status() {
    for (code, body, expected) in [
        (400, "invalid_client", Status::TM_LOGIN_REJECTED),
        (403, "invalid_grant", Status::TM_LOGIN_REJECTED),
        (500, "unauthorized_client", Status::TM_LOGIN_REJECTED),
        (400, "slow_down", Status::TM_RATE_LIMITED),
        (400, "temporarily_unavailable", Status::TM_SERVER_ERROR),
    ] {
        let server = Server::start(move |_| Answer::json(code, json!({"error": body})));
        let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token"}));
        fails(get(&manager), expected);
        let _ = get(&manager).expect_err("a pause");
        assert_eq!(server.requests().len(), 1, "{body}");
    }
}

#[test]
fn a_calls_challenge_says_whether_the_token_is_to_blame() {
    let tokens = Tokens::new();
    let issue = tokens.clone();
    let server = Server::start(move |request| match request.path() {
        "/token" => Answer::json(200, json!({"access_token": issue.issue().0, "token_type": "bearer"})),
        _ => Answer::empty(401).with("WWW-Authenticate", "Bearer error=\"insufficient_scope\", scope=\"x\""),
    });
    let manager = speaks(&server, json!({"preset": "oauth2", "token_url": "/token"}));
    answered(&manager, Status::TM_FORBIDDEN);
    answered(&manager, Status::TM_FORBIDDEN);
    assert_eq!(server.count("POST /token"), 1);
}

#[test]
fn pairs_of_other_scopes_and_audiences_are_kept_apart() {
    let (tokens, folder) = (Tokens::new(), Folder::new());
    let server = service(&tokens, false);
    let store = json!({"type": "file", "path": folder.path("{client_id}"), "plaintext": true});
    let of = |more: Value| {
        let mut auth = json!({"preset": "oauth2", "token_url": "/token"});
        auth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        manager(&server, json!({"auth": auth, "store": store}))
    };
    let all =
        [json!({}), json!({"scope": "a"}), json!({"scope": "b"}), json!({"audience": "a"}), json!({"resource": "a"})];
    let held: Vec<_> = all.iter().map(|more| of(more.clone()).token().unwrap().access.as_str().to_owned()).collect();
    assert_eq!(server.count("POST /token"), all.len());
    let again: Vec<_> = all.iter().map(|more| of(more.clone()).token().unwrap().access.as_str().to_owned()).collect();
    assert_eq!(server.count("POST /token"), all.len());
    assert_eq!(held, again);
}

#[test]
fn options_that_cannot_work_are_refused_at_once() {
    for auth in [
        json!({"preset": "oauth2"}),
        json!({"preset": "oauth2", "token_url": "http://id.example.com/token"}),
        json!({"preset": "oauth2", "token_url": "/token", "client_auth": "private_key_jwt"}),
        json!({"preset": "oauth2", "token_url": "/token", "grant": "jwt_bearer"}),
        json!({"preset": "oauth2", "token_url": "/token", "grant": "token_exchange"}),
        json!({"preset": "oauth2", "token_url": "/token", "initial_refresh_token": "x"}),
        json!({"preset": "oauth2", "token_url": "/token", "scopes": "x"}),
    ] {
        fails(try_manager_at("https://api.example.com", PASSWORD, json!({"auth": auth})), Status::TM_INVALID_OPTIONS);
    }
}
