//! Options that make no sense, and Vaults that are not what the store needs.

use serde_json::{Value, json};
use support::bao::Bao;
use support::demo::*;
use support::program::free_port;
use tokenmgr::{Level, Manager};

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let (url, token) = ("http://127.0.0.1:1", "hidden-key-9Xw1");
    for (store, says) in [
        (json!({"token": token}), "url is missing"),
        (json!({"url": url}), "store.token is missing"),
        (json!({"url": url, "token": token, "token_file": "/x"}), "exclude each other"),
        (json!({"url": url, "token": token, "secret_id": token}), "store.secret_id needs store.role_id"),
        (json!({"url": "http://vault.example:8200", "token": token}), "allow_insecure_http"),
        (json!({"url": format!("https://u:{token}@vault.example"), "token": token}), "store.url holds a username"),
        (json!({"url": "vault.example", "token": token}), "store.url is not a valid URL"),
        (json!({"url": url, "token": token, "mount": "/secret"}), "store.mount is no path"),
        (json!({"url": url, "token": token, "path": "a/../b"}), "store.path is no path"),
        (json!({"url": url, "token": token, "path": "a//b"}), "store.path is no path"),
        (json!({"url": url, "token": token, "path": "a/./b"}), "store.path is no path"),
        (json!({"url": url, "token": token, "namespace": "a\nb"}), "store.namespace"),
        (json!({"url": url, "token": {"env": "TOKENMGR_NO_SUCH"}}), "store.token names the environment variable"),
        (json!({"url": url, "role_id": {"file": "/no/such"}}), "store.role_id names the file /no/such"),
        (
            json!({"url": url, "token": token, "ca_file": "/no/such.pem"}),
            "the file /no/such.pem that the option store.ca_file names",
        ),
        (json!({"url": url, "token": token, "ca_only": true}), "store.ca_only needs store.ca_file"),
        (json!({"url": url, "token": token, "client_key_file": "/x"}), "store.client_key_file needs"),
        (json!({"url": url, "token": token, "key": "AAAA"}), "store.key is not a key"),
        (json!({"url": url, "token": token, "old_keys": ["AAAA"]}), "store.old_keys needs store.key"),
        (json!({"url": url, "token": token, "timeout_ms": 0}), "from 1 to"),
        (json!({"url": url, "token": token, "tokn": 1}), "tokn"),
    ] {
        let mut store = store;
        store["type"] = "vault".into();
        let options = json!({ "store": store }).to_string();
        let error = Manager::new(Some("http://127.0.0.1:1"), Some(USER), Some(PASSWORD), Some(&options));
        let error = error.expect_err(says);
        assert!(error.message().contains(says), "{says}: {error}");
        assert!(!error.message().contains(token), "{error}");
    }
}

/// A store that cannot work says why, and the service goes on without it.
#[track_caller]
fn is_away(bao: &Bao, more: Value, says: &str) {
    let api = start(json!({}));
    let manager = bao.manager_with(&api, more);
    let lines = listen(&manager);
    assert_eq!(status(&manager), 200);
    let lines = lines.lock().unwrap();
    let is_said = |(level, line): &(Level, String)| *level == Level::Warning && line.contains(says);
    assert!(lines.iter().any(is_said), "{says}: {lines:?}");
    assert!(stat(&manager, "store_failures") > 0);
}

#[test]
fn t5_what_is_no_kv_engine_of_version_2_is_said() {
    let bao = Bao::start();
    is_away(&bao, json!({"mount": "nowhere"}), "found nothing mounted there");
    bao.must("POST", "sys/mounts/old", json!({"type": "kv"}));
    until("the engine is ready", || bao.ask("GET", "old/x", Value::Null).0 == 404);
    is_away(&bao, json!({"mount": "old"}), "a KV secrets engine of version 2");
    // By now there is something that an engine of version 1 gives back.
    is_away(&bao, json!({"mount": "old"}), "a KV secrets engine of version 2");
}

#[test]
fn t5_a_vault_that_is_not_there_is_said() {
    let bao = Bao::start();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    is_away(&bao, json!({ "url": nowhere }), "check store.url and that the Vault runs");
    // The API itself in a Vault's place.
    let api = start(json!({}));
    is_away(
        &bao,
        json!({"url": api.url()}),
        "/v1/secret/data/tokenmgr/demo found nothing mounted there; check store.url",
    );
}
