//! Every preset against a server with the endpoints, statuses and bodies of the real one: its whole life, and its ways to fail.

use serde_json::{Value, json};
use support::caller_store::CallerStore;
use support::dialects::{PASSWORD, USER, fails, get, on, speaks, stat, stats, status, together, try_manager_at, until};
use support::server::{Answer, Arrived, Server};
use support::tokens::{Issued, LIFETIME, Tokens, rfc3339, unix_now};
use tokenmgr::error::Status;

/// What differs between the presets.
struct Api {
    preset: &'static str,
    login: &'static str,
    refresh: &'static str,
    logout: &'static str,
    granted: fn(&Issued, u64) -> Value,
    /// The refresh token in a refresh or logout.
    token: fn(&Arrived) -> String,
    is_login: fn(&Arrived) -> bool,
    bad_login: fn() -> Answer,
    bad_refresh: fn() -> Answer,
    bad_call: fn() -> Answer,
    logged_out: fn() -> Answer,
}

fn text(value: Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const APIS: [Api; 5] = [
    Api {
        preset: "popup",
        login: "/auth/login",
        refresh: "/auth/refresh",
        logout: "/auth/logout",
        granted: |(access, refresh), left| json!({"success": true, "data": {"access_token": access, "refresh_token": refresh, "expires_in": left}}),
        token: |request| text(request.json()["refresh_token"].clone()),
        is_login: |request| request.json() == json!({"username": USER, "password": PASSWORD}),
        bad_login: || {
            Answer::json(401, json!({"success": false, "error": {"code": "invalid_credentials", "message": "no"}}))
        },
        bad_refresh: || {
            Answer::json(401, json!({"success": false, "error": {"code": "invalid_token", "message": "no"}}))
        },
        bad_call: || Answer::json(401, json!({"success": false, "error": {"code": "token_expired", "message": "no"}})),
        logged_out: || Answer::json(200, json!({"success": true})),
    },
    Api {
        preset: "simplejwt",
        login: "/api/token/",
        refresh: "/api/token/refresh/",
        logout: "/api/token/blacklist/",
        granted: |(access, refresh), _| json!({"access": access, "refresh": refresh}),
        token: |request| text(request.json()["refresh"].clone()),
        is_login: |request| request.json() == json!({"username": USER, "password": PASSWORD}),
        bad_login: || {
            let body = json!({"detail": "No active account found with the given credentials"});
            Answer::json(401, body).with("WWW-Authenticate", "Bearer realm=\"api\"")
        },
        bad_refresh: || {
            let body = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
            Answer::json(401, body).with("WWW-Authenticate", "Bearer realm=\"api\"")
        },
        bad_call: || {
            let body = json!({"detail": "Given token not valid for any token type", "code": "token_not_valid",
                "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is expired"}]});
            Answer::json(401, body).with("WWW-Authenticate", "Bearer realm=\"api\"")
        },
        logged_out: || Answer::json(200, json!({})),
    },
    Api {
        preset: "dj-rest-auth",
        login: "/auth/login/",
        refresh: "/auth/token/refresh/",
        logout: "/auth/logout/",
        granted: |(access, refresh), left| {
            let at = |left| json!(rfc3339(unix_now() + left));
            json!({"access": access, "refresh": refresh, "user": {"pk": 1, "username": USER, "email": ""},
                "access_expiration": at(left), "refresh_expiration": at(10 * LIFETIME)})
        },
        token: |request| text(request.json()["refresh"].clone()),
        is_login: |request| request.json() == json!({"username": USER, "password": PASSWORD}),
        bad_login: || Answer::json(400, json!({"non_field_errors": ["Unable to log in with provided credentials."]})),
        bad_refresh: || Answer::json(401, json!({"detail": "Token is invalid or expired", "code": "token_not_valid"})),
        bad_call: || Answer::json(401, json!({"detail": "Authentication credentials were not provided."})),
        logged_out: || Answer::json(200, json!({"detail": "Successfully logged out."})),
    },
    Api {
        preset: "directus",
        login: "/auth/login",
        refresh: "/auth/refresh",
        logout: "/auth/logout",
        granted: |(access, refresh), left| json!({"data": {"access_token": access, "refresh_token": refresh, "expires": left * 1000}}),
        token: |request| text(request.json()["refresh_token"].clone()),
        is_login: |request| request.json() == json!({"email": USER, "password": PASSWORD}),
        bad_login: || directus_error("INVALID_CREDENTIALS", "Invalid user credentials."),
        bad_refresh: || directus_error("INVALID_CREDENTIALS", "Invalid user credentials."),
        bad_call: || directus_error("TOKEN_EXPIRED", "Token expired."),
        logged_out: || Answer::empty(204),
    },
    Api {
        preset: "oauth2",
        login: "/token",
        refresh: "/token",
        logout: "/revoke",
        granted: |(access, refresh), left| json!({"access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": left}),
        token: |request| match request.path() {
            "/revoke" => request.field("token"),
            _ => request.field("refresh_token"),
        },
        is_login: |request| request.credentials("Basic").is_some_and(|said| said == basic(PASSWORD)),
        bad_login: || {
            Answer::json(401, json!({"error": "invalid_client"})).with("WWW-Authenticate", "Basic realm=\"x\"")
        },
        bad_refresh: || {
            Answer::json(400, json!({"error": "invalid_grant", "error_description": "Token is not active"}))
        },
        bad_call: || Answer::empty(401).with("WWW-Authenticate", "Bearer realm=\"x\", error=\"invalid_token\""),
        logged_out: || Answer::empty(200),
    },
];

