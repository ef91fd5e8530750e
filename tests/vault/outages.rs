//! The Vault goes away in every way that it can, and comes back.

use crate::cutter::Cutter;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::bao::Bao;
use support::demo::*;
use tokenmgr::Manager;

/// Does something to the Vault that makes it useless, and undoes it. Calls go on, log in where they must, keep that
/// pair to themselves, and bring it home.
fn rides_out(mut bao: Bao, says: &str, end: impl Fn(&mut Bao), begin: impl Fn(&mut Bao)) {
    let api = start(json!({}));
    let (first, second) = (bao.manager_with(&api, json!({"timeout_ms": 500})), bao.manager(&api));
    assert_eq!((status(&first), status(&second)), (200, 200));
    end(&mut bao);
    // A token that is good needs no store.
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 1)]);
    let lines = listen(&first);
    api.control(json!({"revoke": {"what": "access"}}));
    let begun = Instant::now();
    assert_eq!(status(&first), 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    assert_eq!(stats(&first)["token_is_private"], true);
    let heard = lines.lock().unwrap().clone();
    let is_said = |(_, line): &(_, String)| line.contains("without the token store") && line.contains(says);
    assert!(heard.iter().any(is_said), "{says}: {heard:?}");
    // A private pair is refreshed by its owner alone, without the store.
    first.refresh().expect("a refresh");
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);

    begin(&mut bao);
    first.refresh().expect("a pair");
    assert_eq!(stats(&first)["token_is_private"], false);
    assert_eq!((status(&second), status(&bao.manager(&api))), (200, 200));
    assert!(api.counter("logins") <= 3, "{}", api.counters());
    assert_no_reuse(&api);
}

#[test]
fn t5_a_sealed_vault() {
    rides_out(Bao::start(), "is sealed; unseal it", |bao| bao.seal(), |bao| bao.unseal());
}

