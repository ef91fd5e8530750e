//! The library's own token at the Vault: given, in a file, by AppRole; renewed, replaced, refused.

use serde_json::{Value, json};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use support::bao::{Bao, ENOUGH};
use support::demo::*;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

fn heard(lines: &Mutex<Vec<(Level, String)>>, words: &str) -> usize {
    lines.lock().unwrap().iter().filter(|(_, line)| line.contains(words)).count()
}

/// An AppRole, as the options of a store.
pub fn approle(bao: &Bao, rules: &str, role: Value) -> Value {
    bao.ask("POST", "sys/auth/approle", json!({"type": "approle"}));
    bao.must("PUT", "sys/policies/acl/rules", json!({ "policy": rules }));
    let mut wanted = json!({"token_policies": "rules"});
    wanted.as_object_mut().unwrap().extend(role.as_object().unwrap().clone());
    bao.must("POST", "auth/approle/role/shop", wanted);
    let role_id = bao.must("GET", "auth/approle/role/shop/role-id", Value::Null)["data"]["role_id"].clone();
    let secret_id = bao.must("POST", "auth/approle/role/shop/secret-id", json!({}))["data"]["secret_id"].clone();
    json!({"role_id": role_id, "secret_id": secret_id})
}

/// Revokes the token that was made last by AppRole.
fn revoke_approle_tokens(bao: &Bao) {
    bao.must("PUT", "sys/leases/revoke-prefix/auth/approle/login", json!({}));
}

