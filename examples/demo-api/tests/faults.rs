//! Faults do what they say, as often as they were asked to.

use super::*;
use flate2::read::GzDecoder;

fn queue(api: &DemoApi, fault: Value) {
    api.control(json!({"faults": fault}));
}

#[test]
fn a_status_is_played_as_often_as_asked_and_spends_nothing() {
    let api = start();
    let pair = login(&api).data();
    queue(
        &api,
        json!({
            "route": "POST /auth/refresh", "times": 2, "skip": 0, "status": 503,
            "body": {"error": "down"}, "retry_after": 7, "headers": {"X-Why": "test"},
        }),
    );
    assert_eq!(products(&api, &pair), 200, "another route");
    for _ in 0..2 {
        let reply = refresh(&api, &pair["refresh_token"]);
        assert_eq!((reply.status, reply.json()), (503, json!({"error": "down"})));
        assert_eq!((reply.header("retry-after"), reply.header("x-why")), (Some("7"), Some("test")));
    }
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 200);
    assert_eq!((api.counter("faults"), api.counter("refreshes")), (2, 1));
    assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 3);
}

#[test]
fn a_fault_without_an_end_lasts_until_it_is_cleared_and_may_start_late() {
    let api = start();
    let pair = login(&api).data();
    queue(&api, json!({"route": "/api/*", "times": null, "skip": 1, "status": 500}));
    let statuses = [(); 4].map(|()| products(&api, &pair));
    assert_eq!(statuses, [200, 500, 500, 500]);
    let token = pair["access_token"].as_str();
    let reply = call(&api, "GET /api/v1/products", token, "");
    assert_eq!(reply.code(), "as_requested");
    api.control(json!({"clear_faults": true}));
    assert_eq!(products(&api, &pair), 200);
}

#[test]
fn a_429_leaves_the_arrival_uncounted() {
    let api = start();
    let pair = login(&api).data();
    queue(&api, json!({"route": "/auth/refresh", "status": 429, "retry_after": 1}));
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 429);
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 200);
    assert_eq!(api.counter("max_arrivals_of_one_refresh_token"), 1);
}

#[test]
fn an_answer_is_lost_before_or_after_the_rotation() {
    let api = start();
    for deed in ["reset", "close"] {
        for process in [false, true] {
            api.control(json!({"reset": true}));
            let pair = login(&api).data();
            queue(&api, json!({"route": "/auth/refresh", "do": deed, "process": process}));
            let body = json!({"refresh_token": pair["refresh_token"]}).to_string();
            let lost = try_call(&api, "POST /auth/refresh", None, &body);
            let kind = lost.err().expect("no answer").kind();
            let wanted = match deed {
                "reset" => io::ErrorKind::ConnectionReset,
                _ => io::ErrorKind::UnexpectedEof,
            };
            assert_eq!(kind, wanted);
            assert_eq!(api.counter("refreshes"), u64::from(process));
            let again = refresh(&api, &pair["refresh_token"]).status;
            assert_eq!(again, if process { 401 } else { 200 });
            assert_eq!(api.counter("reuse"), u64::from(process));
        }
    }
}

#[test]
fn a_status_can_follow_the_rotation() {
    let api = start();
    let pair = login(&api).data();
    queue(&api, json!({"route": "/auth/refresh", "status": 502, "process": true}));
    assert_eq!(refresh(&api, &pair["refresh_token"]).status, 502);
    assert_eq!(api.counter("refreshes"), 1);
}

#[test]
fn a_delayed_request_is_carried_out_though_its_client_has_gone() {
    let api = start();
    let pair = login(&api).data();
    queue(&api, json!({"route": "/auth/refresh", "delay_before_ms": 30, "delay_after_ms": 1}));
    let body = json!({"refresh_token": pair["refresh_token"]}).to_string();
    let mut stream = connect(&api);
    let request = request("POST /auth/refresh", "", &body);
    stream.write_all(request.as_bytes()).expect("sent");
    assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
    drop(stream);
    assert!(api.wait_until("refreshes", 1, PATIENCE));
}

