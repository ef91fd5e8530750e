//! What is said of OAuth's endpoints.

use super::*;

#[test]
fn codes_of_oauth_name_its_members() {
    for (code, change) in [
        ("invalid_scope", "auth.scope"),
        ("unsupported_grant_type", "auth.grant"),
        ("invalid_client", "auth.client_auth"),
        ("invalid_request", "auth.login.form"),
    ] {
        let server = Server::start(move |_| Answer::json(400, json!({"error": code})));
        let auth = json!({"preset": "oauth2", "token_url": "/token", "scope": "all"});
        let report = check(&speaks(&server, auth), None);
        assert_eq!(changes(&report), [("login", change)], "{report:#}");
        let sent = &step(&report, "login")["sent"];
        assert_eq!(sent["headers"]["authorization"], "Basic ***");
        assert_eq!(sent["body"], "grant_type=client_credentials&scope=all");
    }
    let server = Server::start(|_| Answer::empty(404));
    for auth in
        [json!({"preset": "oauth2", "token_url": "/token"}), json!({"preset": "oauth2", "issuer": server.url()})]
    {
        let change = if auth["issuer"].is_null() { "auth.token_url" } else { "auth.issuer" };
        assert_eq!(changes(&check(&speaks(&server, auth), None)), [("login", change)]);
    }
}

/// An issuer that is its own token service.
fn issuer(token: fn() -> Answer) -> Server {
    Server::start(move |request| match request.path() {
        "/token" => token(),
        _ => {
            let url = format!("http://{}", request.header("host").unwrap_or_default());
            Answer::json(200, json!({"issuer": url, "token_endpoint": format!("{url}/token")}))
        }
    })
}

#[test]
fn an_issuer_is_not_to_blame_for_what_its_endpoints_answer() {
    let server = issuer(|| Answer::json(401, json!({"error": "invalid_client"})));
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(changes(&report), [("login", "auth.client_auth")], "{report:#}");
}

#[test]
fn of_oauth_a_login_need_bring_no_refresh_token() {
    let server = issuer(|| Answer::json(200, json!({"access_token": "access-0123456789", "expires_in": 600})));
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(step(&report, "refresh")["skipped"], "the login gave no refresh token");
    let server = issuer(|| {
        Answer::json(
            200,
            json!({"access_token": "access-0123456789", "expires_in": 600, "refreshToken": "renew-0123456789"}),
        )
    });
    let report = check(&speaks(&server, json!({"preset": "oauth2", "issuer": server.url()})), None);
    assert_eq!(changes(&report).len(), 1, "one that stands elsewhere is named: {report:#}");
}
