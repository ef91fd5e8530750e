//! The preset `oauth2`: from its members to requests, and its codes.

use super::*;

const LOGIN: Stage = Stage::Login(0);
const URL: &str = "https://id.example.com/token";

fn oauth(more: Value) -> Value {
    let mut auth = json!({"preset": "oauth2", "token_url": URL});
    for (name, value) in more.as_object().unwrap() {
        auth[name] = value.clone();
    }
    auth
}

/// The form that a stage sends, and its Authorization.
fn form(more: Value, stage: Stage) -> (Vec<(String, String)>, String) {
    let prepared = prepare(&compile(oauth(more)), stage).unwrap();
    let fields = url::form_urlencoded::parse(&prepared.body).into_owned().collect();
    let authorization = prepared.headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
    assert!(prepared.url.starts_with(URL) || stage == Stage::Logout, "{}", *prepared.url);
    (fields, authorization)
}

fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn client_credentials_are_the_username_and_the_password_by_basic() {
    let (fields, authorization) = form(json!({}), LOGIN);
    assert_eq!(pairs(&fields), [("grant_type", "client_credentials")]);
    // Form-encoded first: shop:p%22w%3A%C3%B6+d
    assert_eq!(authorization, "Basic c2hvcDpwJTIydyUzQSVDMyVCNitk");
    let (_, raw) = form(json!({"client_auth": "basic_raw"}), LOGIN);
    assert_eq!(raw, "Basic c2hvcDpwInc6w7YgZA==");
    let (_, own) = form(json!({"client": {"id": "a:b", "secret": "{params.key}"}}), LOGIN);
    assert_eq!(own, "Basic YSUzQWI6cDRyNG0ta2V5");
    // Each of them, unless it is given.
    let (_, own) = form(json!({"client": {"id": "c1"}, "client_auth": "basic_raw"}), LOGIN);
    assert_eq!(own, "Basic YzE6cCJ3OsO2IGQ=");
}

#[test]
fn scope_audience_resource_and_extra_are_fields() {
    let more = json!({"scope": ["a", "b"], "audience": "aud", "resource": ["r1", "r2"], "extra": {"x": "{params.domain}", "n": 1}});
    let (fields, _) = form(more.clone(), LOGIN);
    assert_eq!(
        pairs(&fields),
        [
            ("audience", "aud"),
            ("grant_type", "client_credentials"),
            ("n", "1"),
            ("resource", "r1"),
            ("resource", "r2"),
            ("scope", "a b"),
            ("x", "default")
        ]
    );
    let (fields, _) = form(more, Stage::Refresh);
    assert_eq!(
        pairs(&fields),
        [
            ("audience", "aud"),
            ("grant_type", "refresh_token"),
            ("n", "1"),
            ("refresh_token", "the-refresh-token"),
            ("resource", "r1"),
            ("resource", "r2"),
            ("x", "default")
        ]
    );
}

