//! A process that ran out of descriptors or threads: told as such, nothing spent, and over once there are some again.
//! The tests run in processes of their own, whose limits apply to nothing else.

use crate::child;
use crate::client::{demo, get, manager, until};
use serde_json::{Value, json};
use std::fs::File;
use std::process::Command;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;

/// The demo API with TLS, and a file by whose authority it is trusted, for a variable of the environment: it is read with
/// the first handshake.
fn secure() -> (DemoApi, String, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let tls = Some(authority.server().tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    let ca_file = folder.file("ca.pem", &authority.certificate);
    (api, ca_file, folder)
}

/// In a process that may have few descriptors.
fn with_few_descriptors(test: &str, ca_file: &str, order: &Value) -> Value {
    let report = child::run(&["prlimit", "--nofile=100:100"], test, [("SSL_CERT_FILE", ca_file)], order);
    report.unwrap_or_else(|said| panic!("no report: {said}"))
}

/// Takes every descriptor there is but `spare`. They come back when it is dropped.
fn take_descriptors(spare: usize) -> Vec<File> {
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(taken.len() > spare, "there were only {}", taken.len());
    taken.truncate(taken.len() - spare);
    taken
}

#[track_caller]
fn says_what_ran_out(error: &Value) {
    assert_eq!(error["status"], "TM_NETWORK", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(["open files", "descriptor"].iter().any(|words| message.contains(words)), "{message}");
    assert!(!message.contains("the host, the port and the proxy"), "it is not the server's fault: {message}");
}

#[test]
fn a_first_handshake_without_descriptors_says_so_and_the_next_goes_well() {
    let (api, ca_file, _folder) = secure();
    let order = json!({"host": api.url()});
    let attempts = with_few_descriptors("exhaustion::hand_shakes_without_descriptors", &ca_file, &order);
    let attempts = attempts.as_array().unwrap();
    let failed = attempts.iter().filter(|attempt| attempt["during"] != 200);
    assert!(failed.clone().count() > 0, "descriptors did not run out: {attempts:?}");
    for attempt in attempts {
        assert_eq!(attempt["after"], 200, "{attempt}");
    }
    failed.for_each(|attempt| says_what_ran_out(&attempt["during"]));
}

#[test]
#[ignore = "the other side of a test that needs a process of its own; it runs this"]
fn hand_shakes_without_descriptors() {
    let Some(order) = child::order() else { return };
    let outcome = |manager: &tokenmgr::Manager| match get(manager, "/api/v1/products") {
        Ok(answer) => json!(answer.status),
        Err(error) => child::failure(&error),
    };
    let attempt = |spare| {
        let manager = manager(order["host"].as_str().unwrap(), json!({"timeout_ms": 10000}));
        let taken = take_descriptors(spare);
        let during = outcome(&manager);
        drop(taken);
        json!({"spare": spare, "during": during, "after": outcome(&manager)})
    };
    child::report((0..8).map(attempt).collect());
}

#[test]
fn t3_a_refresh_without_descriptors_leaves_its_token_unspent() {
    let (api, ca_file, _folder) = secure();
    for spare in 0..4 {
        api.control(json!({"reset": true}));
        let order = json!({"host": api.url(), "spare": spare});
        let report = with_few_descriptors("exhaustion::refreshes_without_descriptors", &ca_file, &order);
        if report["during"].is_null() {
            assert!(spare > 0, "it went well without descriptors");
            continue;
        }
        says_what_ran_out(&report["during"]);
        // The one login is the one that got the token.
        assert_eq!(api.counter("logins"), 1, "{spare} to spare: {report}");
        assert_eq!((api.counter("refresh_arrivals"), api.counter("refreshes")), (1, 1), "{spare} to spare: {report}");
    }
}

#[test]
#[ignore = "the other side of a test that needs a process of its own; it runs this"]
fn refreshes_without_descriptors() {
    let Some(order) = child::order() else { return };
    let host = order["host"].as_str().unwrap();
    // Another manager's handshake; that of the one below is still to come.
    let pair = manager(host, json!({})).token().expect("a login");
    let manager = manager(host, json!({"timeout_ms": 10000}));
    let refresh = pair.refresh.as_ref().map(|token| token.as_str());
    manager.set_tokens(pair.access.as_str(), refresh, 0, 0).unwrap();
    let taken = take_descriptors(order["spare"].as_u64().unwrap() as usize);
    let during = manager.refresh().err().map(|error| child::failure(&error));
    drop(taken);
    if during.is_some() {
        until("a refresh that goes well", || manager.refresh().is_ok());
    }
    child::report(json!({"during": during}));
}

#[test]
fn a_kept_connection_needs_no_further_descriptor() {
    let (secure_api, ca_file, _folder) = secure();
    let plain = demo();
    for host in [secure_api.url(), plain.url()] {
        let report = with_few_descriptors("exhaustion::calls_over_a_kept_connection", &ca_file, &json!({"host": host}));
        assert_eq!(report, json!([200, 200, 200]), "{host}");
    }
}

#[test]
#[ignore = "the other side of a test that needs a process of its own; it runs this"]
fn calls_over_a_kept_connection() {
    let Some(order) = child::order() else { return };
    let manager = manager(order["host"].as_str().unwrap(), json!({}));
    let mut taken = Vec::new();
    let outcomes = (0..3).map(|_| {
        let outcome = get(&manager, "/api/v1/products");
        if taken.is_empty() {
            taken = take_descriptors(0);
        }
        outcome.map_or_else(|error| child::failure(&error), |answer| json!(answer.status))
    });
    child::report(outcomes.collect());
}

#[test]
fn a_kept_connection_is_one_descriptor() {
    let (secure_api, ca_file, _folder) = secure();
    let plain = demo();
    for host in [secure_api.url(), plain.url()] {
        let report = child::run(
            &[],
            "exhaustion::counts_descriptors",
            [("SSL_CERT_FILE", ca_file.as_str())],
            &json!({"host": host}),
        );
        let counts = report.unwrap_or_else(|said| panic!("no report: {said}"));
        // Made, called, called again; ten more of them made, called; all of them gone.
        assert_eq!(counts, json!([0, 1, 1, 1, 11, 0]), "{host}");
    }
}

#[test]
#[ignore = "the other side of a test that needs a process of its own; it runs this"]
fn counts_descriptors() {
    let Some(order) = child::order() else { return };
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let new = || manager(order["host"].as_str().unwrap(), json!({}));
    let call = |manager: &tokenmgr::Manager| assert_eq!(get(manager, "/api/v1/products").unwrap().status, 200);
    // What is opened once for the whole process.
    call(&new());
    let before = open();
    let mut counts = Vec::new();
    let mut count = || counts.push(open() - before);
    let first = new();
    count();
    for _ in 0..2 {
        call(&first);
        count();
    }
    let others: Vec<_> = (0..10).map(|_| new()).collect();
    count();
    others.iter().for_each(call);
    count();
    drop((first, others));
    count();
    child::report(json!(counts));
}

/// A command that runs another as a user who may have no more threads; root may have as many as it wants.
fn without_threads() -> Option<Vec<&'static str>> {
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let limit = ["prlimit", "--nproc=1:1"];
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let wrapper: Vec<&str> = if is_root { [&as_nobody[..], &limit].concat() } else { limit.to_vec() };
    let program = std::env::current_exe().expect("this program's own path");
    // The folder that this is built in may be out of that user's reach.
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg(program).arg("--list").output();
    tried.is_ok_and(|output| output.status.success()).then_some(wrapper)
}

#[test]
fn a_host_by_name_is_found_without_threads_or_it_is_told_why_not() {
    let api = demo();
    let Some(wrapper) = without_threads() else {
        println!("skipped: this program cannot be run as another user here");
        return;
    };
    for host in [format!("http://localhost:{}", api.port()), api.url()] {
        let nothing = Vec::<(&str, String)>::new();
        let report = child::run(&wrapper, "exhaustion::calls_without_threads", nothing, &json!({"host": host}));
        let report = report.unwrap_or_else(|said| panic!("{host}: no report: {said}"));
        assert_eq!(report["threads"], false, "threads can be had: {report}");
        let outcome = &report["outcome"];
        if *outcome != 200 {
            assert_eq!(outcome["status"], "TM_NETWORK", "{host}: {outcome}");
            assert!(outcome["message"].as_str().unwrap().contains("thread"), "{host}: {outcome}");
            assert!(host.contains("localhost"), "an address needs no thread: {outcome}");
        }
    }
}

#[test]
#[ignore = "the other side of a test that needs a process of its own; it runs this"]
fn calls_without_threads() {
    let Some(order) = child::order() else { return };
    let threads = std::thread::Builder::new().spawn(|| {}).is_ok();
    let manager = manager(order["host"].as_str().unwrap(), json!({"timeout_ms": 10000}));
    let outcome = match get(&manager, "/api/v1/products") {
        Ok(answer) => json!(answer.status),
        Err(error) => child::failure(&error),
    };
    child::report(json!({"threads": threads, "outcome": outcome}));
}
