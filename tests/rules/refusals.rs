//! R4 and R5: 403, refused logins and 429.

use serde_json::json;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};
use support::api::{Account, Config, DemoApi};
use support::caller_store::{CallerStore, Step};
use support::demo::*;
use support::managers::make;
use tokenmgr::Manager;
use tokenmgr::error::Status;

const NOWHERE: &str = "192.0.2.1";
/// The first pause of R5 within a process.
const FIRST: Duration = Duration::from_millis(100);

fn assert_names_the_whitelist(error: &tokenmgr::error::Error) {
    assert_eq!((error.status(), error.http_status()), (Status::TM_FORBIDDEN, 403));
    assert!(error.message().contains("IP whitelist") && error.message().contains("administrator"), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn r4_a_403_from_the_login_names_the_whitelist() {
    let api = start(json!({"whitelist": [NOWHERE]}));
    let manager = manager(&api, json!({}));
    assert_names_the_whitelist(&get(&manager, PRODUCTS).expect_err("a refusal"));
    assert_counters(&api, [("login_arrivals", 1), ("api_arrivals", 0)]);
    // It is no refusal of the credentials, but the login is not sent again at once: once the administrator has acted, it
    // works after the pause.
    assert_names_the_whitelist(&get(&manager, PRODUCTS).expect_err("a pause"));
    assert_counters(&api, [("login_arrivals", 1), ("api_arrivals", 0)]);
    api.control(json!({"whitelist": null}));
    until("the pause is over", || get(&manager, PRODUCTS).is_ok_and(|answer| answer.status == 200));
}

#[test]
fn r4_a_403_from_the_api_spends_nothing() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    let before = held(&manager);
    api.control(json!({"whitelist": [NOWHERE]}));
    for _ in 0..5 {
        let answer = get(&manager, PRODUCTS).expect("an answer");
        assert_eq!(answer.status, 403);
        assert_names_the_whitelist(&answer.error.expect("a reason"));
    }
    assert_eq!(held(&manager).access, before.access);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0), ("api_403", 5)]);
    api.control(json!({"whitelist": null}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

#[test]
fn r4_a_403_from_the_refresh_is_no_reason_to_log_in() {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({}));
    api.control(json!({"whitelist": [NOWHERE]}));
    assert_names_the_whitelist(&get(&manager, PRODUCTS).expect_err("a refusal"));
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 1)]);
    assert!(caller_store.record()["refresh_token"].is_string(), "the tokens are kept");
    api.control(json!({"whitelist": null}));
    assert_eq!(status(&manager), 200);
    assert_no_reuse(&api);
}

#[test]
fn r5_a_refused_login_suspends_the_next() {
    let api = start(json!({}));
    let manager = manager_as(&api, "wrong", json!({}));
    let error = get(&manager, PRODUCTS).expect_err("a refusal");
    assert_eq!((error.status(), error.http_status()), (Status::TM_LOGIN_REJECTED, 401));
    assert_eq!(error.server_code(), Some("invalid_credentials"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    let error = manager.token().expect_err("a suspension");
    assert_eq!(error.status(), Status::TM_LOGIN_SUSPENDED);
    assert!(error.retry_after().is_some_and(|left| left <= Duration::from_secs(2)));
    assert_eq!(refusal(manager.login()), Status::TM_LOGIN_SUSPENDED);
    assert_counters(&api, [("login_arrivals", 1)]);
}

#[test]
fn r5_suspensions_double() {
    let api = start(json!({}));
    let manager = manager_as(&api, "wrong", json!({}));
    for seconds in [2, 4] {
        let mut wait = None;
        until("a login is tried again", || {
            let error = manager.token().expect_err("a refusal");
            wait = error.retry_after();
            error.status() == Status::TM_LOGIN_REJECTED
        });
        assert_eq!(wait, Some(Duration::from_secs(seconds)));
    }
    assert_counters(&api, [("login_arrivals", 2)]);
}

#[test]
fn r5_many_threads_with_a_wrong_password_are_one_login() {
    let api = start(json!({}));
    let manager = manager_as(&api, "wrong", json!({"timeout_ms": 30_000}));
    let began = Instant::now();
    let all = together(32, |_| refusal(manager.token()));
    assert!(all.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)), "{all:?}");
    assert!(api.counter("login_arrivals") <= 1 + began.elapsed().as_secs() / 2, "all: {}", api.counters());
}

#[test]
fn r5_a_fleet_with_a_wrong_password_is_one_login_and_a_right_one_works_at_once() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let wrong = |_| on(&caller_store, manager_as(&api, "wrong", json!({"timeout_ms": 30_000})));
    // Few, and patient: unoptimised, the slow hash of each takes half a second.
    let fleet: Vec<Manager> = (0..8).map(wrong).collect();
    let began = Instant::now();
    let all = together(8, |at| refusal(fleet[at].token()));
    assert!(all.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)), "{all:?}");
    let refused = api.counter("logins_refused");
    assert!(refused <= 1 + began.elapsed().as_secs() / 2, "all: {}", api.counters());

    let right = manager_on(&api, &caller_store, json!({"timeout_ms": 30_000}));
    assert_eq!(status(&right), 200);
    assert_counters(&api, [("logins", 1), ("logins_refused", refused)]);
    // A suspension is checked after adoption: a token that is there serves everyone.
    assert_eq!(status(&fleet[0]), 200);
    assert_counters(&api, [("logins", 1), ("logins_refused", refused)]);
}

