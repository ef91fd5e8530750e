//! One server: the rules across managers, and what PHP code sees.

use super::server::{KEY, Redis};
use crate::support::*;
use serde_json::json;
use tokenmgr::Manager;

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
