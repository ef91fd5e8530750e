//! Times and durations as text.

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// `6 d 23 h`, `59 min 58 s`: the two largest units say enough.
pub fn duration(seconds: i64) -> String {
    let s = seconds;
    match s {
        86400.. => format!("{} d {} h", s / 86400, s / 3600 % 24),
        3600.. => format!("{} h {} min", s / 3600, s / 60 % 60),
        60.. => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{s} s"),
    }
}

/// `2026-01-31T23:59:59Z`
pub fn rfc3339(unix: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(unix).ok()?.format(&Rfc3339).ok()
}

/// `2026-01-31 23:59:59 UTC`
pub fn readable(unix: i64) -> Option<String> {
    Some(rfc3339(unix)?.replace('T', " ").replace('Z', " UTC"))
}

/// What a header `Date` says, in Unix seconds.
pub fn of_date_header(text: &str) -> Option<i64> {
    Some(OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp())
}

/// Unix seconds.
pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
