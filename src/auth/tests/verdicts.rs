//! What answers come to: pairs, lifetimes, and who refused what.

use super::super::member::merge;
use super::*;
use crate::error::Status;

const LOGIN: Stage = Stage::Login(0);

fn popup() -> Dialect {
    compile(json!("popup"))
}

fn shaped(answer: Value) -> Dialect {
    let mut whole = json!({"access_token": "/t"});
    super::super::member::merge(&mut whole, &answer);
    compile(json!({"login": {"url": "/l"}, "answer": whole}))
}

#[test]
fn f1_the_lifetime_is_counted_on_the_servers_clock() {
    let popup = popup();
    // The server is an hour ahead of us, and we do not care.
    let body = r#"{"access_token":"a","access_expires_at":"2026-01-01T02:00:00Z"}"#;
    let grant_at = |date: &str| grant(&popup, &[("Date", date)], body).lifetime;
    assert_eq!(grant_at("Thu, 01 Jan 2026 01:00:00 GMT"), Some(Duration::from_millis(3_600_000 - 999)));
    // It agrees with us to the second: our clock is finer.
    assert_eq!(grant_at("Thu, 01 Jan 2026 00:00:00 GMT"), seconds(7200));
}

#[test]
fn f1_the_order_is_expires_at_then_expires_in_then_the_jwt_then_the_dialect_then_unknown() {
    let dialect = shaped(json!({"expires_at": "/at", "expires_in": ["/in", "/in2"], "lifetime_seconds": 40}));
    let jwt = jwt(30);
    for (body, lifetime) in [
        (format!(r#"{{"t":"{jwt}","at":"2026-01-01T00:00:10Z","in":20}}"#), seconds(10)),
        (format!(r#"{{"t":"{jwt}","in":20}}"#), seconds(20)),
        (format!(r#"{{"t":"{jwt}","at":"soon","in":"later","in2":"20"}}"#), seconds(20)),
        (format!(r#"{{"t":"{jwt}","at":null}}"#), seconds(30)),
        (r#"{"t":"opaque"}"#.to_owned(), seconds(40)),
        // Dead on arrival: the server's clocks disagree, and only a 401 tells.
        (r#"{"t":"a","at":"2025-01-01T00:00:00Z","in":99}"#.to_owned(), None),
        (r#"{"t":"a","in":0}"#.to_owned(), None),
        (r#"{"t":"a","in":-5}"#.to_owned(), None),
    ] {
        assert_eq!(grant(&dialect, &[], &body).lifetime, lifetime, "{body}");
    }
    assert_eq!(grant(&shaped(json!({})), &[], r#"{"t":"opaque"}"#).lifetime, None);
    // A JWT that ends beyond any clock has not expired.
    for exp in [i64::MAX / 2, i64::MAX - NOW / 1000] {
        let lifetime = grant(&shaped(json!({})), &[], &format!(r#"{{"t":"{}"}}"#, super::jwt(exp))).lifetime;
        assert!(lifetime.is_none_or(|lifetime| lifetime > Duration::from_secs(1 << 40)), "{exp}: {lifetime:?}");
    }
}

#[test]
fn f1_a_token_in_a_cookie_lives_as_long_as_that_where_nothing_else_says() {
    let in_cookie = |more: Value| {
        let mut answer = json!({"access_token": {"cookie": "sid"}, "refresh_token": {"cookie": "r"}});
        merge(&mut answer, &more);
        shaped(answer)
    };
    let date = ("Date", "Thu, 01 Jan 2026 01:00:00 GMT");
    for (cookie, lifetime) in [
        ("sid=a; Max-Age=60", seconds(60)),
        ("sid=a; Max-Age=60; Expires=Thu, 01 Jan 2026 02:00:00 GMT", seconds(60)),
        // This machine's clock is an hour behind the server's, whose Date counts whole seconds.
        ("sid=a; Expires=Thu, 01 Jan 2026 01:01:00 GMT", Some(Duration::from_millis(59_001))),
        ("sid=a; Path=/", None),
        ("sid=a; Max-Age=soon", None),
    ] {
        let granted = grant(&in_cookie(json!({})), &[date, ("Set-Cookie", cookie)], "{}");
        assert_eq!(granted.lifetime, lifetime, "{cookie}");
        assert_eq!(granted.sources.lifetime.as_deref(), lifetime.map(|_| "the end of the cookie sid"));
    }
    let cookies = [("Set-Cookie", "sid=a; Max-Age=60"), ("Set-Cookie", "r=b; Max-Age=120")];
    assert_eq!(grant(&in_cookie(json!({})), &cookies, "{}").refresh_lifetime, seconds(120));
    // What the dialect says of its API comes before it, and a token elsewhere is none of the cookie's business.
    assert_eq!(grant(&in_cookie(json!({"lifetime_seconds": 40})), &cookies, "{}").lifetime, seconds(40));
    assert_eq!(grant(&in_cookie(json!({"expires_in": "/in"})), &cookies, r#"{"in":20}"#).lifetime, seconds(20));
    assert_eq!(grant(&in_cookie(json!({"access_token": "/t"})), &cookies, r#"{"t":"a"}"#).lifetime, None);
}

#[test]
fn instants_and_durations_come_in_many_ways() {
    for (unit, value, wanted) in [
        (None, json!(1_767_225_640), Some(40_000)),
        (None, json!(1_767_225_640.5), Some(40_500)),
        (None, json!("1767225640"), Some(40_000)),
        (None, json!(" 1767225640.25 "), Some(40_250)),
        (None, json!(1_767_225_640_000i64), Some(40_000)),
        (None, json!("1767225640000"), Some(40_000)),
        (Some("ms"), json!(1_767_225_640_000i64), Some(40_000)),
        (Some("s"), json!(1_767_225_640), Some(40_000)),
        (None, json!("2026-01-01 00:00:40"), Some(40_000)),
        (Some("s"), json!("Thu, 01 Jan 2026 00:00:40 GMT"), Some(40_000)),
        (None, json!(true), None),
        (None, json!([1]), None),
        (None, json!("inf"), None),
        (None, json!("NaN"), None),
    ] {
        let dialect = shaped(json!({"expires_at": "/at", "expires_at_unit": unit}));
        let lifetime = grant(&dialect, &[], &json!({"t": "a", "at": value}).to_string()).lifetime;
        assert_eq!(lifetime, wanted.map(Duration::from_millis), "{unit:?} {value}");
    }
    for (unit, value, millis) in [
        (None, json!(40), 40_000),
        (None, json!("40"), 40_000),
        (None, json!(" 40 "), 40_000),
        (None, json!(40.7), 40_700),
        (None, json!("40.5"), 40_500),
        (Some("ms"), json!(1500), 1500),
        (Some("min"), json!(2), 120_000),
        (Some("min"), json!("1.5"), 90_000),
    ] {
        let dialect = shaped(json!({"expires_in": "/in", "expires_in_unit": unit, "refresh_token": "/r",
            "refresh_expires_in": "/in", "refresh_expires_in_unit": unit}));
        let granted = grant(&dialect, &[], &json!({"t": "a", "r": "r", "in": value}).to_string());
        let wanted = Some(Duration::from_millis(millis));
        assert_eq!((granted.lifetime, granted.refresh_lifetime), (wanted, wanted), "{unit:?} {value}");
    }
}

#[test]
fn things_are_found_in_every_place() {
    let cookies = [
        ("Set-Cookie", "a=1; Path=/; Secure"),
        ("Set-Cookie", "b=\"x\"; Max-Age=60"),
        ("Set-Cookie", "gone=1; max-age=0"),
        ("Set-Cookie", "a=2"),
        ("Set-Cookie", "nonsense"),
        ("X-Ttl", "60"),
        ("Authorization", "Token abc"),
        ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ];
    let token = |place: Value, body: &str| {
        grant(&shaped(json!({"access_token": place})), &cookies, body).access.as_str().to_owned()
    };
    assert_eq!(token(json!({"cookie": "a"}), ""), "2");
    assert_eq!(token(json!({"cookies": true}), ""), "b=\"x\"; a=2");
    assert_eq!(token(json!({"header": "x-ttl"}), ""), "60");
    assert_eq!(token(json!({"header": "authorization"}), ""), "Token abc");
    assert_eq!(token(json!([{"cookie": "gone"}, "/x", {"header": "none"}, {"text": true}]), "\n tok \r\n"), "tok");
    assert_eq!(token(json!(""), "\"whole\""), "whole");
    assert_eq!(token(json!("/a~1b/0/~0"), r#"{"a/b":[{"~":"deep"}]}"#), "deep");
    assert_eq!(token(json!("/t"), "\u{feff}{\"t\":\"a1\\n\",\"x\":NaN}\n"), "a1");
    let dialect = shaped(json!({"expires_in": {"header": "X-Ttl"}}));
    assert_eq!(grant(&dialect, &cookies, r#"{"t":"a"}"#).lifetime, seconds(60));
    let keeping = compile(
        json!({"login": {"url": "/l", "keep": {"id": "/user/id", "c": {"cookie": "b"}, "none": "/none"}}, "answer": {"access_token": "/t"}}),
    );
    let kept = grant(&keeping, &cookies, r#"{"t":"a","user":{"id":17}}"#).kept;
    let kept: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
    // Beside what was kept before.
    assert_eq!(kept, ["api=https://api7.example.com/v1", "c=\"x\"", "id=17", "session=s-1"]);
}

#[test]
fn a_token_may_have_blanks_but_for_bearer() {
    let devpi = r#"{"access_token":"[\"demo\", [], true].ak-5.s_1"}"#;
    for (header, is_taken) in
        [("{access_token}", true), ("Token {access_token}", true), ("Bearer {access_token}", false)]
    {
        let call = json!({"headers": {"Authorization": header}});
        let dialect =
            compile(json!({"login": {"url": "/l"}, "answer": {"access_token": "/access_token"}, "call": call}));
        match is_taken {
            true => assert_eq!(grant(&dialect, &[], devpi).access.as_str(), r#"["demo", [], true].ak-5.s_1"#),
            false => assert_eq!(refused(&dialect, LOGIN, 200, &[], devpi).0, RefusalKind::Unusable),
        }
    }
}

#[test]
fn what_holds_no_usable_token_says_why() {
    let popup = popup();
    for (body, why) in [
        ("<html>", "no JSON"),
        ("[]", "no access_token"),
        ("{}", "no access_token"),
        (r#"{"success":false,"data":{"access_token":"a"}}"#, "did not succeed"),
        (r#"{"access_token":7}"#, "no string"),
        (r#"{"access_token":""}"#, "no access_token"),
        (r#"{"access_token":"a\u0000b"}"#, "NUL"),
        (r#"{"access_token":"a b"}"#, "no header can carry"),
        (r#"{"access_token":"a\u00e4b"}"#, "no header can carry"),
        (r#"{"access_token":"a\r\nX: y"}"#, "no header can carry"),
    ] {
        let (kind, error) = refused(&popup, LOGIN, 200, &[], body);
        assert_eq!((kind, error.status()), (RefusalKind::Unusable, Status::TM_BAD_RESPONSE));
        assert!(error.message().contains(why), "{body}: {error}");
    }
    let text = shaped(json!({"access_token": {"text": true}}));
    let (_, error) = refused(&text, LOGIN, 200, &[], "come back later");
    assert!(error.message().contains("no header can carry"), "a sentence is no token: {error}");
    let (kind, error) = refused(&popup, LOGIN, 404, &[], "nothing here");
    assert_eq!((kind, error.http_status()), (RefusalKind::Unusable, 404));
}

#[test]
fn refusals_are_told_apart() {
    let popup = popup();
    let body = r#"{"error":{"name":"n","code":"c","message":"the words"}}"#;
    for (stage, status, kind, code) in [
        (LOGIN, 400, RefusalKind::Rejected, Status::TM_LOGIN_REJECTED),
        (LOGIN, 401, RefusalKind::Rejected, Status::TM_LOGIN_REJECTED),
        (LOGIN, 422, RefusalKind::Rejected, Status::TM_LOGIN_REJECTED),
        (Stage::Refresh, 401, RefusalKind::Rejected, Status::TM_LOGIN_REJECTED),
        (LOGIN, 403, RefusalKind::Forbidden, Status::TM_FORBIDDEN),
        (Stage::Refresh, 429, RefusalKind::RateLimited, Status::TM_RATE_LIMITED),
        (LOGIN, 503, RefusalKind::Unavailable, Status::TM_SERVER_ERROR),
        (LOGIN, 404, RefusalKind::Unusable, Status::TM_BAD_RESPONSE),
        (LOGIN, 423, RefusalKind::Unusable, Status::TM_BAD_RESPONSE),
        (Stage::Logout, 401, RefusalKind::Rejected, Status::TM_UNAUTHORIZED),
        (Stage::Logout, 500, RefusalKind::Unavailable, Status::TM_SERVER_ERROR),
        (Stage::Logout, 404, RefusalKind::Unusable, Status::TM_BAD_RESPONSE),
    ] {
        let (got, error) = refused(&popup, stage, status, &[("Retry-After", "2.5")], body);
        assert_eq!((got, error.status(), error.http_status()), (kind, code, status));
        assert_eq!(error.server_code(), Some("c"));
        assert!(error.message().contains("(c: the words)"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
    }
    assert!(matches!(answered(&popup, Stage::Logout, 204, &[], ""), Ok(Brought::Kept(_))));
}

#[test]
fn a_refusal_that_is_not_the_apis_own_blames_no_password() {
    let popup = popup();
    let html = "<html><h1>401 Authorization Required</h1><hr>nginx</html>";
    for (status, pairs, body) in [
        (401, vec![("WWW-Authenticate", "Basic realm=\"staging\"")], html),
        (401, vec![], ""),
        (401, vec![("WWW-Authenticate", "Negotiate")], "Unauthorized"),
        (401, vec![("Proxy-Authenticate", "Basic")], "Unauthorized"),
        (400, vec![], "<center>nginx</center>"),
        (422, vec![], html),
        (407, vec![("Proxy-Authenticate", "Basic")], ""),
    ] {
        let (kind, error) = refused(&popup, LOGIN, status, &pairs, body);
        assert_eq!((kind, error.status()), (RefusalKind::Intercepted, Status::TM_BAD_RESPONSE), "{status} {body}");
        assert!(error.message().contains("proxy"), "{error}");
        assert!(!error.message().contains("check the username"), "{error}");
    }
    for (pairs, body) in [
        (vec![("WWW-Authenticate", "Bearer")], ""),
        (vec![], "unauthorized"),
        (vec![], "{}"),
        (vec![], "<?xml version=\"1.0\"?><fault>wrong password</fault>"),
        (vec![], r#"{"detail":"No active account found with the given credentials"}"#),
        (vec![("WWW-Authenticate", "Basic")], r#"{"error":"invalid_client"}"#),
    ] {
        assert_eq!(refused(&popup, LOGIN, 401, &pairs, body).0, RefusalKind::Rejected, "{body}");
    }
    // Whoever is asked by Authorization answers that.
    let basic = compile(
        json!({"login": {"url": "/l", "basic": ["{username}", "{password}"]}, "answer": {"access_token": "/t"}}),
    );
    assert_eq!(
        refused(&basic, LOGIN, 401, &[("WWW-Authenticate", "Basic realm=\"api\"")], html).0,
        RefusalKind::Rejected
    );
    // What the dialect states, it states of any answer.
    let stated = compile(json!({"login": {"url": "/l"}, "answer": {"access_token": "/t"},
        "meanings": [{"of": "login", "status": 401, "means": "rejected"}]}));
    assert_eq!(refused(&stated, LOGIN, 401, &[], "").0, RefusalKind::Rejected);
    let headers = HeaderMap::new();
    let reply = |status| Reply {
        status,
        headers: &headers,
        body: b"<html>",
        intermediary: Some("it is the proxy's own answer"),
        now: NOW,
    };
    for (status, kind) in
        [(403, RefusalKind::Forbidden), (400, RefusalKind::Intercepted), (502, RefusalKind::Intercepted)]
    {
        let Err(refusal) = popup.read(LOGIN, &Values::default(), &reply(status), &[]) else { panic!() };
        assert_eq!((refusal.kind, refusal.error.status()), (kind, Status::TM_BAD_RESPONSE));
        assert!(refusal.error.message().ends_with("it is the proxy's own answer"), "{}", refusal.error);
    }
}

#[test]
fn r4_a_403_names_the_whitelist_where_its_code_does_and_lists_what_it_may_be_elsewhere() {
    let said = |code: &str| {
        refused(&popup(), LOGIN, 403, &[], &format!(r#"{{"error":{{"code":"{code}"}}}}"#)).1.message().to_owned()
    };
    for code in ["ip_not_whitelisted", "IP_NOT_ALLOWED", "IpNotWhitelisted", "not-on-allowlist"] {
        assert!(
            said(code).contains("IP address is not on the account's IP whitelist, and only"),
            "{code}: {}",
            said(code)
        );
    }
    for code in ["forbidden", "recipient_missing", "tip_jar"] {
        assert!(said(code).contains("may lack the permission"), "{code}: {}", said(code));
    }
    let (_, error) = refused(&popup(), LOGIN, 403, &[], "");
    assert!(error.message().contains("IP whitelist") && error.message().contains("administrator"), "{error}");
    assert!(error.message().contains("a firewall, a gateway or a proxy"), "{error}");
}

#[test]
fn a_redirect_says_where_it_leads_and_is_not_followed() {
    for (status, to, shown) in [
        (301, "https://api.example.com/auth/login", "https://api.example.com/auth/login"),
        (308, "/auth/login/", "/auth/login/"),
        (302, "https://sso.example.com/login?next=x&token=abc", "https://sso.example.com/login"),
        (307, "https://user:hunter2@x.example.com/v2#f", "https://x.example.com/v2"),
        (302, "//other.example.com/x", "//other.example.com/x"),
        (303, "/x/eyJhbGciOiJIUzI1NiJ9.e30.abc", "/x/[secret]"),
    ] {
        let (kind, error) = refused(&popup(), LOGIN, status, &[("Location", to)], "");
        assert_eq!((kind, error.status()), (RefusalKind::Unusable, Status::TM_BAD_RESPONSE));
        assert!(
            error.message().contains(&format!("it is a redirect to {shown}, and the login follows none")),
            "{error}"
        );
        assert!(!error.message().contains("hunter2") && !error.message().contains("abc"), "{error}");
    }
    assert!(refused(&popup(), LOGIN, 302, &[], "").1.message().contains("a redirect to another address"));
    let (_, error) = refused(&popup(), LOGIN, 407, &[], "");
    assert!(error.message().contains("a proxy wants a username and a password; check the option proxy"), "{error}");
}

#[test]
fn each_step_has_its_own_success_and_meanings() {
    let dialect = compile(json!({
        "login": [
            {"url": "/a", "success": [204], "meanings": [{"status": 404, "means": "rejected"}, {"of": "refresh", "status": 405, "means": "rejected"}]},
            {"url": "/b"}
        ],
        "answer": {"access_token": "/t"}, "meanings": [{"of": "login", "status": [404, 405], "means": "unavailable"}]
    }));
    let kind = |step, status| {
        answered(&dialect, Stage::Login(step), status, &[], r#"{"t":"a"}"#).map(|_| ()).map_err(|refusal| refusal.kind)
    };
    assert_eq!((kind(0, 204), kind(0, 200)), (Ok(()), Err(RefusalKind::Unusable)));
    assert_eq!((kind(0, 404), kind(0, 405)), (Err(RefusalKind::Rejected), Err(RefusalKind::Unavailable)));
    assert_eq!((kind(1, 404), kind(1, 200)), (Err(RefusalKind::Unavailable), Ok(())));
}

#[test]
fn a_meaning_may_look_at_a_text_that_is_no_json() {
    let dialect = compile(json!({
        "login": {"url": "/l"}, "answer": {"access_token": {"cookie": "SID"}},
        "meanings": [{"of": "login", "status": 200, "body": {"": ["Fails.", "Banned."]}, "means": "rejected"},
            {"of": "call", "body": {"": null}, "means": "expired"}]
    }));
    let cookie = [("set-cookie", "SID=s-1")];
    for body in ["Fails.", " Fails.\r\n", "Banned.", "\"Fails.\""] {
        assert_eq!(refused(&dialect, LOGIN, 200, &cookie, body).0, RefusalKind::Rejected, "{body}");
    }
    for body in ["Ok.", "Fails. Twice.", "", r#"{"":"Fails."}"#] {
        assert_eq!(grant(&dialect, &cookie, body).access.as_str(), "s-1", "{body}");
    }
    let call = |body: &str| dialect.call_means(200, &HeaderMap::new(), body.as_bytes());
    assert_eq!(
        (call(""), call("null"), call("yes"), call("{}")),
        (Some(Means::Expired), Some(Means::Expired), None, None)
    );
}

#[test]
fn meanings_come_before_success_and_the_first_that_fits_counts() {
    let dialect = compile(json!({
        "login": {"url": "/l", "success": [200, 409]}, "refresh": {"url": "/r", "text": "{refresh_token}"}, "answer": {"access_token": "/t"},
        "meanings": [
            {"of": "login", "status": "2xx", "body": {"/ok": false, "/code": [7, "eight"]}, "means": "rejected"},
            {"of": "login", "status": [200, 202], "body": {"/ok": "false"}, "means": "unavailable"},
            {"of": "login", "status": 500, "body": {"/t": null}, "means": "rate_limited"},
            {"of": "login", "status": 500, "means": "accepted"},
            {"of": "call", "status": 200, "body": {"/error": "token_expired"}, "means": "expired"},
            {"of": ["call"], "status": "4xx", "body": {"/error": ["gone", null]}, "means": "accepted"},
            {"status": 418, "means": "forbidden"},
            {"of": "refresh", "status": 419, "means": "expired"}
        ]
    }));
    let kind =
        |status, body: &str| answered(&dialect, LOGIN, status, &[], body).map(|_| ()).map_err(|refusal| refusal.kind);
    for (status, body, wanted) in [
        (200, r#"{"ok":false,"code":7,"t":"a"}"#, Err(RefusalKind::Rejected)),
        (200, r#"{"ok":false,"code":"eight","t":"a"}"#, Err(RefusalKind::Rejected)),
        (200, r#"{"ok":false,"code":"nine","t":"a"}"#, Err(RefusalKind::Unavailable)),
        (201, r#"{"ok":false,"t":"a"}"#, Err(RefusalKind::Unusable)),
        (200, r#"{"ok":true,"t":"a"}"#, Ok(())),
        (409, r#"{"t":"a"}"#, Ok(())),
        (204, r#"{"t":"a"}"#, Err(RefusalKind::Unusable)),
        (500, r#"{"t":"a"}"#, Ok(())),
        (500, r#"{"t":null}"#, Err(RefusalKind::RateLimited)),
        (500, "<html>", Err(RefusalKind::RateLimited)),
        (418, "", Err(RefusalKind::Forbidden)),
        (401, r#"{"x":1}"#, Err(RefusalKind::Rejected)),
    ] {
        assert_eq!(kind(status, body), wanted, "{status} {body}");
    }
    assert_eq!(refused(&dialect, Stage::Refresh, 419, &[], "").0, RefusalKind::Rejected);
    let call = |status, body: &str| dialect.call_means(status, &HeaderMap::new(), body.as_bytes());
    assert_eq!(call(200, r#"{"error":"token_expired"}"#), Some(Means::Expired));
    assert_eq!(call(200, r#"{"error":"other"}"#), None);
    assert_eq!(call(401, r#"{"error":"other"}"#), Some(Means::Expired));
    assert_eq!(call(401, ""), Some(Means::Accepted));
    assert_eq!(call(418, r#"{"error":"x"}"#), Some(Means::Forbidden));
    assert_eq!(
        (call(403, r#"{"error":"x"}"#), call(429, r#"{"error":"x"}"#), call(500, "")),
        (Some(Means::Forbidden), Some(Means::RateLimited), None)
    );
}
