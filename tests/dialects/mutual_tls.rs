//! RFC 8705: a client that is known by its certificate, against real TLS servers that ask for one.

use serde_json::{Value, json};
use support::dialects::{CALL, USER, fails, get, stat, status};
use support::folder::Folder;
use support::managers::make;
use support::pki::Authority;
use support::server::{Answer, Server};
use support::tokens::Tokens;
use tokenmgr::Manager;
use tokenmgr::error::Status;

struct World {
    tokens: Tokens,
    server: Server,
    folder: Folder,
}

/// A token service that knows clients by their certificates, and the API that its tokens are for, bound to the certificate.
fn start() -> World {
    let (authority, clients) = (Authority::new(), Authority::new());
    let folder = Folder::new();
    folder.file("ca.pem", &authority.certificate);
    let client = clients.issue(&["shop"]);
    folder.file("client.pem", client.chain + &client.key);
    let tokens = Tokens::new();
    let of_server = tokens.clone();
    let server = Server::with_tls(&authority.server(), &clients, move |request| match request.path() {
        _ if !request.showed_certificate => Answer::json(401, json!({"error": "invalid_client"})),
        "/token" if request.field("client_id") == "app" => {
            Answer::json(200, json!({"access_token": of_server.issue().0, "token_type": "Bearer", "expires_in": 600}))
        }
        "/token" => Answer::json(401, json!({"error": "invalid_client"})),
        _ if of_server.is_good(request.bearer()) => Answer::json(200, json!({})),
        _ => Answer::empty(401).with("WWW-Authenticate", "Bearer error=\"invalid_token\""),
    });
    World { tokens, server, folder }
}

impl World {
    fn manager(&self, more: Value) -> Manager {
        let auth = json!({"preset": "oauth2", "token_url": "/token", "client": {"id": "app"}, "client_auth": "tls"});
        let mut options = json!({"auth": auth, "ca_file": self.folder.path("ca.pem")});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // No password: the certificate is what proves the client.
        make(&self.server.url(), USER, "", options).expect("a manager")
    }
}

#[test]
fn the_certificate_is_the_clients_proof_for_tokens_and_calls() {
    let world = start();
    let manager = world.manager(json!({"client_cert_file": world.folder.path("client.pem")}));
    assert_eq!(status(&manager), 200);
    world.tokens.kill_access();
    assert_eq!(status(&manager), 200);
    assert_eq!((stat(&manager, "logins"), stat(&manager, "logins_refused")), (2, 0));
    let request = world.server.last("POST /token");
    assert_eq!(["client_id", "client_secret"].map(|name| request.field(name)), ["app", ""]);
    assert_eq!((request.header("authorization"), request.field("grant_type").as_str()), (None, "client_credentials"));
    assert!(world.server.requests().iter().all(|request| request.showed_certificate), "{:?}", world.server.lines());
    assert!(world.server.count(&format!("GET {CALL}")) >= 2);
}

#[test]
fn without_the_certificate_the_refusal_says_what_to_check() {
    let world = start();
    let manager = world.manager(json!({}));
    let error = fails(get(&manager), Status::TM_LOGIN_REJECTED);
    assert!(error.message().contains("the certificate in client_cert_file"), "{error}");
    fails(get(&manager), Status::TM_LOGIN_SUSPENDED);
    assert_eq!(world.server.requests().len(), 1);
}