fn directus_error(code: &str, message: &str) -> Answer {
    Answer::json(401, json!({"errors": [{"message": message, "extensions": {"code": code}}]}))
}

/// RFC 6749, 2.3.1: each part is form-encoded first.
fn basic(password: &str) -> String {
    use base64::Engine;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", encode(USER), encode(password)))
}

impl Api {
    fn auth(&self) -> Value {
        match self.preset {
            "oauth2" => json!({"preset": "oauth2", "token_url": "/token", "revocation_url": "/revoke"}),
            preset => json!(preset),
        }
    }

    fn start(&'static self, tokens: &Tokens) -> Server {
        let tokens = tokens.clone();
        let granted = move |api: &Api, issued: Option<Issued>, left, bad: fn() -> Answer| match issued {
            Some(issued) => Answer::json(200, (api.granted)(&issued, left)),
            None => bad(),
        };
        Server::start(move |request| {
            let is_refresh = match self.preset {
                "oauth2" => request.field("grant_type") == "refresh_token",
                _ => request.path() == self.refresh,
            };
            match request.path() {
                path if path == self.refresh && is_refresh => {
                    granted(self, tokens.rotate(&(self.token)(request)), tokens.lifetime(), self.bad_refresh)
                }
                path if path == self.login => {
                    let issued = (self.is_login)(request).then(|| tokens.issue());
                    granted(self, issued, tokens.lifetime(), self.bad_login)
                }
                path if path == self.logout => {
                    tokens.revoke(&(self.token)(request));
                    tokens.revoke(request.bearer());
                    (self.logged_out)()
                }
                _ if tokens.is_good(request.bearer()) => Answer::json(200, json!({"ok": true})),
                _ => (self.bad_call)(),
            }
        })
    }
}

/// The tests of each preset, by its name. That of `vault`, whose tokens renew themselves, has tests/dialects/vault.rs.
macro_rules! presets {
    ($($name:ident $at:literal)*) => { $(mod $name {
        use super::*;
        const API: &Api = &APIS[$at];
        #[test] fn logs_in_calls_recovers_by_one_refresh_and_logs_out() { super::logs_in_calls_recovers_by_one_refresh_and_logs_out(API) }
        #[test] fn logs_in_anew_where_the_refresh_token_is_dead() { super::logs_in_anew_where_the_refresh_token_is_dead(API) }
        #[test] fn tells_wrong_credentials_once_and_then_pauses() { super::tells_wrong_credentials_once_and_then_pauses(API) }
        #[test] fn rotates_once_for_many_threads_and_two_managers() { super::rotates_once_for_many_threads_and_two_managers(API) }
        #[test] fn refreshes_ahead_of_expiry() { super::refreshes_ahead_of_expiry(API) }
    })* };
}

