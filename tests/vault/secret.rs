//! What others do to the secret: deleted, undeleted, rolled back, put back, overwritten; and records that are sealed.

use serde_json::{Value, json};
use support::api::DemoApi;
use support::bao::Bao;
use support::demo::*;
use tokenmgr::Level;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A Vault whose record holds a pair that was rotated since the copy was taken: its version and its content.
fn rotated(api: &DemoApi) -> (Bao, u64, Value) {
    let bao = Bao::start();
    bao.manager(api).token().expect("a login");
    let copy = (bao.version(), bao.record());
    bao.manager(api).refresh().expect("a refresh");
    assert_counters(api, [("logins", 1), ("refreshes", 1)]);
    (bao, copy.0, copy.1)
}

/// The token in the record is not sent, and from the login on everything is as ever.
fn counts_as_spent(api: &DemoApi, bao: &Bao) {
    let before = api.counter("refresh_arrivals");
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&bao.manager(api)), 200);
    assert_counters(api, [("logins", 2), ("refresh_arrivals", before)]);
    bao.manager(api).refresh().expect("a refresh");
    assert_counters(api, [("logins", 2), ("refresh_arrivals", before + 1)]);
    assert_no_reuse(api);
}

#[test]
fn t3_an_older_version_that_was_rolled_back_to_counts_as_spent() {
    let api = start(json!({}));
    let (bao, _, old) = rotated(&api);
    // What `vault kv rollback` does: it reads the old version and writes it as a new one.
    bao.put(&old);
    counts_as_spent(&api, &bao);
}

#[test]
fn t3_a_copy_that_was_put_back_into_a_secret_that_begins_anew_counts_as_spent() {
    let api = start(json!({}));
    let (bao, version, old) = rotated(&api);
    bao.must("DELETE", "secret/metadata/tokenmgr/demo", Value::Null);
    bao.put(&old);
    assert_ne!(bao.version(), version);
    counts_as_spent(&api, &bao);
}

#[test]
fn t3_a_copy_that_meets_its_own_number_again_has_the_wrong_time() {
    let api = start(json!({}));
    let (bao, version, mut old) = rotated(&api);
    // As if the copy had been made an hour ago.
    let (number, at) = old["inc"].as_str().and_then(|inc| inc.split_once('@')).expect("a version and a time");
    old["inc"] = format!("{number}@{}", at.parse::<i64>().expect("a time") - 3_600_000).into();
    bao.must("DELETE", "secret/metadata/tokenmgr/demo", Value::Null);
    while bao.record().is_null() || bao.version() < version {
        bao.put(&old);
    }
    assert_eq!(bao.version(), version);
    counts_as_spent(&api, &bao);
}

#[test]
fn t3_a_copy_in_another_clients_place_is_not_used() {
    let api = start(json!({}));
    let bao = Bao::start();
    bao.manager_with(&api, json!({"path": "tokenmgr/other"})).token().expect("a login");
    let other = bao.must("GET", "secret/data/tokenmgr/other", Value::Null)["data"]["data"].clone();
    bao.put(&other);
    counts_as_spent(&api, &bao);
}

#[test]
fn t_a_deleted_record_is_an_empty_store_and_an_undeleted_one_is_as_before() {
    for (method, path, body) in [
        ("DELETE", "secret/data/tokenmgr/demo", Value::Null),
        ("PUT", "secret/destroy/tokenmgr/demo", json!({"versions": [1, 2, 3]})),
        ("DELETE", "secret/metadata/tokenmgr/demo", Value::Null),
    ] {
        let (api, bao) = (start(json!({})), Bao::start());
        let first = bao.manager(&api);
        assert_eq!(status(&first), 200);
        bao.must(method, path, body);
        assert!(bao.record()["access_token"].is_null(), "{path}");
        assert_eq!(status(&first), 200);
        assert_counters(&api, [("logins", 1)]);
        first.refresh().expect("a login: nothing is sent from memory");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        assert_eq!(status(&bao.manager(&api)), 200);
        assert_counters(&api, [("logins", 2)]);
        assert_eq!(stat(&first, "store_failures"), 0);
    }
}

