//! What is said where a server hangs, and where one side speaks TLS and the other does not.

use super::proxy::Proxy;
use super::server::{KEY, Redis, options};
use serde_json::{Value, json};
use std::sync::Arc;
use support::bao::cannot_do_without_its_store;
use support::demo::*;
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::Manager;

/// A manager to which the store is all there is: it has no password, and its host is not there.
fn manager_of(mut all: Value, timeout_ms: u64) -> Manager {
    all["timeout_ms"] = timeout_ms.into();
    Manager::new(Some("http://127.0.0.1:9"), Some(USER), None, Some(&all.to_string())).expect("a manager")
}

#[test]
fn a_server_that_hangs_is_named_with_what_was_asked_and_for_how_long() {
    let redis = Redis::start();
    let server = format!("127.0.0.1:{}", redis.port());
    for (store_ms, call_ms, says) in
        [(200, 60_000, "did not answer within 200 ms"), (60_000, 600, "half of the call's time was over")]
    {
        let new = || manager_of(redis.options(json!({"timeout_ms": store_ms})), call_ms);
        let (kept, fresh) = (new(), new());
        kept.check_store().expect("a store");
        redis.signal("STOP");
        for manager in [kept, fresh] {
            cannot_do_without_its_store(
                &manager,
                &["reading the record in Redis failed", &server, says, "see whether it"],
            );
        }
        redis.signal("CONT");
    }
    // It hangs when it is written to.
    let proxy = Arc::new(Proxy::to(redis.port()));
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let writing = manager_of(options(json!({ "url": url }), json!({"timeout_ms": 200})), 60_000);
    let stalled = proxy.clone();
    proxy.before("HSET", move || stalled.stall());
    let error = writing.set_tokens("access", Some("refresh"), 0, 0).expect_err("no store");
    assert!(error.message().contains("writing the record in Redis failed"), "{error}");
}

#[test]
fn tls_on_one_side_only_is_said() {
    let (ours, folder) = (Authority::new(), Folder::new());
    let server = ours.server();
    let (chain, key) = (folder.file("server.pem", &server.chain), folder.file("server.key", &server.key));
    let ca = folder.file("ca.pem", &ours.certificate);
    let tls = ["--tls-cert-file", &chain, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let arguments = [&["--port", "0", "--tls-auth-clients", "no"], &tls[..]].concat();
    let secure = Redis::listening(Folder::new(), "--tls-port", &arguments, &["--tls", "--cacert", &ca]);
    let plain = Redis::start();
    let trusted = |url: String| options(json!({ "url": url }), json!({"ca_file": ca, "timeout_ms": 500}));
    manager_of(trusted(format!("rediss://127.0.0.1:{}", secure.port())), 60_000).check_store().expect("a store");
    for user in ["", ":a-password@"] {
        let url = format!("redis://{user}127.0.0.1:{}", secure.port());
        let at = format!("127.0.0.1:{} broke", secure.port());
        let one = manager_of(options(json!({ "url": url }), json!({})), 60_000);
        cannot_do_without_its_store(
            &one,
            &["reading the record in Redis", &at, "use rediss:// if its port speaks TLS"],
        );

        let at = format!("no TLS with 127.0.0.1:{}", plain.port());
        let one = manager_of(trusted(format!("rediss://{user}127.0.0.1:{}", plain.port())), 60_000);
        cannot_do_without_its_store(
            &one,
            &["reading the record in Redis", &at, "within 500 ms", "use redis:// if its port speaks no TLS"],
        );
    }
    assert_eq!(plain.cli(&["EXISTS", KEY]), "0");
}
