//! Each preset by name: what it asks, and how it reads what its API answers.

use super::*;
use crate::error::Status;

const LOGIN: Stage = Stage::Login(0);
const JSON: &str = "content-type: application/json";

/// What `shop` logs in with nearly everywhere.
const CREDENTIALS: &str = r#"{"password":"p\"w:ö d","username":"shop"}"#;

#[test]
fn popup_asks() {
    for auth in [json!("popup"), json!(null), json!({"preset": "popup"}), json!([])] {
        let popup = compile(auth);
        assert_eq!(request_text(&popup, LOGIN), format!("POST /auth/login\n{JSON}\n\n{CREDENTIALS}"));
        let refresh = format!("POST /auth/refresh\n{JSON}\n\n{{\"refresh_token\":\"the-refresh-token\"}}");
        assert_eq!(request_text(&popup, Stage::Refresh), refresh);
        let logout = "POST /auth/logout\nauthorization: Bearer the-access-token";
        assert_eq!(request_text(&popup, Stage::Logout), logout);
        assert_eq!(call_headers(&popup), ["authorization: Bearer the-access-token"]);
        assert_eq!(popup.renews_by(), Some(RenewsBy::RefreshToken));
        assert_eq!(popup.identity(), "");
        assert!(popup.call.is_fixed() && popup.secrets().len() == 9);
    }
}

#[test]
fn popup_sends_the_cookies_that_login_and_refresh_set() {
    let popup = compile(json!("popup"));
    let set = [("Set-Cookie", "LB=node7; Path=/; HttpOnly"), ("Set-Cookie", "S=1")];
    let body = r#"{"access_token":"a"}"#;
    let mut filling = Filling::new();
    filling.kept = grant(&popup, &set, body).kept;
    let values = filling.values();
    for stage in [Stage::Refresh, Stage::Logout] {
        let prepared = popup.prepare(stage, &values, &MOMENT).unwrap().unwrap();
        assert_eq!(prepared.headers["cookie"], "LB=node7; S=1");
    }
    let login = popup.prepare(LOGIN, &values, &MOMENT).unwrap().unwrap();
    assert!(!login.headers.contains_key("cookie"));
    let filled = popup.fill_call(&values, &MOMENT).unwrap();
    assert_eq!(filled.headers.iter().find(|(name, _)| name == "cookie").unwrap().1, "LB=node7; S=1");
    let Ok(Brought::Grant(refreshed)) = answered(&popup, Stage::Refresh, 200, &[], body) else { panic!("no grant") };
    assert_eq!(refreshed.kept, Filling::new().kept, "what was kept before stays");
}

