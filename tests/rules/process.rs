//! P2 to P4 as far as Rust can see them, and what logout and new credentials do.

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use support::api::{Account, Config, DemoApi};
use support::caller_store::CallerStore;
use support::demo::*;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// Runs one of the ignored tests below in a process of its own, where no other test is heard or counted.
fn in_a_process_of_its_own(name: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("process::{name}"), "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .expect("it runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    format!("{stdout}{stderr}")
}

#[test]
fn p4_no_thread_runs_between_calls() {
    in_a_process_of_its_own("p4_counting_threads");
}

#[test]
#[ignore = "run by p4_no_thread_runs_between_calls"]
fn p4_counting_threads() {
    let api = start(json!({}));
    let before = threads();
    // By its name, so that it has to be looked up.
    let host = format!("http://localhost:{}", api.port());
    let manager =
        Manager::new(Some(&host), Some(USER), Some(PASSWORD), Some(r#"{"proxy":"none"}"#)).expect("a manager");
    assert_eq!(threads(), before, "making a manager starts none");
    for _ in 0..3 {
        assert_eq!(status(&manager), 200);
        manager.refresh().expect("a refresh");
        // One that looks up a name ends with its work, if not in the same instant.
        until("no thread is left", || threads() == before);
    }
    together(8, |_| assert_eq!(status(&manager), 200));
    until("no thread is left", || threads() == before);
    api.control(json!({"faults": {"route": "/api/*", "do": "hang"}}));
    let cut = manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 100}"#));
    assert_eq!(refusal(cut), Status::TM_TIMEOUT);
    until("no thread is left", || threads() == before);
    drop(manager);
    until("no thread is left", || threads() == before);
}

#[test]
fn p4_nothing_is_printed() {
    let output = in_a_process_of_its_own("p4_being_quiet");
    let harness = |line: &str| {
        line.is_empty()
            || line.starts_with("running ")
            || line.starts_with("test process::p4_being_quiet ...")
            || line.starts_with("test result: ok")
            || line == "ok"
    };
    let foreign: Vec<&str> = output.lines().filter(|line| !harness(line)).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
#[ignore = "run by p4_nothing_is_printed"]
fn p4_being_quiet() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let manager = manager_on(&api, &caller_store, json!({"timeout_ms": 2000}));
    assert_eq!(status(&manager), 200);
    for fault in ["reset", "garbage", "truncate", "html", "deep"] {
        api.control(json!({"faults": {"route": "*", "do": fault, "times": 3}, "revoke": {"what": "access"}}));
        // Whatever comes of it, nobody hears of it but the caller.
        let _ = get(&manager, PRODUCTS);
        api.control(json!({"clear_faults": true}));
    }
    caller_store.put(b"damaged");
    caller_store.go_away();
    let _ = manager.login();
    let _ = Manager::new(Some("nonsense"), None, None, Some("{"));
    let _ = manager.logout();
}

#[test]
fn p4_log_lines_go_to_the_callback_and_hold_no_secret() {
    let (api, lines) = (start(json!({})), Arc::new(Mutex::new(Vec::new())));
    let manager = manager(&api, json!({}));
    let of_hook = lines.clone();
    let write = move |_: Level, line: &str| of_hook.lock().expect("no panic").push(line.to_owned());
    manager.set_hooks(|hooks| hooks.log = Some((Level::Debug, Arc::new(write.clone())))).expect("hooks");
    let mut secrets = vec![PASSWORD.to_owned()];
    for _ in 0..3 {
        let pair = manager.token().expect("a token");
        secrets.extend([pair.access.as_str().to_owned(), pair.refresh.as_ref().expect("one").as_str().to_owned()]);
        api.control(json!({"revoke": {"what": "all"}}));
        assert_eq!(status(&manager), 200);
    }
    manager.logout().expect("a logout");
    let lines = lines.lock().expect("no panic").join("\n");
    assert!(lines.contains("logged in") && lines.contains("logged out"), "{lines}");
    let shown = format!("{lines}{manager:?}{}", manager.stats_json().expect("figures"));
    for secret in &secrets {
        assert!(!shown.contains(secret.as_str()));
        assert!(!shown.contains(&secret[..16.min(secret.len())]));
    }
}

#[test]
fn p3_persistent_managers_share_one_login_and_its_connection() {
    let api = start(json!({}));
    let options = json!({"persistent": true});
    let first = manager(&api, options.clone());
    assert_eq!(status(&first), 200);
    let connections = api.counter("connections");
    drop(first);
    for _ in 0..5 {
        assert_eq!(status(&manager(&api, options.clone())), 200);
    }
    assert_counters(&api, [("logins", 1), ("connections", connections)]);
    // Not for others: another option, another password, or none of it persistent.
    assert_eq!(status(&manager(&api, json!({"persistent": true, "timeout_ms": 9000}))), 200);
    assert_eq!(refusal(manager_as(&api, "wrong", options).token()), Status::TM_LOGIN_REJECTED);
    assert_eq!(status(&manager(&api, json!({}))), 200);
    assert_counters(&api, [("logins", 3), ("logins_refused", 1)]);
}

#[test]
fn p3_persistent_managers_made_at_once_share_one_login() {
    let api = start(json!({}));
    let options = json!({"persistent": true, "timeout_ms": 30_000});
    assert_eq!(together(16, |_| status(&manager(&api, options.clone()))), [200; 16]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(16, |_| status(&manager(&api, options.clone()))), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn p3_callbacks_stay_with_the_handle_that_they_were_set_on() {
    let api = start(json!({"faults": {"route": "POST /auth/login", "delay_after_ms": 400}}));
    let options = json!({"persistent": true});
    let (one, other) = (manager(&api, options.clone()), manager(&api, options));
    one.set_hooks(|hooks| hooks.interrupt = Some(Arc::new(|| true))).expect("hooks");
    assert_eq!(refusal(one.token()), Status::TM_CANCELLED);
    assert_eq!(status(&other), 200);
}

#[test]
fn p3_a_corrected_password_moves_its_own_handle_only() {
    let (api, options) = (start(json!({})), json!({"persistent": true}));
    let (one, other) = (manager_as(&api, "wrong", options.clone()), manager_as(&api, "wrong", options));
    assert_eq!(refusal(one.token()), Status::TM_LOGIN_REJECTED);
    one.set_credentials(None, PASSWORD).expect("taken");
    assert_eq!(status(&one), 200);
    assert_eq!(refusal(other.token()), Status::TM_LOGIN_SUSPENDED);
    assert_counters(&api, [("logins", 1), ("logins_refused", 1)]);
}

#[test]
fn p3_the_same_pair_on_two_instances_is_not_refreshed_by_both() {
    let (api, options) = (start(json!({})), json!({"persistent": true}));
    let (one, other) = (manager(&api, options.clone()), manager(&api, options));
    assert_eq!(status(&one), 200);
    api.control(json!({"accounts": [{"username": USER, "password": "new", "client_id": 1001}]}));
    one.set_credentials(None, "new").expect("taken");
    assert_eq!(status(&one), 200);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(8, |at| status([&one, &other][at % 2])), [200; 8]);
    assert_no_reuse(&api);
}

fn with_another_user() -> DemoApi {
    let mut config = Config::default();
    config.accounts.push(Account { username: "other".into(), password: "other".into(), client_id: 0, active: true });
    DemoApi::start(config).expect("a free port")
}

#[test]
fn p_another_username_drops_the_tokens() {
    for persistent in [false, true] {
        for shared in [false, true] {
            let (api, caller_store) = (with_another_user(), CallerStore::new());
            let mut options = json!({"persistent": persistent, "client_id": "shop"});
            if shared {
                options["store"] = json!({"type": "callback", "id": format!("{}", api.port())});
            }
            let manager = manager(&api, options);
            let manager = if shared { on(&caller_store, manager) } else { manager };
            let before = manager.token().expect("a login");
            manager.set_credentials(Some("other"), "other").expect("taken");
            assert!(manager.peek().expect("no failure").is_none());
            // S1: nothing of the other user's is sent, by a logout neither.
            manager.logout().expect("nothing to do");
            assert_counters(&api, [("logout_arrivals", 0)]);
            assert_ne!(manager.token().expect("a login").access, before.access);
            assert_eq!(status(&manager), 200);
            assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        }
    }
}

#[test]
fn p_another_username_does_not_find_the_old_ones_pair_in_the_store_either() {
    for has_looked in [false, true] {
        let (api, caller_store) = (with_another_user(), CallerStore::new());
        let options = json!({"client_id": "shop"});
        let manager = manager_on(&api, &caller_store, options.clone());
        if has_looked {
            manager.token().expect("a login");
        }
        // Another process of the old user has been at it since.
        let old = manager_on(&api, &caller_store, options);
        old.login().expect("a login");
        manager.set_credentials(Some("other"), "other").expect("taken");
        let got = manager.token().expect("a login");
        assert_ne!(got.access, held(&old).access, "has looked before: {has_looked}");
    }
}

#[test]
fn p_a_new_password_keeps_the_tokens() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    let before = manager.token().expect("a login");
    manager.set_credentials(None, "not yet needed").expect("taken");
    assert_eq!(manager.token().expect("the same").access, before.access);
    assert_counters(&api, [("login_arrivals", 1)]);
}

#[test]
fn p_a_logout_revokes_and_forgets_whatever_the_server_answers() {
    for (fault, expected) in [
        (Value::Null, None),
        (json!({"status": 500}), Some(Status::TM_SERVER_ERROR)),
        (json!({"do": "reset"}), Some(Status::TM_NETWORK)),
    ] {
        let (api, caller_store) = (start(json!({})), CallerStore::new());
        let manager = manager_on(&api, &caller_store, json!({}));
        manager.logout().expect("nothing held");
        assert_counters(&api, [("logout_arrivals", 0)]);
        assert_eq!(status(&manager), 200);
        if let Value::Object(mut fault) = fault {
            fault.insert("route".into(), "POST /auth/logout".into());
            api.control(json!({ "faults": fault }));
        }
        assert_eq!(manager.logout().err().map(|error| error.status()), expected);
        assert!(manager.peek().expect("no failure").is_none());
        assert!(caller_store.record()["access_token"].is_null() && caller_store.record()["refresh_token"].is_null());
        assert_eq!(status(&manager), 200);
        assert_counters(&api, [("logins", 2), ("logout_arrivals", 1), ("refresh_arrivals", 0)]);
    }
}

#[test]
fn p_a_logout_revokes_the_stored_pair_where_none_is_held() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    manager_on(&api, &caller_store, json!({})).token().expect("a login");
    manager_on(&api, &caller_store, json!({})).logout().expect("a logout");
    assert_counters(&api, [("logouts", 1), ("login_arrivals", 1)]);
    assert!(caller_store.record()["access_token"].is_null());
}

