//! R1 to R3 and R6: what follows from a 401, and from a connection that died.

use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};
use support::caller_store::CallerStore;
use support::demo::*;
use tokenmgr::Level;
use tokenmgr::error::Status;
use tokenmgr::{Manager, Response};

const SECOND: Duration = Duration::from_secs(1);
const ORDERS: &str = "/api/v1/orders";

fn order(manager: &Manager, options: &str) -> tokenmgr::error::Result<Response> {
    manager.request("POST", ORDERS, r#"{"product":1}"#.into(), Some(options))
}

#[test]
fn r1_a_refresh_that_hangs_leaves_the_time_for_a_login() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let first = finds(&api, &caller_store, DEAD, json!({"timeout_ms": 4000}));
    let second = manager_on(&api, &caller_store, json!({"timeout_ms": 8000}));
    api.control(json!({"faults": {"route": "POST /auth/refresh", "do": "hang", "times": null}}));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
            status(&second)
        });
        assert_eq!(status(&first), 200);
        assert_eq!(waiter.join().expect("no panic"), 200);
    });
    assert_counters(&api, [("refresh_arrivals", 1), ("logins", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn r1_without_a_password_a_refresh_has_all_of_the_time() {
    // It answers after more than half of it.
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    finds(&api, &caller_store, DEAD, json!({}));
    let options = json!({"timeout_ms": 6000, "proxy": "none"}).to_string();
    let manager =
        on(&caller_store, Manager::new(Some(&api.url()), Some(USER), None, Some(&options)).expect("a manager"));
    api.control(json!({"faults": {"route": "POST /auth/refresh", "delay_before_ms": 3500}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("refreshes", 1), ("logins", 1)]);
}

#[test]
fn r1_a_revoked_access_token_costs_one_refresh_and_one_more_send() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"revoke": {"what": "access"}}));
    let answer = order(&manager, "{}").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.error.is_none());
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("api_401", 1), ("orders_created", 1)]);
    assert_eq!(stat(&manager, "recoveries"), 1);
}

#[test]
fn r1_a_new_token_that_is_refused_for_a_moment_is_sent_once_more_before_anything_is_spent() {
    let api = start(json!({"faults": {"route": "GET /api/*", "status": 401}}));
    let manager = manager(&api, json!({}));
    let began = Instant::now();
    assert_eq!(status(&manager), 200);
    assert!(began.elapsed() >= Duration::from_millis(200), "it waited for the replicas");
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0), ("api_401", 1), ("api_200", 1)]);
    // One that stays refused is recovered all the same, within three sends.
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("api_401", 3), ("api_200", 2)]);
}

#[test]
fn r5_two_clients_that_log_each_other_out_slow_down_and_the_log_says_so() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    let lines = listen(&manager);
    for _ in 0..20 {
        // Another client of the account logs in, and the server ends this one's session.
        api.control(json!({"revoke": {"what": "all"}}));
        let _ = get(&manager, PRODUCTS);
    }
    assert!(api.counter("login_arrivals") <= 6, "all: {}", api.counters());
    let said = |line: &(Level, String)| line.0 == Level::Warning && line.1.contains("another client");
    assert!(lines.lock().unwrap().iter().any(said));
}

#[test]
fn r1_a_refused_refresh_becomes_one_login() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"revoke": {"what": "all"}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 2), ("refreshes_refused", 1), ("refresh_arrivals", 1), ("api_arrivals", 3)]);
}

#[test]
fn r1_a_refreshed_token_that_is_refused_too_is_followed_by_one_login() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"faults": {"route": "GET /api/*", "status": 401, "times": 2}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 2), ("refreshes", 1), ("api_401", 2), ("api_200", 2)]);
}

#[test]
fn r1_never_more_than_three_sends_one_refresh_and_one_login() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"refuse_all_access": true}));
    let answer = get(&manager, PRODUCTS).expect("an answer");
    assert_eq!(answer.status, 401);
    let error = answer.error.expect("a reason");
    assert_eq!((error.status(), error.http_status()), (Status::TM_UNAUTHORIZED, 401));
    assert_eq!(error.server_code(), Some("invalid_token"));
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1), ("api_401", 3)]);
}

#[test]
fn r1_a_call_that_had_to_log_in_first_has_spent_its_login() {
    let api = start(json!({"refuse_all_access": true}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 401);
    // The token is new: it is sent twice, then the one that it is refreshed to.
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 1), ("api_401", 3)]);
}

