//! Old copies of the hash that somebody puts back into the same server: their refresh tokens count as used (T3). And what
//! looks like one and is none.

use super::server::{KEY, Redis, options};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::api::DemoApi;
use support::demo::*;
use tokenmgr::Level;

const SEALED_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BY_SCRIPT: [&str; 9] =
    ["+eval", "+time", "+info", "+hgetall", "+hset", "+hdel", "+expire", "+pttl", "+pexpireat"];
const BY_WATCH: [&str; 11] =
    ["+watch", "+multi", "+exec", "+time", "+info", "+hgetall", "+hset", "+hdel", "+expire", "+pttl", "+pexpireat"];

/// Runs a line of shell with `redis-cli` as `$R` and the key as `$K`: what it gets may be no text.
fn shell(redis: &Redis, line: &str) {
    let done = Command::new("sh")
        .args(["-ec", line])
        .env("R", format!("redis-cli -p {}", redis.port()))
        .env("K", KEY)
        .env("COPY", redis.folder.path("copy"))
        .stdout(Stdio::null())
        .status()
        .expect("a shell");
    assert!(done.success(), "{line}");
}

fn hash_as_arguments(redis: &Redis) -> Vec<String> {
    redis.hash().into_iter().flat_map(|(name, value)| [name, value]).collect()
}

/// A login, a copy of the record, a refresh; the copy is put back, and another process wants a fresh token.
fn after_putting_back(redis: &Redis, more: &Value, put_back: impl Fn(&mut dyn FnMut())) -> DemoApi {
    redis.cli(&["FLUSHALL"]);
    let api = start(json!({}));
    let new = || manager(&api, redis.options(more.clone()));
    new().token().expect("a login");
    put_back(&mut || new().refresh().expect("a refresh"));
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    let next = new();
    next.refresh().expect("a login");
    assert_eq!(stat(&next, "store_failures"), 0);
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
    // From then on all is as it was.
    new().refresh().expect("a refresh");
    assert_counters(&api, [("logins", 2), ("refreshes", 2)]);
    assert_no_reuse(&api);
    api
}

#[test]
fn t3_a_hash_that_was_put_back_counts_as_used() {
    let redis = Redis::start();
    for sealed in [json!({}), json!({"key": SEALED_KEY})] {
        // RESTORE without an expiry, with the one that the copy had left, and with that of the key.
        for restore in ["0", "500000000", "$($R PTTL $K)"] {
            after_putting_back(&redis, &sealed, |renew| {
                // redis-cli ends what it prints with a line end of its own.
                shell(&redis, "$R --raw DUMP $K | head -c -1 > $COPY");
                renew();
                shell(&redis, &format!("left={restore}; $R -X _ RESTORE $K $left _ REPLACE < $COPY"));
            });
            redis.cli(&["DEL", KEY]);
        }
        for keeps_newer_fields in [true, false] {
            after_putting_back(&redis, &sealed, |renew| {
                let copy = hash_as_arguments(&redis);
                renew();
                if !keeps_newer_fields {
                    redis.cli(&["DEL", KEY]);
                }
                let all: Vec<&str> = ["HMSET", KEY].into_iter().chain(copy.iter().map(String::as_str)).collect();
                redis.cli(&all);
            });
        }
    }
}

#[test]
fn t3_also_by_a_user_with_rights_of_its_own_and_where_scripts_are_refused() {
    let redis = Redis::start();
    for commands in [&BY_SCRIPT[..], &BY_WATCH[..]] {
        redis.cli(&[&["ACL", "SETUSER", "shop", "reset", "on", ">shop-password", "~api_tokens:*"], commands].concat());
        let user = json!({"username": "shop", "password": "shop-password"});
        after_putting_back(&redis, &user, |renew| {
            let copy = hash_as_arguments(&redis);
            renew();
            redis.cli(&["HMSET", KEY].into_iter().chain(copy.iter().map(String::as_str)).collect::<Vec<_>>());
        });
    }
}