#[test]
fn r5_a_refusal_while_the_store_was_away_does_not_hide_the_next_from_the_others() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let first = on(&caller_store, manager_as(&api, "wrong", json!({})));
    let second = on(&caller_store, manager_as(&api, "wrong", json!({})));
    caller_store.go_away();
    assert_eq!(refusal(first.token()), Status::TM_LOGIN_REJECTED);
    caller_store.heal();
    assert_eq!(refusal(first.token()), Status::TM_LOGIN_REJECTED);
    assert_counters(&api, [("login_arrivals", 2)]);
    // Longer than its 2 s, so that the second one's slow hash is made in time.
    caller_store.edit(|record| {
        for suspension in record["suspensions"].as_object_mut().expect("a suspension").values_mut() {
            suspension["until"] = (suspension["until"].as_i64().expect("a time") + 60_000).into();
        }
    });
    assert_eq!(refusal(second.token()), Status::TM_LOGIN_SUSPENDED);
    assert_counters(&api, [("login_arrivals", 2)]);
}

#[test]
fn r5_a_corrected_password_works_at_once() {
    let api = start(json!({}));
    let manager = manager_as(&api, "wrong", json!({}));
    assert_eq!(refusal(manager.token()), Status::TM_LOGIN_REJECTED);
    manager.set_credentials(None, PASSWORD).expect("taken");
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("login_arrivals", 2), ("logins", 1)]);
}

#[test]
fn r5_a_call_logs_in_with_the_credentials_that_it_began_with() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    manager.token().expect("a login");
    age(&manager);
    api.control(json!({"faults": [
        {"route": "GET /api/v1/products", "status": 401, "delay_after_ms": 600},
        {"route": "POST /auth/refresh", "status": 401}
    ]}));
    thread::scope(|scope| {
        let call = scope.spawn(|| status(&manager));
        assert!(api.wait_until("api_arrivals", 1, PATIENCE));
        manager.set_credentials(None, "wrong").expect("credentials");
        assert_eq!(call.join().expect("no panic"), 200);
    });
    assert_counters(&api, [("logins", 2), ("logins_refused", 0)]);
    assert_eq!(refusal(manager.login()), Status::TM_LOGIN_REJECTED);
}

#[test]
fn r5_the_same_password_given_anew_lifts_the_suspension_once() {
    for options in [json!({}), json!({"persistent": true})] {
        let api = start(json!({}));
        let manager = manager_as(&api, "soon-right", options);
        assert_eq!(refusal(manager.token()), Status::TM_LOGIN_REJECTED);
        manager.set_credentials(None, "soon-right").expect("taken");
        let again = manager.token().expect_err("a refusal");
        assert_eq!((again.status(), again.retry_after()), (Status::TM_LOGIN_REJECTED, Some(Duration::from_secs(4))));
        assert_eq!(refusal(manager.token()), Status::TM_LOGIN_SUSPENDED);
        assert_counters(&api, [("login_arrivals", 2)]);
        api.control(json!({"accounts": [{"username": USER, "password": "soon-right"}]}));
        manager.set_credentials(None, "soon-right").expect("taken");
        assert_eq!(status(&manager), 200);
    }
}

#[test]
fn r5_a_login_that_works_forgets_the_refusals_before_it() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = on(&caller_store, manager_as(&api, "soon-right", json!({"timeout_ms": 30_000})));
    assert_eq!(refusal(manager.token()), Status::TM_LOGIN_REJECTED);
    assert!(caller_store.record()["suspensions"].as_object().is_some_and(|all| all.len() == 1));
    api.control(json!({"accounts": [{"username": USER, "password": "soon-right"}]}));
    manager.set_credentials(None, "soon-right").expect("taken");
    assert_eq!(status(&manager), 200);
    assert!(caller_store.record()["suspensions"].is_null());
}

#[test]
fn r5_a_429_holds_for_everyone_for_its_retry_after() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    api.control(json!({"faults": {"route": "POST /auth/login", "status": 429, "retry_after": 2}}));
    let manager = manager_on(&api, &caller_store, json!({}));
    let error = manager.token().expect_err("a pause");
    assert_eq!((error.status(), error.retry_after()), (Status::TM_RATE_LIMITED, Some(Duration::from_secs(2))));
    for other in [manager_on(&api, &caller_store, json!({})), on(&caller_store, manager_as(&api, "other", json!({})))] {
        let error = other.token().expect_err("a pause");
        assert_eq!(error.status(), Status::TM_RATE_LIMITED);
        assert!(error.retry_after().is_some_and(|left| left <= Duration::from_secs(2)));
    }
    assert_counters(&api, [("login_arrivals", 1)]);
    until("the pause is over", || manager.token().is_ok());
    assert_counters(&api, [("login_arrivals", 2), ("logins", 1)]);
}

