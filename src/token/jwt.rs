//! Reading a JWT without verifying it (RFC 7519): only the server that issued a token can tell whether
//! it is genuine; we read when it says that it ends.

use crate::error::{Error, Result, Status};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The payload's JSON text, as the token carries it.
pub fn payload_json(token: &str) -> Result<String> {
    let not_a_jwt = |why: &str| {
        Error::new(
            Status::TM_BAD_TOKEN,
            format!("the token is not a JWT: {why}; pass the access token as the API gave it"),
        )
    };
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(not_a_jwt("it does not have three parts"));
    };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
    let is_object = |json: &[u8]| matches!(serde_json::from_slice(json), Ok(Value::Object(_)));
    match decode(header) {
        Ok(header) if is_object(&header) => {}
        _ => return Err(not_a_jwt("its header is no JSON object in base64url")),
    }
    let payload = decode(payload).map_err(|_| not_a_jwt("its payload is not base64url"))?;
    if !is_object(&payload) {
        return Err(not_a_jwt("its payload is no JSON object"));
    }
    String::from_utf8(payload).map_err(|_| not_a_jwt("its payload is not UTF-8"))
}

/// The `exp` claim in Unix seconds, if the token is a JWT that carries one. Fractions are cut off.
pub fn expires_at(token: &str) -> Option<i64> {
    let payload: Value = serde_json::from_slice(payload_json(token).ok()?.as_bytes()).ok()?;
    number(payload.get("exp")?)
}

/// A whole number, given as one or as a float within what 64 bits can count.
pub fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        (float.abs() < 9.0e15).then_some(float as i64)
    })
}

/// Expired from `exp` on; also for anything that is not a JWT with an `exp`.
pub fn is_expired(token: &str, now: i64) -> bool {
    expires_at(token).is_none_or(|exp| now >= exp)
}

/// Never below 0; 0 also for anything that is not a JWT with an `exp`.
pub fn seconds_left(token: &str, now: i64) -> i64 {
    expires_at(token).map_or(0, |exp| exp.saturating_sub(now).max(0))
}

/// Whether fewer than `buffer_seconds` are left.
pub fn should_refresh(token: &str, buffer_seconds: i64, now: i64) -> bool {
    expires_at(token).is_none_or(|exp| exp.saturating_sub(now) <= buffer_seconds.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn jwt(payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_exp_and_counts_from_it() {
        let token = jwt(r#"{"exp":1000,"sub":"7"}"#);
        assert_eq!(expires_at(&token), Some(1000));
        assert_eq!(seconds_left(&token, 900), 100);
        assert_eq!(seconds_left(&token, 1100), 0);
        assert!(!is_expired(&token, 999));
        assert!(is_expired(&token, 1000));
        assert!(should_refresh(&token, 300, 700));
        assert!(!should_refresh(&token, 300, 699));
        assert!(should_refresh(&token, -5, 1000));
        assert_eq!(payload_json(&token).unwrap(), r#"{"exp":1000,"sub":"7"}"#);
    }

    #[test]
    fn exp_may_be_a_float_but_not_nonsense() {
        assert_eq!(expires_at(&jwt(r#"{"exp":1000.9}"#)), Some(1000));
        for odd in [r#"{"exp":1e300}"#, r#"{"exp":"1000"}"#, r#"{"exp":null}"#, "{}"] {
            assert_eq!(expires_at(&jwt(odd)), None, "{odd}");
        }
    }

    #[test]
    fn what_is_not_a_jwt_is_expired_and_named() {
        let deep = jwt(&format!("{{\"a\":{}}}", "[".repeat(10_000)));
        for bad in ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "é.é.é", deep.as_str(), "W10.W10.W10"] {
            assert!(is_expired(bad, 0), "{bad}");
            assert_eq!(seconds_left(bad, 0), 0);
            assert!(should_refresh(bad, 0, 0));
            assert_eq!(payload_json(bad).unwrap_err().status(), Status::TM_BAD_TOKEN);
        }
    }

    #[test]
    fn exp_at_the_ends_of_the_range_is_counted_as_it_stands() {
        for long_ago in ["-9223372036854775808", "-9223372036854775807", "-1", "0", "-8e15"] {
            let token = jwt(&format!(r#"{{"exp":{long_ago}}}"#));
            assert!(is_expired(&token, 1_700_000_000) && should_refresh(&token, 0, 1_700_000_000), "{long_ago}");
            assert_eq!(seconds_left(&token, 1_700_000_000), 0);
        }
        // Beyond what 64 bits can count nobody knows what was meant.
        for odd in ["9223372036854775808", "18446744073709551616", "-9223372036854775809", "1e300", "-1e300", "1e400"] {
            let token = jwt(&format!(r#"{{"exp":{odd}}}"#));
            assert!(expires_at(&token).is_none() && is_expired(&token, 0), "{odd}");
        }
        assert!(!is_expired(&jwt(r#"{"exp":9223372036854775807}"#), i64::MAX - 1));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(token in "\\PC{0,200}", now: i64, buffer: i64) {
            is_expired(&token, now);
            seconds_left(&token, now);
            should_refresh(&token, buffer, now);
        }

        #[test]
        fn any_exp_is_counted_without_overflow(exp: i64, now: i64, buffer: i64) {
            let token = jwt(&format!("{{\"exp\":{exp}}}"));
            proptest::prop_assert!(seconds_left(&token, now) >= 0);
            proptest::prop_assert_eq!(is_expired(&token, now), now >= exp);
            should_refresh(&token, buffer, now);
        }
    }
}
