//! One server: the rules across managers, and what PHP code sees.

use super::server::{KEY, Redis, listen, says};
use crate::support::*;
use serde_json::json;
use tokenmgr::Manager;
use tokenmgr::error::Status;

#[test]
fn f3_another_process_takes_the_pair_over_and_a_fresh_token_touches_nothing() {
    let (api, redis) = (start(json!({})), Redis::start());
    assert_eq!(status(&manager(&api, redis.options(json!({})))), 200);
    let second = manager(&api, redis.options(json!({})));
    assert_eq!(status(&second), 200);
    assert_counters(&api, [("logins", 1)]);
    let commands =
        || redis.cli(&["INFO", "stats"]).lines().find(|l| l.starts_with("total_commands")).unwrap().to_owned();
    let (before, count) = (stat(&second, "store_operations"), commands());
    for _ in 0..50 {
        assert_eq!(status(&second), 200);
    }
    assert_eq!((before, stat(&second, "store_operations"), stat(&second, "adoptions")), (1, 1, 1));
    let number = |line: &str| line.trim_end().rsplit(':').next().unwrap().parse::<u64>().unwrap();
    // The one is the question before.
    assert_eq!(number(&commands()), number(&count) + 1, "a fresh token went to Redis");
}

#[test]
fn t2_many_with_an_empty_store_are_one_login_and_with_a_dead_token_one_refresh() {
    let (api, redis) = (start(json!({"access_ms": 2000})), Redis::start());
    let all: Vec<Manager> = (0..16).map(|_| manager(&api, redis.options(json!({})))).collect();
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn r2_a_401_that_hits_many_processes_is_one_refresh() {
    let (api, redis) = (start(json!({})), Redis::start());
    let all: Vec<Manager> = (0..12).map(|_| manager(&api, redis.options(json!({})))).collect();
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn the_hash_holds_what_php_reads_and_lives_as_long_as_the_refresh_token() {
    let (api, redis) = (start(json!({})), Redis::start());
    let pair = manager(&api, redis.options(json!({}))).token().expect("a login");
    let hash = redis.hash();
    assert_eq!(hash["access_token"], pair.access.as_str());
    assert_eq!(hash["refresh_token"], pair.refresh.as_ref().expect("a token").as_str());
    let left = hash["expires_at"].parse::<i64>().expect("Unix seconds") - unix_ms() / 1000;
    assert!((3500..=3600).contains(&left), "{left} s");
    let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
    assert!((604_700..=604_800).contains(&ttl), "{ttl} s");
}

const SEALED_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

#[test]
fn s3_sealed_values_show_nothing_and_serve_whoever_has_the_key() {
    let (api, redis) = (start(json!({})), Redis::start());
    let sealed = || manager(&api, redis.options(json!({"key": SEALED_KEY})));
    let (first, second) = (sealed(), sealed());
    let pair = first.token().expect("a login");
    for (field, value) in redis.hash() {
        assert!(value.starts_with("tms1:"), "{field}");
        assert!(!value.contains(pair.access.as_str()));
    }
    assert_eq!(status(&second), 200);
    second.refresh().expect("a refresh");
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    // A key is replaced: both open, the new one seals.
    let both = manager(&api, redis.options(json!({"key": OTHER_KEY, "old_keys": [SEALED_KEY]})));
    assert_eq!(status(&both), 200);
    both.refresh().expect("a refresh");
    assert_eq!(status(&manager(&api, redis.options(json!({"key": OTHER_KEY})))), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
    // The old key alone does not open it: that is said, and there is a login.
    let late = sealed();
    let lines = listen(&late);
    assert_eq!(status(&late), 200);
    says(&lines, &["api_tokens:demo", "sealed with another key"]);
    assert_eq!((stat(&late, "store_discards"), api.counter("logins")), (1, 2));
    assert_no_reuse(&api);
}

#[test]
fn s3_what_php_wrote_plainly_is_not_taken_for_sealed_nor_the_other_way_round() {
    for (first, then, why) in [
        (json!({}), json!({"key": SEALED_KEY}), "is not sealed"),
        (json!({"key": SEALED_KEY}), json!({}), "no key was given"),
    ] {
        let (api, redis) = (start(json!({})), Redis::start());
        manager(&api, redis.options(first)).token().expect("a login");
        let next = manager(&api, redis.options(then.clone()));
        let lines = listen(&next);
        assert_eq!(status(&next), 200);
        says(&lines, &[why]);
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        // It is mended.
        assert_eq!(status(&manager(&api, redis.options(then))), 200);
        assert_counters(&api, [("logins", 2)]);
    }
}

#[test]
fn r5_a_fleet_with_a_wrong_password_is_one_refused_login() {
    for options in [json!({}), json!({"key": SEALED_KEY})] {
        let (api, redis) = (start(json!({})), Redis::start());
        let all = redis.options(options);
        let wrong: Vec<Manager> = (0..8).map(|_| manager_as(&api, "wrong", all.clone())).collect();
        let refusals = together(8, |at| refusal(wrong[at].token()));
        assert!(refusals.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)));
        assert_counters(&api, [("logins_refused", 1)]);
        let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
        assert!((3500..=3600).contains(&ttl), "a record without tokens goes soon: {ttl} s");
        assert_eq!(status(&manager(&api, all)), 200);
    }
}

#[test]
fn a_logout_leaves_no_token_and_its_tombstone_goes_by_itself() {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    first.token().expect("a login");
    redis.cli(&["HSET", KEY, "theirs", "x"]);
    first.logout().expect("a logout");
    let hash = redis.hash();
    assert!(
        !hash.contains_key("access_token") && !hash.contains_key("refresh_token") && hash.contains_key("tombstone")
    );
    assert_eq!(hash["theirs"], "x", "a field of others was touched");
    assert_eq!(status(&manager(&api, redis.options(json!({})))), 200);
    assert_counters(&api, [("logins", 2)]);
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