#[test]
fn t_an_undeleted_record_is_as_it_was() {
    let (api, bao) = (start(json!({})), Bao::start());
    bao.manager(&api).token().expect("a login");
    let version = bao.version();
    bao.must("DELETE", "secret/data/tokenmgr/demo", Value::Null);
    bao.must("PUT", "secret/undelete/tokenmgr/demo", json!({"versions": [version]}));
    bao.manager(&api).refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    // Undeleting what is not the latest changes nothing.
    bao.must("DELETE", "secret/data/tokenmgr/demo", Value::Null);
    bao.manager(&api).token().expect("a login");
    bao.must("PUT", "secret/undelete/tokenmgr/demo", json!({"versions": [version]}));
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_pair_that_others_wrote_is_served_and_its_refresh_token_not_sent() {
    let (api, bao) = (start(json!({})), Bao::start());
    let theirs = manager(&api, json!({}));
    theirs.token().expect("a login");
    let pair = held(&theirs);
    bao.put(&json!({
        "access_token": pair.access.as_str(), "refresh_token": pair.refresh.as_ref().unwrap().as_str(),
        "expires_at": unix_ms() / 1000 + 3600
    }));
    let ours = bao.manager(&api);
    assert_eq!(status(&ours), 200);
    assert_counters(&api, [("logins", 1)]);
    ours.refresh().expect("a login");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn an_engine_that_keeps_one_version_and_insists_on_cas_is_enough() {
    let (api, bao) = (start(json!({})), Bao::start());
    bao.must("POST", "secret/config", json!({"max_versions": 1, "cas_required": true}));
    let manager = bao.manager(&api);
    for _ in 0..3 {
        manager.refresh().expect("a login, then refreshes");
    }
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
}

/// Puts something in the record's place, and sees that the next process says so, and logs in.
fn is_discarded(says: &str, more: Value, content: Value) {
    let (api, bao) = (start(json!({})), Bao::start());
    bao.put(&content);
    let next = bao.manager_with(&api, more.clone());
    let lines = listen(&next);
    assert_eq!(status(&next), 200, "{says}");
    let lines = lines.lock().unwrap();
    let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Error).collect();
    assert!(errors.len() == 1 && errors[0].1.contains(says), "{says}: {lines:?}");
    assert_eq!(stat(&next, "store_discards"), 1);
    // And it is mended.
    assert_eq!(status(&bao.manager_with(&api, more)), 200);
    assert_counters(&api, [("logins", 1)]);
}

#[test]
fn s3_what_can_not_be_used_is_said_and_replaced_after_a_login() {
    let sealed = json!({ "key": KEY });
    is_discarded("is damaged", json!({}), json!({"access_token": 7}));
    is_discarded("is damaged", json!({}), json!({"access_token": "x", "expires_at": "tomorrow"}));
    is_discarded("is sealed, and no key was given", json!({}), json!({"sealed": "AAAA"}));
    is_discarded("is not sealed", sealed.clone(), json!({"access_token": "x"}));
    is_discarded("is damaged", sealed.clone(), json!({"sealed": "not base64!"}));
    is_discarded("is damaged", sealed.clone(), json!({"sealed": ""}));
    is_discarded("sealed with another key", sealed, json!({"sealed": "AAAA".repeat(20)}));
}

#[test]
fn s3_a_sealed_record_is_one_field_and_bound_to_its_client() {
    let (api, bao) = (start(json!({})), Bao::start());
    bao.manager_with(&api, json!({ "key": KEY })).token().expect("a login");
    let record = bao.record();
    assert_eq!(record.as_object().expect("an object").keys().collect::<Vec<_>>(), ["sealed"]);
    bao.must("POST", "secret/data/tokenmgr/other", json!({ "data": record }));
    let mut options = bao.options(json!({ "key": KEY }));
    options["client_id"] = "other".into();
    assert_eq!(status(&manager(&api, options)), 200);
    assert_counters(&api, [("logins", 2)]);
}

#[test]
fn every_client_has_a_secret_of_its_own_whatever_its_name() {
    let (api, bao) = (start(json!({})), Bao::start());
    for client in ["..", "a/b", "a%2Fb", "", "ü", "a b?c#d"] {
        let mut options = bao.options(json!({}));
        options["client_id"] = client.into();
        let manager = manager(&api, options);
        assert_eq!(status(&manager), 200);
        assert_eq!(stat(&manager, "store_failures"), 0, "{client}");
    }
    let keys = bao.must("GET", "secret/metadata/tokenmgr?list=true", Value::Null)["data"]["keys"].clone();
    assert_eq!(keys.as_array().map(Vec::len), Some(6), "{keys}");
    assert_eq!(bao.must("GET", "secret/metadata/?list=true", Value::Null)["data"]["keys"], json!(["tokenmgr/"]));
}