#[test]
fn r5_what_was_refused_between_reading_and_claiming_counts() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({}));
    let (once, other) = (Once::new(), caller_store.clone());
    // Another process was answered 429 after this one had read the record, and has let go of its claim.
    caller_store.watch(move |step| {
        if step == Step::Lock {
            once.call_once(|| other.put(json!({"hold_until": unix_ms() + 60_000}).to_string().as_bytes()));
        }
    });
    assert_eq!(refusal(manager.token()), Status::TM_RATE_LIMITED);
    assert_counters(&api, [("login_arrivals", 0)]);
}

#[test]
fn r5_new_credentials_do_not_lift_a_429() {
    let other = Account { username: "other".into(), password: "other".into(), client_id: 0, active: true };
    for persistent in [false, true] {
        for username in [None, Some("other")] {
            let mut config = Config::default();
            config.accounts.push(other.clone());
            let api = DemoApi::start(config).expect("a free port");
            api.control(json!({"faults": {"route": "POST /auth/login", "status": 429, "retry_after": 600}}));
            let manager = manager_as(&api, "wrong", json!({"persistent": persistent, "client_id": "shop"}));
            assert_eq!(refusal(manager.token()), Status::TM_RATE_LIMITED);
            manager.set_credentials(username, username.unwrap_or(PASSWORD)).expect("taken");
            let status = manager.token().map(|_| ()).err().map(|error| error.status());
            assert_eq!(status, Some(Status::TM_RATE_LIMITED), "persistent: {persistent}, as {username:?}");
            assert_counters(&api, [("login_arrivals", 1)]);
        }
    }
}

#[test]
fn r5_a_429_on_the_api_is_the_callers_own_business() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    api.control(json!({"faults": {"route": "/api/*", "status": 429, "retry_after": 7}}));
    let error = get(&manager, PRODUCTS).expect("an answer").error.expect("a reason");
    assert_eq!((error.status(), error.retry_after()), (Status::TM_RATE_LIMITED, Some(Duration::from_secs(7))));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0)]);
}

/// 25 calls of 200 ms each, with nothing between them, and how long they took.
fn hasty_calls(call: impl Fn() -> Status, ends_in: Status) -> Duration {
    let began = Instant::now();
    let all: Vec<Status> = (0..25).map(|_| call()).collect();
    assert_eq!(all[0], ends_in);
    assert!(all.iter().all(|status| [ends_in, Status::TM_TIMEOUT].contains(status)), "{all:?}");
    began.elapsed()
}

fn hasty(manager: &Manager) -> Status {
    refusal(manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 200}"#)))
}

#[test]
fn r5_a_login_that_its_callers_time_ended_is_not_repeated_at_once() {
    for given_anew in [false, true] {
        let api = start(json!({"faults": {"route": "POST /auth/login", "do": "hang", "times": null}}));
        let manager = manager(&api, json!({}));
        if given_anew {
            manager.set_credentials(None, PASSWORD).expect("taken");
        }
        let elapsed = hasty_calls(|| hasty(&manager), Status::TM_TIMEOUT);
        let logins = api.counter("login_arrivals");
        assert!(logins <= tries_within(elapsed, FIRST), "{logins} logins in {elapsed:?}");
        // Nor do those suffer for it who have the time.
        api.control(json!({"clear_faults": true}));
        assert_eq!(status(&manager), 200);
        assert_counters(&api, [("login_arrivals", logins + 1), ("logins", 1)]);
    }
}

#[test]
fn r5_nor_is_one_that_an_interrupt_ended() {
    let api = start(json!({"faults": {"route": "POST /auth/login", "do": "hang", "times": null}}));
    let manager = manager(&api, json!({}));
    let until = Arc::new(Mutex::new(Instant::now()));
    let of_hook = until.clone();
    let is_over = move || Instant::now() > *of_hook.lock().expect("no panic");
    manager.set_hooks(|hooks| hooks.interrupt = Some(Arc::new(is_over.clone()))).expect("hooks");
    let interrupted = || {
        *until.lock().expect("no panic") = Instant::now() + Duration::from_millis(200);
        refusal(manager.token())
    };
    let elapsed = hasty_calls(interrupted, Status::TM_CANCELLED);
    let logins = api.counter("login_arrivals");
    assert!(logins <= tries_within(elapsed, FIRST), "{logins} logins in {elapsed:?}");
    // Whoever has little time is not told of somebody else's interrupt.
    manager.set_hooks(|hooks| hooks.interrupt = None).expect("hooks");
    assert_eq!(hasty(&manager), Status::TM_TIMEOUT);
}

#[test]
fn r5_nor_is_a_connection_for_it_made_again_at_once() {
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = format!("https://{}", silent.local_addr().expect("an address"));
    let manager = make(&host, USER, PASSWORD, json!({})).expect("a manager");
    let elapsed = hasty_calls(|| hasty(&manager), Status::TM_TIMEOUT);
    silent.set_nonblocking(true).expect("a listener");
    let made = silent.incoming().take_while(|one| one.is_ok()).count() as u64;
    assert!((1..=tries_within(elapsed, FIRST)).contains(&made), "{made} connections in {elapsed:?}");
}
