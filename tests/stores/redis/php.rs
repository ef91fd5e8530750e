//! PHP code with the same hash: three fields by hMSet and hGet, through phpredis.

use super::server::{KEY, Redis};
use serde_json::json;
use std::process::Command;
use support::demo::*;

/// Runs a line of PHP with `$redis` connected, and says what it printed.
fn php(redis: &Redis, code: &str) -> String {
    let whole = format!("$redis = new Redis(); $redis->connect('127.0.0.1', {}); {code}", redis.port());
    let output = Command::new("php").args(["-r", &whole]).output().expect("php, of the package php-cli");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "phpredis, of the package php-redis: {said}");
    said
}

#[test]
fn php_reads_what_we_wrote_and_we_what_php_wrote() {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    let ours = first.token().expect("a login");
    let read = format!("echo implode(' ', $redis->hMGet('{KEY}', ['access_token', 'refresh_token', 'expires_at']));");
    let said = php(&redis, &read);
    let said: Vec<&str> = said.split(' ').collect();
    assert_eq!(said[..2], [ours.access.as_str(), ours.refresh.as_ref().expect("a token").as_str()]);
    assert!(said[2].parse::<i64>().expect("Unix seconds") > unix_ms() / 1000);
    // PHP logs in with a pair of its own, which another manager takes over.
    let other = manager(&api, json!({})).token().expect("a login");
    let write = format!(
        "$redis->hMSet('{KEY}', ['access_token' => '{}', 'refresh_token' => '{}', 'expires_at' => time() + 3600]); \
         $redis->expire('{KEY}', 604800);",
        other.access.as_str(),
        other.refresh.as_ref().expect("a token").as_str()
    );
    php(&redis, &write);
    let second = manager(&api, redis.options(json!({})));
    assert_eq!(status(&second), 200);
    assert_eq!(held(&second).access.as_str(), other.access.as_str());
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    // Whether PHP has spent its refresh token nobody can tell: a login, and PHP reads that pair.
    second.refresh().expect("a login");
    assert_counters(&api, [("logins", 3), ("refresh_arrivals", 0)]);
    assert_eq!(php(&redis, &format!("echo $redis->hGet('{KEY}', 'access_token');")), held(&second).access.as_str());
}

#[test]
fn php_that_knows_no_expiry_or_writes_it_as_it_likes_is_understood() {
    for expires in ["time() + 3600", "(string) (time() + 3600.5)", "''", "'soon'"] {
        let (api, redis) = (start(json!({})), Redis::start());
        let theirs = manager(&api, json!({})).token().expect("a login");
        let write = format!(
            "$redis->hMSet('{KEY}', ['access_token' => '{}', 'expires_at' => {expires}]);",
            theirs.access.as_str()
        );
        php(&redis, &write);
        let ours = manager(&api, redis.options(json!({})));
        assert_eq!(status(&ours), 200, "{expires}");
        assert_counters(&api, [("logins", 1)]);
    }
}
