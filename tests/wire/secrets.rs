//! S1: where the token goes, and where it never does.

use crate::client::{PASSWORD, USERNAME, demo, fails, get, manager, send, try_manager, with};
use crate::recorder::{Recorder, reply};
use serde_json::json;
use support::server::header;
use tokenmgr::Manager;
use tokenmgr::error::Status;

/// A manager that holds this token, so that nothing needs to log in.
fn holding(host: &str, allowed: &[&str]) -> Manager {
    let manager = manager(host, json!({"allowed_origins": allowed}));
    manager.set_tokens("the-token", Some("the-refresh-token"), 0, 0).unwrap();
    manager
}

fn redirecting(status: &'static str, to: String) -> Recorder {
    Recorder::start(move |_| reply(status, &format!("Location: {to}\r\n"), "{}"))
}

/// The path of a call that is redirected so often before it comes to the products.
fn hops(count: usize) -> String {
    (0..count).fold("/api/v1/products".to_owned(), |to, _| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", &to).finish();
        format!("/api/v1/redirect?{query}")
    })
}

#[test]
fn s1_the_token_goes_to_the_host_with_every_call() {
    let server = Recorder::content();
    let manager = holding(&server.url(), &[]);
    get(&manager, "/x").unwrap();
    get(&manager, &format!("{}/y", server.url())).unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(header(&request, "authorization"), Some("Bearer the-token"));
    }
}