#[test]
fn the_client_is_proven_as_said() {
    let client = json!({"id": "c1", "secret": "s1"});
    let (fields, authorization) = form(json!({"client": client, "client_auth": "post"}), LOGIN);
    assert_eq!(pairs(&fields), [("client_id", "c1"), ("client_secret", "s1"), ("grant_type", "client_credentials")]);
    assert_eq!(authorization, "");
    for auth in ["tls", "none"] {
        let (fields, authorization) = form(json!({"client": {"id": "c1"}, "client_auth": auth}), LOGIN);
        assert_eq!(pairs(&fields), [("client_id", "c1"), ("grant_type", "client_credentials")]);
        assert_eq!(authorization, "");
    }
    // A client without a secret is a public one.
    let (fields, authorization) = form(json!({"client": {"id": "c1"}, "grant": "password"}), LOGIN);
    assert_eq!(
        pairs(&fields),
        [("client_id", "c1"), ("grant_type", "password"), ("password", "p\"w:ö d"), ("username", "shop")]
    );
    assert_eq!(authorization, "");
    let (fields, _) = form(
        json!({"client": {"id": "c1"}, "client_auth": "private_key_jwt", "assertion": {"alg": "HS256", "key": {"env": "KEY"}}}),
        LOGIN,
    );
    assert_eq!(pairs(&fields)[2], ("client_id", "c1"));
    assert_eq!(pairs(&fields)[1].1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(pairs(&fields)[0].1.split('.').count(), 3);
    // Read from elsewhere, braces and all.
    let (_, authorization) =
        form(json!({"client": {"id": "c", "secret": {"env": "{x}"}}, "client_auth": "basic_raw"}), LOGIN);
    assert_eq!(authorization, "Basic Yzp7eH0=");
}

#[test]
fn grants_send_their_fields() {
    let key = json!({"alg": "HS256", "key": {"env": "KEY"}});
    let (fields, authorization) = form(json!({"grant": "jwt_bearer", "assertion": key}), LOGIN);
    assert_eq!(pairs(&fields)[1], ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"));
    assert_eq!((fields[0].0.as_str(), fields.len(), authorization.as_str()), ("assertion", 2, ""));
    let (fields, _) = form(
        json!({"grant": "token_exchange", "subject_token": "{params.key}", "actor_token": "act", "requested_token_type": "urn:x", "client": {"id": "c", "secret": "s"}}),
        LOGIN,
    );
    assert_eq!(
        pairs(&fields),
        [
            ("actor_token", "act"),
            ("actor_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:x"),
            ("subject_token", "p4r4m-key"),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ]
    );
    let (fields, _) = form(json!({"grant": "urn:example:own", "extra": {"code": "{params.code}"}}), LOGIN);
    assert_eq!(pairs(&fields), [("code", "x.1"), ("grant_type", "urn:example:own")]);
    let refresh = compile(oauth(
        json!({"grant": "refresh_token", "scope": "a", "client": {"id": "c"}, "initial_refresh_token": {"env": "REFRESH"}}),
    ));
    assert_eq!(refresh.login_steps(), 0);
    assert_eq!(refresh.initial_refresh_token.as_ref().unwrap().as_str(), "the-first-refresh-token");
    let body = "client_id=c&grant_type=refresh_token&refresh_token=the-refresh-token&scope=a";
    assert!(request_text(&refresh, Stage::Refresh).ends_with(body));
}

#[test]
fn bodies_are_forms_json_or_queries() {
    let client = json!({"id": "c1", "secret": "s1"});
    let json = compile(oauth(json!({"body": "json", "client": client, "client_auth": "post", "resource": ["a", "b"]})));
    assert_eq!(
        request_text(&json, LOGIN),
        format!(
            "POST {URL}\ncontent-type: application/json\n\n{{\"client_id\":\"c1\",\"client_secret\":\"s1\",\"grant_type\":\"client_credentials\",\"resource\":[\"a\",\"b\"]}}"
        )
    );
    let query = compile(oauth(json!({"body": "query", "client": client, "client_auth": "post"})));
    let url = format!("POST {URL}?client_id=c1&client_secret=s1&grant_type=client_credentials\n");
    assert_eq!(request_text(&query, LOGIN), url);
    assert_eq!(prepare(&query, LOGIN).unwrap().redacted, format!("POST {URL}"));
}

#[test]
fn revocation_takes_the_refresh_token_else_the_access_token() {
    let dialect = compile(oauth(json!({"revocation_url": "/revoke", "client": {"id": "c1"}, "client_auth": "none"})));
    let filling = Filling::new();
    let revoke = |values: &Values<'_>| show(&dialect.prepare(Stage::Logout, values, &MOMENT).unwrap().unwrap());
    assert!(
        revoke(&filling.values()).ends_with("\n\nclient_id=c1&token=the-refresh-token&token_type_hint=refresh_token")
    );
    let without = Values { refresh_token: None, ..filling.values() };
    assert!(revoke(&without).ends_with("\n\nclient_id=c1&token=the-access-token&token_type_hint=access_token"));
    assert!(revoke(&without).starts_with("POST /revoke\n"));
    let issuer = compile(json!({"preset": "oauth2", "issuer": "https://id.example.com"}));
    assert!(
        show(&issuer.prepare(Stage::Logout, &without, &MOMENT).unwrap().unwrap())
            .starts_with("POST https://id.example.com/revoke\n")
    );
    // An issuer that names none.
    let mut filling = Filling::new();
    filling.discovered.revocation_endpoint = None;
    assert_eq!(issuer.missing(Stage::Logout, &filling.values()), Some(Name::RevocationEndpoint));
}

#[test]
fn an_issuer_says_where_its_endpoints_are() {
    let dialect = compile(json!({"preset": "oauth2", "issuer": "https://{params.domain}.example.com/a"}));
    assert_eq!(dialect.issuer.as_deref(), Some("https://default.example.com/a"));
    let filling = Filling::new();
    let before = Values { discovered: None, ..filling.values() };
    assert_eq!(dialect.missing(LOGIN, &before), Some(Name::TokenEndpoint));
    assert!(
        show(&dialect.prepare(LOGIN, &filling.values(), &MOMENT).unwrap().unwrap())
            .starts_with("POST https://id.example.com/token\n")
    );
    // Errors name the address, not what stands for it.
    assert_eq!(prepare(&dialect, LOGIN).unwrap().redacted, "POST https://id.example.com/token");
    let (_, error) = refused(&dialect, LOGIN, 503, &[], "");
    assert!(error.message().starts_with("POST https://id.example.com/token was answered 503"), "{error}");
    let (_, error) = refused(&dialect, Stage::Logout, 401, &[], r#"{"error":"invalid_client"}"#);
    assert!(error.message().starts_with("POST https://id.example.com/revoke was refused"), "{error}");
    let mut evil = Filling::new();
    evil.discovered.token_endpoint = "http://evil.example.com/".to_owned();
    let error = dialect.prepare(LOGIN, &evil.values(), &MOMENT).unwrap().unwrap_err();
    assert_eq!(error.status(), crate::error::Status::TM_URL_NOT_ALLOWED);
}

#[test]
fn what_is_given_is_merged_over_what_is_made() {
    let dialect = compile(oauth(json!({
        "login": {"form": {"grant_type": "custom", "more": "x"}, "headers": {"X-Own": "1"}}, "refresh": null,
        "revocation_url": "/revoke", "logout": {"method": "DELETE"}
    })));
    let login = request_text(&dialect, LOGIN);
    assert!(login.ends_with("\n\ngrant_type=custom&more=x") && login.contains("x-own: 1"), "{login}");
    assert_eq!(dialect.renews_by(), None);
    assert!(request_text(&dialect, Stage::Logout).starts_with("DELETE /revoke\n"));
    let own = compile(oauth(
        json!({"logout": {"url": "/bye", "text": "{access_token}"}, "login": [{"url": "/one"}, {"url": "/two"}]}),
    ));
    assert!(request_text(&own, Stage::Logout).starts_with("POST /bye\n"));
    assert_eq!(own.login_steps(), 2);
}

#[test]
fn its_codes_decide_over_the_status() {
    let dialect = compile(oauth(json!({"meanings": [{"of": "login", "status": 418, "means": "rate_limited"}]})));
    let kind = |stage, status, code: &str| refused(&dialect, stage, status, &[], &format!(r#"{{"error":"{code}"}}"#)).0;
    assert_eq!(kind(LOGIN, 403, "invalid_client"), RefusalKind::Rejected);
    assert_eq!(kind(LOGIN, 500, "unauthorized_client"), RefusalKind::Rejected);
    assert_eq!(kind(Stage::Refresh, 403, "invalid_grant"), RefusalKind::Rejected);
    assert_eq!(kind(LOGIN, 400, "slow_down"), RefusalKind::RateLimited);
    assert_eq!(kind(LOGIN, 400, "temporarily_unavailable"), RefusalKind::Unavailable);
    assert_eq!(kind(LOGIN, 418, "x"), RefusalKind::RateLimited);
    let (kind, error) =
        refused(&dialect, LOGIN, 401, &[], r#"{"error":"invalid_client","error_description":"no such client"}"#);
    assert_eq!(kind, RefusalKind::Rejected);
    assert!(
        error.message().contains("(invalid_client: no such client); check the username and the password"),
        "{error}"
    );
    let call = |status, challenge: &str| dialect.call_means(status, &headers(&[("WWW-Authenticate", challenge)]), b"");
    assert_eq!(
        call(401, "Bearer realm=\"x\", error=\"invalid_token\", error_description=\"error\""),
        Some(Means::Expired)
    );
    assert_eq!(call(401, "Bearer error=insufficient_scope"), Some(Means::Forbidden));
    assert_eq!(call(403, "DPoP error=\"insufficient_scope\", scope=\"a\""), Some(Means::Forbidden));
    assert_eq!(call(401, "Bearer error_uri=\"error=insufficient_scope\""), Some(Means::Expired));
    let granted = grant(&dialect, &[], r#"{"access_token":"a","token_type":"bearer","expires_in":3600}"#);
    assert_eq!((granted.token_type.as_deref(), granted.lifetime), (Some("bearer"), seconds(3600)));
}

#[test]
fn with_dpop_a_call_says_dpop_unless_the_token_is_a_bearers() {
    let dialect = compile(oauth(json!({"dpop": true})));
    assert!(dialect.dpop);
    let filling = Filling::new();
    for (token_type, scheme) in [
        (None, "DPoP"),
        (Some("dpop"), "DPoP"),
        (Some("DPoP"), "DPoP"),
        (Some("BEARER"), "Bearer"),
        (Some("Bearer"), "Bearer"),
    ] {
        let values = Values { token_type, ..filling.values() };
        let filled = dialect.fill_call(&values, &MOMENT).unwrap();
        assert_eq!(filled.headers[0].1.to_str().unwrap(), format!("{scheme} the-access-token"));
    }
    assert_eq!(call_headers(&compile(oauth(json!({})))), ["authorization: Bearer the-access-token"]);
}

#[test]
fn a_mistake_names_the_member() {
    for (more, said) in [
        (json!({"token_url": null}), "auth has neither token_url nor issuer"),
        (json!({"token_url": "http://x.example.com/"}), "auth.token_url takes a path"),
        (json!({"revocation_url": "x"}), "auth.revocation_url takes a path"),
        (json!({"scop": null}), "auth.scop is unknown; did you mean scope?"),
        (json!({"grant": 7}), "auth.grant got a number; it takes a string"),
        (json!({"grant": "jwt_bearer"}), "auth.grant is jwt_bearer, but there is no key"),
        (json!({"grant": "token_exchange"}), "auth has no subject_token"),
        (json!({"client_auth": "private_key_jwt"}), "auth.client_auth is private_key_jwt, but there is no key"),
        (json!({"client_auth": "basik"}), "auth.client_auth got a name that it does not know"),
        (
            json!({"grant": "password", "client": {"id": "x"}, "client_auth": "post"}),
            "auth.client_auth proves the client by a secret",
        ),
        (json!({"grant": "password", "client": {"secret": "x"}}), "auth.client has no id"),
        (json!({"client": {"id": "x", "secrt": "y"}}), "auth.client.secrt is unknown; did you mean secret?"),
        (json!({"client": {"id": "{client_id2}"}}), "auth.client.id has a name in braces"),
        (json!({"scope": 7}), "auth.scope got a number; it takes a string or an array of strings"),
        (json!({"scope": "{x}"}), "auth.scope has a name in braces"),
        (json!({"resource": [7]}), "auth.resource got an array; it takes a string or an array of strings"),
        (json!({"extra": {"a": {}}}), "auth.extra.a got an object"),
        (
            json!({"body": "xml"}),
            "auth.body got a name that it does not know; it takes \"form\" or \"json\" or \"query\"",
        ),
        (json!({"dpop": "yes"}), "auth.dpop got a string; it takes true or false"),
        (json!({"issuer": "http://x.example.com"}), "auth.issuer is no https:// URL"),
        (
            json!({"issuer": "https://{username}.example.com"}),
            "auth.issuer uses a value that there is in requests only",
        ),
        (json!({"issuer": "https://x.example.com/{now('%Y')}"}), "auth.issuer uses a time"),
        (json!({"initial_refresh_token": "x"}), "auth.initial_refresh_token is for the grant refresh_token only"),
        (
            json!({"grant": "refresh_token", "initial_refresh_token": {"env": "X"}}),
            "auth.initial_refresh_token names the environment variable X",
        ),
        (json!({"login": {"json": {}}}), "auth.login has more than one body"),
    ] {
        let refusal = refusal(oauth(more.clone()));
        assert!(refusal.starts_with(&format!("the option {said}")), "{more}: {refusal}");
    }
}