#[test]
fn popups_cookies_change_one_by_one_as_in_a_browser() {
    let popup = compile(json!("popup"));
    let body = br#"{"access_token":"a"}"#;
    let after = |kept: &Kept, set: &[&str]| {
        let pairs: Vec<_> = set.iter().map(|cookie| ("Set-Cookie", *cookie)).collect();
        let headers = headers(&pairs);
        let reply = Reply { status: 200, headers: &headers, body, intermediary: None, now: NOW };
        let values = Values { kept: Some(kept), ..Values::default() };
        match popup.read(Stage::Refresh, &values, &reply, &[]) {
            Ok(Brought::Grant(grant)) => grant.kept,
            _ => panic!("no grant"),
        }
    };
    let mut kept = Kept::new();
    for (set, cookies) in [
        (&["LB=node7; Path=/; HttpOnly", "S=1"][..], Some("LB=node7; S=1")),
        (&[], Some("LB=node7; S=1")),
        (&["S=2; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some("LB=node7; S=2")),
        (&["new=3"], Some("LB=node7; S=2; new=3")),
        (&["LB=node8", "S=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some("new=3; LB=node8")),
        (&["new=; Path=/"], Some("LB=node8")),
        (&["S=9; Expires=Thu, 01-Jan-1970 00:00:00 GMT"], Some("LB=node8")),
        (&["LB=x; Max-Age=0"], None),
        (&["S=4"], Some("S=4")),
    ] {
        kept = after(&kept, set);
        assert_eq!(kept.get("cookies").map(Secret::as_str), cookies, "{set:?}");
    }
    // No server fills the store with them.
    for number in 0..200 {
        kept = after(&kept, &[&format!("c{number}=1")]);
    }
    let cookies = kept["cookies"].as_str();
    assert!(cookies.starts_with("c150=1; ") && cookies.ends_with("; c199=1"), "{cookies}");
}

#[test]
fn popup_reads_both_envelopes() {
    let popup = compile(json!("popup"));
    let inner = r#"{"access_token":"a","refresh_token":"r","access_expires_at":"2026-01-01T01:00:00Z","refresh_expires_at":"2026-01-08T00:00:00Z","client_id":7}"#;
    for body in [inner.to_owned(), format!(r#"{{"success":true,"data":{inner}}}"#)] {
        let grant = grant(&popup, &[], &body);
        assert_eq!(grant.access.as_str(), "a");
        assert_eq!(grant.refresh.unwrap().as_str(), "r");
        assert_eq!(grant.lifetime, seconds(3600));
        assert_eq!(grant.refresh_lifetime, seconds(7 * 86400));
    }
}

#[test]
fn popup_takes_a_200_without_success_for_the_refusal_that_its_code_names() {
    let popup = compile(json!("popup"));
    let body = |error: &str| format!(r#"{{"success":false,"error":{error}}}"#);
    for (error, kind) in [
        (r#"{"code":"invalid_credentials","message":"wrong password"}"#, RefusalKind::Rejected),
        (r#""invalid_credentials","message":"wrong password""#, RefusalKind::Rejected),
        (r#"{"code":"ip_not_whitelisted","message":"wrong password"}"#, RefusalKind::Forbidden),
        (r#"{"code":"too_many_attempts","message":"wrong password"}"#, RefusalKind::RateLimited),
        (r#"{"code":"maintenance","message":"wrong password"}"#, RefusalKind::Unusable),
    ] {
        let (got, error) = refused(&popup, LOGIN, 200, &[], &body(error));
        assert_eq!(got, kind, "{error}");
        assert!(error.message().contains("wrong password") && error.server_code().is_some(), "{error}");
    }
    let (kind, error) = refused(&popup, LOGIN, 200, &[], r#"{"success":false,"data":{"access_token":"a"}}"#);
    assert_eq!(kind, RefusalKind::Unusable);
    assert!(error.message().contains("did not succeed"), "{error}");
}

#[test]
fn simplejwt() {
    let dialect = compile(json!("simplejwt"));
    assert_eq!(request_text(&dialect, LOGIN), format!("POST /api/token/\n{JSON}\n\n{CREDENTIALS}"));
    let refresh = "{\"refresh\":\"the-refresh-token\"}";
    assert_eq!(request_text(&dialect, Stage::Refresh), format!("POST /api/token/refresh/\n{JSON}\n\n{refresh}"));
    assert_eq!(request_text(&dialect, Stage::Logout), format!("POST /api/token/blacklist/\n{JSON}\n\n{refresh}"));
    let body = format!(r#"{{"access":"{}","refresh":"{}"}}"#, jwt(300), jwt(86_400));
    let granted = grant(&dialect, &[], &body);
    assert_eq!((granted.lifetime, granted.refresh_lifetime), (seconds(300), seconds(86_400)));
    assert_eq!(dialect.identity(), "simplejwt");
}

#[test]
fn dj_rest_auth() {
    let dialect = compile(json!("dj-rest-auth"));
    assert_eq!(request_text(&dialect, LOGIN), format!("POST /auth/login/\n{JSON}\n\n{CREDENTIALS}"));
    let refresh = "{\"refresh\":\"the-refresh-token\"}";
    assert_eq!(request_text(&dialect, Stage::Refresh), format!("POST /auth/token/refresh/\n{JSON}\n\n{refresh}"));
    let logout = format!("POST /auth/logout/\nauthorization: Bearer the-access-token\n{JSON}\n\n{refresh}");
    assert_eq!(request_text(&dialect, Stage::Logout), logout);
    let body = r#"{"access":"a","refresh":"r","access_expiration":"2026-01-01T00:05:00.123456Z","refresh_expiration":"2026-01-02T00:00:00+00:00","user":{"pk":1}}"#;
    let granted = grant(&dialect, &[], body);
    assert_eq!(granted.lifetime, Some(Duration::from_millis(300_123)));
    assert_eq!(granted.refresh_lifetime, seconds(86_400));
}

#[test]
fn directus() {
    let dialect = compile(json!("directus"));
    let login = format!("POST /auth/login\n{JSON}\n\n{{\"email\":\"shop\",\"password\":\"p\\\"w:ö d\"}}");
    assert_eq!(request_text(&dialect, LOGIN), login);
    let refresh =
        format!("POST /auth/refresh\n{JSON}\n\n{{\"mode\":\"json\",\"refresh_token\":\"the-refresh-token\"}}");
    assert_eq!(request_text(&dialect, Stage::Refresh), refresh);
    let logout = format!("POST /auth/logout\n{JSON}\n\n{{\"refresh_token\":\"the-refresh-token\"}}");
    assert_eq!(request_text(&dialect, Stage::Logout), logout);
    let granted = grant(&dialect, &[], r#"{"data":{"access_token":"a","refresh_token":"r","expires":900000}}"#);
    assert_eq!((granted.refresh.unwrap().as_str(), granted.lifetime), ("r", seconds(900)));
}

#[test]
fn vault() {
    let dialect = compile(json!("vault"));
    let login = format!("POST /v1/auth/userpass/login/shop\n{JSON}\n\n{{\"password\":\"p\\\"w:ö d\"}}");
    assert_eq!(request_text(&dialect, LOGIN), login);
    let renew = format!("POST /v1/auth/token/renew-self\n{JSON}\nx-vault-token: the-access-token\n\n{{}}");
    assert_eq!(request_text(&dialect, Stage::Refresh), renew);
    let revoke = "POST /v1/auth/token/revoke-self\nx-vault-token: the-access-token";
    assert_eq!(request_text(&dialect, Stage::Logout), revoke);
    assert_eq!(call_headers(&dialect), ["x-vault-token: the-access-token"]);
    assert_eq!(dialect.renews_by(), Some(RenewsBy::AccessToken));
    let granted =
        grant(&dialect, &[], r#"{"auth":{"client_token":"hvs.a","lease_duration":2764800},"lease_duration":0}"#);
    assert_eq!((granted.access.as_str(), granted.lifetime), ("hvs.a", seconds(2_764_800)));
    // One that never ends.
    assert_eq!(grant(&dialect, &[], r#"{"auth":{"client_token":"hvs.a","lease_duration":0}}"#).lifetime, None);
    let denied = r#"{"errors":["permission denied"]}"#;
    assert_eq!(dialect.call_means(403, &HeaderMap::new(), denied.as_bytes()), Some(Means::Expired));
    assert_eq!(refused(&dialect, Stage::Refresh, 403, &[], denied).0, RefusalKind::Rejected);
    let (_, error) = refused(&dialect, Stage::Logout, 403, &[], denied);
    assert_eq!(error.status(), Status::TM_UNAUTHORIZED, "{error}");
    assert!(error.message().contains("the token was no longer valid there"), "{error}");
    assert_eq!(refused(&dialect, LOGIN, 403, &[], denied).0, RefusalKind::Forbidden);
    let (kind, error) = refused(&dialect, LOGIN, 400, &[], r#"{"errors":["invalid username or password"]}"#);
    assert_eq!(kind, RefusalKind::Rejected);
    assert!(error.message().contains("(invalid username or password); check the username and the password"), "{error}");
}

#[test]
fn a_preset_is_what_is_merged_into() {
    let dialect =
        compile(json!({"preset": "vault", "login": {"url": "/v1/auth/ldap/login/{username}"}, "meanings": []}));
    assert!(request_text(&dialect, LOGIN).starts_with("POST /v1/auth/ldap/login/shop\n"));
    assert!(request_text(&dialect, LOGIN).ends_with("{\"password\":\"p\\\"w:ö d\"}"));
    // Arrays replace.
    assert_eq!(dialect.call_means(403, &HeaderMap::new(), b""), Some(Means::Forbidden));
    let dialect = compile(json!({"preset": "popup", "refresh": null, "logout": null,
        "call": {"headers": {"Authorization": null, "X-Token": "{access_token}"}}}));
    assert_eq!(dialect.renews_by(), None);
    assert!(dialect.prepare(Stage::Logout, &Values::default(), &MOMENT).is_none());
    assert_eq!(call_headers(&dialect), ["x-token: the-access-token"]);
    let dialect = compile(json!({"file": "dialect.json"}));
    assert!(request_text(&dialect, LOGIN).starts_with("POST /api/token/\n"));
    assert!(dialect.prepare(Stage::Logout, &Values::default(), &MOMENT).is_none());
}

#[test]
fn which_of_them_log_out_by_the_access_token() {
    let oauth2 =
        json!({"preset": "oauth2", "token_url": "/token", "revocation_url": "/revoke", "grant": "refresh_token"});
    for (auth, is_so) in [
        (json!("popup"), true),
        (json!("dj-rest-auth"), true),
        (json!({"preset": "dj-rest-auth", "logout": {"headers": {"Authorization": null}}}), false),
        (json!({"preset": "popup", "refresh": null}), false),
        (json!("simplejwt"), false),
        (json!("directus"), false),
        // It renews the access token with itself, which is of no use once that has run out.
        (json!("vault"), false),
        // It revokes the refresh token.
        (oauth2, false),
    ] {
        assert_eq!(compile(auth.clone()).logs_out_by_access_token(), is_so, "{auth}");
    }
}
