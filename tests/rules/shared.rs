//! What several processes do to one record: claims, leases, foreign writers, other hosts, logouts, damage.

use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use support::api::DemoApi;
use support::caller_store::{CallerStore, Step};
use support::demo::*;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

const REFRESH: &str = "POST /auth/refresh";

/// As if a process had claimed the token in the record, sent it, and been killed.
fn claimed_by_a_dead_process(caller_store: &CallerStore, for_ms: i64) {
    caller_store.edit(|record| {
        record["claim"] = json!({"nonce": "0123456789abcdef", "until": unix_ms() + for_ms});
        record["spent"] = record["for"].clone();
    });
}

#[test]
fn t2_whoever_comes_to_a_live_claim_waits_for_the_lease_and_then_logs_in() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    claimed_by_a_dead_process(&caller_store, 1500);
    let until = unix_ms() + 1400;
    assert_eq!(together(8, |_| status(&manager)), [200; 8]);
    assert!(unix_ms() >= until, "the claim was not respected");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn t2_who_has_a_token_that_is_good_does_not_wait_for_it() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({}));
    claimed_by_a_dead_process(&caller_store, 4000);
    let until = unix_ms() + 4000;
    for _ in 0..10 {
        assert_eq!(status(&manager), 200);
    }
    assert!(unix_ms() < until);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

#[test]
fn t2_that_another_process_is_refreshing_is_no_failure_of_ours() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({}));
    let lines = listen(&manager);
    claimed_by_a_dead_process(&caller_store, 4000);
    let looked = stat(&manager, "store_operations");
    // It looks for the other's pair again and again, and not less often each time.
    until("it has looked ten times", || {
        assert_eq!(status(&manager), 200);
        stat(&manager, "store_operations") >= looked + 10
    });
    let lines = lines.lock().expect("no panic");
    assert!(lines.iter().all(|(level, _)| *level >= Level::Info), "{lines:?}");
}

#[test]
fn t2_a_claim_further_away_than_a_lease_is_none() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({"timeout_ms": 3000}));
    claimed_by_a_dead_process(&caller_store, 3_600_000);
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn t2_who_has_too_little_time_for_a_claim_is_told_so() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({"timeout_ms": 60}));
    for _ in 0..30 {
        claimed_by_a_dead_process(&caller_store, 4000);
        assert_eq!(refusal(manager.token()), Status::TM_LOCK_TIMEOUT);
    }
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

/// Overwrites the pair while a refresh of it is on its way, and says what the manager then holds.
fn overtaken(api: &DemoApi, caller_store: &Arc<CallerStore>, write: impl FnOnce(&mut Value)) -> String {
    let manager = finds(api, caller_store, DEAD, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "delay_after_ms": 1000}}));
    thread::scope(|scope| {
        let one = scope.spawn(|| manager.token().expect("a token"));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        caller_store.edit(write);
        one.join().expect("no panic").access.as_str().to_owned()
    })
}

#[test]
fn t2_a_foreign_writer_during_the_refresh_is_adopted_and_its_token_never_sent() {
    for keeps_our_fields in [true, false] {
        let (api, caller_store) = (start(two_minutes()), CallerStore::new());
        let theirs = manager(&api, json!({})).token().expect("a login");
        let got = overtaken(&api, &caller_store, |record| {
            if !keeps_our_fields {
                *record = json!({});
            }
            record["access_token"] = theirs.access.as_str().into();
            record["refresh_token"] = theirs.refresh.as_ref().expect("a token").as_str().into();
            record["expires_at"] = theirs.expires_at.into();
        });
        assert_eq!(got, theirs.access.as_str());
        assert_counters(&api, [("login_arrivals", 2), ("refresh_arrivals", 1)]);
        // T3: a store like this cannot rule out a lost write, so that pair's end is a login.
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200);
        assert_counters(&api, [("login_arrivals", 3), ("refresh_arrivals", 1)]);
        assert_no_reuse(&api);
    }
}

#[test]
fn t2_a_store_that_was_wiped_during_the_refresh_gets_the_new_pair() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let got = overtaken(&api, &caller_store, |record| *record = json!({}));
    assert_eq!(caller_store.record()["access_token"], got);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn t2_a_login_that_was_first_is_kept_and_the_late_refresh_adopts_it() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let second = manager_on(&api, &caller_store, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "delay_after_ms": 2000}}));
    let first = finds(&api, &caller_store, DEAD, json!({}));
    thread::scope(|scope| {
        let slow = scope.spawn(|| first.token().expect("a token"));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        // As if the slow one had been stopped for longer than its lease.
        caller_store.edit(|record| record["claim"]["until"] = 0.into());
        let quick = second.token().expect("a login");
        assert_eq!(slow.join().expect("no panic").access, quick.access);
    });
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1), ("logout_arrivals", 0)]);
    assert_no_reuse(&api);
}

#[test]
fn t2_a_pair_that_lost_to_one_that_is_over_by_this_machines_clock_serves_in_private() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let (first, second) = (manager_on(&api, &caller_store, json!({})), manager_on(&api, &caller_store, json!({})));
    api.control(json!({"faults": {"route": "POST /auth/login", "delay_after_ms": 1500}}));
    thread::scope(|scope| {
        let slow = scope.spawn(|| status(&first));
        assert!(api.wait_until("login_arrivals", 1, PATIENCE));
        caller_store.edit(|record| record["claim"]["until"] = 0.into());
        second.token().expect("a login");
        // As if the second one's clock were hours behind.
        caller_store.grow_older(7200);
        assert_eq!(slow.join().expect("no panic"), 200);
    });
    assert_eq!(stats(&first)["token_is_private"], true);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    first.refresh().expect("one way or another");
    assert_no_reuse(&api);
}

