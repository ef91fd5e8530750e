use super::*;

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600_000;

fn read_ok(body: &str, date: Option<i64>) -> Grant {
    let answer = AuthAnswer {
        status: 200,
        body: body.as_bytes(),
        date,
        retry_after: None,
        intermediary: None,
        arrived: Tick(0),
    };
    match read(Endpoint::Login, &answer, &[], NOW) {
        AuthOutcome::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn read_error(endpoint: Endpoint, status: u16, body: &str) -> (&'static str, Error) {
    let answer = AuthAnswer {
        status,
        body: body.as_bytes(),
        date: None,
        retry_after: None,
        intermediary: None,
        arrived: Tick(0),
    };
    let outcome = read(endpoint, &answer, &[], NOW);
    let kind = match &outcome {
        AuthOutcome::Granted(_) => "granted",
        AuthOutcome::Rejected(_) => "rejected",
        AuthOutcome::Forbidden(_) => "forbidden",
        AuthOutcome::RateLimited(_) => "rate limited",
        AuthOutcome::Unknown(_) => "unknown",
        AuthOutcome::Unsent(_) => "unsent",
    };
    (kind, outcome.into_error().unwrap())
}

#[test]
fn bodies_are_json_whatever_the_password_holds() {
    let password = Secret::new("p\"\\\n\u{1}é").unwrap();
    let json: Value = serde_json::from_slice(&login_body("us\"er", &password)).unwrap();
    assert_eq!(json["username"], "us\"er");
    assert_eq!(json["password"], "p\"\\\n\u{1}é");
    let json: Value = serde_json::from_slice(&refresh_body(&password)).unwrap();
    assert_eq!(json["refresh_token"], "p\"\\\n\u{1}é");
}

#[test]
fn both_envelopes_are_read() {
    let inner = r#"{"access_token":"a","refresh_token":"r","access_expires_at":"2026-01-01T01:00:00Z","refresh_expires_at":"2026-01-08T00:00:00Z","client_id":7}"#;
    for body in [inner.to_owned(), format!(r#"{{"success":true,"data":{inner}}}"#)] {
        let grant = read_ok(&body, None);
        assert_eq!(grant.access.as_str(), "a");
        assert_eq!(grant.refresh.unwrap().as_str(), "r");
        assert_eq!(grant.lifetime, Some(Duration::from_secs(3600)));
        assert_eq!(grant.refresh_lifetime, Some(Duration::from_secs(7 * 86400)));
    }
}

#[test]
fn f1_the_lifetime_is_counted_on_the_servers_clock() {
    // The server is an hour ahead of us, and we do not care.
    let body = r#"{"access_token":"a","access_expires_at":"2026-01-01T02:00:00Z"}"#;
    let grant = read_ok(body, Some(NOW / 1000 + 3600));
    assert_eq!(grant.lifetime, Some(Duration::from_millis(3_600_000 - 999)));
    // It agrees with us to the second: our clock is finer.
    let grant = read_ok(body, Some(NOW / 1000));
    assert_eq!(grant.lifetime, Some(Duration::from_secs(7200)));
}

#[test]
fn f1_the_order_is_expires_at_then_expires_in_then_the_jwt_then_unknown() {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let jwt = format!("{}.{}.x", encode("{}"), encode(&format!("{{\"exp\":{}}}", NOW / 1000 + 30)));
    let all = format!(r#"{{"access_token":"{jwt}","access_expires_at":"2026-01-01T00:00:10Z","expires_in":20}}"#);
    assert_eq!(read_ok(&all, None).lifetime, Some(Duration::from_secs(10)));
    let two = format!(r#"{{"access_token":"{jwt}","expires_in":20}}"#);
    assert_eq!(read_ok(&two, None).lifetime, Some(Duration::from_secs(20)));
    let one = format!(r#"{{"access_token":"{jwt}"}}"#);
    assert_eq!(read_ok(&one, None).lifetime, Some(Duration::from_secs(30)));
    assert_eq!(read_ok(r#"{"access_token":"opaque"}"#, None).lifetime, None);
}

#[test]
fn f1_a_token_that_is_dead_on_arrival_is_left_to_the_401() {
    let body = r#"{"access_token":"a","access_expires_at":"2025-01-01T00:00:00Z","expires_in":99}"#;
    assert_eq!(read_ok(body, None).lifetime, None);
}

#[test]
fn what_holds_no_usable_token_says_why() {
    for (body, why) in [
        ("<html>", "no JSON"),
        ("[]", "no access_token"),
        ("{}", "no access_token"),
        (r#"{"success":false,"data":{"access_token":"a"}}"#, "did not succeed"),
        (r#"{"access_token":7}"#, "no string"),
        (r#"{"access_token":""}"#, "no access_token"),
        (r#"{"access_token":"a\u0000b"}"#, "NUL"),
        (r#"{"access_token":"a b"}"#, "no header can carry"),
        (r#"{"access_token":"a\r\nX: y"}"#, "no header can carry"),
    ] {
        let (refusal, error) = read_error(Endpoint::Login, 200, body);
        assert_eq!(refusal, "unknown");
        assert_eq!(error.status(), Status::TM_BAD_RESPONSE);
        assert!(error.message().contains(why), "{body}: {}", error.message());
    }
    let (refusal, error) = read_error(Endpoint::Login, 404, "nothing here");
    assert_eq!((refusal, error.http_status()), ("unknown", 404));
}

#[test]
fn refusals_are_told_apart() {
    for (endpoint, status, refusal, code) in [
        (Endpoint::Login, 400, "rejected", Status::TM_LOGIN_REJECTED),
        (Endpoint::Login, 401, "rejected", Status::TM_LOGIN_REJECTED),
        (Endpoint::Refresh, 401, "rejected", Status::TM_LOGIN_REJECTED),
        (Endpoint::Login, 403, "forbidden", Status::TM_FORBIDDEN),
        (Endpoint::Refresh, 429, "rate limited", Status::TM_RATE_LIMITED),
        (Endpoint::Login, 503, "unknown", Status::TM_SERVER_ERROR),
    ] {
        let (got, error) = read_error(endpoint, status, r#"{"error":{"name":"n","code":"c","message":"the words"}}"#);
        assert_eq!((got, error.status(), error.http_status()), (refusal, code, status));
        assert_eq!(error.server_code(), Some("c"));
        assert!(error.message().contains("(c: the words)"), "{}", error.message());
    }
}

#[test]
fn r4_the_message_names_the_whitelist_and_who_can_change_it() {
    let (_, error) = read_error(Endpoint::Login, 403, "");
    assert!(error.message().contains("IP whitelist") && error.message().contains("administrator"));
}

#[test]
fn the_older_errors_are_read_too() {
    let words = ServerMessage::read(br#"{"error":"invalid_grant","message":"gone"}"#, &[]);
    assert_eq!(words.to_string(), " (invalid_grant: gone)");
    assert_eq!(ServerMessage::read(b"<html>", &[]).to_string(), "");
}

#[test]
fn s2_the_servers_words_are_scrubbed() {
    let secret = Secret::new("hunter2").unwrap();
    let words = ServerMessage::read(br#"{"error":"hunter2","message":"no hunter2 here"}"#, &[&secret]);
    assert_eq!(words.to_string(), " ([secret]: no [secret] here)");
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(status in 100u16..600, body: Vec<u8>, date: Option<i64>, now: i64) {
        let answer = AuthAnswer { status, body: &body, date, retry_after: None, intermediary: None, arrived: Tick(0) };
        let _ = read(Endpoint::Refresh, &answer, &[], now);
    }

    #[test]
    fn any_instants_are_counted_without_overflow(at: i64, in_: i64, date: Option<i64>, now: i64) {
        let body = format!(r#"{{"access_token":"a","expires_at":{at},"expires_in":{in_},"refresh_expires_at":{in_}}}"#);
        let answer = AuthAnswer { status: 200, body: body.as_bytes(), date, retry_after: None, intermediary: None, arrived: Tick(0) };
        proptest::prop_assert!(matches!(read(Endpoint::Login, &answer, &[], now), AuthOutcome::Granted(_)));
    }
}