#[test]
fn s1_nothing_is_sent_to_an_origin_that_is_not_allowed() {
    let (server, other) = (Recorder::content(), Recorder::content());
    let manager = holding(&server.url(), &[]);
    let port = other.url().rsplit(':').next().unwrap().to_owned();
    for url in [
        other.url(),
        format!("{}/x", other.url()),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("{}@127.0.0.1:{port}/", server.url()),
        format!("{}\\@127.0.0.1:{port}/", server.url()),
    ] {
        let outcome = get(&manager, &url);
        // Whatever is not refused went to the host itself.
        if outcome.is_err() {
            fails(outcome, Status::TM_URL_NOT_ALLOWED, &["nothing was sent"]);
        }
        assert_eq!(other.connections(), 0, "{url}");
    }
    for url in [format!("//127.0.0.1:{port}/"), format!("/\\127.0.0.1:{port}/"), "x".to_owned(), String::new()] {
        fails(get(&manager, &url), Status::TM_INVALID_ARGUMENT, &["pass a path that starts with one \"/\""]);
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn s1_an_allowed_origin_gets_the_token() {
    let (server, other) = (Recorder::content(), Recorder::content());
    let manager = holding(&server.url(), &[&other.url()]);
    let answer = get(&manager, &format!("{}/files/1?a=b", other.url())).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(server.connections(), 0);
    let requests = other.requests();
    assert!(requests[0].starts_with("GET /files/1?a=b HTTP/1.1\r\n"), "{}", requests[0]);
    assert_eq!(header(&requests[0], "authorization"), Some("Bearer the-token"));
}

#[test]
fn s1_get_and_head_follow_redirects_within_the_host() {
    for status in [301, 302, 303, 307, 308] {
        let api = demo();
        let manager = manager(&api.url(), json!({}));
        for method in ["GET", "HEAD"] {
            let path = format!("/api/v1/redirect?to=/api/v1/products&status={status}");
            let answer = send(&manager, method, &path, "", json!({})).unwrap();
            assert_eq!((answer.status, answer.url.path()), (200, "/api/v1/products"), "{method} {status}");
        }
        assert_eq!(api.counter(&format!("api_{status}")), 2);
        assert_eq!(api.counter("logins"), 1);
    }
}

#[test]
fn s1_five_redirects_are_followed_and_the_sixth_is_handed_back() {
    let api = demo();
    let manager = manager(&api.url(), json!({}));
    let answer = get(&manager, &hops(5)).unwrap();
    assert_eq!((answer.status, api.counter("api_302")), (200, 5));
    let answer = get(&manager, &hops(6)).unwrap();
    assert_eq!((answer.status, api.counter("api_302")), (302, 5 + 6));
    assert_eq!(answer.headers["location"], "/api/v1/products");
    assert!(answer.error.is_none());
}

#[test]
fn s1_a_redirect_elsewhere_is_handed_back_and_leaks_nothing() {
    let evil = Recorder::content();
    let port = evil.url().rsplit(':').next().unwrap().to_owned();
    for to in [
        format!("http://127.0.0.1:{port}/steal"),
        format!("//127.0.0.1:{port}/steal"),
        format!("https://127.0.0.1:{port}/steal"),
        format!("http://localhost:{port}/steal"),
    ] {
        let server = redirecting("302 Found", to.clone());
        let manager = holding(&server.url(), &[]);
        for method in ["GET", "HEAD"] {
            let answer = send(&manager, method, "/x", "", json!({})).unwrap();
            assert_eq!(answer.status, 302);
            assert_eq!(answer.headers["location"], to.as_str());
        }
    }
    assert_eq!(evil.connections(), 0);
}

#[test]
fn s1_every_hop_is_checked_again() {
    let evil = Recorder::content();
    let allowed = redirecting("302 Found", format!("{}/steal", evil.url()));
    let server = redirecting("302 Found", format!("{}/hop", allowed.url()));
    let manager = holding(&server.url(), &[&allowed.url()]);
    let answer = get(&manager, "/x").unwrap();
    assert_eq!((answer.status, answer.url.as_str()), (302, format!("{}/hop", allowed.url()).as_str()));
    assert_eq!(header(&allowed.requests()[0], "authorization"), Some("Bearer the-token"));
    assert_eq!(evil.connections(), 0);
}

#[test]
fn s1_redirects_of_other_methods_are_handed_back() {
    let (api, other) = (demo(), Recorder::content());
    let manager = manager(&api.url(), json!({"allowed_origins": [other.url()]}));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for status in [301, 302, 303, 307, 308] {
            let path = format!("/api/v1/redirect?to={}/x&status={status}", other.url());
            let answer = send(&manager, method, &path, "{}", json!({})).unwrap();
            assert_eq!(answer.status, status, "{method}");
        }
    }
    assert_eq!(other.connections(), 0);
    assert_eq!(api.counter("api_arrivals"), 20);
}

#[test]
fn s1_no_redirect_takes_a_password_or_a_refresh_token_elsewhere() {
    let (api, evil) = (demo(), Recorder::content());
    let manager = manager(&api.url(), json!({"allowed_origins": [evil.url()]}));
    let redirect = |route: &str, status: u16| json!({"faults": [{"route": route, "status": status, "headers": {"location": evil.url()}}]});
    for status in [301, 302, 307, 308] {
        api.control(redirect("POST /auth/login", status));
        let (status, url) = (status.to_string(), evil.url());
        let says = [&status, "it is a redirect to", url.as_str(), "set the host"];
        let another = self::manager(&api.url(), json!({"allowed_origins": [evil.url()]}));
        fails(another.login(), Status::TM_BAD_RESPONSE, &says);
    }
    manager.login().unwrap();
    api.control(redirect("POST /auth/refresh", 307));
    manager.refresh().unwrap();
    api.control(redirect("POST /auth/logout", 307));
    // Whether that is a success is for another test to say: what counts is where nothing went.
    let _ = manager.logout();
    assert_eq!(evil.connections(), 0);
}

#[test]
fn s1_http_off_this_machine_is_refused() {
    for host in [
        "http://192.0.2.1",
        "http://api.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://0.0.0.0",
        "http://[2001:db8::1]",
        "HTTP://EXAMPLE.COM:8080/base",
    ] {
        fails(try_manager(host, json!({})), Status::TM_URL_NOT_ALLOWED, &["the host", "use https://"]);
        let options = json!({"allowed_origins": [host.trim_end_matches("/base")]});
        fails(try_manager("https://a.example", options), Status::TM_URL_NOT_ALLOWED, &["allowed_origins"]);
        try_manager(host, json!({"allow_insecure_http": true})).expect("it was allowed");
    }
    for host in ["http://127.0.0.1:1", "http://127.1.2.3", "http://[::1]:1", "http://localhost:1/base"] {
        try_manager(host, json!({})).expect("it is loopback");
    }
}

#[test]
fn s1_a_host_with_user_info_is_refused_without_repeating_it() {
    for host in ["https://demo:hunter2@api.example.com", "https://hunter2@api.example.com", "https://a b:hunter2@x"] {
        let made = Manager::new(Some(host), Some(USERNAME), Some(PASSWORD), Some(&with(json!({}))));
        let error = fails(made, Status::TM_INVALID_ARGUMENT, &["https://host[:port]"]);
        assert!(!error.message().contains("hunter2"), "{}", error.message());
    }
}

#[test]
fn f1_a_given_jwt_whose_exp_lies_at_the_ends_of_the_range_is_counted_as_it_stands() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let jwt = |exp: &str| {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        format!("{}.{}.c2ln", part(r#"{"alg":"HS256"}"#), part(&format!(r#"{{"exp":{exp}}}"#)))
    };
    for (exp, token) in [
        ("-9223372036854775808", "dead"),
        ("-9223372036854775807", "dead"),
        ("-1", "dead"),
        ("0", "dead"),
        ("1000", "dead"),
        ("9223372036854775807", "good"),
    ] {
        let manager = manager("http://127.0.0.1:1", json!({}));
        manager.set_tokens(&jwt(exp), None, 0, 0).unwrap();
        let stats: serde_json::Value = serde_json::from_str(&manager.stats_json().unwrap()).unwrap();
        assert_eq!(stats["token"], token, "{exp}");
    }
}
