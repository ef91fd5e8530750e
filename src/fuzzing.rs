//! What the fuzzer feeds: every parser that reads what others wrote. Only built for it.

use crate::dialect::{self, AuthAnswer, Endpoint, ServerWords};
use crate::http::origin::Origins;
use crate::options::{Options, RequestOptions};
use crate::scrub::scrub;
use crate::store::record::{Claim, Holding, Record, Spending};
use crate::{jwt, secret::Secret, store};
use std::time::Duration;

/// Hands the bytes to one of the parsers. None of them may panic, whatever they are.
pub fn feed(which: u8, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match which % 12 {
        0 => {
            let _ = jwt::payload_json(&text);
            jwt::should_refresh(&text, 300, 1_700_000_000);
        }
        1 => drop(Options::parse(Some(&text))),
        2 => drop(RequestOptions::parse(Some(&text))),
        3 => {
            let _ = Origins::new(&text, &[], false);
            if let Ok(origins) = Origins::new("https://api.example.com/base", &[], false)
                && let Ok(url) = origins.resolve(&text)
            {
                assert_eq!(url.host_str(), Some("api.example.com"));
            }
        }
        4 => {
            let status = data.first().map_or(200, |byte| 100 + u16::from(*byte) * 2);
            for (status, body) in [(200, data), (status, data.get(1..).unwrap_or_default())] {
                let answer = AuthAnswer { status, body, date: Some(1_700_000_000), retry_after: None, stranger: None };
                let _ = dialect::read(Endpoint::Refresh, &answer, &[], 1_700_000_000_000);
            }
        }
        5 => {
            let _ = dialect::http_date(&text);
            let _ = dialect::retry_after(&text, None, 1_700_000_000);
        }
        6 => {
            if let Ok(mut record) = serde_json::from_slice::<Record>(data) {
                change(&mut record);
                assert!(serde_json::to_vec(&record).is_ok());
            }
        }
        7 => store::redis::feed(data),
        8 => crate::http::fuzzing::decode(data),
        9 => crate::http::fuzzing::choose_proxy(&text),
        11 => {
            // A hostile Location: followed to an allowed origin, or not at all.
            let origins = Origins::new("https://api.example.com/base", &[], false).expect("a host");
            let from = origins.resolve("/x").expect("a URL");
            let mut headers = http::HeaderMap::new();
            headers.extend(http::HeaderValue::from_bytes(data).ok().map(|value| (http::header::LOCATION, value)));
            let to = crate::http::redirect::next(&http::Method::GET, 302, &headers, &from, &origins);
            assert!(to.is_none_or(|to| origins.allows(&to)));
        }
        _ => {
            let secret = Secret::new("hunter2hunter2");
            let shown = scrub(&text, &secret.iter().collect::<Vec<_>>());
            assert!(shown.len() <= 500 && !shown.contains("hunter2hunter2"));
            drop(ServerWords::read(data, &[]));
        }
    }
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
    record.hold(Duration::from_secs(1), now);
    record.held_for(now);
    record.release(&claim, Spending::Nothing);
    let pair = record.pair.clone();
    record.publish("client", &holding, None, &pair, now);
    record.bury(now);
    assert!(!matches!(record.holding("client", now), Holding::Pair(_)));
}
