//! The contract's own examples.

use super::*;

fn json_text(text: &str) -> Value {
    serde_json::from_slice(text.as_bytes()).unwrap()
}

#[test]
fn oauth2_by_post() {
    let dialect = compile(json_text(
        r#"{"preset": "oauth2", "token_url": "https://login.example.com/oauth2/token", "scope": "orders.read", "client_auth": "post"}"#,
    ));
    assert_eq!(
        request_text(&dialect, Stage::Login(0)),
        "POST https://login.example.com/oauth2/token\ncontent-type: application/x-www-form-urlencoded\n\nclient_id=shop&client_secret=p%22w%3A%C3%B6+d&grant_type=client_credentials&scope=orders.read"
    );
    assert!(dialect.prepare(Stage::Logout, &Filling::new().values(), &MOMENT).is_none());
}

#[test]
fn a_dialect_from_nothing() {
    let dialect = compile(json_text(
        r#"{"login": {"url": "/api/token/", "json": {"username": "{username}", "password": "{password}"}},
 "refresh": {"url": "/api/token/refresh/", "json": {"refresh": "{refresh_token}"}}, "logout": null,
 "answer": {"access_token": "/access", "refresh_token": "/refresh"}}"#,
    ));
    assert!(request_text(&dialect, Stage::Refresh).ends_with("\n\n{\"refresh\":\"the-refresh-token\"}"));
    assert_eq!(call_headers(&dialect), ["authorization: Bearer the-access-token"]);
    // What is not in `answer` is not looked for.
    let granted =
        grant(&dialect, &[], r#"{"access":"a","refresh":"r","expires_in":60,"expires_at":5,"refresh_token":"x"}"#);
    assert_eq!((granted.lifetime, granted.refresh.unwrap().as_str()), (None, "r"));
    assert!(dialect.identity().starts_with("own:"));
}

#[test]
fn a_token_in_a_header() {
    let dialect = compile(json_text(
        r#"{"login": {"url": "/v3/auth/tokens", "json": {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "{username}", "domain": {"id": "{params.domain}"}, "password": "{password}"}}}}},
           "answer": {"access_token": {"header": "X-Subject-Token"}, "expires_at": "/token/expires_at"}},
 "logout": {"method": "DELETE", "url": "/v3/auth/tokens", "headers": {"X-Auth-Token": "{access_token}", "X-Subject-Token": "{access_token}"}},
 "call": {"headers": {"X-Auth-Token": "{access_token}"}}}"#,
    ));
    assert_eq!(
        request_text(&dialect, Stage::Login(0)),
        "POST /v3/auth/tokens\ncontent-type: application/json\n\n{\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"domain\":{\"id\":\"default\"},\"name\":\"shop\",\"password\":\"p\\\"w:ö d\"}}}}}"
    );
    assert_eq!(dialect.renews_by(), None);
    assert_eq!(
        request_text(&dialect, Stage::Logout),
        "DELETE /v3/auth/tokens\nx-auth-token: the-access-token\nx-subject-token: the-access-token"
    );
    assert_eq!(call_headers(&dialect), ["x-auth-token: the-access-token"]);
    let body = r#"{"token":{"expires_at":"2026-01-01T00:10:00.000000Z"}}"#;
    let granted = grant(&dialect, &[("X-Subject-Token", " gAAAA-1 ")], body);
    assert_eq!((granted.access.as_str(), granted.lifetime), ("gAAAA-1", seconds(600)));
    let (kind, error) = refused(&dialect, Stage::Login(0), 201, &[], body);
    assert_eq!(kind, RefusalKind::Unusable);
    assert!(error.message().contains("there is no access_token"), "{error}");
}

