//! What the fuzzer feeds: every parser that reads what others wrote, and histories of the record. Only built for it.

mod histories;

use crate::auth::outcome::AuthOutcome;
use crate::auth::popup;
use crate::auth::popup::{AuthAnswer, Endpoint, ServerMessage};
use crate::client::options::Options;
use crate::http::date;
use crate::http::origin::Origins;
use crate::redact::scrub;
use crate::request::options::RequestOptions;
use crate::sys::clock::Tick;
use crate::sys::secret::Secret;
use crate::token::jwt;
use crate::token::record::{Claim, Holding, Record, Spending};
use crate::{http, store};
use std::time::Duration;

/// Takes bytes, whatever they are, and does not panic.
pub type Target = fn(&[u8]);

/// By the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("dates", dates),
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

/// The first byte picks the call and its status, the second what the headers say.
fn answers(data: &[u8]) {
    let [first, second, body @ ..] = data else { return };
    let status = match first % 4 {
        0 | 1 => 200,
        _ => 100 + u16::from(*first) * 2,
    };
    let date = (second % 3 > 0).then_some(1_700_000_000);
    let retry_after = (second % 5 == 0).then(|| Duration::from_secs(u64::from(*second)));
    let answer = AuthAnswer { status, body, date, retry_after, intermediary: None, arrived: Tick(0) };
    let secret = Secret::new("hunter2hunter2");
    for endpoint in [Endpoint::Login, Endpoint::Refresh, Endpoint::Logout] {
        match popup::read(endpoint, &answer, &secret.iter().collect::<Vec<_>>(), 1_700_000_000_000) {
            AuthOutcome::Granted(grant) => {
                assert!((200..300).contains(&status) && !grant.access.as_str().is_empty());
            }
            other => {
                let error = other.into_error().expect("nothing was granted");
                assert!(!error.message().contains("hunter2hunter2"), "{error}");
            }
        }
    }
}

fn dates(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = date::http_date(&text);
    let _ = date::retry_after(&text, None, 1_700_000_000);
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
    assert!(!matches!(record.holding("client", now), Holding::Pair(_)));
}
