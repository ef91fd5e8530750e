//! Refusals that are not the API's own are told from those that are, and a time-out says what hung and where.

use crate::client::{demo, fails, get, manager};
use crate::nginx::Nginx;
use crate::tinyproxy::Tinyproxy;
use serde_json::json;
use std::net::TcpListener;
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;
use tokenmgr::error::Status;

/// A manager that need not log in first.
fn holding(host: &str, options: serde_json::Value) -> Manager {
    let manager = manager(host, options);
    manager.set_tokens("the-token", None, 0, 0).unwrap();
    manager
}

#[track_caller]
fn response_says(manager: &Manager, status: u16, says: &str) {
    let response = get(manager, "/api/v1/products").unwrap();
    let error = response.error.expect("it is a refusal");
    assert_eq!((response.status, error.http_status()), (status, status));
    assert!(error.message().contains(says), "{}", error.message());
    assert!(!error.message().contains("whitelist"), "{}", error.message());
}

#[test]
fn a_missing_client_certificate_is_named_where_the_server_answers_400() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let server = format!("ssl_protocols {protocols}; ssl_verify_client on; ssl_client_certificate {ca_file};");
        let nginx = Nginx::with_tls(&authority.server(), "", &server);
        let host = format!("https://127.0.0.1:{}", nginx.port());
        let options = json!({"ca_file": ca_file});
        fails(manager(&host, options.clone()).login(), Status::TM_BAD_RESPONSE, &["400", "check client_cert_file"]);
        response_says(&holding(&host, options), 400, "check client_cert_file");
    }
}

#[test]
fn plain_http_to_a_tls_port_and_the_reverse_are_recognised() {
    let authority = Authority::new();
    let nginx = Nginx::with_tls(&authority.server(), "", "");
    let host = format!("http://127.0.0.1:{}", nginx.port());
    fails(manager(&host, json!({})).login(), Status::TM_BAD_RESPONSE, &["speaks TLS; use https://"]);
    response_says(&holding(&host, json!({})), 400, "speaks TLS; use https://");

    let nginx = Nginx::plain("");
    let host = format!("https://127.0.0.1:{}", nginx.port());
    fails(manager(&host, json!({})).login(), Status::TM_TLS, &["does not speak TLS on this port"]);
}

#[test]
fn a_proxys_own_403_is_the_proxys() {
    let (api, proxy) = (demo(), Tinyproxy::that_refuses());
    let options = json!({"proxy": proxy.url()});
    // A request without a body: tinyproxy resets the connection where it has not read one.
    response_says(&holding(&api.url(), options.clone()), 403, "the proxy's own answer");
    assert_eq!(api.counter("connections"), 0);
    // Over a tunnel it refuses before anything is sent.
    let error = fails(get(&holding("https://api.example.com", options), "/"), Status::TM_NETWORK, &["(403)"]);
    assert!(error.message().contains("not let through by the proxy"), "{}", error.message());
}

#[test]
fn a_time_out_says_what_hung_and_where() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let options = json!({"timeout_ms": 300});
    let login = format!("waiting for the login at {host}/auth/login");
    fails(manager(&host, options.clone()).login(), Status::TM_TIMEOUT, &[&login, "300 ms"]);
    let call = format!("waiting for the call GET {host}/x");
    fails(get(&holding(&host, options.clone()), "/x?secret=1"), Status::TM_TIMEOUT, &[&call]);
    let logout = format!("waiting for the logout at {host}/auth/logout");
    fails(holding(&host, options).logout(), Status::TM_TIMEOUT, &[&logout]);
}
