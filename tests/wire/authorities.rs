//! Where authorities come from, in a process that runs out of files, and in one that changes its environment.

use crate::client::{manager, until};
use serde_json::json;
use std::fs::File;
use std::process::Command;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;

const HOST: &str = "TOKENMGR_WIRE_HOST";
const OTHER: &str = "TOKENMGR_WIRE_OTHER_CA";

fn serving(authority: &Authority) -> DemoApi {
    let tls = Some(authority.server().tls(None));
    DemoApi::start(Config { tls, ..Config::default() }).expect("a free port")
}

/// Runs one of the tests below that need a process of their own.
fn run(test: &str, host: &str, environment: &[(&str, &str)]) {
    let name = format!("authorities::{test}");
    let program = std::env::current_exe().expect("this program's own path");
    // The limit leaves room for what a process has open anyway.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 128; exec \"$0\" \"$@\""])
        .arg(program)
        .args(["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"])
        .env_remove("SSL_CERT_DIR")
        .env(HOST, host)
        .envs(environment.iter().copied())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

#[test]
fn a_process_without_free_descriptors_is_not_taken_for_one_without_authorities() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let file = folder.file("ca.pem", &authority.certificate);
    run("has_no_free_descriptors", &serving(&authority).url(), &[("SSL_CERT_FILE", &file)]);
}

#[test]
#[ignore = "run by a_process_without_free_descriptors_is_not_taken_for_one_without_authorities"]
fn has_no_free_descriptors() {
    let Ok(host) = std::env::var(HOST) else {
        return;
    };
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One is freed at a time: at first none is left for a connection, then for that, but not for the bundle.
    let (starved, message) = loop {
        let manager = manager(&host, json!({}));
        match manager.login() {
            Ok(()) => panic!("it logged in with {} files open and was never short of one for the bundle", files.len()),
            Err(error) if error.message().contains("certificate authorities") => {
                break (manager, error.message().to_owned());
            }
            Err(error) => assert!(!error.message().contains("not trusted"), "{}", error.message()),
        }
        files.pop().expect("it needs a few");
    };
    for words in ["could not be read (Too many open files", "raise its limit of open files"] {
        assert!(message.contains(words), "\"{words}\" is not in: {message}");
    }
    drop(files);
    // Logging in pauses for a moment after what failed.
    until("the login", || starved.login().is_ok());
}

#[test]
fn the_environment_is_read_when_the_manager_is_made() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), Folder::new());
    let [file, other] =
        [("ca.pem", &authority), ("other.pem", &other)].map(|(name, one)| folder.file(name, &one.certificate));
    let api = serving(&authority);
    run("changes_its_environment", &api.url(), &[("SSL_CERT_FILE", &file), (OTHER, &other)]);
}

#[test]
#[ignore = "run by the_environment_is_read_when_the_manager_is_made"]
fn changes_its_environment() {
    let (Ok(host), Ok(other)) = (std::env::var(HOST), std::env::var(OTHER)) else {
        return;
    };
    let before = manager(&host, json!({}));
    // SAFETY: no other thread of this process reads the environment.
    unsafe { std::env::set_var("SSL_CERT_FILE", other) };
    before.login().expect("the authorities that it was made with");
    let after = manager(&host, json!({}));
    assert!(after.login().is_err());
}