/// A server that refuses the access token of the only login, and a manager that knows it as dead: in the store, or as its own.
fn with_a_dead_token(is_held: bool) -> (DemoApi, Arc<CallerStore>, Manager) {
    let (api, caller_store) = (start(two_minutes()), CallerStore::new());
    let manager = finds(&api, &caller_store, DEAD, json!({"timeout_ms": 4000}));
    if is_held {
        let pair = caller_store.record();
        let token = |name: &str| pair[name].as_str().expect("a token").to_owned();
        manager.set_tokens(&token("access_token"), Some(&token("refresh_token")), 1, 0).expect("taken");
    }
    api.control(json!({"revoke": {"what": "access"}}));
    (api, caller_store, manager)
}

#[test]
fn p_a_logout_with_a_token_that_has_run_out_refreshes_first() {
    for is_held in [false, true] {
        let (api, caller_store, manager) = with_a_dead_token(is_held);
        manager.logout().expect("a logout");
        assert_counters(&api, [("logins", 1), ("refreshes", 1), ("logouts", 1), ("logout_arrivals", 1)]);
        assert!(manager.peek().expect("no failure").is_none() && caller_store.record()["refresh_token"].is_null());
        assert_no_reuse(&api);
    }
}

#[test]
fn p_where_that_refresh_fails_the_logout_goes_on_and_nobody_logs_in() {
    for fault in [json!({"status": 401}), json!({"status": 500}), json!({"do": "reset"}), json!({"do": "hang"})] {
        let (api, caller_store, manager) = with_a_dead_token(false);
        let mut faults = fault.clone();
        faults["route"] = "POST /auth/refresh".into();
        api.control(json!({ "faults": faults }));
        assert_eq!(refusal(manager.logout()), Status::TM_UNAUTHORIZED, "{fault}");
        assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 1), ("logout_arrivals", 1)]);
        assert!(caller_store.record()["access_token"].is_null() && caller_store.record()["refresh_token"].is_null());
    }
}