#[test]
fn r1_a_401_that_can_not_be_helped_is_returned_with_the_reason() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"accounts": [{"username": USER, "password": "changed"}], "revoke": {"what": "all"}}));
    let answer = get(&manager, PRODUCTS).expect("an answer");
    let error = answer.error.expect("a reason");
    assert_eq!((answer.status, error.status()), (401, Status::TM_UNAUTHORIZED));
    assert!(error.message().contains("login was refused"), "{error}");
    assert!(error.retry_after().is_some());
    assert_counters(&api, [("logins_refused", 1), ("refreshes_refused", 1), ("api_401", 1)]);
}

#[test]
fn r1_a_stale_401_does_not_cost_the_fresh_token() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    let route = "GET /api/v1/echo";
    api.control(json!({"faults": {"route": route, "delay_after_ms": 1500, "status": 401}}));
    thread::scope(|scope| {
        let slow = scope.spawn(|| get(&manager, "/api/v1/echo").expect("an answer").status);
        assert!(api.wait_until("requests_current", 1, PATIENCE));
        manager.refresh().expect("a refresh");
        let fresh = held(&manager);
        assert_eq!(slow.join().expect("no panic"), 200);
        assert_eq!(held(&manager).access, fresh.access);
    });
    assert_counters(&api, [("logins", 1), ("refreshes", 1), ("api_401", 1)]);
}

#[test]
fn r1_a_rejected_token_is_replaced_once_and_an_older_one_is_none_of_our_business() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    let first = manager.token().expect("a login");
    manager.reject(first.access.as_str()).expect("noted");
    assert_eq!(manager.with_good_token(|_| ()), None);
    let tokens = together(16, |_| manager.token().expect("a refresh"));
    assert!(tokens.iter().all(|token| token.access != first.access && token.access == tokens[0].access));
    manager.reject(first.access.as_str()).expect("ignored");
    assert_eq!(manager.token().expect("a token").access, tokens[0].access);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn r2_any_number_of_threads_hit_by_one_401_cause_one_refresh() {
    let api = start(json!({}));
    let manager = manager(&api, json!({"timeout_ms": 30_000}));
    assert_eq!(together(32, |_| status(&manager)), [200; 32]);
    for round in 1..=5 {
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(together(32, |_| status(&manager)), [200; 32]);
        assert_counters(&api, [("logins", 1), ("refreshes", round)]);
    }
    assert_no_reuse(&api);
}

#[test]
fn r2_any_number_of_threads_hit_by_one_refused_pair_cause_one_login() {
    let api = start(json!({}));
    let manager = manager(&api, json!({"timeout_ms": 30_000}));
    assert_eq!(status(&manager), 200);
    for round in 1..=3 {
        api.control(json!({"revoke": {"what": "all"}}));
        assert_eq!(together(32, |_| status(&manager)), [200; 32]);
        assert_counters(&api, [("logins", 1 + round), ("refreshes_refused", round)]);
    }
    assert_no_reuse(&api);
}

#[test]
fn r2_a_server_that_hands_back_the_same_token_is_asked_once_by_all() {
    let api = start(json!({"same_access_token": true}));
    let manager = manager(&api, json!({"timeout_ms": 30_000}));
    assert_eq!(status(&manager), 200);
    // Refused for now, but not revoked: so the server gives the same one again.
    api.control(json!({"refuse_all_access": true}));
    let began = Instant::now();
    assert_eq!(together(32, |_| status(&manager)), [401; 32]);
    let most = tries_within(began.elapsed(), SECOND);
    assert!(api.counter("refresh_arrivals") <= most, "all: {}", api.counters());
    assert!(api.counter("login_arrivals") <= 1 + most, "all: {}", api.counters());
}

#[test]
fn r3_a_server_that_refuses_everything_is_not_hammered() {
    let api = start(json!({}));
    let manager = manager(&api, json!({"timeout_ms": 30_000}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"refuse_all_access": true}));
    let began = Instant::now();
    for _ in 0..6 {
        assert_eq!(together(32, |_| status(&manager)), [401; 32]);
    }
    let most = tries_within(began.elapsed(), SECOND);
    assert!(api.counter("refresh_arrivals") <= most, "all: {}", api.counters());
    assert!(api.counter("login_arrivals") <= 1 + most, "all: {}", api.counters());
}