#[test]
fn codes_in_the_body() {
    let dialect = compile(json_text(
        r#"{"login": {"url": "/_api/login", "json": {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "{username}"}, "password": "{password}", "refresh_token": true}},
 "refresh": {"url": "/_api/refresh", "json": {"refresh_token": "{refresh_token}"}},
 "logout": {"url": "/_api/logout", "headers": {"Authorization": "Bearer {access_token}"}, "json": {}},
 "answer": {"access_token": "/access_token", "refresh_token": "/refresh_token", "expires_in": "/expires_in_ms", "expires_in_unit": "ms"},
 "meanings": [{"of": ["login", "refresh"], "status": 403, "body": {"/errcode": "M_FORBIDDEN"}, "means": "rejected"}]}"#,
    ));
    assert_eq!(
        request_text(&dialect, Stage::Login(0)),
        "POST /_api/login\ncontent-type: application/json\n\n{\"identifier\":{\"type\":\"m.id.user\",\"user\":\"shop\"},\"password\":\"p\\\"w:ö d\",\"refresh_token\":true,\"type\":\"m.login.password\"}"
    );
    assert_eq!(
        request_text(&dialect, Stage::Logout),
        "POST /_api/logout\nauthorization: Bearer the-access-token\ncontent-type: application/json\n\n{}"
    );
    let granted = grant(&dialect, &[], r#"{"access_token":"a","refresh_token":"r","expires_in_ms":60000}"#);
    assert_eq!(granted.lifetime, seconds(60));
    let wrong = r#"{"errcode":"M_FORBIDDEN","error":"Invalid password"}"#;
    let (kind, error) = refused(&dialect, Stage::Login(0), 403, &[], wrong);
    assert_eq!((kind, error.server_code()), (RefusalKind::Rejected, Some("M_FORBIDDEN")));
    let limited = r#"{"errcode":"M_LIMIT_EXCEEDED"}"#;
    assert_eq!(refused(&dialect, Stage::Login(0), 403, &[], limited).0, RefusalKind::Forbidden);
    assert_eq!(refused(&dialect, Stage::Login(0), 429, &[], limited).0, RefusalKind::RateLimited);
}

#[test]
fn two_steps_and_a_cookie() {
    let dialect = compile(json_text(
        r#"{"login": [{"method": "GET", "url": "https://id.example.com/tenants/{params.team}", "keep": {"api": "/endpoints/0/url"}},
           {"url": "{kept.api}/session", "form": {"user": "{username}", "pass": "{password}"}, "answer": {"access_token": {"cookie": "SID"}, "lifetime_seconds": 1700}}],
 "refresh": null, "call": {"headers": {"Cookie": "SID={access_token}"}}}"#,
    ));
    assert_eq!(dialect.login_steps(), 2);
    assert_eq!(request_text(&dialect, Stage::Login(0)), "GET https://id.example.com/tenants/a%2Fb%20c\n");
    let body = r#"{"endpoints":[{"url":"https://api7.example.com/v1"}]}"#;
    let Ok(Brought::Kept(kept)) = answered(&dialect, Stage::Login(0), 200, &[], body) else { panic!() };
    assert_eq!(kept.get("api").unwrap().as_str(), "https://api7.example.com/v1");
    let second = prepare(&dialect, Stage::Login(1)).unwrap();
    assert_eq!(
        show(&second),
        "POST https://api7.example.com/v1/session\ncontent-type: application/x-www-form-urlencoded\n\npass=p%22w%3A%C3%B6+d&user=shop"
    );
    assert_eq!((second.redacted.as_str(), second.is_on_host()), ("POST {kept.api}/session", false));
    let granted =
        grant(&dialect, &[("Set-Cookie", "x=1; Path=/"), ("Set-Cookie", "SID=s3ss10n; HttpOnly; Max-Age=1800")], "");
    assert_eq!((granted.access.as_str(), granted.lifetime), ("s3ss10n", seconds(1700)));
    assert_eq!(call_headers(&dialect), ["cookie: SID=the-access-token"]);
    // What the first step did not bring the second is not sent without.
    let mut filling = Filling::new();
    filling.kept.clear();
    let error = dialect.prepare(Stage::Login(1), &filling.values(), &MOMENT).unwrap().unwrap_err();
    assert!(error.message().contains("no api") && error.message().contains("auth.login.keep"), "{error}");
}

#[test]
fn the_documentations_examples_are_dialects() {
    let text = include_str!("../../../docs/DIALECTS.md");
    let blocks: Vec<&str> = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        let options = json_text(block);
        let given = options.get("auth_params").cloned().unwrap_or(json!({}));
        let given = params(&given, &|_| Ok(secret("x"))).unwrap();
        let environment = Environment { params: &given, read: &read, allow_insecure: false };
        Dialect::compile(&options["auth"], &environment).unwrap_or_else(|error| panic!("{block}: {error}"));
    }
}
