//! The demo API's own tests: the oracle of all others has to be right itself.

mod connections;
mod control;
mod faults;
mod other_logins;

use crate::api::{Account, Config, DemoApi};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};
use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};

/// More than anything here should ever take: only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> DemoApi {
    DemoApi::start(Config::default()).expect("a free port")
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["data"].clone()
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().expect("an error's code").into()
    }

    fn parse(bytes: &[u8]) -> io::Result<Reply> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8(bytes[..end].to_vec()).map_err(io::Error::other)?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Ok(Reply { status: status.ok_or(io::ErrorKind::InvalidData)?, head, body: bytes[end + 4..].to_vec() })
    }
}

fn connect(api: &DemoApi) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", api.port())).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

/// One request on a connection of its own; an error if there is no whole head in the answer.
fn try_call(api: &DemoApi, line: &str, bearer: Option<&str>, body: &str) -> io::Result<Reply> {
    let bearer = bearer.map(|t| format!("Authorization: Bearer {t}\r\n"));
    try_call_with(api, line, &bearer.unwrap_or_default(), body)
}

/// The same with these lines of headers.
fn try_call_with(api: &DemoApi, line: &str, headers: &str, body: &str) -> io::Result<Reply> {
    let mut stream = connect(api);
    stream.write_all(request(line, &format!("Connection: close\r\n{headers}"), body).as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Reply::parse(&bytes)
}

fn call(api: &DemoApi, line: &str, bearer: Option<&str>, body: &str) -> Reply {
    try_call(api, line, bearer, body).expect("an answer")
}

fn login(api: &DemoApi) -> Reply {
    let body = json!({"username": "demo", "password": "demo-password"});
    call(api, "POST /auth/login", None, &body.to_string())
}

fn refresh(api: &DemoApi, token: &Value) -> Reply {
    let body = json!({"refresh_token": token});
    call(api, "POST /auth/refresh", None, &body.to_string())
}

fn products(api: &DemoApi, pair: &Value) -> u16 {
    call(api, "GET /api/v1/products", pair["access_token"].as_str(), "").status
}

fn unix(time: &Value) -> i64 {
    let time = OffsetDateTime::parse(time.as_str().expect("a time"), &Rfc3339);
    time.expect("RFC 3339").unix_timestamp()
}

fn date_of(reply: &Reply) -> i64 {
    let date = reply.header("date").expect("a Date");
    assert!(date.ends_with(" GMT"), "{date}");
    let date = PrimitiveDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822);
    date.expect("an HTTP date").assume_utc().unix_timestamp()
}

/// By the answer's own `Date`, which may be a little later than the token.
fn lasts(reply: &Reply, name: &str, seconds: i64) -> bool {
    let left = unix(&reply.data()[name]) - date_of(reply);
    (seconds - 30..=seconds).contains(&left)
}

fn claims(pair: &Value) -> Value {
    let token = pair["access_token"].as_str().expect("a token");
    let payload = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON")
}

#[test]
fn a_login_answers_as_documented() {
    let api = start();
    let reply = login(&api);
    let data = reply.data();
    assert_eq!(reply.json()["success"], true);
    assert_eq!(data["client_id"], 1001);
    assert!(lasts(&reply, "access_expires_at", 3600));
    assert!(lasts(&reply, "refresh_expires_at", 7 * 86400));
    assert!(data["access_expires_at"].as_str().expect("a time").ends_with('Z'));
    let claims = claims(&data);
    assert_eq!(claims["exp"], unix(&data["access_expires_at"]));
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|iat| iat + 3600));
    assert_eq!(claims["sub"], "1001");
    let length = data["access_token"].as_str().expect("a token").len();
    assert!((1020..=1024).contains(&length), "{length}");
    assert_eq!(products(&api, &data), 200);
    assert_eq!(api.counter("logins"), 1);
    assert_eq!(api.counter("api_200"), 1);
}

