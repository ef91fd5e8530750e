//! T1 to T4: no pair is lost, none is used twice.

use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::caller_store::{CallerStore, Fault, Step};
use support::demo::*;
use tokenmgr::Manager;
use tokenmgr::error::Status;

const REFRESH: &str = "POST /auth/refresh";

#[test]
fn t1_a_new_pair_is_in_the_store_before_any_caller_gets_it() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = Arc::new(finds(&api, &caller_store, DUE, json!({})));
    let before = held(&manager);
    let served_early = Arc::new(AtomicBool::new(false));
    let (watched, seen, early) = (Arc::downgrade(&manager), before.clone(), served_early.clone());
    caller_store.watch(move |step| {
        let manager = watched.upgrade().expect("it lives");
        if step == Step::Save && held(&manager).access != seen.access {
            early.store(true, Ordering::Relaxed);
        }
    });
    let after = manager.token().expect("a refresh");
    assert_ne!(after.access, before.access);
    assert!(!served_early.load(Ordering::Relaxed));
    assert_eq!(caller_store.record()["access_token"], after.access.as_str());
    assert_eq!(caller_store.record()["refresh_token"], after.refresh.as_ref().expect("a token").as_str());
}

#[test]
fn t1_an_answer_without_a_refresh_token_keeps_the_old_one_and_its_expiry() {
    for shared in [false, true] {
        let (api, caller_store) = (start(two_minutes()), CallerStore::new());
        api.control(json!({"omit_refresh_token_on_refresh": true}));
        let manager = match shared {
            true => manager_on(&api, &caller_store, json!({})),
            false => manager(&api, json!({})),
        };
        let before = manager.token().expect("a login");
        for _ in 0..3 {
            manager.refresh().expect("a refresh");
        }
        let after = held(&manager);
        assert_ne!(after.access, before.access);
        assert_eq!((&after.refresh, after.refresh_expires_at), (&before.refresh, before.refresh_expires_at));
        assert_counters(&api, [("logins", 1), ("refreshes", 3)]);
    }
}

#[test]
fn t1_it_keeps_that_expiry_also_where_it_held_no_pair_before() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    api.control(json!({"omit_refresh_token_on_refresh": true}));
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    let before = caller_store.record();
    assert_eq!(status(&manager), 200);
    let after = caller_store.record();
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!(after["refresh_token"], before["refresh_token"]);
    assert!(before["refresh_expires_at"].is_number());
    assert_eq!(after["refresh_expires_at"], before["refresh_expires_at"]);
}

