//! T5: a store that is down does not stop the service.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::api::DemoApi;
use support::caller_store::{CallerStore, Fault, Step};
use support::demo::*;
use tokenmgr::Manager;
use tokenmgr::error::Status;

fn is_private(manager: &Manager) -> bool {
    stats(manager)["token_is_private"] == Value::Bool(true)
}

#[test]
fn t5_with_nothing_in_memory_it_logs_in_and_keeps_the_pair_private() {
    for step in [Step::Load, Step::Save, Step::Lock] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        caller_store.fail(step, Fault::Fails, None);
        let manager = manager_on(&api, &caller_store, json!({}));
        assert_eq!(together(8, |_| status(&manager)), [200; 8]);
        assert!(is_private(&manager), "{step:?}");
        assert_counters(&api, [("logins", 1)]);
        assert!(stat(&manager, "store_failures") >= 1);
    }
}

#[test]
fn t5_a_private_pair_is_refreshed_by_its_owner() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    caller_store.go_away();
    let manager = manager_on(&api, &caller_store, json!({}));
    for refreshes in 0..4 {
        assert_eq!(status(&manager), 200);
        assert_counters(&api, [("logins", 1), ("refreshes", refreshes)]);
        api.control(json!({"revoke": {"what": "access"}}));
    }
    assert_no_reuse(&api);
}

#[test]
fn t5_a_published_refresh_token_is_not_spent_from_memory() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, LATE, json!({}));
    caller_store.go_away();
    assert_eq!(together(8, |_| status(&manager)), [200; 8]);
    // Late in the window, or when nothing else serves, it logs in: that spends nothing shared.
    until("it logged in", || {
        assert_eq!(status(&manager), 200);
        api.counter("logins") == 2
    });
    assert!(is_private(&manager));
    assert_counters(&api, [("refresh_arrivals", 0)]);
}

#[test]
fn t5_recovery_from_a_401_goes_on_without_the_store() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({}));
    assert_eq!(status(&manager), 200);
    caller_store.go_away();
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(16, |_| status(&manager)), [200; 16]);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn t5_without_a_password_the_store_is_what_failed() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    caller_store.go_away();
    let options = r#"{"client_id": "demo", "proxy": "none"}"#;
    let manager = on(&caller_store, Manager::new(Some(&api.url()), None, None, Some(options)).expect("a manager"));
    assert_eq!(refusal(manager.token()), Status::TM_STORE);
    assert_eq!(refusal(manager.set_tokens("access", None, 0, 0)), Status::TM_STORE);
    assert_counters(&api, [("login_arrivals", 0)]);
}

/// A manager that logged in while the store was away.
fn went_alone(api: &DemoApi, caller_store: &Arc<CallerStore>) -> Manager {
    caller_store.go_away();
    let manager = manager_on(api, caller_store, json!({}));
    assert_eq!(status(&manager), 200);
    assert!(is_private(&manager));
    manager
}

#[test]
fn t5_an_empty_store_that_is_back_gets_the_private_pair() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = went_alone(&api, &caller_store);
    caller_store.heal();
    manager.refresh().expect("a refresh, under a claim");
    assert!(!is_private(&manager));
    assert_eq!(caller_store.record()["access_token"], held(&manager).access.as_str());
    assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t5_a_lock_that_says_no_at_once_is_not_asked_without_a_pause() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    caller_store.watch(move |step| {
        if step == Step::Lock {
            count.fetch_add(1, Relaxed);
        }
    });
    caller_store.fail(Step::Lock, Fault::SaysNo, None);
    assert_eq!(status(&manager_on(&api, &caller_store, json!({"timeout_ms": 4000}))), 200);
    // For two seconds, half of the call's time.
    let asked = asked.load(Relaxed);
    assert!((10..2000).contains(&asked), "asked {asked} times");
}

#[test]
fn t3_a_private_refresh_token_that_was_sent_is_not_sent_again_from_the_store() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = went_alone(&api, &caller_store);
    api.control(json!({"faults": [
        {"route": "POST /auth/refresh", "do": "reset", "process": true},
        {"route": "POST /auth/login", "status": 503}
    ]}));
    manager.refresh().expect_err("neither refreshed nor logged in");
    assert_counters(&api, [("refresh_arrivals", 1)]);
    caller_store.heal();
    manager.refresh().expect("a login");
    assert_eq!(status(&manager_on(&api, &caller_store, json!({}))), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn s1_a_pair_that_came_home_is_this_hosts_own() {
    let (api, there, caller_store) = (start(json!({})), start(json!({})), CallerStore::new());
    let manager = went_alone(&api, &caller_store);
    caller_store.heal();
    // Published, but then refused: the record holds what was private.
    api.control(json!({"whitelist": ["192.0.2.1"]}));
    assert_eq!(refusal(manager.refresh()), Status::TM_FORBIDDEN);
    assert_eq!(caller_store.record()["access_token"], held(&manager).access.as_str());
    assert_eq!(status(&manager_on(&there, &caller_store, json!({}))), 200);
    assert_counters(&there, [("logins", 1), ("api_401", 0), ("refresh_arrivals", 0)]);
}

#[test]
fn t5_a_usable_pair_in_a_store_that_is_back_is_adopted() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let lonely = went_alone(&api, &caller_store);
    caller_store.heal();
    let other = manager_on(&api, &caller_store, json!({}));
    let theirs = other.token().expect("a login");
    lonely.refresh().expect("an adoption");
    assert_eq!(held(&lonely).access, theirs.access);
    assert!(!is_private(&lonely));
    assert_eq!(caller_store.record()["access_token"], theirs.access.as_str());
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
}