#[test]
fn r3_a_call_in_the_pause_sends_once() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"refuse_all_access": true}));
    assert_eq!(status(&manager), 401);
    let before = api.counter("api_401");
    let began = Instant::now();
    let answers: Vec<u16> = (0..20).map(|_| status(&manager)).collect();
    assert_eq!(answers, [401; 20]);
    if began.elapsed() < SECOND.mul_f64(0.75) {
        assert_eq!(api.counter("api_401") - before, 20);
    }
}

#[test]
fn r3_a_server_that_heals_is_used_again_at_once() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    age(&manager);
    api.control(json!({"refuse_all_access": true}));
    assert_eq!(status(&manager), 401);
    api.control(json!({"refuse_all_access": false}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
}

#[test]
fn r3_after_the_pause_recovery_is_tried_again() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"refuse_all_access": true}));
    assert_eq!(status(&manager), 401);
    api.control(json!({"refuse_all_access": false, "revoke": {"what": "all"}}));
    // The rule's first pause is a second, a quarter more at the most.
    thread::sleep(SECOND.mul_f64(1.3));
    assert_eq!(status(&manager), 200, "all: {}", api.counters());
    assert_no_reuse(&api);
}

#[test]
fn r3_one_endpoint_that_always_says_401_does_not_cost_a_login_per_call() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    let began = Instant::now();
    for _ in 0..40 {
        assert_eq!(get(&manager, ALWAYS_401).expect("an answer").status, 401);
        assert_eq!(status(&manager), 200);
    }
    let most = tries_within(began.elapsed(), SECOND);
    assert!(api.counter("login_arrivals") <= 1 + most, "all: {}", api.counters());
    assert!(api.counter("refresh_arrivals") <= most, "all: {}", api.counters());
}

#[test]
fn r6_a_connection_that_the_server_closed_meanwhile_is_never_noticed() {
    for idle_close_ms in [0, 30] {
        let api = start(json!({"idle_close_ms": idle_close_ms}));
        let manager = manager(&api, json!({}));
        manager.token().expect("a login");
        assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
        for round in 1..=10 {
            assert_eq!(order(&manager, "{}").expect("an answer").status, 200);
            assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
            assert_eq!(status(&manager), 200);
            assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
            assert_counters(&api, [("orders_created", round), ("api_200", 2 * round)]);
        }
    }
}

#[test]
fn r6_a_call_that_a_kept_connection_lost_is_repeated_where_that_is_safe() {
    for deed in ["reset", "close"] {
        let api = start(json!({}));
        let manager = manager(&api, json!({}));
        assert_eq!(status(&manager), 200);
        api.control(json!({"faults": {"route": "/api/*", "do": deed}}));
        assert_eq!(status(&manager), 200);
        api.control(json!({"faults": {"route": "/api/*", "do": deed}}));
        assert_eq!(order(&manager, r#"{"idempotent": true}"#).expect("an answer").status, 200);
        assert_counters(&api, [("api_lost", 2), ("api_arrivals", 5), ("orders_created", 1)]);
        assert_eq!(stat(&manager, "resends"), 2);
    }
}

#[test]
fn r6_and_nowhere_else() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": ORDERS, "do": "reset", "process": true}}));
    assert_eq!(refusal(order(&manager, "{}")), Status::TM_NETWORK);
    assert_counters(&api, [("orders_created", 1), ("api_arrivals", 2)]);
    // An answer that began is not asked for again, whatever the method.
    for deed in ["truncate", "garbage"] {
        assert_eq!(status(&manager), 200);
        let before = api.counter("api_arrivals");
        api.control(json!({"faults": {"route": "/api/*", "do": deed}}));
        assert_eq!(refusal(get(&manager, PRODUCTS)), Status::TM_NETWORK);
        assert_eq!(api.counter("api_arrivals"), before + 1, "{deed}");
    }
    assert_eq!(stat(&manager, "resends"), 0);
}

#[test]
fn r6_a_new_connection_that_is_lost_is_not_taken_for_a_kept_one() {
    let api = start(json!({"announce_close": true}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": "/api/*", "do": "reset"}}));
    assert_eq!(refusal(get(&manager, PRODUCTS)), Status::TM_NETWORK);
    assert_counters(&api, [("api_arrivals", 2)]);
}