#[test]
fn refusals_have_the_documented_statuses_and_both_forms() {
    let api = start();
    let login = |body: &str| call(&api, "POST /auth/login", None, body);
    assert_eq!(login("{").status, 400);
    assert_eq!(login(r#"{"username":"demo"}"#).code(), "missing_field");
    let wrong = login(r#"{"username":"demo","password":"x"}"#);
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.json()["error"]["name"], "UnauthorizedError");
    assert_eq!(call(&api, "POST /auth/refresh", None, "{}").status, 400);
    assert_eq!(refresh(&api, &json!("unknown")).code(), "invalid_refresh_token");
    assert_eq!(call(&api, "POST /auth/logout", None, "").status, 401);
    assert_eq!(call(&api, "GET /api/v1/products", Some("x"), "").status, 401);
    assert_eq!(call(&api, "GET /auth/login", None, "").status, 405);
    assert_eq!(call(&api, "GET /nowhere", None, "").status, 404);

    api.control(json!({"old_envelope": true}));
    let wrong = login(r#"{"username":"demo","password":"x"}"#).json();
    assert_eq!(wrong["error"], "invalid_credentials");
    assert!(wrong["message"].is_string());
    let right = login(r#"{"username":"demo","password":"demo-password"}"#).json();
    assert!(right["access_token"].is_string() && right.get("success").is_none());
    for (name, n) in [("logins_bad", 2), ("logins_refused", 2), ("logins", 1), ("refreshes_bad", 1)] {
        assert_eq!(api.counter(name), n, "{name}");
    }
}

#[test]
fn a_refresh_rotates_and_a_second_use_revokes_the_family() {
    let api = start();
    let (first, bystander) = (login(&api).data(), login(&api).data());
    let second = refresh(&api, &first["refresh_token"]).data();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!((products(&api, &first), products(&api, &second)), (200, 200));
    assert_eq!(api.counter("reuse"), 0);

    assert_eq!(refresh(&api, &first["refresh_token"]).status, 401);
    assert_eq!(api.counter("reuse"), 1);
    assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 2);
    assert_eq!((products(&api, &first), products(&api, &second)), (401, 401));
    assert_eq!(refresh(&api, &second["refresh_token"]).status, 401, "revoked, not reused");
    assert_eq!(api.counter("reuse"), 1);
    assert_eq!(products(&api, &bystander), 200);
}

#[test]
fn of_many_refreshes_with_one_token_one_succeeds() {
    let api = start();
    let pair = login(&api).data();
    let statuses = std::thread::scope(|scope| {
        let one = || scope.spawn(|| refresh(&api, &pair["refresh_token"]).status);
        let all: Vec<_> = (0..8).map(|_| one()).collect();
        all.into_iter().map(|t| t.join().expect("a status")).collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1);
    assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 8);
    assert_eq!(api.counter("reuse"), 7);
}

#[test]
fn a_logout_revokes_every_token_of_the_client_and_of_nobody_else() {
    let account = |username: &str| Account {
        username: username.into(),
        password: "demo-password".into(),
        client_id: 0,
        active: true,
    };
    let config = Config { accounts: vec![account("demo"), account("other")], ..Config::default() };
    let api = DemoApi::start(config).expect("a free port");
    let (one, two) = (login(&api).data(), login(&api).data());
    let body = r#"{"username":"other","password":"demo-password"}"#;
    let other = call(&api, "POST /auth/login", None, body).data();
    assert_eq!(other["client_id"], 1002);
    let reply = call(&api, "POST /auth/logout", one["access_token"].as_str(), "");
    assert!(reply.data()["message"].is_string());
    assert_eq!([&one, &two, &other].map(|pair| products(&api, pair)), [401, 401, 200]);
    assert_eq!(refresh(&api, &two["refresh_token"]).status, 401);
    assert_eq!((api.counter("logouts"), api.counter("reuse")), (1, 0));
}

#[test]
fn off_the_whitelist_everything_is_403_and_nothing_is_spent() {
    let api = start();
    let pair = login(&api).data();
    api.control(json!({"whitelist": ["192.0.2.1"]}));
    assert_eq!(login(&api).status, 403);
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 403);
    assert_eq!(products(&api, &pair), 403);
    api.control(json!({"whitelist": null}));
    assert_eq!(products(&api, &pair), 200);
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 200);
    assert_eq!((api.counter("logins_forbidden"), api.counter("refreshes_forbidden")), (1, 1));
}

#[test]
fn too_many_logins_are_429_until_the_window_is_over() {
    let api = start();
    api.control(json!({"login_limit": {"max": 2, "window_ms": 60_000}}));
    assert_eq!([login(&api).status, login(&api).status], [200, 200]);
    let limited = login(&api);
    assert_eq!(limited.status, 429);
    let wait: i64 = limited.header("retry-after").expect("a Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(api.counter("logins_limited"), 1);
    api.control(json!({"clock_skew_ms": wait * 1000}));
    assert_eq!(login(&api).status, 200);
}

#[test]
fn an_inactive_client_gets_in_nowhere() {
    let api = start();
    let pair = login(&api).data();
    api.control(json!({"accounts": [
        {"username": "demo", "password": "demo-password", "active": false},
    ]}));
    assert_eq!((login(&api).status, products(&api, &pair)), (401, 401));
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 401);
}

#[test]
fn lifetimes_are_kept_on_the_servers_own_clock() {
    let api = start();
    let hour = 3_600_000;
    api.control(json!({"clock_skew_ms": -5 * hour}));
    let reply = login(&api);
    let pair = reply.data();
    assert!(lasts(&reply, "access_expires_at", 3600));
    let machine = OffsetDateTime::now_utc().unix_timestamp();
    assert!((machine - date_of(&reply) - 5 * 3600).abs() < 60);
    api.control(json!({"clock_skew_ms": -4 * hour}));
    assert_eq!(products(&api, &pair), 401, "an hour later");
    let pair = refresh(&api, &pair["refresh_token"]).data();
    api.control(json!({"clock_skew_ms": 7 * 24 * hour}));
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 401, "a week later");
    assert_eq!(api.counter("reuse"), 0);
}
