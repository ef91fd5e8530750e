//! The rules across processes that share one Vault.

use crate::bao::Bao;
use crate::support::*;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};
use tokenmgr::Manager;
use tokenmgr::error::Status;

const REFRESH: &str = "POST /auth/refresh";

#[test]
fn f3_another_process_takes_the_pair_over_and_a_fresh_token_touches_nothing() {
    let (api, bao) = (start(json!({})), Bao::start());
    let first = bao.manager(&api);
    assert_eq!(status(&first), 200);
    let second = bao.manager(&api);
    assert_eq!(status(&second), 200);
    assert_counters(&api, [("logins", 1)]);
    for _ in 0..50 {
        assert_eq!(status(&second), 200);
    }
    assert_eq!((stat(&second, "store_operations"), stat(&second, "adoptions")), (1, 1));
    // What others read with the Vault's own tools.
    let record = bao.record();
    assert_eq!(record["access_token"], held(&first).access.as_str());
    assert!(record["expires_at"].is_i64() && record["refresh_token"].is_string(), "{record}");
}

#[test]
fn t2_many_with_an_empty_store_are_one_login_and_with_a_dead_token_one_refresh() {
    let (api, bao) = (start(json!({"access_ms": 2000})), Bao::start());
    let all: Vec<Manager> = (0..16).map(|_| bao.manager(&api)).collect();
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t2_two_hundred_that_start_at_once_are_one_login() {
    let (api, bao) = (start(json!({})), Bao::start());
    let all: Vec<Manager> = (0..200).map(|_| bao.manager(&api)).collect();
    assert_eq!(together(200, |at| status(&all[at])), [200; 200]);
    assert_counters(&api, [("logins", 1)]);
    assert_eq!(all.iter().map(|manager| stat(manager, "store_failures")).sum::<u64>(), 0);
}

#[test]
fn r2_a_401_that_hits_many_processes_is_one_refresh() {
    let (api, bao) = (start(json!({})), Bao::start());
    let all: Vec<Manager> = (0..12).map(|_| bao.manager(&api)).collect();
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t2_eight_processes_with_threads_refresh_once_a_window_and_no_call_fails() {
    const LIFE: u64 = 2000;
    let (api, bao) = (start(json!({"access_ms": LIFE, "fractional_seconds": true})), Bao::start());
    let all: Vec<Manager> = (0..8).map(|_| bao.manager(&api)).collect();
    let begun = Instant::now();
    together(32, |at| {
        while begun.elapsed() < Duration::from_secs(7) {
            assert_eq!(status(&all[at % 8]), 200);
            thread::sleep(Duration::from_millis(5));
        }
    });
    // A token is due in the last quarter of its life: so often at the most, and not much less often.
    let windows = begun.elapsed().as_millis() as u64 / (LIFE * 3 / 4);
    let refreshes = api.counter("refreshes");
    assert!((windows / 2..=windows + 1).contains(&refreshes), "{windows} windows: {}", api.counters());
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t2_changes_that_meet_are_all_made() {
    let (api, bao) = (start(json!({})), Bao::start());
    let all: Vec<Manager> = (0..8).map(|_| bao.manager(&api)).collect();
    let pair = all[0].token().expect("a login");
    let before = bao.version();
    // Writes of the caller's own tokens ask for no claim, so that all of them collide.
    together(8, |at| {
        for _ in 0..5 {
            let refresh = pair.refresh.as_ref().map(|token| token.as_str());
            all[at].set_tokens(pair.access.as_str(), refresh, 0, 0).expect("it is written");
        }
    });
    assert_eq!(bao.version(), before + 40);
}

#[test]
fn t2_a_lease_is_renewed_while_the_server_is_slow() {
    let (api, bao) = (start(json!({})), Bao::start());
    let (first, second) = (bao.manager(&api), bao.manager(&api));
    assert_eq!((status(&first), status(&second)), (200, 200));
    api.control(json!({"revoke": {"what": "access"}, "faults": {"route": REFRESH, "delay_before_ms": 6500}}));
    let begun = Instant::now();
    let both = together(2, |at| status([&first, &second][at]));
    assert_eq!(both, [200, 200]);
    assert!(begun.elapsed() >= Duration::from_millis(6500), "longer than a lease");
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_the_mark_is_in_the_vault_before_the_token_is_sent_and_stays_after_a_lost_answer() {
    let (api, bao) = (start(json!({})), Bao::start());
    let first = bao.manager(&api);
    first.token().expect("a login");
    api.control(json!({"faults": [
        {"route": REFRESH, "delay_after_ms": 600, "do": "reset", "process": true},
        {"route": "POST /auth/login", "status": 503}
    ]}));
    thread::scope(|scope| {
        let lost = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        let record = bao.record();
        assert!(record["spent"] == record["for"] && record["claim"].is_object(), "{record}");
        lost.join().expect("no panic").expect_err("neither refreshed nor logged in");
    });
    assert!(bao.record()["spent"].is_string());
    bao.manager(&api).refresh().expect("a login");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn r5_a_fleet_with_a_wrong_password_is_one_refused_login() {
    let (api, bao) = (start(json!({})), Bao::start());
    let wrong: Vec<Manager> = (0..8).map(|_| manager_as(&api, "wrong", bao.options(json!({})))).collect();
    let refusals = together(8, |at| refusal(wrong[at].token()));
    assert!(refusals.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)));
    assert_counters(&api, [("logins_refused", 1)]);
    // The right one is not held up.
    assert_eq!(status(&bao.manager(&api)), 200);
}

#[test]
fn t2_a_logout_is_everyones() {
    let (api, bao) = (start(json!({})), Bao::start());
    let first = bao.manager(&api);
    first.token().expect("a login");
    first.logout().expect("a logout");
    assert!(bao.record()["access_token"].is_null(), "{}", bao.record());
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 2), ("logouts", 1), ("refresh_arrivals", 0)]);
}
