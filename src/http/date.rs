//! Times in headers: `Date` and `Retry-After` (RFC 9110). Pure: the caller passes its own time in.

use crate::call::backoff::LONGEST_RETRY_AFTER;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A `Date` header (RFC 9110 IMF-fixdate) in Unix seconds.
pub fn http_date(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

/// A `Retry-After` header: seconds, or a date. Never more than [`LONGEST_RETRY_AFTER`].
pub fn retry_after(text: &str, date: Option<i64>, now_seconds: i64) -> Option<Duration> {
    let text = text.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = http_date(text)?;
            u64::try_from(at.saturating_sub(date.unwrap_or(now_seconds))).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first second of 2026.
    const NOW: i64 = 1_767_225_600;

    #[test]
    fn retry_after_takes_seconds_and_dates_and_is_bounded() {
        assert_eq!(retry_after("7", None, 0), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Thu, 01 Jan 2026 00:00:09 GMT", Some(NOW), 0), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("99999999999", None, 0), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after("soon", None, 0), None);
        assert_eq!(http_date("Thu, 01 Jan 2026 00:00:00 GMT"), Some(NOW));
    }
}
