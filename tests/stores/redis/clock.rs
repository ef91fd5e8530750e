//! A machine whose clock is minutes off: what PHP code reads and writes beside it goes by the server's clock.

use super::server::{KEY, Redis};
use serde_json::json;
use support::demo::*;
use support::process;

const OFF: [&str; 2] = ["-3m", "+3m"];

#[test]
fn f1_what_it_writes_for_php_is_right_by_the_servers_clock() {
    for off in OFF {
        let (api, redis) = (start(json!({})), Redis::start());
        let order = redis.order(&api, &["get", "refresh"]);
        let report = process::run(&process::with_clock(off), &order);
        assert_eq!(report["ends"], json!(["200", "refreshed"]), "{report}");
        let hash = redis.hash();
        let left = |name: &str| hash[name].parse::<i64>().expect("Unix seconds") - unix_ms() / 1000;
        assert!((3590..=3600).contains(&left("expires_at")), "{off}: {} s", left("expires_at"));
        let refresh = left("refresh_expires_at");
        assert!((604_790..=604_801).contains(&refresh), "{off}: {refresh} s");
        let ttl: i64 = redis.cli(&["TTL", KEY]).parse().expect("seconds");
        assert!((604_700..=604_801).contains(&ttl), "{off}: {ttl} s");
    }
}

#[test]
fn f1_what_php_wrote_lives_as_long_as_the_servers_clock_says() {
    for off in OFF {
        let (api, redis) = (start(json!({})), Redis::start());
        let theirs = manager(&api, json!({})).token().expect("a login");
        let expires_at = (unix_ms() / 1000 + 97).to_string();
        redis.cli(&["HMSET", KEY, "access_token", theirs.access.as_str(), "expires_at", &expires_at]);
        let report = process::run(&process::with_clock(off), &redis.order(&api, &["get"]));
        assert_eq!(report["ends"], json!(["200"]), "{report}");
        assert_counters(&api, [("logins", 1)]);
        let left = report["stats"]["seconds_left"].as_i64().expect("seconds");
        assert!((85..=97).contains(&left), "{off}: {left} s");
    }
}