presets! { popup 0 simplejwt 1 dj_rest_auth 2 directus 3 oauth2 4 }

fn logs_in_calls_recovers_by_one_refresh_and_logs_out(api: &'static Api) {
    let tokens = Tokens::new();
    let server = api.start(&tokens);
    let manager = speaks(&server, api.auth());
    assert_eq!(status(&manager), 200);
    let left = stats(&manager)["seconds_left"].as_u64().expect("an expiry");
    assert!((LIFETIME - 30..=LIFETIME + 1).contains(&left), "{left}");
    tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "refreshes")), (1, 1), "{:?}", server.lines());
    assert_eq!(tokens.most_arrivals(), 1);
    let held = manager.peek().unwrap().expect("a pair");
    manager.logout().expect("a logout");
    assert_eq!(server.count(&format!("POST {}", api.logout)), 1);
    assert!(manager.peek().unwrap().is_none());
    let refresh = held.refresh.as_ref().expect("a refresh token").as_str();
    assert!(tokens.rotate(refresh).is_none() || api.preset == "popup", "it is good still");
    assert_eq!(status(&manager), 200, "a new login");
}

fn logs_in_anew_where_the_refresh_token_is_dead(api: &'static Api) {
    let tokens = Tokens::new();
    let server = api.start(&tokens);
    let manager = speaks(&server, api.auth());
    assert_eq!(status(&manager), 200);
    tokens.kill_all();
    assert_eq!(status(&manager), 200);
    let counted = ["logins", "refreshes", "refreshes_refused"].map(|name| stat(&manager, name));
    assert_eq!(counted, [2, 0, 1], "{:?}", server.lines());
    assert_eq!(tokens.most_arrivals(), 1);
}

fn tells_wrong_credentials_once_and_then_pauses(api: &'static Api) {
    let tokens = Tokens::new();
    let server = api.start(&tokens);
    let manager = try_manager_at(&server.url(), "wrong", json!({"auth": api.auth()})).unwrap();
    let error = fails(get(&manager), Status::TM_LOGIN_REJECTED);
    assert!(!format!("{error} {error:?}").contains("wrong"), "{error}");
    for _ in 0..5 {
        fails(get(&manager), Status::TM_LOGIN_SUSPENDED);
    }
    assert_eq!(server.requests().len(), 1, "{:?}", server.lines());
    manager.set_credentials(None, PASSWORD).unwrap();
    assert_eq!(status(&manager), 200);
}

fn rotates_once_for_many_threads_and_two_managers(api: &'static Api) {
    let tokens = Tokens::new();
    let server = api.start(&tokens);
    let caller_store = CallerStore::new();
    let managers = [(), ()].map(|()| on(&caller_store, speaks(&server, api.auth())));
    together(16, |at| assert_eq!(status(&managers[at % 2]), 200));
    let all = |name| managers.iter().map(|manager| stat(manager, name)).sum::<u64>();
    assert_eq!((all("logins"), all("refreshes")), (1, 0), "{:?}", server.lines());
    tokens.kill_access();
    together(16, |at| assert_eq!(status(&managers[at % 2]), 200));
    assert_eq!((all("logins"), all("refreshes")), (1, 1), "{:?}", server.lines());
    assert_eq!(tokens.most_arrivals(), 1);
}

fn refreshes_ahead_of_expiry(api: &'static Api) {
    let tokens = Tokens::new();
    let server = api.start(&tokens);
    let caller_store = CallerStore::new();
    assert_eq!(status(&on(&caller_store, speaks(&server, api.auth()))), 200);
    caller_store.grow_older(LIFETIME as i64 - 20);
    let manager = on(&caller_store, speaks(&server, api.auth()));
    until("it is refreshed", || status(&manager) == 200 && stat(&manager, "refreshes") == 1);
    assert_eq!(stat(&manager, "logins"), 0);
    assert_eq!(tokens.most_arrivals(), 1);
}
