//! What can happen to a server: emptied, written to by others, stopped, frozen, full, cut off. Calls go on, and no
//! refresh token is sent twice.

use super::proxy::{Cut, Proxy};
use super::server::{KEY, Redis, options};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::demo::*;
use tokenmgr::Manager;

const REFRESH: &str = "POST /auth/refresh";

/// Does something while the answer to a refresh is on its way, and then has others call.
fn during_a_refresh(meddle: impl Fn(&Redis)) -> (support::api::DemoApi, Redis) {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    first.token().expect("a login");
    api.control(json!({"faults": {"route": REFRESH, "delay_after_ms": 500}}));
    thread::scope(|scope| {
        let refreshing = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        meddle(&redis);
        assert_eq!(status(&manager(&api, redis.options(json!({})))), 200);
        refreshing.join().expect("no panic").expect("a pair");
    });
    assert_eq!(status(&first), 200);
    assert_eq!(status(&manager(&api, redis.options(json!({})))), 200);
    assert_no_reuse(&api);
    (api, redis)
}

#[test]
fn t2_flushall_during_the_post_then_a_login() {
    let (api, redis) = during_a_refresh(|redis| {
        redis.cli(&["FLUSHALL"]);
    });
    // The one who logged in meanwhile was first: the other adopts.
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    let other = manager(&api, redis.options(json!({})));
    other.refresh().expect("a pair");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn t2_php_writes_its_three_fields_during_the_post() {
    let php = || {
        // Another client of the same account logs in by itself, as PHP code does.
        let (access, refresh) = ("foreign-access", "foreign-refresh");
        let expires = (unix_ms() / 1000 + 3600).to_string();
        ["HMSET", KEY, "access_token", access, "refresh_token", refresh, "expires_at", &expires].map(str::to_owned)
    };
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    first.token().expect("a login");
    api.control(json!({"faults": {"route": REFRESH, "delay_after_ms": 400}}));
    thread::scope(|scope| {
        let refreshing = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        let command = php();
        redis.cli(&command.iter().map(String::as_str).collect::<Vec<_>>());
        // What PHP wrote is not overwritten: it is adopted.
        refreshing.join().expect("no panic").expect("a pair");
        assert_eq!(held(&first).access.as_str(), "foreign-access");
    });
    assert_eq!(redis.hash()["refresh_token"], "foreign-refresh");
    // The server knows nothing of it; the foreign refresh token is never sent: nobody can tell whether it was used.
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_server_that_was_restarted_with_an_old_dump_is_another_incarnation() {
    let (api, mut redis) = (start(json!({})), Redis::with(&["--appendonly", "no"]));
    let first = manager(&api, redis.options(json!({})));
    first.token().expect("a login");
    redis.cli(&["SAVE"]);
    first.refresh().expect("a refresh");
    redis.restart();
    // What is there now is the pair before, unmarked, and its refresh token was used.
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&manager(&api, redis.options(json!({})))), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_eq!(status(&first), 200);
    assert_no_reuse(&api);
}

#[test]
fn t5_stopped_then_restarted_empty() {
    let (api, mut redis) = (start(json!({})), Redis::start());
    let all: Vec<Manager> = (0..3).map(|_| manager(&api, redis.options(json!({})))).collect();
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    redis.kill();
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    assert_counters(&api, [("logins", 1)]);
    age(&all[0]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    assert!(all.iter().all(|one| stats(one)["token_is_private"] == true), "without a store each logs in for itself");
    assert_counters(&api, [("logins", 4), ("refresh_arrivals", 0)]);
    redis.restart();
    age(&all[0]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    assert!(all.iter().all(|one| stats(one)["token_is_private"] == false), "the store is back");
    assert_no_reuse(&api);
    assert_eq!(redis.hash()["access_token"], held(&all[0]).access.as_str());
}

#[test]
fn t5_frozen_it_costs_a_bounded_wait_and_no_call() {
    let (api, redis) = (start(json!({})), Redis::start());
    let options = || redis.options(json!({"timeout_ms": 200}));
    let first = manager(&api, options());
    assert_eq!(status(&first), 200);
    redis.signal("STOP");
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&first), 200);
    // One that has never connected, too: the kernel takes the connection, and nobody answers.
    assert_eq!(status(&manager(&api, options())), 200);
    assert_eq!(stats(&first)["token_is_private"], true);
    redis.signal("CONT");
    first.refresh().expect("a pair");
    assert_eq!(stats(&first)["token_is_private"], false);
    assert_no_reuse(&api);
}

#[test]
fn t5_a_frozen_server_leaves_a_short_call_its_half() {
    let (api, redis) = (start(json!({})), Redis::start());
    let mut all = redis.options(json!({"timeout_ms": 60_000}));
    all["timeout_ms"] = json!(3000);
    let first = manager(&api, all);
    redis.signal("STOP");
    assert_eq!(status(&first), 200);
    redis.signal("CONT");
}

/// It hangs when the claim is to be written, and then when that is to be given back: both together take half of the call.
#[test]
fn t5_one_that_hangs_at_the_claim_leaves_a_short_call_its_half_too() {
    for (write, user) in WAYS {
        let (api, redis) = (start(json!({})), Redis::start());
        redis.cli(&["ACL", "SETUSER", "scriptless", "on", ">x", "~*", "+@all", "-eval"]);
        let proxy = Arc::new(Proxy::to(redis.port()));
        let url = format!("redis://{user}127.0.0.1:{}", proxy.port);
        let mut all = options(json!({"url": url}), json!({"timeout_ms": 60_000}));
        all["timeout_ms"] = json!(3000);
        let first = manager(&api, all);
        api.control(json!({"faults": {"route": "POST /auth/login", "delay_before_ms": 1000}}));
        let stalled = proxy.clone();
        proxy.before(write, move || stalled.stall());
        assert_eq!(status(&first), 200);
        assert!(proxy.has_meddled(), "no command held {write}");
        assert_eq!(stats(&first)["token_is_private"], true);
    }
}

#[test]
fn an_interrupt_ends_the_wait_for_a_frozen_server() {
    let (api, redis) = (start(json!({})), Redis::start());
    let mut all = redis.options(json!({"timeout_ms": 60_000}));
    all["timeout_ms"] = json!(60_000);
    let first = manager(&api, all);
    redis.signal("STOP");
    let begun = Instant::now();
    first
        .set_hooks(move |hooks| {
            hooks.interrupt = Some(std::sync::Arc::new(move || begun.elapsed() > Duration::from_millis(300)));
        })
        .expect("hooks");
    assert_eq!(refusal(first.token()), tokenmgr::error::Status::TM_CANCELLED);
    assert!(begun.elapsed() < PATIENCE, "it waited for Redis");
    redis.signal("CONT");
}

#[test]
fn t5_out_of_memory_it_takes_no_claim_and_recovers() {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    assert_eq!(status(&first), 200);
    let before = redis.hash();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    api.control(json!({"revoke": {"what": "access"}}));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    assert_eq!(stats(&first)["token_is_private"], true);
    says(&lines, &["OOM", "maxmemory", "127.0.0.1:"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(redis.hash(), before, "half a record was written");
    first.refresh().expect("a pair");
    assert_eq!(stats(&first)["token_is_private"], false);
    assert_no_reuse(&api);
}

#[test]
fn t2_cut_before_or_after_each_command_no_token_is_sent_twice_and_no_call_fails() {
    let redis = Redis::start();
    for cut in [Cut::Before, Cut::After] {
        for nth in 1.. {
            let (api, proxy) = (start(json!({})), Proxy::to(redis.port()));
            redis.cli(&["FLUSHALL"]);
            let through =
                || manager(&api, options(json!({"url": format!("redis://127.0.0.1:{}", proxy.port)}), json!({})));
            let direct = || manager(&api, redis.options(json!({})));
            direct().token().expect("a login");
            proxy.cut_at(nth, cut);
            let first = through();
            for _ in 0..2 {
                api.control(json!({"revoke": {"what": "access"}}));
                assert!(gets_through(&first), "{cut:?} {nth}");
                assert!(gets_through(&direct()), "{cut:?} {nth}");
            }
            assert_no_reuse(&api);
            if !proxy.has_cut() {
                assert!(nth > 5, "only {} commands were seen", proxy.seen());
                break;
            }
            assert!(nth < 50, "there is no end");
        }
    }
}

#[test]
fn a_connection_that_the_server_has_closed_is_replaced_without_a_fault() {
    let (api, redis) = (start(json!({})), Redis::start());
    let first = manager(&api, redis.options(json!({})));
    for _ in 0..3 {
        first.refresh().expect("a pair");
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    assert_eq!(stat(&first, "store_failures"), 0);
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
}

/// The server closes just when the record is read again: that is asked once more, over a new connection.
#[test]
fn a_kept_connection_that_breaks_at_a_read_is_replaced_without_a_fault() {
    let (api, redis) = (start(json!({})), Redis::start());
    let proxy = Proxy::to(redis.port());
    let first = manager(&api, options(json!({"url": format!("redis://127.0.0.1:{}", proxy.port)}), json!({})));
    first.token().expect("a login");
    for cut in [Cut::Before, Cut::After] {
        proxy.cut_at(1, cut);
        first.refresh().expect("a pair");
        assert!(proxy.has_cut());
        assert_eq!(stat(&first, "store_failures"), 0, "{cut:?}");
    }
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn something_else_under_the_key_is_left_alone_and_said() {
    let (api, redis) = (start(json!({})), Redis::start());
    redis.cli(&["SET", KEY, "theirs"]);
    let first = manager(&api, redis.options(json!({})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    says(&lines, &["WRONGTYPE", "store.prefix"]);
    assert_eq!(redis.cli(&["GET", KEY]), "theirs");
}

/// A refresh, and what is done to the server between reading the record and writing the claim. `write`: what the write
/// is known by.
fn before_the_claim(write: &str, user: &str, meddle: impl FnOnce(&Redis) + Send + 'static) -> support::api::DemoApi {
    let (api, redis) = (start(json!({})), Redis::with(&["--enable-debug-command", "yes"]));
    let proxy = Proxy::to(redis.port());
    redis.cli(&["ACL", "SETUSER", "scriptless", "on", ">x", "~*", "+@all", "-eval"]);
    let through = options(json!({"url": format!("redis://{user}127.0.0.1:{}", proxy.port)}), json!({}));
    let first = manager(&api, through);
    first.token().expect("a login");
    let redis = Arc::new(Mutex::new(redis));
    let meddled = redis.clone();
    proxy.before(write, move || meddle(&meddled.lock().unwrap()));
    first.refresh().expect("a pair");
    assert!(proxy.has_meddled(), "no command held {write}");
    assert_no_reuse(&api);
    api
}

/// How the two ways to write are known, and who goes which way.
const WAYS: [(&str, &str); 2] = [("local at = 4", ""), ("EXEC", "scriptless:x@")];

#[test]
fn t2_a_claim_counts_only_in_the_incarnation_that_was_read() {
    for (write, user) in WAYS {
        let api = before_the_claim(write, user, |redis| {
            redis.cli(&["DEBUG", "CHANGE-REPL-ID"]);
        });
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    }
}

#[test]
fn t2_a_claim_counts_only_on_exactly_what_was_read() {
    for (write, user) in WAYS {
        // Anything else in the hash, even of others, is a reason to look again; it costs nothing.
        let api = before_the_claim(write, user, |redis| {
            redis.cli(&["HSET", KEY, "theirs", "x"]);
        });
        assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
        // PHP has put another pair there: not a field more or less.
        let api = before_the_claim(write, user, |redis| {
            redis.cli(&["HSET", KEY, "access_token", "foreign-access", "refresh_token", "foreign-refresh"]);
        });
        assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
        // Another has claimed it, and is gone.
        let api = before_the_claim(write, user, |redis| {
            let spent = redis.hash()["for"].clone();
            redis.cli(&["HSET", KEY, "spent", &spent]);
        });
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    }
}

/// Whether a call gets through. A token that is refused within 2 s of its issue is sent twice of three times (R1), so where
/// the store fails as well, that call may end in its 401: then the next one gets through.
fn gets_through(manager: &Manager) -> bool {
    let first = status(manager);
    first == 200 || (first == 401 && status(manager) == 200)
}