#[test]
fn t1_a_vault_that_is_sealed_in_the_middle_of_a_refresh_costs_no_login() {
    let (api, bao) = (start(json!({})), Bao::start());
    let (first, second) = (bao.manager(&api), bao.manager(&api));
    assert_eq!((status(&first), status(&second)), (200, 200));
    api.control(json!({"faults": {"route": "POST /auth/refresh", "delay_before_ms": 700}}));
    std::thread::scope(|scope| {
        let refresh = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        bao.seal();
        refresh.join().expect("no panic").expect("a refresh");
    });
    // The Vault has certainly not written it, so that it is this process's own.
    assert_eq!(stats(&first)["token_is_private"], true);
    bao.unseal();
    first.refresh().expect("a pair");
    assert_eq!(stats(&first)["token_is_private"], false);
    second.refresh().expect("a refresh, or a pair taken over");
    assert_eq!((status(&second), status(&bao.manager(&api))), (200, 200));
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t5_a_stopped_vault() {
    rides_out(Bao::lasting(), "could not connect", Bao::stop, Bao::restart);
}

#[test]
fn t5_a_frozen_vault() {
    rides_out(Bao::start(), "was not answered within 500 ms", |bao| bao.freeze(), |bao| bao.thaw());
}

#[test]
fn a_vault_that_hangs_is_named_with_what_was_asked_and_for_how_long() {
    let bao = Bao::start();
    bao.freeze();
    for (store_ms, call_ms, says) in [
        (200, 60_000, &["was not answered within 200 ms", "raise store.timeout_ms"][..]),
        (60_000, 600, &["was not answered before half of the call's time was over", "or raise timeout_ms"][..]),
    ] {
        let asked = format!("GET {}/v1/", bao.url());
        bao.fails(json!({"timeout_ms": store_ms}), call_ms, &[&[asked.as_str()], says].concat());
    }
    bao.thaw();
}

#[test]
fn t5_a_frozen_vault_costs_a_short_call_no_more_than_half_of_its_time() {
    let (api, bao) = (start(json!({})), Bao::start());
    let manager = bao.manager(&api);
    assert_eq!(status(&manager), 200);
    api.control(json!({"revoke": {"what": "access"}}));
    bao.freeze();
    let answer = manager.request("GET", PRODUCTS, Default::default(), Some(r#"{"timeout_ms": 2000}"#));
    assert_eq!(answer.expect("an answer").status, 200);
    bao.thaw();
    assert_no_reuse(&api);
}

#[test]
fn t5_a_vault_that_was_restarted_keeps_the_pair_and_a_kept_connection_is_no_hindrance() {
    let (api, mut bao) = (start(json!({})), Bao::lasting());
    let manager = bao.manager(&api);
    manager.refresh().expect("a login");
    bao.stop();
    bao.restart();
    manager.refresh().expect("a refresh");
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_eq!(stat(&manager, "store_failures"), 0);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn t5_a_cluster_whose_active_node_is_killed_is_away_until_another_is_active() {
    let (api, mut first) = (start(json!({})), Bao::lasting());
    // Else a node has no vote for its first ten seconds.
    let soon = json!({"server_stabilization_time": "100ms"});
    first.must("POST", "sys/storage/raft/autopilot/configuration", soon);
    let (second, third) = (Bao::joining(&first), Bao::joining(&first));
    until("all vote", || {
        let servers = first.must("GET", "sys/storage/raft/configuration", Value::Null);
        let servers = servers["data"]["config"]["servers"].as_array().expect("a list").clone();
        servers.len() == 3 && servers.iter().all(|server| server["voter"] == true)
    });
    // Both ask a standby, which forwards.
    let managers = [second.manager(&api), third.manager(&api)];
    assert_eq!((status(&managers[0]), status(&managers[1])), (200, 200));
    managers[0].refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    managers.iter().for_each(age);
    first.stop();
    let lines = listen(&managers[0]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!((status(&managers[0]), status(&managers[1])), (200, 200));
    // A standby may answer what is only read.
    let probe = json!({"data": {"probe": "written"}});
    until("another node takes writes", || second.ask("POST", "secret/data/probe", probe.clone()).0 == 200);
    managers[0].refresh().expect("a pair");
    managers[1].refresh().expect("a pair");
    assert_eq!(
        (&stats(&managers[0])["token_is_private"], &stats(&managers[1])["token_is_private"]),
        (&json!(false), &json!(false))
    );
    let before = api.counter("logins");
    assert_eq!((status(&second.manager(&api)), status(&third.manager(&api))), (200, 200));
    assert_counters(&api, [("logins", before)]);
    assert!(before <= 3, "{}: {lines:?}", api.counters());
    assert_no_reuse(&api);
}

/// A manager whose requests to the Vault go through a cutter, and that holds a pair.
fn through_cutter(api: &support::api::DemoApi, bao: &Bao, cutter: &Cutter) -> Manager {
    let manager = bao.manager_with(api, json!({"url": cutter.url()}));
    assert_eq!(status(&manager), 200);
    manager
}

#[test]
fn t2_a_claim_whose_acknowledgement_is_lost_sends_nothing() {
    let (api, bao) = (start(json!({})), Bao::start());
    let cutter = Cutter::start(bao.port());
    let manager = through_cutter(&api, &bao, &cutter);
    let version = bao.version();
    cutter.lose_answer_to_write(1);
    manager.refresh().expect("a login of its own");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    // It was written, which only the Vault knew, and was given back.
    assert_eq!(bao.version(), version + 2);
    assert_eq!((&bao.record()["spent"], &bao.record()["claim"]), (&Value::Null, &Value::Null));
    let other = bao.manager(&api);
    other.refresh().expect("a refresh of the token that was not sent");
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
    assert_eq!(stat(&other, "claim_waits"), 0);
    assert_no_reuse(&api);
}

#[test]
fn t1_a_pair_whose_acknowledgement_is_lost_counts_as_published() {
    let (api, bao) = (start(json!({})), Bao::start());
    let cutter = Cutter::start(bao.port());
    let manager = through_cutter(&api, &bao, &cutter);
    cutter.lose_answer_to_write(2);
    manager.refresh().expect("a refresh");
    assert_eq!(stats(&manager)["token_is_private"], false);
    let other = bao.manager(&api);
    assert_eq!(status(&other), 200);
    other.refresh().expect("a refresh of the same pair");
    manager.refresh().expect("a refresh, or a pair taken over");
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t1_a_pair_whose_write_never_came_through_is_not_lost() {
    let (api, bao) = (start(json!({})), Bao::start());
    let cutter = Cutter::start(bao.port());
    let manager = through_cutter(&api, &bao, &cutter);
    cutter.lose_write(2);
    manager.refresh().expect("a refresh");
    assert_eq!(status(&manager), 200);
    let claimed = bao.record();
    assert!(claimed["claim"].is_object() && claimed["spent"] == claimed["for"], "{claimed}");
    // The token in the record was sent: it never is again.
    assert_eq!(status(&bao.manager(&api)), 200);
    bao.manager(&api).refresh().expect("a login");
    assert_no_reuse(&api);
    assert!(api.counter("logins") <= 2, "{}", api.counters());
}

#[test]
fn t5_an_engine_that_vanishes_and_comes_back_empty_is_an_empty_store() {
    let (api, bao) = (start(json!({})), Bao::start());
    let manager = bao.manager(&api);
    assert_eq!(status(&manager), 200);
    bao.must("DELETE", "sys/mounts/secret", Value::Null);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&manager), 200);
    assert_eq!(stats(&manager)["token_is_private"], true);
    bao.must("POST", "sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}}));
    until("the engine is ready", || bao.ask("GET", "secret/config", Value::Null).0 == 200);
    manager.refresh().expect("a refresh");
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 2)]);
    assert_no_reuse(&api);
}

/// Its token is to be renewed, or replaced, and then the secret read: all together take half of the call.
#[test]
fn t5_one_that_hangs_while_its_token_is_due_leaves_a_short_call_its_half() {
    let (api, bao) = (start(json!({})), Bao::start());
    let role = crate::credentials::approle(&bao, support::bao::ENOUGH, json!({"token_ttl": "3s"}));
    let mut options = bao.options(role);
    options["timeout_ms"] = 3000.into();
    options["store"]["timeout_ms"] = 60_000.into();
    let options = options.to_string();
    let manager = Manager::new(Some(&api.url()), Some(USER), Some(PASSWORD), Some(&options)).expect("a manager");
    assert_eq!(status(&manager), 200);
    let lines = listen(&manager);
    // A third of its life is left.
    until("the token is due", || {
        manager.refresh().expect("a pair");
        lines.lock().unwrap().iter().any(|(_, line)| line.contains("renewed"))
    });
    // Nothing but its age makes it due.
    std::thread::sleep(Duration::from_millis(2100));
    bao.freeze();
    api.control(json!({"revoke": {"what": "all"}, "faults": {"route": "POST /auth/login", "delay_before_ms": 1000}}));
    assert_eq!(status(&manager), 200);
    bao.thaw();
    assert_no_reuse(&api);
}