/// A copy with the key's own expiry is, to the server, the record as it was written.
#[test]
fn t3_what_carries_the_expiry_along_is_noticed_by_who_has_seen_a_later_pair() {
    let redis = Redis::start();
    for (keep, put_back) in [
        ("$R COPY $K kept REPLACE", "$R COPY kept $K REPLACE"),
        ("$R COPY $K kept REPLACE", "$R RENAME kept $K"),
        (
            "$R --raw DUMP $K | head -c -1 > $COPY; $R PEXPIRETIME $K > $COPY.at",
            "at=$(cat $COPY.at); $R -X _ RESTORE $K $at _ REPLACE ABSTTL < $COPY",
        ),
    ] {
        redis.cli(&["FLUSHALL"]);
        let api = start(json!({}));
        let new = || manager(&api, redis.options(json!({})));
        let (first, second) = (new(), new());
        first.token().expect("a login");
        shell(&redis, keep);
        second.refresh().expect("a refresh");
        first.refresh().expect("the same pair");
        shell(&redis, put_back);
        first.refresh().expect("a login");
        assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
        // That mends it for everyone.
        second.refresh().expect("the same pair");
        new().refresh().expect("a refresh");
        assert_counters(&api, [("logins", 2), ("refreshes", 2)]);
        assert_no_reuse(&api);
    }
}

#[test]
fn t3_a_record_that_is_removed_after_a_restore_costs_a_login() {
    let (api, redis) = (start(json!({})), Redis::start());
    let new = || manager(&api, redis.options(json!({})));
    new().token().expect("a login");
    redis.cli(&["COPY", KEY, "kept"]);
    new().refresh().expect("a refresh");
    redis.cli(&["RENAME", "kept", KEY]);
    redis.cli(&["DEL", KEY]);
    assert_eq!(status(&new()), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn who_may_not_number_the_writes_is_told_once_and_goes_on() {
    let redis = Redis::start();
    for commands in [&BY_SCRIPT[..], &BY_WATCH[..]] {
        for missing in ["+pttl", "+pexpireat"] {
            redis.cli(&["FLUSHALL"]);
            let rule = ["ACL", "SETUSER", "shop", "reset", "on", ">shop-password", "~api_tokens:*"];
            let granted = commands.iter().copied().filter(|&command| command != missing);
            redis.cli(&rule.into_iter().chain(granted).collect::<Vec<_>>());
            let (api, port) = (start(json!({})), redis.port());
            let new = || {
                manager(
                    &api,
                    options(json!({"url": format!("redis://shop:shop-password@127.0.0.1:{port}")}), json!({})),
                )
            };
            let (first, second) = (new(), new());
            let lines = listen(&first);
            first.token().expect("a login");
            first.refresh().expect("a refresh");
            second.refresh().expect("a refresh");
            new().refresh().expect("a refresh");
            first.refresh().expect("a refresh");
            assert_counters(&api, [("logins", 1), ("refreshes", 3)]);
            assert_eq!((stat(&first, "store_failures"), stat(&second, "store_failures")), (0, 0));
            says(&lines, &["+pttl +pexpireat"]);
            let lines = lines.lock().unwrap();
            let warnings = lines.iter().filter(|(level, line)| *level == Level::Warning && line.contains("+pttl"));
            assert_eq!(warnings.count(), 1, "{lines:?}");
        }
    }
}

/// What a version of this library wrote that numbered no writes, alone or beside this one.
#[test]
fn what_an_older_version_wrote_is_no_copy() {
    let (api, redis) = (start(json!({})), Redis::start());
    let new = || manager(&api, redis.options(json!({})));
    new().token().expect("a login");
    redis.cli(&["HDEL", KEY, "written"]);
    redis.cli(&["EXPIRE", KEY, "600000"]);
    new().refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    // It writes the next pair and what describes it, leaves the field that it does not know, and sets an expiry of its own.
    let number = redis.hash()["written"].clone();
    new().refresh().expect("a refresh");
    redis.cli(&["HSET", KEY, "written", &number]);
    redis.cli(&["EXPIRE", KEY, "604800"]);
    new().refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("refreshes", 3)]);
    assert_no_reuse(&api);
}

/// PHP code that logs in by itself and makes the hash anew: its pair serves.
#[test]
fn a_new_pair_of_others_is_no_copy() {
    for makes_it_anew in [true, false] {
        let (api, redis) = (start(json!({})), Redis::start());
        manager(&api, redis.options(json!({}))).token().expect("a login");
        let theirs = manager(&api, json!({})).token().expect("a login");
        if makes_it_anew {
            redis.cli(&["DEL", KEY]);
        }
        let expires_at = (unix_ms() / 1000 + 3600).to_string();
        let refresh = theirs.refresh.as_ref().expect("a token").as_str();
        redis.cli(&[
            "HMSET",
            KEY,
            "access_token",
            theirs.access.as_str(),
            "refresh_token",
            refresh,
            "expires_at",
            &expires_at,
        ]);
        let ours = manager(&api, redis.options(json!({})));
        assert_eq!(status(&ours), 200);
        assert_eq!(held(&ours).access.as_str(), theirs.access.as_str());
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    }
}
