//! The rules of sharing one pair, the same for every store. What is only one store's own stands with that store:
//! tests/rules/file.rs, tests/stores/redis, tests/vault, and tests/rules for callbacks.

mod dialects;
mod places;

use places::{InCallerStore, InFile, InRedis, InVault, KEY, OTHER_KEY, Place, Sealed};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};
use support::demo::*;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

const REFRESH: &str = "POST /auth/refresh";
const LOGIN: &str = "POST /auth/login";

/// Makes tests of rules, each with a store of its own.
macro_rules! tests {
    ($place:ty, $of:path: $($rule:ident)*) => { $(#[test] fn $rule() { use $of as rules; rules::$rule(&<$place>::start()) })* };
}

macro_rules! rules {
    ($place:ty) => {
        tests! { $place, crate::sharing:
            f3_another_process_takes_the_pair_over_and_a_fresh_token_touches_nothing
            f3_others_can_read_the_pair
            r2_a_401_that_hits_many_processes_is_one_refresh
            r5_a_fleet_with_a_wrong_password_is_one_refused_login
            t2_many_with_an_empty_store_are_one_login_and_with_a_dead_token_one_refresh
            t2_two_hundred_that_start_at_once_are_one_login
            t2_changes_that_meet_are_all_made
            t2_the_claim_is_in_the_store_before_the_token_is_sent_and_a_new_pair_lifts_the_mark
            t2_a_logout_is_everyones
            t2_a_record_that_was_removed_is_an_empty_store
            t3_the_mark_stays_after_a_lost_answer
        }
    };
}

/// They take seconds, and a seal changes nothing about time: those with one go without.
macro_rules! rules_that_take_time {
    ($place:ty) => {
        tests! { $place, crate::sharing:
            t2_a_lease_is_renewed_while_the_server_is_slow
            t2_eight_processes_with_threads_refresh_once_a_window_and_no_call_fails
        }
    };
}

/// A seal changes nothing about them either.
macro_rules! rules_of_dialects {
    ($place:ty) => {
        mod dialects {
            use super::*;
            tests! { $place, crate::sharing::dialects:
                t2_many_are_one_login_and_a_401_is_one_renewal
                t2_each_expiry_is_one_renewal_for_managers_and_processes
                t2_a_logout_is_everyones_whatever_the_dialect
                t2_pairs_of_other_scopes_and_dialects_are_never_taken_for_ones_own
                t3_what_a_lost_renewal_spends
                old_records_are_read
            }
        }
    };
}

macro_rules! rules_of_seals {
    ($place:ty) => {
        tests! { $place, crate::sharing:
            s3_a_sealed_record_shows_nothing
            s3_a_key_is_replaced_without_a_login_and_a_foreign_one_does_not_open
            s3_keys_that_differ_are_said_once_a_minute_by_each
            s3_what_is_plain_is_not_taken_for_sealed_nor_the_other_way_round
        }
    };
}

mod file {
    use super::*;
    rules!(InFile);
    rules_that_take_time!(InFile);
    rules_of_dialects!(InFile);
}

mod sealed_file {
    use super::*;
    rules!(Sealed<InFile>);
    rules_of_seals!(Sealed<InFile>);
}

mod redis {
    use super::*;
    rules!(InRedis);
    rules_that_take_time!(InRedis);
    rules_of_dialects!(InRedis);
}

mod sealed_redis {
    use super::*;
    rules!(Sealed<InRedis>);
    rules_of_seals!(Sealed<InRedis>);
}

mod vault {
    use super::*;
    rules!(InVault);
    rules_that_take_time!(InVault);
    rules_of_dialects!(InVault);
}

/// A seal in a Vault makes no other rule of sharing than one in Redis.
mod sealed_vault {
    use super::*;
    rules_of_seals!(Sealed<InVault>);
}

mod callback {
    use super::*;
    rules!(InCallerStore);
    rules_that_take_time!(InCallerStore);
    rules_of_dialects!(InCallerStore);
}

fn f3_another_process_takes_the_pair_over_and_a_fresh_token_touches_nothing(place: &impl Place) {
    let api = start(json!({}));
    assert_eq!(status(&place.manager(&api)), 200);
    let second = place.manager(&api);
    assert_eq!(status(&second), 200);
    assert_counters(&api, [("logins", 1)]);
    let (operations, requests) = (stat(&second, "store_operations"), place.requests());
    for _ in 0..50 {
        assert_eq!(status(&second), 200);
    }
    assert_eq!((operations, stat(&second, "store_operations"), stat(&second, "adoptions")), (1, 1, 1));
    assert_eq!(place.requests(), requests, "a fresh token went to the store");
}

/// Whoever knows the three fields, as PHP code does.
fn f3_others_can_read_the_pair(place: &impl Place) {
    let api = start(json!({}));
    let pair = place.manager(&api).token().expect("a login");
    let Some(record) = place.record() else {
        return; // a seal is there for that they cannot
    };
    assert_eq!(record["access_token"], pair.access.as_str());
    assert_eq!(record["refresh_token"], pair.refresh.as_ref().expect("a token").as_str());
    let left = record["expires_at"].as_i64().expect("Unix seconds") - unix_ms() / 1000;
    assert!((3500..=3600).contains(&left), "{left} s");
}

fn r2_a_401_that_hits_many_processes_is_one_refresh(place: &impl Place) {
    let api = start(json!({}));
    let all: Vec<Manager> = (0..12).map(|_| place.manager(&api)).collect();
    assert_eq!(together(24, |at| status(&all[at % 12])), [200; 24]);
    for round in 1..=3 {
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(together(24, |at| status(&all[at % 12])), [200; 24]);
        assert_counters(&api, [("logins", 1), ("refreshes", round)]);
    }
    assert_no_reuse(&api);
}

fn r5_a_fleet_with_a_wrong_password_is_one_refused_login(place: &impl Place) {
    let api = start(json!({}));
    // No more, because each makes the slow hash by which an open record names its credentials.
    let wrong: Vec<Manager> = (0..4).map(|_| place.manager_as(&api, "wrong")).collect();
    let refusals = together(4, |at| refusal(wrong[at].token()));
    assert!(refusals.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)));
    assert_counters(&api, [("logins_refused", 1)]);
    // The right one is not held up.
    assert_eq!(status(&place.manager(&api)), 200);
}

