//! F4 and F5: a refresh that fails while the token is good costs nobody anything, and one that brings
//! nothing better is not repeated by every call.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::api::DemoApi;
use support::caller_store::{CallerStore, Fault, Step};
use support::demo::*;
use tokenmgr::Manager;
use tokenmgr::error::Status;

const SECOND: Duration = Duration::from_secs(1);

fn fail(api: &DemoApi, mut fault: Value) {
    let faults = ["POST /auth/refresh", "POST /auth/login"].map(|route| {
        fault["route"] = route.into();
        fault["times"] = Value::Null;
        fault.clone()
    });
    api.control(json!({ "faults": faults }));
}

/// Makes many calls with a token that is due, every one of which must be answered 200. How long that took.
fn calls_go_through(manager: &Manager) -> Duration {
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(together(8, |_| status(manager)), [200; 8]);
    }
    began.elapsed()
}

#[test]
fn f4_a_refresh_that_fails_for_a_passing_reason_costs_nobody_anything_and_backs_off() {
    for fault in [
        json!({"status": 503}),
        json!({"status": 502, "do": "html"}),
        json!({"status": 500, "process": true}),
        json!({"do": "reset"}),
        json!({"do": "reset", "process": true}),
        json!({"do": "close"}),
        json!({"do": "garbage"}),
        json!({"do": "truncate"}),
        json!({"status": 429}),
        json!({"status": 403}),
        json!({"body": "{}"}),
    ] {
        let api = start(two_minutes());
        let manager = finds(&api, &CallerStore::new(), DUE, json!({}));
        fail(&api, fault.clone());
        let elapsed = calls_go_through(&manager);
        let tries = api.counter("refresh_arrivals") + api.counter("login_arrivals") - 1;
        assert!((1..=tries_within(elapsed, SECOND)).contains(&tries), "{tries} tries in {elapsed:?} with {fault}");
        assert_eq!(api.counter("api_200"), 64);
        assert_no_reuse(&api);
    }
}

#[test]
fn f4_a_server_that_is_away_for_auth_only_costs_one_look() {
    let api = start(two_minutes());
    let manager = finds(&api, &CallerStore::new(), DUE, json!({"timeout_ms": 4000}));
    fail(&api, json!({"do": "hang"}));
    calls_go_through(&manager);
    assert_no_reuse(&api);
}

#[test]
fn f4_retry_after_is_obeyed() {
    for status in [429, 503] {
        let api = start(two_minutes());
        let manager = finds(&api, &CallerStore::new(), DUE, json!({}));
        fail(&api, json!({"status": status, "retry_after": 3600}));
        let began = Instant::now();
        // Longer than the first pause would be without it.
        until("a second and a half", || {
            calls_go_through(&manager);
            began.elapsed() > SECOND.mul_f64(1.5)
        });
        assert_counters(&api, [("refresh_arrivals", 1), ("login_arrivals", 1)]);
    }
}

#[test]
fn f4_after_the_pause_it_is_tried_again() {
    let api = start(two_minutes());
    let manager = finds(&api, &CallerStore::new(), DUE, json!({}));
    api.control(json!({"faults": {"route": "POST /auth/refresh", "status": 429}}));
    let before = held(&manager);
    until("the token is another", || {
        assert_eq!(status(&manager), 200);
        held(&manager).access != before.access
    });
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("refresh_arrivals", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn f4_a_store_that_fails_costs_nobody_anything() {
    for step in [Step::Load, Step::Save, Step::Lock] {
        let (api, caller_store) = (start(two_minutes()), CallerStore::new());
        let manager = finds(&api, &caller_store, DUE, json!({}));
        caller_store.fail(step, Fault::Fails, None);
        calls_go_through(&manager);
        assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
        caller_store.heal();
        until("it is refreshed all the same", || {
            assert_eq!(status(&manager), 200);
            api.counter("refreshes") + api.counter("logins") == 2
        });
        assert_no_reuse(&api);
    }
}

#[test]
fn f4_a_store_that_never_takes_a_save_costs_nobody_their_time() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({"timeout_ms": 3000}));
    caller_store.fail(Step::Save, Fault::SaysNo, None);
    calls_go_through(&manager);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

#[test]
fn f4_a_lock_that_stays_with_another_costs_nobody_their_time() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DUE, json!({"timeout_ms": 3000}));
    caller_store.fail(Step::Lock, Fault::SaysNo, None);
    calls_go_through(&manager);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

#[test]
fn f5_a_token_that_is_almost_over_when_it_comes_does_not_cause_a_refresh_per_call() {
    // Handed out with 1.5 s to live, again and again.
    let settings = json!({"access_ms": 600_000, "access_age_ms": 598_500, "fractional_seconds": true});
    let api = start(settings);
    let manager = manager(&api, json!({}));
    let began = Instant::now();
    until("a few are over", || {
        manager.token().expect("a token");
        api.counter("refreshes") >= 3
    });
    let most = began.elapsed().as_millis() as u64 / 750 + 1;
    let refreshes = api.counter("refreshes");
    assert!(refreshes <= most, "{refreshes} refreshes in {:?}", began.elapsed());
    assert_counters(&api, [("logins", 1)]);
}

#[test]
fn f5_nor_does_one_that_is_over_when_it_comes() {
    for expires_at in [json!("2001-01-01T00:00:00Z"), json!(1), json!(0), json!(-5)] {
        let api = start(json!({"patch": {"access_expires_at": expires_at}}));
        let manager = manager(&api, json!({}));
        for _ in 0..50 {
            manager.token().expect("a token");
        }
        assert_eq!(status(&manager), 200);
        assert_counters(&api, [("logins", 1), ("refreshes", 0)]);
    }
}

#[test]
fn f5_nor_does_a_server_that_hands_back_the_same_token() {
    let api = start(json!({"access_ms": 4000, "fractional_seconds": true, "same_access_token": true}));
    let manager = manager(&api, json!({}));
    let first = manager.token().expect("a login");
    until("it was refreshed", || {
        manager.token().expect("a token");
        api.counter("refreshes") > 0
    });
    let began = Instant::now();
    for _ in 0..100 {
        manager.token().expect("a token");
    }
    // What is left of it is at most a quarter of 4 s, and each time another quarter of that is waited for.
    let most = 2 + tries_within(began.elapsed(), Duration::from_millis(300));
    assert!(api.counter("refreshes") <= most, "all: {}", api.counters());
    assert!(first.lifetime.is_known());
    assert_no_reuse(&api);
}

#[test]
fn an_interrupt_that_comes_while_the_claim_is_renewed_ends_the_call_though_it_is_said_once() {
    let (api, caller_store) =
        (start(json!({"faults": {"route": "POST /auth/login", "delay_after_ms": 4000}})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({}));
    let renewing = Arc::new(AtomicBool::new(false));
    let (seen, said) = (renewing.clone(), AtomicBool::new(false));
    let (locks, busy) = (AtomicU32::new(0), caller_store.clone());
    // The second lock is the renewal's: it is made to wait, and while it does the callback is asked.
    caller_store.watch(move |step| {
        if step == Step::Lock && locks.fetch_add(1, Relaxed) == 1 {
            busy.fail(Step::Lock, Fault::SaysNo, Some(1));
            seen.store(true, Relaxed);
        }
    });
    let once = move || renewing.load(Relaxed) && !said.swap(true, Relaxed);
    let once: tokenmgr::InterruptHook = Arc::new(once);
    manager.set_hooks(|hooks| hooks.interrupt = Some(once.clone())).expect("hooks");
    assert_eq!(refusal(manager.token()), Status::TM_CANCELLED);
}