#[test]
fn t1_a_login_without_a_refresh_token_leads_to_logins() {
    let api = start(json!({"omit_refresh_token_on_login": true}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    for _ in 0..2 {
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(status(&manager), 200);
    }
    assert_counters(&api, [("logins", 3), ("refresh_arrivals", 0)]);
}

#[test]
fn t2_without_an_acknowledged_claim_nothing_is_sent() {
    for fault in [Fault::Fails, Fault::LosesReply] {
        let (api, caller_store) = (start(two_minutes()), CallerStore::new());
        let manager = finds(&api, &caller_store, DUE, json!({}));
        caller_store.fail(Step::Save, fault, Some(1));
        for _ in 0..10 {
            assert_eq!(status(&manager), 200);
        }
        assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
    }
}

#[test]
fn t2_callbacks_of_one_handle_never_overlap() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({"timeout_ms": 30_000}));
    together(16, |at| match at % 4 {
        0 => manager.refresh().expect("a refresh"),
        1 => manager.login().expect("a login"),
        _ => assert_eq!(status(&manager), 200),
    });
    assert_eq!(caller_store.overlaps(), 0);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_lost_answer_is_followed_by_a_login() {
    for fault in [
        json!({"do": "reset", "process": true}),
        json!({"do": "close", "process": true}),
        json!({"do": "truncate"}),
        json!({"do": "garbage", "process": true}),
        json!({"do": "reset"}),
        json!({"status": 503}),
        json!({"status": 502, "process": true}),
        json!({"do": "html"}),
        json!({"do": "nul"}),
        json!({"do": "deep"}),
        json!({"do": "endless"}),
        json!({"body": {"success": false}}),
        json!({"status": 302, "headers": {"location": "/auth/refresh"}}),
    ] {
        let (api, mut fault) = (start(json!({})), fault);
        let manager = manager(&api, json!({}));
        assert_eq!(status(&manager), 200);
        fault["route"] = REFRESH.into();
        api.control(json!({"faults": fault, "revoke": {"what": "access"}}));
        assert_eq!(status(&manager), 200, "with {fault}");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
        assert_no_reuse(&api);
    }
}

#[test]
fn t3_ahead_of_expiry_too() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "do": "reset", "process": true}}));
    until("it logged in", || {
        assert_eq!(status(&manager), 200);
        api.counter("logins") == 2
    });
    assert_counters(&api, [("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_what_one_process_lost_the_next_does_not_send() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "do": "reset", "process": true}}));
    assert_eq!(status(&manager), 200);
    assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200);
    let record = caller_store.record();
    assert!(record["spent"].is_string() && record["claim"].is_null(), "{record}");
    caller_store.grow_older(DEAD - DUE);
    assert_eq!(together(8, |_| status(&manager_on(&api, &caller_store, json!({})))), [200; 8]);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_refresh_of_which_no_byte_was_written_is_tried_again() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    api.control(json!({"outage_ms": 2000}));
    until("the port is closed", || TcpStream::connect(("127.0.0.1", api.port())).is_err());
    assert_eq!(refusal(manager.token()), Status::TM_NETWORK);
    assert!(caller_store.record()["spent"].is_null());
    until("the server is back", || manager.token().is_ok());
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("refresh_arrivals", 1)]);
}

#[test]
fn t3_a_refresh_that_was_answered_429_is_tried_again() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    api.control(json!({"faults": {"route": REFRESH, "status": 429, "retry_after": 1}}));
    assert_eq!(refusal(manager.token()), Status::TM_RATE_LIMITED);
    until("the pause is over", || manager.token().is_ok());
    assert_counters(&api, [("login_arrivals", 1), ("refreshes", 1), ("refresh_arrivals", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_login_that_was_answered_429_does_not_bring_a_spent_token_back() {
    for lost in [json!({"do": "reset", "process": true}), json!({"status": 401})] {
        let (api, caller_store) = (start(two_minutes()), CallerStore::new());
        let manager = finds(&api, &caller_store, DEAD, json!({}));
        let mut lost = lost;
        lost["route"] = REFRESH.into();
        api.control(json!({"faults": [lost, {"route": "POST /auth/login", "status": 429, "retry_after": 1}]}));
        assert_eq!(refusal(manager.token()), Status::TM_RATE_LIMITED);
        assert!(caller_store.record()["spent"].is_string(), "{}", caller_store.record());
        until("the pause is over", || manager.token().is_ok());
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
        assert_no_reuse(&api);
    }
}

fn without_password(api: &support::api::DemoApi, caller_store: &Arc<CallerStore>) -> Manager {
    let options = r#"{"client_id": "demo", "proxy": "none", "refresh_jitter_seconds": 0}"#;
    on(caller_store, Manager::new(Some(&api.url()), None, None, Some(options)).expect("a manager"))
}

#[test]
fn t3_without_a_password_a_lost_token_is_tried_once_more_and_no_more() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let donor = manager(&api, json!({}));
    let pair = donor.token().expect("a login");
    let manager = without_password(&api, &caller_store);
    assert_eq!(refusal(manager.token()), Status::TM_LOGIN_REJECTED);
    let refresh = pair.refresh.as_ref().map(|token| token.as_str());
    manager.set_tokens(pair.access.as_str(), refresh, 0, 0).expect("taken");
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": REFRESH, "do": "reset", "times": null}, "revoke": {"what": "access"}}));
    for _ in 0..6 {
        assert_eq!(status(&manager), 401);
        // As if what claims there are had run out, and the pause after a failed recovery with them.
        caller_store.edit(|record| record["claim"] = Value::Null);
        manager.reject("nothing").expect("ignored");
    }
    let fresh = without_password(&api, &caller_store);
    for _ in 0..3 {
        assert_eq!(status(&fresh), 401);
    }
    let arrivals = api.counter("refresh_arrivals");
    assert!(arrivals <= 2, "it was sent {arrivals} times");
    assert_counters(&api, [("login_arrivals", 1)]);
}

#[test]
fn t3_without_a_password_the_second_try_waits_for_the_lease() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let pair = manager(&api, json!({})).token().expect("a login");
    let manager = without_password(&api, &caller_store);
    let refresh = pair.refresh.as_ref().map(|token| token.as_str());
    manager.set_tokens(pair.access.as_str(), refresh, 0, 0).expect("taken");
    let sent = Instant::now();
    api.control(json!({"faults": {"route": REFRESH, "do": "reset"}, "revoke": {"what": "access"}}));
    assert_eq!(status(&manager), 401);
    let hasty = manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 1000}"#));
    let arrivals = api.counter("refresh_arrivals");
    // The server may still be at the first one: nobody sends it again within the lease of 5 s.
    assert!(arrivals == 1 || sent.elapsed() > Duration::from_secs(5), "it was sent again at once: {hasty:?}");
    until("it was tried once more", || status(&manager) == 200);
    assert_counters(&api, [("refresh_arrivals", 2), ("refreshes", 1), ("login_arrivals", 1)]);
}

