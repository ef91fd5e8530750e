//! An issuer's endpoints: from its document, read once, and never from another issuer's.

use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use support::dialects::{fails, get, speaks, stat, status};
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::error::Status;

const OAUTH: &str = "/.well-known/oauth-authorization-server/realms/shop";
const OPENID: &str = "/realms/shop/.well-known/openid-configuration";

/// An issuer whose document is at `at`, as `change` makes it.
fn issuer(at: &'static str, change: fn(&mut Value)) -> Server {
    let own = Arc::<OnceLock<String>>::default();
    let known = Arc::clone(&own);
    let tokens = Tokens::new();
    let server = Server::start(move |request| match request.path() {
        path if path == at => {
            let url = known.get().expect("it is known");
            let mut document = json!({"issuer": format!("{url}/realms/shop"), "token_endpoint": format!("{url}/t"),
                "revocation_endpoint": format!("{url}/r"), "authorization_endpoint": format!("{url}/a")});
            change(&mut document);
            Answer::json(200, document)
        }
        "/t" => {
            let (access, refresh) = tokens.issue();
            Answer::json(200, json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600}))
        }
        "/r" => Answer::empty(200),
        _ => Answer::json(404, json!({"error": "no"})),
    });
    let _ = own.set(server.url());
    server
}

fn api() -> Server {
    Server::start(|_| Answer::json(200, json!({})))
}

fn auth(issuer: &Server) -> Value {
    json!({"preset": "oauth2", "issuer": format!("{}/realms/shop", issuer.url())})
}

#[test]
fn the_document_is_read_once_and_names_the_endpoints() {
    for (at, asked) in [(OAUTH, vec![OAUTH]), (OPENID, vec![OAUTH, OPENID])] {
        let (issuer, api) = (issuer(at, |_| {}), api());
        let manager = speaks(&api, auth(&issuer));
        assert_eq!(status(&manager), 200);
        manager.login().unwrap();
        manager.refresh().unwrap();
        manager.logout().unwrap();
        let mut expected: Vec<String> = asked.iter().map(|path| format!("GET {path}")).collect();
        expected.extend(["POST /t", "POST /t", "POST /t", "POST /r"].map(str::to_owned));
        assert_eq!(issuer.lines(), expected);
        let read = &issuer.requests()[0];
        assert_eq!((read.header("authorization"), read.body.as_str()), (None, ""));
    }
}

#[test]
fn another_issuers_document_is_refused_and_asked_once() {
    let cases: [fn(&mut Value); 3] = [
        |document| document["issuer"] = json!("https://evil.example.com"),
        |document| document["token_endpoint"] = json!("http://evil.example.com/t"),
        |document| drop(document.as_object_mut().unwrap().remove("token_endpoint")),
    ];
    for change in cases {
        let (issuer, api) = (issuer(OAUTH, change), api());
        let manager = speaks(&api, auth(&issuer));
        fails(get(&manager), Status::TM_BAD_RESPONSE);
        for _ in 0..10 {
            let _ = get(&manager).expect_err("a pause");
        }
        assert_eq!(issuer.count("POST /t"), 0);
        assert!(issuer.requests().len() <= 2, "{:?}", issuer.lines());
    }
}

#[test]
fn an_issuer_that_is_away_is_asked_once() {
    let issuer = Server::start(|_| Answer::new(503, "text/html", "<html>away</html>"));
    let api = api();
    let manager = speaks(&api, auth(&issuer));
    for _ in 0..10 {
        let _ = get(&manager).expect_err("no token");
    }
    assert!(issuer.requests().len() <= 2, "{:?}", issuer.lines());
}

#[test]
fn without_a_revocation_endpoint_a_logout_only_forgets() {
    let (issuer, api) =
        (issuer(OAUTH, |document| drop(document.as_object_mut().unwrap().remove("revocation_endpoint"))), api());
    let manager = speaks(&api, auth(&issuer));
    assert_eq!(status(&manager), 200);
    manager.logout().unwrap();
    assert!(manager.peek().unwrap().is_none());
    assert_eq!(stat(&manager, "logouts"), 0, "nothing was sent");
}
