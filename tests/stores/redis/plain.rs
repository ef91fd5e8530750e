//! One server: what the hash looks like, and how long it is kept. The rules across managers: tests/stores/sharing.rs.

use super::server::{KEY, Redis};
use serde_json::json;
use support::demo::*;
use tokenmgr::error::Status;

const SEALED_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn the_hash_lives_as_long_as_the_refresh_token_and_names_its_incarnation() {
    let (api, redis) = (start(json!({})), Redis::start());
    manager(&api, redis.options(json!({}))).token().expect("a login");
    let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
    assert!((604_700..=604_800).contains(&ttl), "{ttl} s");
    assert_eq!(redis.hash()["inc"].len(), 40);
}

#[test]
fn r5_a_record_without_tokens_goes_soon() {
    let (api, redis) = (start(json!({})), Redis::start());
    let wrong = manager_as(&api, "wrong", redis.options(json!({})));
    assert_eq!(refusal(wrong.token()), Status::TM_LOGIN_REJECTED);
    let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
    assert!((3500..=3600).contains(&ttl), "{ttl} s");
}

#[test]
fn s3_every_field_is_sealed_by_itself() {
    let (api, redis) = (start(json!({})), Redis::start());
    manager(&api, redis.options(json!({"key": SEALED_KEY}))).token().expect("a login");
    let hash = redis.hash();
    assert!(hash.contains_key("access_token") && hash.values().all(|value| value.starts_with("tms1:")));
}

#[test]
fn a_logout_takes_our_fields_and_its_tombstone_goes_by_itself() {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    first.token().expect("a login");
    redis.cli(&["HSET", KEY, "theirs", "x"]);
    first.logout().expect("a logout");
    let hash = redis.hash();
    assert!(!hash.contains_key("access_token") && !hash.contains_key("refresh_token"), "{:?}", hash.keys());
    assert_eq!(hash["theirs"], "x", "a field of others was touched");
    let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
    assert!((3500..=3600).contains(&ttl), "{ttl} s");
}

#[test]
fn other_prefixes_and_clients_are_other_records() {
    let (api, redis) = (start(json!({})), Redis::start());
    for (more, key) in [(json!({}), KEY), (json!({"prefix": ""}), "demo"), (json!({"prefix": "a:{b}:"}), "a:{b}:demo")]
    {
        assert_eq!(status(&manager(&api, redis.options(more))), 200);
        assert_eq!(redis.cli(&["EXISTS", key]), "1");
    }
    assert_counters(&api, [("logins", 3)]);
}
