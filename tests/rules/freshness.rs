//! F1 to F3: how long a token lives, and who waits when it is due.

use serde_json::json;
use std::sync::{Arc, Mutex};
use std::thread;
use support::caller_store::CallerStore;
use support::demo::*;
use tokenmgr::error::Status;
use tokenmgr::{Manager, Pair};

fn seconds_left(manager: &Manager) -> Option<i64> {
    manager.token().expect("a login").seconds_left()
}

/// A lifetime, a little of which has gone by.
#[track_caller]
fn assert_lives(left: Option<i64>, seconds: i64) {
    assert!(left.is_some_and(|left| (seconds - 30..=seconds).contains(&left)), "{left:?} is not about {seconds}");
}

#[test]
fn f1_a_lifetime_is_counted_on_the_servers_own_clock() {
    for skew_hours in [-5, -1, 1, 24] {
        let api = start(json!({"clock_skew_ms": skew_hours * 3_600_000}));
        let manager = manager(&api, json!({}));
        assert_lives(seconds_left(&manager), 3600);
        assert_eq!(status(&manager), 200);
        assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
    }
}

#[test]
fn f1_without_a_date_it_is_counted_on_this_machines_clock() {
    let api = start(json!({"omit_date": true, "access_ms": 600_000}));
    assert_lives(seconds_left(&manager(&api, json!({}))), 600);
}

#[test]
fn f1_what_the_server_says_goes_before_what_the_token_says() {
    let no_expiries = json!({"omit_expiries": true, "patch": {"expires_in": 1800}});
    for (settings, seconds) in [
        (json!({"patch": {"expires_in": 50}}), 3600),
        (no_expiries, 1800),
        (json!({"omit_expiries": true, "access_ms": 900_000}), 900),
        (json!({"opaque_access_tokens": true, "fractional_seconds": true}), 3600),
        (json!({"old_envelope": true, "access_ms": 700_000}), 700),
    ] {
        let api = start(settings.clone());
        let left = seconds_left(&manager(&api, json!({})));
        assert!(left.is_some_and(|left| (seconds - 30..=seconds).contains(&left)), "{left:?} with {settings}");
    }
}

#[test]
fn f1_where_nobody_says_only_a_401_tells() {
    let api = start(json!({"opaque_access_tokens": true, "omit_expiries": true}));
    let manager = manager(&api, json!({}));
    assert_eq!(seconds_left(&manager), None);
    for _ in 0..20 {
        assert_eq!(status(&manager), 200);
    }
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
    age(&manager);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("api_401", 1)]);
}

#[test]
fn f1_a_pair_that_foreign_code_stored_lives_by_its_unix_seconds() {
    let api = start(json!({}));
    let donor = manager(&api, json!({}));
    let pair = donor.token().expect("a login");
    let caller_store = CallerStore::new();
    let expires_at = pair.expires_at.expect("known") - 3000;
    caller_store.put(
        json!({"access_token": pair.access.as_str(), "refresh_token": "foreign", "expires_at": expires_at})
            .to_string()
            .as_bytes(),
    );
    let manager = manager_on(&api, &caller_store, json!({}));
    assert_lives(seconds_left(&manager), 600);
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

#[test]
fn f1_a_pair_older_than_this_machines_last_start_lives_no_longer_for_that() {
    let uptime = std::fs::read_to_string("/proc/uptime").expect("Linux");
    let uptime: i64 = uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).expect("seconds");
    let api = start(json!({"access_ms": (uptime + 1000) * 1000}));
    let caller_store = CallerStore::new();
    manager_on(&api, &caller_store, json!({})).token().expect("a login");
    caller_store.grow_older(uptime + 900);
    // No more than 100 s are left, so it is due, whenever this machine was started.
    let found = manager_on(&api, &caller_store, json!({}));
    found.token().expect("a pair");
    let left = held(&found).seconds_left();
    assert!(left.is_some_and(|left| left <= 100), "{left:?} s are left");
}