#[test]
fn t3_a_record_that_was_rolled_back_is_spent() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({}));
    manager.token().expect("a login");
    let old = caller_store.record();
    manager.refresh().expect("a refresh");
    caller_store.put(old.to_string().as_bytes());
    manager.refresh().expect("another pair");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t_what_can_not_be_read_is_replaced_after_a_login() {
    for damage in [&b"\xff\xfe"[..], b"{", b"[]", b"null", b"42", br#"{"access_token": 1}"#, br#"{"claim": {}}"#] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        caller_store.put(damage);
        assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200, "{damage:?}");
        assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200);
        assert_counters(&api, [("login_arrivals", 1)]);
    }
}

#[test]
fn t_fields_of_a_later_version_survive() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({}));
    manager.token().expect("a login");
    caller_store.edit(|record| record["tomorrow"] = json!({"a": [1, null]}));
    manager.refresh().expect("a refresh");
    assert_eq!(caller_store.record()["tomorrow"], json!({"a": [1, null]}));
    manager.logout().expect("a logout");
    assert_eq!(caller_store.record()["tomorrow"], json!({"a": [1, null]}));
}

#[test]
fn s1_another_hosts_pair_under_the_same_key_is_neither_used_nor_sent() {
    let (here, there, caller_store) = (start(json!({})), start(json!({})), CallerStore::new());
    let theirs = manager_on(&there, &caller_store, json!({}));
    theirs.token().expect("a login");
    let ours = manager_on(&here, &caller_store, json!({}));
    assert_eq!(status(&ours), 200);
    assert_counters(&here, [("logins", 1), ("refresh_arrivals", 0), ("api_401", 0)]);
    // Now the record is ours.
    caller_store.grow_older(3700);
    theirs.refresh().expect("a login there");
    assert_counters(&there, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn s1_a_logout_does_not_send_another_hosts_token_nor_forget_it() {
    let (here, there, caller_store) = (start(json!({})), start(json!({})), CallerStore::new());
    let theirs = manager_on(&there, &caller_store, json!({}));
    let pair = theirs.token().expect("a login");
    manager_on(&here, &caller_store, json!({})).logout().expect("nothing to do");
    assert_counters(&here, [("logout_arrivals", 0)]);
    assert_eq!(caller_store.record()["access_token"], pair.access.as_str());
}

#[test]
fn s2_log_lines_call_a_token_the_same_in_every_process() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let all = [manager_on(&api, &caller_store, json!({})), manager_on(&api, &caller_store, json!({}))];
    let lines = all.each_ref().map(listen);
    all.iter().for_each(|manager| assert_eq!(status(manager), 200));
    let names = lines.map(|lines| {
        let lines = lines.lock().expect("no panic");
        let told = lines.iter().find_map(|(_, line)| line.split("the token ").nth(1)).expect("a token");
        told.split(' ').next().expect("a name").to_owned()
    });
    assert!(names[0] == names[1] && names[0].len() == 8, "{names:?}");
}

#[test]
fn a_logout_revokes_what_the_store_holds_by_now() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let (first, second) = (manager_on(&api, &caller_store, json!({})), manager_on(&api, &caller_store, json!({})));
    first.token().expect("a login");
    api.control(json!({"revoke": {"what": "all"}}));
    let newer = second.login().and_then(|()| second.token()).expect("another login");
    first.logout().expect("a logout");
    assert_counters(&api, [("logouts", 1), ("logouts_refused", 0)]);
    let own_client = manager(&api, json!({}));
    own_client.set_tokens(newer.access.as_str(), None, 0, 0).expect("a token");
    // It is new to this client, so it is sent twice.
    assert_eq!((status(&own_client), api.counter("api_401")), (200, 2), "the newer token still works");
}

#[test]
fn t2_a_logout_leaves_a_tombstone_that_nothing_in_flight_replaces() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let other = manager_on(&api, &caller_store, json!({}));
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "delay_after_ms": 1000}}));
    thread::scope(|scope| {
        let late = scope.spawn(|| manager.token().map(|_| ()));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        other.logout().expect("a logout");
        // It began before the logout: it ends with it, and does not log in again.
        assert_eq!(refusal(late.join().expect("no panic")), Status::TM_UNAUTHORIZED);
    });
    assert!(caller_store.record()["tombstone"].is_object(), "{}", caller_store.record());
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 1), ("logouts", 1)]);
    // The next call logs in.
    assert_eq!(status(&manager), 200);
    assert_eq!(status(&other), 200);
    assert_counters(&api, [("logins", 2)]);
}

#[test]
fn t2_a_login_in_flight_does_not_replace_it_either() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let (manager, other) = (manager_on(&api, &caller_store, json!({})), manager_on(&api, &caller_store, json!({})));
    api.control(json!({"faults": {"route": "POST /auth/login", "delay_after_ms": 1000}}));
    thread::scope(|scope| {
        let late = scope.spawn(|| manager.token().map(|_| ()));
        assert!(api.wait_until("login_arrivals", 1, PATIENCE));
        other.logout().expect("nothing held, but a claim in the record");
        assert_eq!(refusal(late.join().expect("no panic")), Status::TM_UNAUTHORIZED);
    });
    assert!(caller_store.record()["access_token"].is_null(), "{}", caller_store.record());
    assert_counters(&api, [("logins", 1)]);
}

#[test]
fn t_a_callback_may_use_another_manager() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let inner: Arc<Manager> = Arc::new(manager(&api, json!({})));
    let used = inner.clone();
    caller_store.watch(move |step| {
        if step == Step::Load {
            assert_eq!(status(&used), 200);
        }
    });
    let manager = manager_on(&api, &caller_store, json!({"timeout_ms": 15_000}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 2)]);
}