#[test]
fn t4_a_refused_refresh_adopts_the_pair_that_came_meanwhile() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    let theirs = manager_as(&api, PASSWORD, json!({})).token().expect("a login of its own");
    api.control(json!({"faults": {"route": REFRESH, "delay_before_ms": 1000, "status": 401}}));
    thread::scope(|scope| {
        let one = scope.spawn(|| manager.token().expect("a token"));
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        caller_store.edit(|record| {
            record["access_token"] = theirs.access.as_str().into();
            record["refresh_token"] = theirs.refresh.as_ref().expect("a token").as_str().into();
            record["expires_at"] = theirs.expires_at.into();
        });
        assert_eq!(one.join().expect("no panic").access, theirs.access);
    });
    assert_counters(&api, [("login_arrivals", 2), ("refresh_arrivals", 1)]);
    assert_eq!(status(&manager), 200);
}

#[test]
fn t4_and_logs_in_where_there_is_none() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    api.control(json!({"revoke": {"what": "refresh"}}));
    assert_eq!(together(8, |_| status(&manager)), [200; 8]);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
}

#[test]
fn t_a_refresh_on_demand_by_many_is_one_per_token() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let managers: Vec<Manager> =
        (0..4).map(|_| manager_on(&api, &caller_store, json!({"timeout_ms": 30_000}))).collect();
    together(16, |at| managers[at % 4].refresh().expect("a refresh"));
    together(16, |at| managers[at % 4].login().expect("a login"));
    together(16, |at| managers[at % 4].refresh().expect("a refresh"));
    assert_counters(&api, [("refreshes_refused", 0), ("logins_refused", 0)]);
    assert_no_reuse(&api);
}

#[test]
fn t_a_login_on_demand_brings_a_token_that_is_good() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let one = manager_on(&api, &caller_store, json!({}));
    one.token().expect("a login");
    let other = manager_on(&api, &caller_store, json!({}));
    other.login().expect("another login");
    caller_store.grow_older(DEAD);
    // What the other one left there is dead: nothing to adopt.
    one.login().expect("a login");
    assert_eq!(one.with_good_token(|_| ()), Some(()));
    assert_counters(&api, [("logins", 3)]);
}
