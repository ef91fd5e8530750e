//! Dialects against the contract, sentence by sentence: what they ask, how they read, what they refuse.

mod assertion;
mod examples;
mod oauth2;
mod presets;
mod properties;
mod refused;
mod requests;
mod verdicts;

use super::*;
use crate::error::Error;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use std::time::Duration;

/// 2026-01-01T00:00:00Z, in milliseconds.
pub const NOW: i64 = 1_767_225_600_000;

pub const MOMENT: Moment = Moment { now: NOW / 1000, random: [7; 32] };

pub fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

/// What sources hold in these tests.
fn read(source: Source<'_>) -> std::result::Result<Secret, String> {
    let key = |text: &str| Ok(secret(text));
    match source {
        Source::Env("KEY") => key("shared-key"),
        Source::Env("REFRESH") => key("the-first-refresh-token"),
        Source::Env(name) if name.starts_with('{') => key(name),
        Source::Env(_) => Err("is not set; set it".to_owned()),
        Source::File("rsa.pkcs1.pem") => key(include_str!("keys/rsa.pkcs1.pem")),
        Source::File("rsa.pkcs8.pem") => key(include_str!("keys/rsa.pkcs8.pem")),
        Source::File("rsa.jwk.json") => key(include_str!("keys/rsa.jwk.json")),
        Source::File("ec.sec1.pem") => key(include_str!("keys/ec.sec1.pem")),
        Source::File("ec.pkcs8.pem") => key(include_str!("keys/ec.pkcs8.pem")),
        Source::File("ec.jwk.json") => key(include_str!("keys/ec.jwk.json")),
        Source::File("ec384.pkcs8.pem") => key(include_str!("keys/ec384.pkcs8.pem")),
        Source::File("ec.encrypted.pem") => key(include_str!("keys/ec.encrypted.pem")),
        Source::File("ed25519.pkcs8.pem") => key(include_str!("keys/ed25519.pkcs8.pem")),
        Source::File("ed25519.jwk.json") => key(include_str!("keys/ed25519.jwk.json")),
        Source::File("dialect.json") => key("\u{feff}{\"preset\": \"simplejwt\", \"logout\": null}"),
        Source::File("list.json") => key("[]"),
        Source::File("twice.json") => key("{\"login\": {\"url\": \"/a\", \"url\": \"/hunter2\"}}"),
        Source::File("broken.json") => key("{\"login\": hunter2}"),
        Source::File(_) => Err("could not be read; check its path and permissions".to_owned()),
    }
}

pub fn try_compile(auth: &Value) -> Result<Dialect> {
    let params = params(
        &json!({"domain": "default", "team": "a/b c", "code": "x.1", "key": "p4r4m-key", "url": "https://x.example.com/v2", "http": "http://x.example.com", "dots": "..", "line": "a\nb", "port": "8443"}),
        &read,
    )
    .unwrap();
    Dialect::compile(auth, &Environment { params: &params, read: &read, allow_insecure: false })
}

pub fn compile(auth: Value) -> Dialect {
    try_compile(&auth).unwrap_or_else(|error| panic!("{auth}: {error}"))
}

/// What the option is refused with.
pub fn refusal(auth: Value) -> String {
    let error = try_compile(&auth).err().unwrap_or_else(|| panic!("{auth} was taken"));
    assert_eq!(error.status(), crate::error::Status::TM_INVALID_OPTIONS, "{auth}: {error}");
    error.message().to_owned()
}

/// Everything that a request could be filled with.
pub struct Filling {
    pub password: Secret,
    pub access: Secret,
    pub refresh: Secret,
    pub kept: Kept,
    pub discovered: discovery::Discovered,
}

impl Filling {
    pub fn new() -> Filling {
        let mut kept = Kept::new();
        kept.insert("session".to_owned(), secret("s-1"));
        kept.insert("api".to_owned(), secret("https://api7.example.com/v1"));
        Filling {
            password: secret("p\"w:ö d"),
            access: secret("the-access-token"),
            refresh: secret("the-refresh-token"),
            kept,
            discovered: discovery::Discovered {
                token_endpoint: "https://id.example.com/token".to_owned(),
                revocation_endpoint: Some("https://id.example.com/revoke".to_owned()),
            },
        }
    }

    pub fn values(&self) -> Values<'_> {
        Values {
            username: Some("shop"),
            password: Some(&self.password),
            client_id: Some("client-7"),
            access_token: Some(&self.access),
            refresh_token: Some(&self.refresh),
            token_type: None,
            kept: Some(&self.kept),
            path: Some("/orders"),
            base: Some("https://api.example.com/base"),
            discovered: Some(&self.discovered),
        }
    }
}

/// A request as text: the line, the headers but for Accept, an empty line, the body.
pub fn show(prepared: &Prepared) -> String {
    let mut headers: Vec<String> = prepared
        .headers
        .iter()
        .filter(|(name, _)| *name != "accept")
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    headers.sort();
    let head = format!("{} {}\n{}", prepared.method, *prepared.url, headers.join("\n"));
    match prepared.body.is_empty() {
        true => head,
        false => format!("{head}\n\n{}", String::from_utf8_lossy(&prepared.body)),
    }
}

pub fn prepare(dialect: &Dialect, stage: Stage) -> Result<Prepared> {
    dialect.prepare(stage, &Filling::new().values(), &MOMENT).expect("there is such an endpoint")
}

pub fn request_text(dialect: &Dialect, stage: Stage) -> String {
    show(&prepare(dialect, stage).unwrap_or_else(|error| panic!("{error}")))
}

pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

pub fn answered(
    dialect: &Dialect,
    stage: Stage,
    status: u16,
    pairs: &[(&str, &str)],
    body: &str,
) -> std::result::Result<Brought, Refusal> {
    let headers = headers(pairs);
    let reply = Reply { status, headers: &headers, body: body.as_bytes(), intermediary: None, now: NOW };
    dialect.read(stage, &Filling::new().values(), &reply, &[])
}

/// The pair that the last step of a login brings.
pub fn grant(dialect: &Dialect, pairs: &[(&str, &str)], body: &str) -> Grant {
    let last = Stage::Login(dialect.login_steps() - 1);
    match answered(dialect, last, 200, pairs, body) {
        Ok(Brought::Grant(grant)) => *grant,
        Ok(Brought::Kept(_)) => panic!("no grant was looked for"),
        Err(refusal) => panic!("{body}: {}", refusal.error),
    }
}

pub fn refused(
    dialect: &Dialect,
    stage: Stage,
    status: u16,
    pairs: &[(&str, &str)],
    body: &str,
) -> (RefusalKind, Error) {
    match answered(dialect, stage, status, pairs, body) {
        Err(Refusal { kind, error }) => (kind, error),
        Ok(_) => panic!("{status} {body} was taken"),
    }
}

pub fn call_headers(dialect: &Dialect) -> Vec<String> {
    let filled = dialect.fill_call(&Filling::new().values(), &MOMENT).unwrap();
    filled.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

pub fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// A JWT that ends so many seconds from now.
pub fn jwt(seconds: i64) -> String {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.x", encode("{}"), encode(&format!("{{\"exp\":{}}}", NOW / 1000 + seconds)))
}
