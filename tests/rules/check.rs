//! Trying a dialect on the demo API: the default one fits, and no rule is broken for it.

use serde_json::{Value, json};
use support::caller_store::CallerStore;
use support::demo::*;
use tokenmgr::Manager;

fn check(manager: &Manager) -> Value {
    serde_json::from_slice(manager.check(Some(PRODUCTS)).expect("a report").as_bytes()).expect("JSON")
}

fn login(report: &Value) -> &Value {
    &report["steps"][0]
}

#[test]
fn t3_the_default_dialect_fits_and_each_refresh_token_is_sent_once() {
    for settings in [json!({}), json!({"old_envelope": true}), json!({"opaque_access_tokens": true})] {
        let api = start(settings.clone());
        let report = check(&manager(&api, json!({})));
        assert_eq!(report["ok"], true, "{settings}: {report:#}");
        assert!(report["steps"].as_array().unwrap().iter().all(|step| step["skipped"].is_null()), "{report:#}");
        assert_counters(&api, [("logins", 1), ("refreshes", 1), ("logouts", 1), ("api_200", 2), ("api_401", 1)]);
        assert_no_reuse(&api);
    }
}

#[test]
fn r4_r5_a_refusal_is_told_and_counts_for_all_who_share_the_store() {
    let api = start(json!({"whitelist": ["192.0.2.1"]}));
    let report = check(&manager(&api, json!({})));
    assert!(login(&report)["problem"].as_str().unwrap().contains("IP whitelist"), "{report:#}");

    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let wrong = || on(&caller_store, manager_as(&api, "wrong-password", json!({})));
    assert_eq!(check(&wrong())["ok"], false);
    let again = check(&wrong());
    assert!(login(&again)["problem"].as_str().unwrap().contains("no login was tried"), "{again:#}");
    assert_counters(&api, [("login_arrivals", 1)]);
}

#[test]
fn t2_a_pair_in_the_store_stays_as_it_is() {
    let (api, caller_store) = (start(json!({})), CallerStore::new());
    let fleet = manager_on(&api, &caller_store, json!({}));
    assert_eq!(status(&fleet), 200);
    let stored = caller_store.record();
    let report = check(&manager_on(&api, &caller_store, json!({})));
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(caller_store.record(), stored);
    assert_eq!(status(&fleet), 200);
    assert_counters(&api, [("logins", 2), ("logouts", 0), ("reuse", 0)]);
}