#[test]
fn a_token_needs_no_more_than_read_create_and_update() {
    let (api, bao) = (start(json!({})), Bao::start());
    let token = bao.token(ENOUGH, json!({}));
    let first = bao.manager_with(&api, json!({ "token": token }));
    assert_eq!(status(&first), 200);
    first.refresh().expect("a refresh");
    assert_eq!(status(&bao.manager(&api)), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!(stat(&first, "store_failures"), 0);
}

#[test]
fn a_token_file_is_read_again_when_its_token_is_refused_and_may_come_late() {
    let (api, bao) = (start(json!({})), Bao::start());
    let file = bao.folder.path("token");
    let manager = bao.manager_with(&api, json!({ "token_file": file }));
    // Vault Agent is not up yet: the store is away.
    assert_eq!(status(&manager), 200);
    assert_eq!(stats(&manager)["token_is_private"], true);
    let old = bao.token(ENOUGH, json!({}));
    bao.folder.file("token", format!("{old}\n"));
    manager.refresh().expect("a refresh of the pair that came home");
    assert_eq!(stats(&manager)["token_is_private"], false);
    let failures = stat(&manager, "store_failures");
    // The Agent has another one, and the old one is gone.
    bao.folder.file("token", bao.token(ENOUGH, json!({})));
    bao.revoke(&old);
    manager.refresh().expect("a refresh");
    assert_eq!(stat(&manager, "store_failures"), failures);
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn approle_logs_in_and_logs_in_again_when_its_token_is_gone() {
    let (api, bao) = (start(json!({})), Bao::start());
    let role = approle(&bao, ENOUGH, json!({}));
    let manager = bao.manager_with(&api, role.clone());
    let lines = listen(&manager);
    assert_eq!(status(&manager), 200);
    manager.refresh().expect("a refresh");
    assert_eq!(heard(&lines, "logged in to the Vault"), 1);
    revoke_approle_tokens(&bao);
    together(4, |_| manager.refresh()).into_iter().for_each(|outcome| outcome.expect("a refresh"));
    assert_eq!(heard(&lines, "logged in to the Vault"), 2);
    assert_eq!(stat(&manager, "store_failures"), 0);
    // S2: what it logs in with, and what it got, is told to nobody.
    let all = format!("{:?}", lines.lock().unwrap());
    assert!(!all.contains(role["secret_id"].as_str().unwrap()) && !all.contains(role["role_id"].as_str().unwrap()));
    assert!(!all.contains("s."), "no token: {all}");
    assert_no_reuse(&api);
}

#[test]
fn a_refused_approle_login_is_not_tried_again_by_every_call() {
    let (api, bao) = (start(json!({})), Bao::start());
    let mut role = approle(&bao, ENOUGH, json!({}));
    role["secret_id"] = "hidden-key-9Xw1".into();
    let manager = bao.manager_with(&api, role);
    let lines = listen(&manager);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        // Each needs the store, and goes on without it.
        manager.refresh().expect("a pair of one's own");
    }
    assert_eq!(heard(&lines, "auth/approle/login was refused (400); check store.role_id"), 1, "{lines:?}");
    assert!(heard(&lines, "no AppRole login was tried") > 1, "{lines:?}");
    assert_eq!(heard(&lines, "hidden-key-9Xw1"), 0);
    assert_no_reuse(&api);
}

/// R5: a Vault locks a role for everyone after a few refusals. A manager may live for one request only.
#[test]
fn a_refused_secret_is_sent_once_until_it_is_another() {
    let (api, bao) = (start(json!({})), Bao::start());
    let mut role = approle(&bao, ENOUGH, json!({}));
    let right = role["secret_id"].as_str().expect("a secret").to_owned();
    let file = bao.folder.file("secret", "hidden-key-9Xw1");
    role["secret_id"] = json!({ "file": file });
    let all: Vec<Manager> = (0..4).map(|_| bao.manager_with(&api, role.clone())).collect();
    let lines: Vec<_> = all.iter().map(listen).collect();
    let refused = || lines.iter().map(|lines| heard(lines, "was refused (400)")).sum::<usize>();
    for manager in all.iter().chain(&all) {
        manager.refresh().expect("a pair of one's own");
    }
    assert_eq!(refused(), 1, "{lines:?}");
    bao.folder.file("secret", right);
    all.iter().for_each(|manager| manager.refresh().expect("a pair"));
    assert!(all.iter().all(|manager| stats(manager)["token_is_private"] == false), "{lines:?}");
    assert_eq!(refused(), 1);
    assert_no_reuse(&api);
}

#[test]
fn a_role_that_is_locked_is_said_and_another_secret_is_tried_at_once() {
    let (api, bao) = (start(json!({})), Bao::start());
    let mut role = approle(&bao, ENOUGH, json!({}));
    let right = role["secret_id"].as_str().expect("a secret").to_owned();
    let login = |secret: &str| {
        let body = json!({"role_id": role["role_id"], "secret_id": secret});
        bao.ask("POST", "auth/approle/login", body).0
    };
    let file = bao.folder.file("secret", &right);
    until("the role is locked", || login("wrong") == 403);
    role["secret_id"] = json!({ "file": file });
    let manager = bao.manager_with(&api, role.clone());
    let lines = listen(&manager);
    manager.refresh().expect("a pair of one's own");
    assert_eq!(heard(&lines, "has locked the role"), 1, "{lines:?}");
    manager.refresh().expect("a pair of one's own");
    assert_eq!(heard(&lines, "has locked the role"), 1, "it is asked again after a pause: {lines:?}");
    // Another secret, which is the right one as well, is another matter.
    let another = bao.must("POST", "auth/approle/role/shop/secret-id", json!({}))["data"]["secret_id"].clone();
    bao.folder.file("secret", another.as_str().expect("a secret"));
    manager.refresh().expect("a pair of one's own");
    assert_eq!(heard(&lines, "has locked the role"), 2, "{lines:?}");
    assert_no_reuse(&api);
}

#[test]
fn a_denied_path_costs_one_login_and_says_what_is_missing() {
    let (api, bao) = (start(json!({})), Bao::start());
    let role = approle(&bao, r#"path "secret/data/tokenmgr/*" { capabilities = ["read"] }"#, json!({}));
    let manager = bao.manager_with(&api, role);
    let lines = listen(&manager);
    for _ in 0..5 {
        manager.refresh().expect("a pair of one's own");
    }
    assert!(heard(&lines, "logged in to the Vault") <= 2, "{lines:?}");
    assert!(
        heard(&lines, "/v1/secret/data/tokenmgr/demo was refused (403): the Vault token's policy") > 1,
        "{lines:?}"
    );
    assert_eq!(bao.record(), Value::Null);
    assert_no_reuse(&api);
}

#[test]
fn a_token_is_renewed_before_it_runs_out() {
    let (api, bao) = (start(json!({})), Bao::start());
    let role = approle(&bao, ENOUGH, json!({"token_ttl": "3s"}));
    let own = bao.token(ENOUGH, json!({"ttl": "3s"}));
    let (by_role, by_token) = (bao.manager_with(&api, role), bao.manager_with(&api, json!({ "token": own })));
    let all = [listen(&by_role), listen(&by_token)];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        by_role.refresh().expect("a refresh");
        by_token.refresh().expect("a refresh");
        thread::sleep(Duration::from_millis(300));
    }
    for lines in all {
        assert!((1..=6).contains(&heard(&lines, "the Vault token was renewed for 3 s")), "{lines:?}");
        assert!(heard(&lines, "logged in to the Vault") <= 1, "{lines:?}");
    }
    assert_eq!((stat(&by_role, "store_failures"), stat(&by_token, "store_failures")), (0, 0));
    assert_no_reuse(&api);
}

#[test]
fn a_token_that_can_not_be_renewed_is_used_to_its_end_and_said_to_run_out() {
    let (api, bao) = (start(json!({})), Bao::start());
    let token = bao.token(ENOUGH, json!({"ttl": "3s", "renewable": false}));
    let manager = bao.manager_with(&api, json!({ "token": token }));
    let lines = listen(&manager);
    until("it runs out", || {
        manager.refresh().expect("a refresh, or a pair of one's own");
        heard(&lines, "was refused (403)") > 0
    });
    assert_eq!(heard(&lines, "and could be neither renewed nor replaced"), 1, "{lines:?}");
    assert_no_reuse(&api);
    // With AppRole that is another login.
    let role = approle(&bao, ENOUGH, json!({"token_ttl": "2s", "token_max_ttl": "2s", "token_type": "batch"}));
    let manager = bao.manager_with(&api, role);
    let lines = listen(&manager);
    until("it has logged in anew", || {
        manager.refresh().expect("a refresh");
        heard(&lines, "logged in to the Vault") > 1
    });
    assert_eq!(stat(&manager, "store_failures"), 0);
}

#[test]
fn a_namespace_has_its_own_mounts_policies_and_logins() {
    let (api, bao) = (start(json!({})), Bao::start());
    bao.must("POST", "sys/namespaces/team", json!({}));
    let admin = |method: &str, path: &str, body: Value| bao.ask_as(&bao.root, "team", method, path, body);
    admin("POST", "sys/mounts/kv", json!({"type": "kv", "options": {"version": "2"}}));
    until("the engine is ready", || admin("GET", "kv/config", Value::Null).0 == 200);
    let manager = bao.manager_with(&api, json!({"namespace": "team", "mount": "kv", "path": "shop/{client_id}"}));
    assert_eq!(status(&manager), 200);
    let (found, record) = admin("GET", "kv/data/shop/demo", Value::Null);
    assert!(found == 200 && record["data"]["data"]["access_token"].is_string(), "{record}");
    assert_eq!(stat(&manager, "store_failures"), 0);
    let wrong = bao.manager_with(&api, json!({"namespace": "nobody's"}));
    let lines = listen(&wrong);
    assert_eq!(status(&wrong), 200);
    assert!(heard(&lines, "check store.namespace") > 0 || heard(&lines, "was refused (403)") > 0, "{lines:?}");
}

#[test]
fn the_refusal_reaches_the_caller_where_nothing_else_can_serve() {
    let (api, bao) = (start(json!({})), Bao::start());
    let options = bao.options(json!({"token": "s.hidden-key-9Xw1"})).to_string();
    let manager = Manager::new(Some(&api.url()), Some(USER), None, Some(&options)).expect("a manager");
    let error = manager.token().expect_err("no password, and a store that is away");
    assert_eq!(error.status(), Status::TM_STORE);
    assert!(error.message().contains("refused (403)") && !error.message().contains("hidden-key"), "{error}");
}
