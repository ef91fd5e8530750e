//! What the fuzzer feeds: every parser that reads what others wrote, and histories of the record. Only built for it.

mod histories;

use crate::auth::{
    Brought, Dialect, Environment, Moment, Reply, ServerMessage, Source, Stage, Values, http_date, retry_after,
};
use crate::client::options::Options;
use crate::http::origin::Origins;
use crate::redact::{repeats, scrub};
use crate::request::options::RequestOptions;
use crate::sys::secret::Secret;
use crate::token::jwt;
use crate::token::record::{Claim, Holding, Record, Spending};
use crate::{http, store};
use ::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Takes bytes, whatever they are, and does not panic.
pub type Target = fn(&[u8]);

/// By the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("dates", dates),
    ("dialects", dialects),
    ("encodings", http::fuzzing::decode),
    ("histories", histories::play),
    ("jwts", jwts),
    ("locations", http::fuzzing::redirect),
    ("options", options),
    ("proxies", proxies),
    ("records", records),
    ("redis-hashes", store::redis::fuzzing::hash),
    ("redis-replies", store::redis::fuzzing::reply),
    ("requests", requests),
    ("sealed", store::fuzzing::sealed),
    ("urls", urls),
    ("vault-answers", store::vault::fuzzing::answer),
    ("words", words),
];

fn jwts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = jwt::payload_json(&text);
    jwt::should_refresh(&text, 300, 1_700_000_000);
}

fn options(data: &[u8]) {
    drop(Options::parse(Some(&String::from_utf8_lossy(data))));
}

fn requests(data: &[u8]) {
    drop(RequestOptions::parse(Some(&String::from_utf8_lossy(data))));
}

fn urls(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = Origins::new(&text, &[], false);
    if let Ok(origins) = Origins::new("https://api.example.com/base", &[], false)
        && let Ok(url) = origins.resolve(&text)
    {
        assert_eq!(url.host_str(), Some("api.example.com"));
    }
}

/// The first byte picks the preset and the endpoint, the second the status. What an answer comes to holds no secret.
fn answers(data: &[u8]) {
    const PRESETS: [&str; 5] = ["popup", "simplejwt", "dj-rest-auth", "directus", "vault"];
    let [first, second, body @ ..] = data else { return };
    let status = match first % 4 {
        0 | 1 => 200,
        _ => 100 + u16::from(*second) * 2,
    };
    let Some(dialect) = compiled(&PRESETS[usize::from(*first) % PRESETS.len()].into()) else { return };
    let secret = Secret::new("hunter2hunter2");
    let headers = HeaderMap::from_iter([(header::DATE, HeaderValue::from_static("Tue, 14 Nov 2023 22:13:20 GMT"))]);
    let reply = Reply { status, headers: &headers, body, intermediary: None, now: 1_700_000_000_000 };
    for stage in [Stage::Login(0), Stage::Refresh, Stage::Logout] {
        match dialect.read(stage, &Values::default(), &reply, &secret.iter().collect::<Vec<_>>()) {
            Ok(Brought::Grant(grant)) => assert!(!grant.access.as_str().is_empty()),
            Ok(Brought::Kept(_)) => {}
            Err(refusal) => assert!(!refusal.error.message().contains("hunter2hunter2"), "{}", refusal.error),
        }
    }
}

/// Any JSON as a dialect: what is taken makes requests that go where the dialect says, what is not tells no value.
fn dialects(data: &[u8]) {
    let Ok(option) = serde_json::from_slice::<Value>(data) else { return };
    let Some(dialect) = compiled(&option) else { return };
    let secret = Secret::new("hunter2hunter2");
    // What the dialect itself holds may be shown: a host that is called like the password is no leak.
    if repeats(&option.to_string(), &secret.iter().collect::<Vec<_>>()) {
        return;
    }
    let values = Values {
        username: Some("demo"),
        password: secret.as_ref(),
        access_token: secret.as_ref(),
        refresh_token: secret.as_ref(),
        base: Some("https://api.example.com"),
        ..Values::default()
    };
    let moment = Moment { now: 1_700_000_000, random: [7; 32] };
    for stage in [Stage::Login(0), Stage::Refresh, Stage::Logout] {
        match dialect.prepare(stage, &values, &moment) {
            None => {}
            Some(Ok(prepared)) => assert!(!prepared.redacted.contains("hunter2hunter2"), "{}", prepared.redacted),
            Some(Err(error)) => assert!(!error.message().contains("hunter2hunter2"), "{error}"),
        }
    }
    drop(dialect.fill_call(&values, &moment));
}

fn compiled(option: &Value) -> Option<Dialect> {
    let params = BTreeMap::new();
    let read = |_: Source<'_>| Err("is not there".to_owned());
    Dialect::compile(option, &Environment { params: &params, read: &read, allow_insecure: false }).ok()
}

fn dates(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = http_date(&text);
    let _ = retry_after(&text, None, 1_700_000_000);
}

fn records(data: &[u8]) {
    if let Ok(mut record) = serde_json::from_slice::<Record>(data) {
        change(&mut record);
        assert!(serde_json::to_vec(&record).is_ok());
    }
}

fn proxies(data: &[u8]) {
    http::fuzzing::choose_proxy(&String::from_utf8_lossy(data));
}

fn words(data: &[u8]) {
    let secret = Secret::new("hunter2hunter2");
    let redacted = scrub(&String::from_utf8_lossy(data), &secret.iter().collect::<Vec<_>>());
    assert!(redacted.len() <= 500 && !redacted.contains("hunter2hunter2"));
    drop(ServerMessage::read(data, &[]));
}

/// Every change that may be made to a record, on one that somebody else wrote.
fn change(record: &mut Record) {
    let now = 1_700_000_000_000;
    let claim = Claim::new();
    let holding = record.holding("client", now);
    record.claim("client", &holding, Spending::Nothing, &claim, Duration::from_secs(5), now);
    record.renew(&claim, Duration::from_secs(5), now);
    record.is_spent("client", None);
    record.suspend("mark", now);
    record.suspended_for("mark", now);
    record.rate_limit(Some(Duration::from_secs(1)), 0.5, now);
    record.rate_limited_for(now);
    record.release(&claim, Spending::Nothing);
    let pair = record.pair.clone();
    record.publish("client", &holding, None, &pair, now);
    record.mark_logged_out(now);
    assert!(!matches!(record.holding("client", now), Holding::Pair(..)));
}