#[test]
fn f2_a_short_lived_token_is_refreshed_in_its_last_quarter_and_not_before() {
    let api = start(json!({"access_ms": 4000, "fractional_seconds": true}));
    let manager = manager(&api, json!({}));
    let first = manager.token().expect("a login");
    until("the token is due", || {
        let token = manager.token().expect("a token");
        let due = Arc::ptr_eq(&first, &token);
        assert!(due || api.counter("refreshes") == 1);
        !due
    });
    let lifetime = first.lifetime;
    assert!((950..=1000).contains(&(lifetime.expires.0 - lifetime.due.0)), "a quarter of 4 s, less the way here");
    let second = held(&manager);
    // The clock that lifetimes are counted on is coarse.
    assert!(second.lifetime.expires.0 >= lifetime.due.0 + 3900, "it was refreshed before it was due");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn f2_a_fleet_does_not_become_due_in_one_instant() {
    let api = start(json!({}));
    let ahead = |_: usize| {
        let manager = manager(&api, json!({"refresh_jitter_seconds": 60}));
        let lifetime = manager.token().expect("a login").lifetime;
        lifetime.expires.0 - lifetime.due.0
    };
    let all: Vec<u64> = (0..12).map(ahead).collect();
    assert!(all.iter().all(|ahead| (300_000..=360_000).contains(ahead)), "{all:?}");
    assert!(all.iter().any(|ahead| ahead.abs_diff(all[0]) > 1000), "{all:?}");
}

#[test]
fn f3_a_good_token_is_served_without_any_io() {
    let api = start(json!({}));
    let caller_store = CallerStore::new();
    let manager = manager_on(&api, &caller_store, json!({}));
    let first = manager.token().expect("a login");
    let operations = stat(&manager, "store_operations");
    caller_store.watch(|step| panic!("the store was asked to {step:?}"));
    api.control(json!({"outage_ms": 60_000}));
    let all = together(8, |_| (0..500).all(|_| Arc::ptr_eq(&manager.token().expect("a token"), &first)));
    assert!(all.iter().all(|same| *same));
    assert_eq!(manager.with_good_token(|pair| pair.access == first.access), Some(true));
    assert_eq!(stat(&manager, "store_operations"), operations);
}

#[test]
fn f3_inside_the_window_one_refreshes_and_everyone_else_goes_on() {
    let api = start(two_minutes());
    let manager = finds(&api, &CallerStore::new(), DUE, json!({}));
    let before = held(&manager);
    api.control(json!({"faults": {"route": "POST /auth/refresh", "delay_after_ms": 1500}}));
    thread::scope(|scope| {
        let one = scope.spawn(|| manager.token().expect("a refresh"));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        for token in together(16, |_| manager.token().expect("the current token")) {
            assert!(Arc::ptr_eq(&token, &before), "somebody waited");
        }
        assert_eq!(status(&manager), 200);
        assert!(!one.is_finished(), "the refresh was over too soon to tell anything");
        assert!(!Arc::ptr_eq(&one.join().expect("no panic"), &before));
    });
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("api_200", 1)]);
}

#[test]
fn f3_when_it_is_dead_all_wait_and_share_the_one_outcome() {
    let api = start(two_minutes());
    let manager = finds(&api, &CallerStore::new(), DEAD, json!({}));
    let tokens: Vec<Arc<Pair>> = together(32, |_| manager.token().expect("a refresh"));
    assert!(tokens.iter().all(|token| token.access == tokens[0].access));
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn f3_a_failure_is_shared_like_a_token() {
    let api = start(json!({"faults": {"route": "POST /auth/login", "delay_before_ms": 500, "status": 503}}));
    let manager = manager(&api, json!({}));
    let failures = thread::scope(|scope| {
        let first = scope.spawn(|| refusal(manager.token()));
        assert!(api.wait_until("login_arrivals", 1, PATIENCE));
        let mut all = together(15, |_| refusal(manager.token()));
        all.push(first.join().expect("no panic"));
        all
    });
    assert_eq!(failures, [Status::TM_SERVER_ERROR; 16]);
    assert_counters(&api, [("login_arrivals", 1)]);
}

#[test]
fn f3_a_waiter_with_little_time_leaves_early_and_costs_the_others_nothing() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    api.control(json!({"faults": {"route": "POST /auth/login", "delay_after_ms": 1500}}));
    thread::scope(|scope| {
        let leader = scope.spawn(|| status(&manager));
        assert!(api.wait_until("login_arrivals", 1, PATIENCE));
        let hasty = manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 100}"#));
        assert_eq!(refusal(hasty), Status::TM_TIMEOUT);
        assert!(!leader.is_finished());
        assert_eq!(status(&manager), 200);
        assert_eq!(leader.join().expect("no panic"), 200);
    });
    assert_counters(&api, [("login_arrivals", 1), ("api_200", 2)]);
}

#[test]
fn f3_a_leader_with_little_time_leaves_the_work_to_a_waiter() {
    let api = start(json!({"faults": {"route": "POST /auth/login", "do": "hang"}}));
    let manager = manager(&api, json!({}));
    thread::scope(|scope| {
        let leader =
            scope.spawn(|| manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 700}"#)));
        assert!(api.wait_until("login_arrivals", 1, PATIENCE));
        assert_eq!(together(4, |_| status(&manager)), [200; 4]);
        assert_eq!(refusal(leader.join().expect("no panic")), Status::TM_TIMEOUT);
    });
    assert_counters(&api, [("login_arrivals", 2), ("logins", 1)]);
}

#[test]
fn f3_an_interrupted_leader_passes_its_outcome_to_nobody() {
    let api = start(two_minutes());
    let manager = finds(&api, &CallerStore::new(), DEAD, json!({}));
    api.control(json!({"faults": {"route": "POST /auth/refresh", "do": "hang", "process": true}}));
    let victim = Arc::new(Mutex::new(None));
    let of_hook = victim.clone();
    let is_victim = move || *of_hook.lock().expect("no panic") == Some(thread::current().id());
    manager.set_hooks(|hooks| hooks.interrupt = Some(Arc::new(is_victim.clone()))).expect("hooks");
    thread::scope(|scope| {
        let leader = scope.spawn(|| refusal(manager.token()));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        let waiters: Vec<_> = (0..6).map(|_| scope.spawn(|| manager.token().map(|_| ()))).collect();
        *victim.lock().expect("no panic") = Some(leader.thread().id());
        assert_eq!(leader.join().expect("no panic"), Status::TM_CANCELLED);
        for waiter in waiters {
            waiter.join().expect("no panic").expect("a waiter took over");
        }
    });
    assert_counters(&api, [("refresh_arrivals", 1), ("logins", 2)]);
    assert_no_reuse(&api);
}