#[test]
fn a_hanging_request_ends_with_its_client() {
    let api = start();
    queue(&api, json!({"route": "/auth/login", "do": "hang"}));
    let mut stream = connect(&api);
    stream.write_all(request("POST /auth/login", "", "{}").as_bytes()).expect("sent");
    assert!(api.wait_until("requests_current", 1, PATIENCE));
    drop(stream);
    assert!(api.wait_until_at_most("requests_current", 0, PATIENCE));
    assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
    assert_eq!((api.counter("logins_bad"), api.counter("login_arrivals")), (0, 1));
}

#[test]
fn bodies_are_cut_trickled_and_spoilt() {
    let api = start();
    let pair = login(&api).data();
    let token = pair["access_token"].as_str();
    let products = |fault: Value| {
        queue(&api, fault);
        call(&api, "GET /api/v1/products", token, "")
    };
    let whole = call(&api, "GET /api/v1/products", token, "");
    let length = whole.body.len();

    let cut = products(json!({"route": "*", "do": "truncate", "bytes": 10}));
    assert_eq!(cut.header("content-length"), Some(length.to_string().as_str()));
    assert_eq!(cut.body, whole.body[..10]);
    let cut = products(json!({"route": "*", "do": "truncate"}));
    assert_eq!(cut.body.len(), length / 2);
    for part in ["trickle_head", "trickle_body"] {
        let slow = products(json!({"route": "*", "do": part, "every_ms": 1}));
        assert_eq!((slow.status, slow.body), (200, whole.body.clone()));
    }
    let page = products(json!({"route": "*", "do": "html", "status": 502}));
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    let nul = products(json!({"route": "*", "do": "nul"}));
    assert_eq!(nul.body.iter().filter(|b| **b == 0).count(), 3);
    let deep = products(json!({"route": "*", "do": "deep", "bytes": 1000}));
    assert!(deep.body.starts_with(&[b'['; 1000]) && deep.body.ends_with(&[b']'; 1000]));
    let big = products(json!({"route": "*", "do": "big_header"}));
    assert_eq!(big.header("x-big").map(str::len), Some(1 << 20));
    assert_eq!((api.counter("api_200"), api.counter("api_502")), (8, 1));
}

#[test]
fn garbage_is_not_http() {
    let api = start();
    queue(&api, json!({"route": "*", "do": "garbage"}));
    let mut stream = connect(&api);
    stream.write_all(request("GET /api/v1/products", "", "").as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("bytes, then the end");
    assert!(bytes.starts_with(b"\0\xffNOT"));
    assert_eq!(api.counter("api_lost"), 1);
}

#[test]
fn an_endless_body_goes_on_until_the_client_leaves() {
    let api = start();
    queue(&api, json!({"route": "*", "do": "endless"}));
    let mut stream = connect(&api);
    stream.write_all(request("POST /auth/login", "", "{}").as_bytes()).expect("sent");
    stream.read_exact(&mut vec![0; 16 << 20]).expect("16 MiB and more");
    drop(stream);
    assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
}

#[test]
fn a_bomb_is_small_and_unpacks_to_what_was_asked() {
    let api = start();
    queue(&api, json!({"route": "*", "do": "bomb", "bytes": 16 << 20}));
    let bomb = call(&api, "POST /auth/login", None, "{}");
    assert_eq!(bomb.header("content-encoding"), Some("gzip"));
    assert!(bomb.body.len() < 1 << 20, "{}", bomb.body.len());
    let mut plain = Vec::new();
    GzDecoder::new(&bomb.body[..]).read_to_end(&mut plain).expect("gzip with a right checksum");
    assert_eq!(plain.len(), 16 << 20);
    assert!(plain.iter().all(|b| *b == b' '));
}