fn t2_many_with_an_empty_store_are_one_login_and_with_a_dead_token_one_refresh(place: &impl Place) {
    let api = start(json!({"access_ms": 2000}));
    let all: Vec<Manager> = (0..16).map(|_| place.manager(&api)).collect();
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

fn t2_two_hundred_that_start_at_once_are_one_login(place: &impl Place) {
    let api = start(json!({}));
    let all: Vec<Manager> = (0..200).map(|_| place.manager(&api)).collect();
    assert_eq!(together(200, |at| status(&all[at])), [200; 200]);
    assert_counters(&api, [("logins", 1)]);
    assert_eq!(all.iter().map(|manager| stat(manager, "store_failures")).sum::<u64>(), 0);
}

fn t2_eight_processes_with_threads_refresh_once_a_window_and_no_call_fails(place: &impl Place) {
    const LIFE: u64 = 1600;
    let api = start(json!({"access_ms": LIFE, "fractional_seconds": true}));
    let all: Vec<Manager> = (0..8).map(|_| place.manager(&api)).collect();
    let begun = Instant::now();
    together(32, |at| {
        while begun.elapsed() < Duration::from_millis(5 * LIFE / 2) {
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

fn t2_changes_that_meet_are_all_made(place: &impl Place) {
    let api = start(json!({}));
    let all: Vec<Manager> = (0..8).map(|_| place.manager(&api)).collect();
    let pair = all[0].token().expect("a login");
    let before = place.writes();
    // Writes of the caller's own tokens ask for no claim, so that all of them collide.
    together(8, |at| {
        for _ in 0..5 {
            let refresh = pair.refresh.as_ref().map(|token| token.as_str());
            all[at].set_tokens(pair.access.as_str(), refresh, 0, 0).expect("it is written");
        }
    });
    assert_eq!(place.writes(), before.map(|before| before + 40));
    place.manager(&api).refresh().expect("a refresh of what came last");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

fn t2_a_lease_is_renewed_while_the_server_is_slow(place: &impl Place) {
    const LONGER_THAN_A_LEASE: u64 = 5600;
    let api = start(json!({}));
    let both = [place.manager(&api), place.manager(&api)];
    assert_eq!(both.each_ref().map(status), [200, 200]);
    let slow = json!({"route": REFRESH, "delay_before_ms": LONGER_THAN_A_LEASE});
    api.control(json!({"revoke": {"what": "access"}, "faults": slow}));
    let begun = Instant::now();
    // A refresh that hangs has half of the call, so that a login can follow.
    let patient = Some(r#"{"timeout_ms": 30000}"#);
    let call = |at: usize| both[at].request("GET", PRODUCTS, Default::default(), patient).expect("an answer").status;
    assert_eq!(together(2, call), [200, 200]);
    assert!(begun.elapsed() >= Duration::from_millis(LONGER_THAN_A_LEASE));
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

fn t2_the_claim_is_in_the_store_before_the_token_is_sent_and_a_new_pair_lifts_the_mark(place: &impl Place) {
    let api = start(json!({}));
    let first = place.manager(&api);
    first.token().expect("a login");
    api.control(json!({"faults": {"route": REFRESH, "delay_before_ms": 500}}));
    thread::scope(|scope| {
        let refresh = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        if let Some(record) = place.record() {
            assert!(record["spent"] == record["for"] && record["claim"]["nonce"].is_string(), "{record}");
        }
        // Nobody else sends it.
        assert_eq!(status(&place.manager(&api)), 200);
        place.manager(&api).refresh().expect("that of the other, or one more");
        refresh.join().expect("no panic").expect("a refresh");
    });
    if let Some(record) = place.record() {
        assert!(record["spent"].is_null() && record["claim"].is_null(), "{record}");
    }
    first.refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("login_arrivals", 1)]);
    assert_no_reuse(&api);
}

fn t2_a_logout_is_everyones(place: &impl Place) {
    let api = start(json!({}));
    let (first, second) = (place.manager(&api), place.manager(&api));
    assert_eq!((status(&first), status(&second)), (200, 200));
    first.logout().expect("a logout");
    if let Some(record) = place.record() {
        assert!(record["access_token"].is_null() && record["refresh_token"].is_null(), "{record}");
        assert!(record["tombstone"].is_object(), "{record}");
    }
    // Who comes anew finds nothing, and who still holds the revoked token is led to what that one got.
    assert_eq!(status(&place.manager(&api)), 200);
    assert_eq!((status(&second), status(&first)), (200, 200));
    assert_counters(&api, [("logins", 2), ("logouts", 1), ("refresh_arrivals", 0)]);
}

fn t2_a_record_that_was_removed_is_an_empty_store(place: &impl Place) {
    let api = start(json!({}));
    let first = place.manager(&api);
    assert_eq!(status(&first), 200);
    place.remove();
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 1)]);
    first.refresh().expect("a login: nothing is sent from memory");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    assert_eq!(status(&place.manager(&api)), 200);
    assert_counters(&api, [("logins", 2)]);
    assert_eq!((stat(&first, "store_failures"), stat(&first, "store_discards")), (0, 0));
}

fn t3_the_mark_stays_after_a_lost_answer(place: &impl Place) {
    let api = start(json!({}));
    let first = place.manager(&api);
    first.token().expect("a login");
    api.control(json!({"faults": [
        {"route": REFRESH, "do": "reset", "process": true},
        {"route": LOGIN, "status": 503}
    ]}));
    first.refresh().expect_err("neither refreshed nor logged in");
    if let Some(record) = place.record() {
        assert!(record["spent"] == record["for"] && record["claim"].is_null(), "{record}");
    }
    // R5: the login that was answered 503 is not sent again at once.
    let second = place.manager(&api);
    until("a login", || second.refresh().is_ok());
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

fn s3_a_sealed_record_shows_nothing<P: Place>(place: &Sealed<P>) {
    let api = start(json!({}));
    let pair = place.manager(&api).token().expect("a login");
    let content = place.content();
    assert!(content.len() > 100, "{content}");
    for secret in [pair.access.as_str(), pair.refresh.as_ref().expect("a token").as_str(), USER] {
        assert!(!content.contains(secret), "{secret} can be read");
    }
}

fn s3_a_key_is_replaced_without_a_login_and_a_foreign_one_does_not_open<P: Place>(place: &Sealed<P>) {
    let api = start(json!({}));
    place.manager(&api).token().expect("a login");
    // First everyone learns the new key, then the old one goes.
    let both = manager(&api, place.with_keys(OTHER_KEY, &[KEY]));
    assert_eq!(status(&both), 200);
    assert_counters(&api, [("logins", 1)]);
    both.refresh().expect("a refresh, sealed with the new key");
    assert_eq!(status(&manager(&api, place.with_keys(OTHER_KEY, &[]))), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    is_replaced(&api, &place.manager(&api), "is sealed with another key");
    assert_eq!(status(&place.manager(&api)), 200);
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
}

/// Two machines with different keys, which never notice by a failed call.
fn s3_keys_that_differ_are_said_once_a_minute_by_each<P: Place>(place: &Sealed<P>) {
    let api = start(json!({}));
    let (ours, theirs) = (place.manager(&api), manager(&api, place.with_keys(OTHER_KEY, &[])));
    let all = [listen(&ours), listen(&theirs)];
    for _ in 0..3 {
        ours.refresh().expect("a login");
        theirs.refresh().expect("a login");
    }
    for lines in all {
        let lines = lines.lock().expect("no panic");
        let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Error).collect();
        assert_eq!(errors.len(), 1, "{lines:?}");
        assert!(errors[0].1.contains("store.key, or add the other one to store.old_keys"), "{lines:?}");
    }
    let said = stats(&theirs);
    assert!(said["last_discard"].as_str().is_some_and(|why| why.contains("another key")), "{said}");
    assert!(said["store_discards"].as_u64().is_some_and(|count| count >= 3), "{said}");
    assert_no_reuse(&api);
}

fn s3_what_is_plain_is_not_taken_for_sealed_nor_the_other_way_round<P: Place>(place: &Sealed<P>) {
    let api = start(json!({}));
    place.0.manager(&api).token().expect("a login");
    is_replaced(&api, &place.manager(&api), "is not sealed");
    is_replaced(&api, &place.0.manager(&api), "is sealed, and no key was given");
    assert_eq!(status(&place.0.manager(&api)), 200);
    assert_counters(&api, [("logins", 3), ("refresh_arrivals", 0)]);
}

/// Sees that the manager says why it cannot use what is there, and logs in.
#[track_caller]
fn is_replaced(api: &support::api::DemoApi, manager: &Manager, why: &str) {
    let (lines, logins) = (listen(manager), api.counter("logins"));
    assert_eq!(status(manager), 200);
    assert_eq!((stat(manager, "store_discards"), api.counter("logins")), (1, logins + 1));
    let lines = lines.lock().expect("no panic");
    let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Error).collect();
    assert!(errors.len() == 1 && errors[0].1.contains(why), "{why}: {lines:?}");
}
