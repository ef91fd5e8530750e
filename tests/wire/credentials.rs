//! Who we are to the API: arguments, `TOKENMGR_*` variables, and files that such variables name.

use crate::child::{self, failed, went_well};
use crate::client::{PASSWORD, USERNAME, demo};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use support::api::{Account, Config, DemoApi};
use support::folder::Folder;

/// One call of a process that is given `arguments`, and the rest by its environment.
fn ask(arguments: Value, environment: &[(&'static str, &str)]) -> Value {
    ask_raw(arguments, environment.iter().map(|(name, value)| (*name, OsString::from(value))).collect())
}

fn ask_raw(mut arguments: Value, environment: Vec<(&'static str, OsString)>) -> Value {
    arguments["options"] = json!({"proxy": "none"});
    child::ask_echo(environment, arguments)
}

/// The demo API with another password.
fn with_password(password: &str) -> DemoApi {
    let account = Account { username: USERNAME.into(), password: password.into(), client_id: 0, active: true };
    DemoApi::start(Config { accounts: vec![account], ..Config::default() }).expect("a free port")
}

#[test]
fn everything_can_come_from_variables() {
    let api = demo();
    let all = [("TOKENMGR_HOST", &*api.url()), ("TOKENMGR_USERNAME", USERNAME), ("TOKENMGR_PASSWORD", PASSWORD)];
    went_well(&ask(json!({}), &all));
    went_well(&ask(json!({"host": api.url()}), &all[1..]));
    went_well(&ask(json!({"host": api.url(), "username": USERNAME}), &all[2..]));
}

#[test]
fn everything_can_come_from_files() {
    let (api, folder) = (demo(), Folder::new());
    for (mark, end) in [("", ""), ("", "\n"), ("", "\r\n"), ("\u{feff}", "\r\n")] {
        let file = |name: &str, text: &str| folder.file(name, format!("{mark}{text}{end}"));
        let outcome = ask(
            json!({}),
            &[
                ("TOKENMGR_HOST_FILE", &file("host", &api.url())),
                ("TOKENMGR_USERNAME_FILE", &file("username", USERNAME)),
                ("TOKENMGR_PASSWORD_FILE", &file("password", PASSWORD)),
            ],
        );
        went_well(&outcome);
    }
}

#[test]
fn only_one_line_end_is_taken_off_a_file() {
    let folder = Folder::new();
    for password in [" with spaces ", "two\nlines", "ends with a newline\n", "tab\t", "pässwörd"] {
        let api = with_password(password);
        let path = folder.file("password", format!("{password}\n"));
        let arguments = json!({"host": api.url(), "username": USERNAME});
        went_well(&ask(arguments, &[("TOKENMGR_PASSWORD_FILE", &path)]));
    }
}

#[test]
fn arguments_come_before_variables_and_variables_before_files() {
    let (api, folder) = (demo(), Folder::new());
    let (right, wrong) = (folder.file("right", PASSWORD), folder.file("wrong", "wrong"));
    let host_and_user = json!({"host": api.url(), "username": USERNAME});
    let everything = json!({"host": api.url(), "username": USERNAME, "password": PASSWORD});
    let wrong_ones = [
        ("TOKENMGR_HOST", "http://127.0.0.1:1"),
        ("TOKENMGR_USERNAME", "nobody"),
        ("TOKENMGR_PASSWORD", "wrong"),
        ("TOKENMGR_PASSWORD_FILE", wrong.as_str()),
    ];
    went_well(&ask(everything, &wrong_ones));
    let outcome = ask(host_and_user.clone(), &[("TOKENMGR_PASSWORD", PASSWORD), ("TOKENMGR_PASSWORD_FILE", &wrong)]);
    went_well(&outcome);
    // An empty variable is none.
    let outcome = ask(host_and_user, &[("TOKENMGR_PASSWORD", ""), ("TOKENMGR_PASSWORD_FILE", &right)]);
    went_well(&outcome);
    assert_eq!(api.counter("logins_refused"), 0);
}

#[test]
fn a_file_that_is_not_needed_is_not_read() {
    let (api, folder) = (demo(), Folder::new());
    let arguments = json!({"host": api.url(), "username": USERNAME, "password": PASSWORD});
    went_well(&ask(arguments, &[("TOKENMGR_PASSWORD_FILE", &folder.path("missing"))]));
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let (api, folder) = (demo(), Folder::new());
    let arguments = json!({"host": api.url(), "username": USERNAME});
    // A pipe would make the call wait for whoever writes into it.
    let pipe = folder.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let endless = "/dev/zero".to_owned();
    for path in [folder.path("missing"), folder.path(""), pipe, endless, folder.file("large", "x".repeat(70_000))] {
        let outcome = ask(arguments.clone(), &[("TOKENMGR_PASSWORD_FILE", &path)]);
        failed(&outcome, "TM_INVALID_ARGUMENT", &["TOKENMGR_PASSWORD_FILE", &path, "check its path and permissions"]);
    }
}

#[test]
fn without_a_password_nothing_is_sent_and_the_error_says_what_to_give() {
    let api = demo();
    for password in [json!(null), json!("")] {
        let arguments = json!({"host": api.url(), "username": USERNAME, "password": password});
        let outcome = ask(arguments, &[]);
        failed(&outcome, "TM_LOGIN_REJECTED", &["there is no password", "tm_set_credentials", "tm_set_tokens"]);
    }
    assert_eq!(api.counter("connections"), 0);
}

#[test]
fn an_empty_password_file_counts_as_no_password() {
    let (api, folder) = (demo(), Folder::new());
    for content in ["", "\n"] {
        let arguments = json!({"host": api.url(), "username": USERNAME});
        let outcome = ask(arguments, &[("TOKENMGR_PASSWORD_FILE", &folder.file("password", content))]);
        failed(&outcome, "TM_LOGIN_REJECTED", &["there is no password"]);
    }
}

#[test]
fn without_a_host_or_a_username_the_error_names_the_variable() {
    failed(&ask(json!({"username": "x", "password": "y"}), &[]), "TM_INVALID_ARGUMENT", &["host", "TOKENMGR_HOST"]);
    let outcome = ask(json!({"host": "http://127.0.0.1:1", "password": "y"}), &[]);
    failed(&outcome, "TM_INVALID_ARGUMENT", &["username", "TOKENMGR_USERNAME"]);
}

#[test]
fn s2_text_that_is_not_utf8_is_refused_without_being_shown() {
    let folder = Folder::new();
    let bytes = b"hunter2\xff\xfe";
    let arguments = json!({"host": "http://127.0.0.1:1", "username": USERNAME});
    let variable = vec![("TOKENMGR_PASSWORD", OsStr::from_bytes(bytes).to_owned())];
    let file = vec![("TOKENMGR_PASSWORD_FILE", folder.file("password", bytes).into())];
    for (name, environment) in [("TOKENMGR_PASSWORD", variable), ("TOKENMGR_PASSWORD_FILE", file)] {
        let outcome = ask_raw(arguments.clone(), environment);
        failed(&outcome, "TM_INVALID_ARGUMENT", &[name, "UTF-8"]);
        assert!(!outcome.to_string().contains("hunter2"), "{outcome}");
    }
}

#[test]
fn s2_a_password_with_a_nul_is_refused_without_being_shown() {
    let folder = Folder::new();
    let path = folder.file("password", "hunter2\0more");
    let arguments = json!({"host": "http://127.0.0.1:1", "username": USERNAME});
    let outcome = ask(arguments, &[("TOKENMGR_PASSWORD_FILE", &path)]);
    failed(&outcome, "TM_INVALID_ARGUMENT", &["password", "NUL"]);
    assert!(!outcome.to_string().contains("hunter2"), "{outcome}");
}

#[test]
fn s2_a_refused_login_does_not_show_the_password() {
    let api = demo();
    let arguments = json!({"host": api.url(), "username": USERNAME});
    let outcome = ask(arguments, &[("TOKENMGR_PASSWORD", "hunter2-hunter2")]);
    failed(&outcome, "TM_LOGIN_REJECTED", &["check the username and the password"]);
    assert!(!outcome.to_string().contains("hunter2"), "{outcome}");
}
