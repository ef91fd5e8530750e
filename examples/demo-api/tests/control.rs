//! The control endpoint, and that README.md tells of all it knows.

use super::*;
use crate::api::Settings;

#[test]
fn answers_take_other_forms() {
    let api = start();
    api.control(json!({"omit_expiries": true, "expires_in": true, "patch": {"client_id": "7"}}));
    let pair = login(&api).data();
    assert_eq!((&pair["expires_in"], &pair["client_id"]), (&json!(3600), &json!("7")));
    assert!(pair.get("access_expires_at").is_none());

    api.control(json!({"omit_refresh_token_on_refresh": true}));
    for _ in 0..2 {
        let next = refresh(&api, &pair["refresh_token"]).data();
        assert!(next.get("refresh_token").is_none());
    }
    assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 1);

    api.control(json!({"same_access_token": true, "omit_refresh_token_on_refresh": false}));
    let again = refresh(&api, &pair["refresh_token"]).data();
    assert_eq!(login(&api).data()["access_token"], again["access_token"]);

    api.control(json!({"reset": true, "access_age_ms": 3_595_000, "fractional_seconds": true}));
    let reply = login(&api);
    assert!(lasts(&reply, "access_expires_at", 5));
    assert!(reply.data()["access_expires_at"].as_str().expect("a time").contains('.'));

    api.control(json!({"reset": true, "claims": {"exp": null}, "access_token_bytes": 4000}));
    let pair = login(&api).data();
    assert!(claims(&pair).get("exp").is_none());
    assert!(pair["access_token"].as_str().expect("a token").len() > 3990);
    api.control(json!({"opaque_access_tokens": true}));
    let opaque = login(&api).data();
    assert!(!opaque["access_token"].as_str().expect("a token").contains('.'));
    assert_eq!(products(&api, &opaque), 200);
}

#[test]
fn tokens_can_be_revoked_from_outside() {
    let api = start();
    let (one, two) = (login(&api).data(), login(&api).data());
    api.control(json!({"revoke": {"what": "all", "token": one["access_token"]}}));
    assert_eq!((products(&api, &one), products(&api, &two)), (401, 200));
    api.control(json!({"revoke": {"what": "access", "username": "demo"}}));
    assert_eq!(products(&api, &two), 401);
    let two = refresh(&api, &two["refresh_token"]).data();
    assert_eq!(products(&api, &two), 200);
    api.control(json!({"revoke": {"what": "refresh"}}));
    assert_eq!(products(&api, &two), 200);
    assert_eq!(refresh(&api, &two["refresh_token"]).status, 401);
    api.control(json!({"refuse_all_access": true}));
    assert_eq!(products(&api, &login(&api).data()), 401);
}

#[test]
fn the_control_refuses_what_it_does_not_know() {
    let api = start();
    let control = |body: &str| call(&api, "POST /control", None, body);
    assert_eq!(control(r#"{"acess_ms":1}"#).status, 400);
    assert_eq!(control(r#"{"faults":{"route":"/x","do":"dance"}}"#).status, 400);
    assert_eq!(control(r#"{"access_ms":1500,"old_envelope":"yes"}"#).status, 400);
    assert_eq!(control(r#"{"access_ms":1500}"#).status, 200);
    let reply = login(&api);
    assert_eq!(Settings::default().access_ms, 3_600_000);
    assert!(lasts(&reply, "access_expires_at", 2));
    assert_eq!(call(&api, "POST /control/reset", None, "").status, 200);
    assert_eq!(call(&api, "GET /control/counters", None, "").json(), api.counters());
    assert_eq!(api.counter("logins"), 0);
    let wait = |what: &str| call(&api, &format!("GET /control/wait?counter={what}"), None, "").status;
    assert_eq!(wait("logins&at_least=0"), 200);
    assert_eq!(wait("logins&at_least=1&timeout_ms=1"), 408);
    assert_eq!(wait("nonsense"), 400);
}

#[test]
fn the_reference_names_everything() {
    let reference = include_str!("../README.md");
    let named = |name: &str| assert!(reference.contains(&format!("`{name}`")), "{name}");
    let api = start();
    let deeds = "answer reset close hang garbage html truncate trickle_head trickle_body endless bomb deep \
        big_header nul";
    for deed in deeds.split_whitespace() {
        api.control(json!({"faults": {"route": "/none", "do": deed}}));
        named(deed);
    }
    let settings = serde_json::to_value(Settings::default()).expect("JSON");
    for object in [settings, api.counters()] {
        object.as_object().expect("an object").keys().for_each(|name| named(name));
    }
}
