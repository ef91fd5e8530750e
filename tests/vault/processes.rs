//! Real processes: killed, forked, and on a machine whose clock is minutes off.

use crate::cutter::Cutter;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use support::api::DemoApi;
use support::bao::Bao;
use support::demo::*;
use support::process;

fn order(api: &DemoApi, bao: &Bao, steps: &[&str]) -> Value {
    let mut options = bao.options(json!({}));
    options["proxy"] = "none".into();
    options["refresh_jitter_seconds"] = 0.into();
    json!({"host": api.url(), "username": USER, "password": PASSWORD, "options": options, "steps": steps})
}

#[test]
fn a_killed_owner_of_a_claim_costs_the_others_one_lease_and_no_refresh_token_is_sent_twice() {
    let (api, bao) = (start(json!({})), Bao::start());
    let manager = bao.manager(&api);
    assert_eq!(status(&manager), 200);
    api.control(json!({"faults": {"route": "POST /auth/refresh", "do": "hang", "process": true}}));
    let mut owner = process::begin(&[], &order(&api, &bao, &["refresh"]));
    assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
    owner.kill().expect("a child of ours");
    owner.wait().expect("a child of ours");
    assert!(bao.record()["claim"].is_object());
    api.control(json!({"revoke": {"what": "access"}}));
    let begun = Instant::now();
    assert_eq!(status(&manager), 200);
    assert!(begun.elapsed() < Duration::from_secs(7), "longer than a lease: {:?}", begun.elapsed());
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn p1_a_forked_child_shares_the_vault_over_connections_of_its_own() {
    let (api, bao) = (start(json!({})), Bao::start());
    let cutter = Cutter::start(bao.port());
    let mut order = order(&api, &bao, &[]);
    order["options"]["store"]["url"] = cutter.url().into();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vault/fork.py");
    let library = std::env::current_exe().expect("this program's own path").with_file_name("libtokenmgr.so");
    let output = Command::new("python3").arg(program).arg(library).arg(order.to_string()).output();
    let output = output.expect("python3: run scripts/setup test");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let failures = &report["stats"]["store_failures"];
    assert_eq!(json!([report["refreshed"], report["status"], failures]), json!([0, 200, 0]), "{report}");
    assert_eq!(cutter.connections(), 2, "one of the parent's and one of the child's");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
}

/// Its own clock decides nothing, because everyone who shares the record goes by the Vault's.
#[test]
fn t2_a_machine_whose_clock_is_minutes_off_shares_as_any_other() {
    for off in ["-10m", "+10m"] {
        // Due after 90 s, dead at two minutes: ten would be too many in either direction.
        let (api, bao) = (start(two_minutes()), Bao::start());
        let manager = bao.manager(&api);
        assert_eq!(status(&manager), 200);
        let before = process::with_clock(off);
        let report = process::run(&before, &order(&api, &bao, &["get", "get"]));
        assert_eq!(report["ends"], json!(["200", "200"]), "{report}");
        assert_counters(&api, [("logins", 1), ("refreshes", 0)]);
        assert!(report["stats"]["seconds_left"].as_u64().is_some_and(|left| (100..=121).contains(&left)), "{report}");
        // What it writes is as good for others.
        let report = process::run(&before, &order(&api, &bao, &["refresh"]));
        assert_eq!(report["ends"], json!(["refreshed"]), "{report}");
        let left = bao.record()["expires_at"].as_i64().expect("Unix seconds") - unix_ms() / 1000;
        assert!((100..=121).contains(&left), "what PHP code reads is {left} s away");
        let other = bao.manager(&api);
        assert_eq!(status(&other), 200);
        assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
        assert!((100..=121).contains(&stat(&other, "seconds_left")), "{}", stats(&other));
    }
}

/// A claim of a machine whose clock is off is a claim to the others, and theirs to it.
#[test]
fn t2_a_claim_holds_between_machines_whose_clocks_differ() {
    for off in ["-10m", "+10m"] {
        let (api, bao) = (start(json!({})), Bao::start());
        let manager = bao.manager(&api);
        assert_eq!(status(&manager), 200);
        let slow = json!({"route": "POST /auth/refresh", "delay_before_ms": 2500});
        api.control(json!({"revoke": {"what": "access"}, "faults": slow}));
        let before = process::with_clock(off);
        let other = process::begin(&before, &order(&api, &bao, &["get"]));
        // Whichever is first, the other waits for it.
        assert_eq!(status(&manager), 200);
        let output = other.wait_with_output().expect("a child of ours");
        assert!(String::from_utf8_lossy(&output.stdout).contains("\"200\""), "{output:?}");
        assert_counters(&api, [("logins", 1), ("refresh_arrivals", 1)]);
        assert_no_reuse(&api);
    }
}

/// Kills the owner of a refresh at each step, and stops it there for longer than a lease.
#[cfg(feature = "failpoints")]
#[test]
fn t3_an_owner_that_is_killed_or_stopped_at_any_step_costs_a_login_at_the_most() {
    let steps = ["read", "vault-read", "vault-written", "claimed", "answered", "published"];
    let all = steps.iter().flat_map(|step| [("kill", step), ("stop", step)]);
    let ways: Vec<(&str, &&str)> = all.collect();
    together(ways.len(), |at| {
        let (end, step) = ways[at];
        let (api, bao) = (start(json!({})), Bao::start());
        let manager = bao.manager(&api);
        assert_eq!(status(&manager), 200);
        let order = order(&api, &bao, &["refresh"]);
        let order_step = format!("TOKENMGR_FAILPOINT={step}:{end}:1");
        let mut owner = process::begin(&["env", &order_step], &order);
        match end {
            "kill" => assert!(!owner.wait().expect("a child of ours").success(), "{step}"),
            _ => until("it is stopped", || process::is_stopped(&owner)),
        }
        api.control(json!({"revoke": {"what": "access"}}));
        let begun = Instant::now();
        assert_eq!(status(&manager), 200, "{end} {step}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{end} {step}: {:?}", begun.elapsed());
        if end == "stop" {
            process::resume(&owner);
            assert!(owner.wait().expect("a child of ours").success(), "{step}");
        }
        assert_eq!(status(&bao.manager(&api)), 200, "{end} {step}");
        assert!(api.counter("logins") <= 3, "{end} {step}: {}", api.counters());
        assert_no_reuse(&api);
    });
}