#[test]
fn t5_a_publication_whose_outcome_is_unknown_counts_as_done() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let lonely = went_alone(&api, &caller_store);
    caller_store.heal();
    // It is written, but the reply is lost: from now on others may send that refresh token.
    caller_store.fail(Step::Save, Fault::LosesReply, Some(1));
    lonely.refresh().expect("another token");
    api.control(json!({"revoke": {"what": "access"}}));
    for manager in [manager_on(&api, &caller_store, json!({})), lonely] {
        assert_eq!(status(&manager), 200);
        assert_no_reuse(&api);
    }
}

/// Of a step's next two, the second: that is the one which stores the new pair, after the claim.
fn fail_the_second(caller_store: &Arc<CallerStore>, which: Step, fault: Fault) {
    let (count, store_itself) = (AtomicU32::new(0), Arc::downgrade(caller_store));
    caller_store.watch(move |step| {
        if step == which && count.fetch_add(1, Relaxed) == 1 {
            store_itself.upgrade().expect("it lives").fail(which, fault, Some(1));
        }
    });
}

#[test]
fn t5_a_new_pair_that_could_not_be_stored_is_private() {
    for call in [Manager::login, Manager::refresh] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        let manager = manager_on(&api, &caller_store, json!({}));
        manager.token().expect("a login");
        // The claim still goes through, the lock for the new pair does not.
        fail_the_second(&caller_store, Step::Lock, Fault::Fails);
        call(&manager).expect("a pair");
        assert!(is_private(&manager));
        assert_eq!(status(&manager), 200);
        age(&manager);
        // Whoever else shares the store finds a spent token and a claim, waits for its lease, and logs in.
        api.control(json!({"revoke": {"what": "access"}}));
        let other = manager_on(&api, &caller_store, json!({}));
        assert_eq!(together(8, |at| status([&manager, &other][at % 2])), [200; 8]);
        assert_no_reuse(&api);
    }
}

#[test]
fn t5_a_new_pair_of_which_it_is_unknown_whether_it_was_stored_counts_as_stored() {
    for fault in [Fault::LosesReply, Fault::Fails] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        let manager = manager_on(&api, &caller_store, json!({}));
        manager.token().expect("a login");
        fail_the_second(&caller_store, Step::Save, fault);
        manager.refresh().expect("a pair");
        assert!(!is_private(&manager), "{fault:?}");
        api.control(json!({"revoke": {"what": "access"}}));
        let other = manager_on(&api, &caller_store, json!({}));
        assert_eq!(together(8, |at| status([&manager, &other][at % 2])), [200; 8], "{fault:?}");
        assert_no_reuse(&api);
    }
}

#[test]
fn t2_a_claim_of_which_it_is_unknown_whether_it_was_written_is_given_back() {
    for fault in [Fault::LosesReply, Fault::Fails] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        let manager = manager_on(&api, &caller_store, json!({}));
        manager.token().expect("a login");
        let before = caller_store.record();
        caller_store.fail(Step::Save, fault, Some(1));
        manager.refresh().expect("a login");
        assert!(is_private(&manager), "{fault:?}");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        assert_eq!(caller_store.record(), before, "{fault:?}");
        // Nobody has to wait, and the token that was not sent is as good as before.
        let other = manager_on(&api, &caller_store, json!({}));
        other.refresh().expect("a refresh");
        assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
        assert_eq!(stat(&other, "claim_waits"), 0);
        assert_no_reuse(&api);
    }
}

#[test]
fn t2_nobody_waits_for_a_claim_of_its_own() {
    // What fails is the lock to store the new pair, or, where the answer is lost, the lock to give the claim back.
    for is_lost in [false, true] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        let manager = manager_on(&api, &caller_store, json!({}));
        manager.token().expect("a login");
        if is_lost {
            api.control(json!({"faults": {"route": "POST /auth/refresh", "status": 503, "times": 1}}));
        }
        fail_the_second(&caller_store, Step::Lock, Fault::Fails);
        manager.refresh().expect("a pair");
        assert_eq!(is_private(&manager), !is_lost);
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(status(&manager), 200);
        assert_eq!(stat(&manager, "claim_waits"), 0, "the answer is lost: {is_lost}");
        assert!(!is_private(&manager) && caller_store.record()["claim"].is_null());
        assert_no_reuse(&api);
    }
}

#[test]
fn t5_a_store_that_comes_and_goes_never_costs_a_call_nor_a_token_twice() {
    let (api, caller_store) = (start(json!({"access_ms": 1500, "fractional_seconds": true})), CallerStore::new());
    let managers: Vec<Manager> =
        (0..3).map(|_| manager_on(&api, &caller_store, json!({"timeout_ms": 20_000}))).collect();
    let faults = [Fault::Fails, Fault::LosesReply];
    together(7, |at| {
        let mut round = at;
        while api.counter("refreshes") < 8 {
            if at == 6 {
                let step = [Step::Save, Step::Load, Step::Lock][round % 3];
                caller_store.fail(step, faults[round % 2], Some(2));
                thread::sleep(Duration::from_millis(20));
            } else {
                assert_eq!(status(&managers[at % 3]), 200);
            }
            round += 1;
        }
    });
    assert_no_reuse(&api);
}