#[test]
fn p_a_logout_waits_for_a_running_refresh() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": "POST /auth/refresh", "delay_after_ms": 800}}));
    thread::scope(|scope| {
        let refresh = scope.spawn(|| manager.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        manager.logout().expect("a logout");
        assert_counters(&api, [("refreshes", 1), ("logouts", 1)]);
        refresh.join().expect("no panic").expect("a refresh");
    });
    assert!(manager.peek().expect("no failure").is_none());
}

#[test]
fn p_a_call_begun_before_a_logout_never_logs_in_afterwards() {
    let api = start(json!({}));
    let manager = manager(&api, json!({}));
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": "/api/*", "delay_before_ms": 1000, "times": 8, "process": true}}));
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| status(&manager))).collect();
        assert!(api.wait_until("api_arrivals", 9, PATIENCE));
        manager.logout().expect("a logout");
        for call in calls {
            assert_eq!(call.join().expect("no panic"), 401);
        }
    });
    assert_counters(&api, [("login_arrivals", 1), ("refresh_arrivals", 0), ("api_401", 8)]);
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("login_arrivals", 2)]);
}

#[test]
fn p_set_tokens_takes_a_pair_over_and_refreshes_it_as_its_own() {
    let api = start(json!({}));
    let pair = manager(&api, json!({})).token().expect("a login");
    let manager = manager(&api, json!({}));
    let refresh = pair.refresh.as_ref().map(|token| token.as_str());
    manager.set_tokens(pair.access.as_str(), refresh, 0, 0).expect("taken");
    let (ours, theirs) = (held(&manager).expires_at.expect("from the JWT"), pair.expires_at.expect("known"));
    assert!(ours.abs_diff(theirs) <= 1, "{ours} is not {theirs}");
    assert_eq!(status(&manager), 200);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&manager), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn p_without_credentials_a_stored_pair_serves_whoever_stored_it() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let options = json!({"client_id": "shop", "proxy": "none"});
    let named = manager_on(&api, &caller_store, options.clone());
    assert_eq!(status(&named), 200);
    let make = || Manager::new(Some(&api.url()), Some(""), Some(""), Some(&options.to_string())).expect("a manager");
    let nameless = on(&caller_store, make());
    assert_eq!(status(&nameless), 200);
    // And the other way round: what it is given there serves the named one.
    nameless.refresh().expect("a refresh");
    age(&named);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&named), 200);
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
}
