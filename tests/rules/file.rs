//! The store in one file: what it promises by itself (S3), and the rules across its processes. A process here is
//! a manager of its own; `make storm` has real ones.

use crate::api::DemoApi;
use crate::folder::Folder;
use crate::support::*;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const REFRESH: &str = "POST /auth/refresh";

struct Store {
    folder: Folder,
}

impl Store {
    fn new() -> Store {
        Store { folder: Folder::new() }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(self.folder.path("tokens"))
    }

    fn options(&self, more: Value) -> Value {
        let mut store = json!({"type": "file", "path": self.path()});
        store.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "store": store })
    }

    /// A manager, as another process would make it.
    fn sealed(&self, api: &DemoApi) -> Manager {
        manager(api, self.options(json!({"key": KEY})))
    }

    fn plain(&self, api: &DemoApi) -> Manager {
        manager(api, self.options(json!({"plaintext": true})))
    }

    fn record(&self) -> Value {
        serde_json::from_str(&self.folder.read("tokens")).expect("a readable record")
    }
}

#[test]
fn s3_the_file_is_its_owners_sealed_and_whole() {
    let (api, store) = (start(json!({})), Store::new());
    let pair = store.sealed(&api).token().expect("a login");
    let bytes = fs::read(store.path()).expect("a file");
    for secret in [pair.access.as_str(), pair.refresh.as_ref().expect("a token").as_str(), USER, "access_token"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} can be read");
    }
    for file in [store.path(), store.folder.path("tokens.lock").into()] {
        assert_eq!(fs::metadata(file).expect("a file").mode() & 0o777, 0o600);
    }
    let mut names: Vec<_> =
        fs::read_dir(store.path().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["tokens", "tokens.lock"], "something was left lying about");
}

#[test]
fn f3_another_process_takes_the_pair_over_and_a_fresh_token_touches_nothing() {
    let (api, store) = (start(json!({})), Store::new());
    assert_eq!(status(&store.sealed(&api)), 200);
    let second = store.sealed(&api);
    assert_eq!(status(&second), 200);
    assert_counters(&api, [("logins", 1)]);
    let before = stat(&second, "store_operations");
    for _ in 0..50 {
        assert_eq!(status(&second), 200);
    }
    assert_eq!((before, stat(&second, "store_operations"), stat(&second, "adoptions")), (1, 1, 1));
}

#[test]
fn t2_many_with_an_empty_store_are_one_login_and_with_a_dead_token_one_refresh() {
    let (api, store) = (start(json!({"access_ms": 2000})), Store::new());
    let all: Vec<Manager> = (0..16).map(|_| store.sealed(&api)).collect();
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refresh_arrivals", 0)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(16, |at| status(&all[at])), [200; 16]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn r2_a_401_that_hits_many_processes_is_one_refresh() {
    let (api, store) = (start(json!({})), Store::new());
    let all: Vec<Manager> = (0..12).map(|_| store.sealed(&api)).collect();
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
}

/// Does something to the file, and sees that the next process says so, and logs in.
fn is_discarded(says: &str, damage: impl Fn(&Path)) {
    let (api, store) = (start(json!({})), Store::new());
    store.sealed(&api).token().expect("a login");
    damage(&store.path());
    let next = store.sealed(&api);
    let lines = listen(&next);
    assert_eq!(status(&next), 200, "{says}");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    let lines = lines.lock().unwrap();
    let errors: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Error).collect();
    assert!(errors.len() == 1 && errors[0].1.contains(says), "{says}: {lines:?}");
    assert_eq!(stat(&next, "store_discards"), 1);
    // And it is mended.
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_counters(&api, [("logins", 2)]);
    assert_eq!(fs::metadata(store.path()).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn s3_what_can_not_be_trusted_is_said_and_replaced_after_a_login() {
    let rewrite = |change: fn(&mut Vec<u8>)| {
        move |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            change(&mut bytes);
            OpenOptions::new().write(true).truncate(true).open(path).unwrap();
            fs::write(path, bytes).unwrap();
        }
    };
    is_discarded("is damaged", rewrite(|bytes| *bytes.last_mut().unwrap() ^= 1));
    is_discarded("is damaged", rewrite(|bytes| bytes.truncate(40)));
    is_discarded("is damaged", rewrite(|bytes| bytes.truncate(4)));
    is_discarded("is not sealed", rewrite(|bytes| bytes.clear()));
    is_discarded("is not sealed", rewrite(|bytes| *bytes = br#"{"access_token":"x"}"#.to_vec()));
    is_discarded("sealed with another key", rewrite(|bytes| bytes[5] ^= 1));
    is_discarded("read by others", |path| fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap());
}

#[test]
fn s3_a_key_is_replaced_without_a_login_and_a_foreign_one_is_not_opened() {
    let (api, store) = (start(json!({})), Store::new());
    store.sealed(&api).token().expect("a login");
    // First everyone learns the new key, then the old one goes.
    let both = manager(&api, store.options(json!({"key": OTHER_KEY, "old_keys": [KEY]})));
    assert_eq!(status(&both), 200);
    assert_counters(&api, [("logins", 1)]);
    both.refresh().expect("a refresh, sealed with the new key");
    assert_eq!(status(&manager(&api, store.options(json!({"key": OTHER_KEY})))), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
}

#[test]
fn s3_plaintext_must_be_asked_for_and_is_not_taken_for_sealed() {
    let (api, store) = (start(json!({})), Store::new());
    let options = |more| store.options(more).to_string();
    for (more, says) in [
        (json!({}), "store.key is missing"),
        (json!({"plaintext": true, "key": KEY}), "exclude each other"),
        (json!({"key": "AAAA"}), "not a key"),
        (json!({"key": {"env": "TOKENMGR_NO_SUCH"}}), "TOKENMGR_NO_SUCH"),
        (json!({"key": {"file": "/no/such/file"}}), "/no/such/file"),
        (json!({"key": {"files": "x"}}), "store"),
        (json!({"key": 7}), "{\"env\": NAME}"),
    ] {
        let error = Manager::new(Some(&api.url()), Some(USER), Some(PASSWORD), Some(&options(more))).expect_err(says);
        assert!(error.status() == Status::TM_INVALID_OPTIONS && error.message().contains(says), "{error}");
    }
    let pair = store.plain(&api).token().expect("a login");
    assert_eq!(store.record()["access_token"], pair.access.as_str());
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_counters(&api, [("logins", 2)]);
}

#[test]
fn s3_the_key_may_stand_in_a_file() {
    let (api, store) = (start(json!({})), Store::new());
    let key = store.folder.file("key", format!("{KEY}\n"));
    assert_eq!(status(&manager(&api, store.options(json!({"key": {"file": key}})))), 200);
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_counters(&api, [("logins", 1)]);
}

/// What a restore from a backup brings: the old bytes, in the same file or in another.
#[test]
fn t3_an_old_copy_that_was_put_back_counts_as_spent() {
    for by_rename in [true, false] {
        let (api, store) = (start(json!({"access_ms": 120_000})), Store::new());
        let (copy, path) = (store.folder.path("copy"), store.path());
        store.sealed(&api).token().expect("a login");
        fs::copy(&path, &copy).unwrap();
        // Rotated since: the refresh token in the copy is used up.
        store.sealed(&api).refresh().expect("a refresh");
        match by_rename {
            true => fs::rename(&copy, &path).unwrap(),
            false => fs::write(&path, fs::read(&copy).unwrap()).unwrap(),
        }
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(status(&store.sealed(&api)), 200);
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
        assert_no_reuse(&api);
        // From then on it is as any other.
        store.sealed(&api).refresh().expect("a refresh");
        assert_counters(&api, [("logins", 2), ("refreshes", 2)]);
    }
}

#[test]
fn t3_the_mark_is_in_the_file_before_the_token_is_sent_and_stays_after_a_lost_answer() {
    let (api, store) = (start(json!({})), Store::new());
    let first = store.plain(&api);
    first.token().expect("a login");
    api.control(json!({"faults": [
        {"route": REFRESH, "delay_after_ms": 600, "do": "reset", "process": true},
        {"route": "POST /auth/login", "status": 503}
    ]}));
    thread::scope(|scope| {
        let lost = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        let record = store.record();
        assert!(record["spent"] == record["for"] && record["claim"].is_object(), "{record}");
        lost.join().expect("no panic").expect_err("neither refreshed nor logged in");
    });
    assert!(store.record()["spent"].is_string());
    store.plain(&api).refresh().expect("a login");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t5_a_folder_that_can_not_be_written_to_is_a_store_that_is_away() {
    let (api, store) = (start(json!({})), Store::new());
    let first = store.sealed(&api);
    assert_eq!(status(&first), 200);
    // A folder in the place of the temporary file: nothing can be written, whoever runs this.
    let in_the_way = store.folder.path("tokens.tmp");
    fs::create_dir(&in_the_way).unwrap();
    fs::write(format!("{in_the_way}/x"), "").unwrap();
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    assert_eq!(stats(&first)["token_is_private"], true);
    assert!(stat(&first, "store_failures") > 0);
    // It is back: what was private goes home over the pair that nobody can use any more, or gives way to it.
    fs::remove_dir_all(&in_the_way).unwrap();
    first.refresh().expect("a pair");
    assert_eq!(stats(&first)["token_is_private"], false);
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_no_reuse(&api);
}

#[test]
fn t5_a_lock_that_another_keeps_costs_a_bounded_wait_and_no_call() {
    let (api, store) = (start(json!({})), Store::new());
    let first = store.sealed(&api);
    assert_eq!(status(&first), 200);
    let stuck = File::open(store.folder.path("tokens.lock")).unwrap();
    stuck.lock().unwrap();
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&first), 200);
    assert_eq!(stats(&first)["token_is_private"], true);
    drop(stuck);
    assert_no_reuse(&api);
}

#[test]
fn t_a_file_that_was_deleted_is_an_empty_store() {
    let (api, store) = (start(json!({})), Store::new());
    let first = store.sealed(&api);
    assert_eq!(status(&first), 200);
    fs::remove_file(store.path()).unwrap();
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 1)]);
    first.refresh().expect("a login: nothing is sent from memory");
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
    assert_eq!(status(&store.sealed(&api)), 200);
    assert_counters(&api, [("logins", 2)]);
}

#[test]
fn r5_a_fleet_with_a_wrong_password_is_one_refused_login() {
    for options in [json!({"key": KEY}), json!({"plaintext": true})] {
        let (api, store) = (start(json!({})), Store::new());
        let wrong: Vec<Manager> = (0..8).map(|_| manager_as(&api, "wrong", store.options(options.clone()))).collect();
        let refusals = together(8, |at| refusal(wrong[at].token()));
        assert!(refusals.iter().all(|s| matches!(s, Status::TM_LOGIN_REJECTED | Status::TM_LOGIN_SUSPENDED)));
        assert_counters(&api, [("logins_refused", 1)]);
        // The right one is not held up.
        assert_eq!(status(&manager(&api, store.options(options))), 200);
    }
}

#[test]
fn t2_who_comes_by_a_link_meets_the_same_file_and_the_same_lock() {
    let (api, store) = (start(json!({"access_ms": 120_000})), Store::new());
    let link = store.folder.path("link");
    std::os::unix::fs::symlink(store.path(), &link).unwrap();
    let linked = || manager(&api, json!({"store": {"type": "file", "path": &link, "key": KEY}}));
    store.sealed(&api).token().expect("a login");
    linked().refresh().expect("a refresh");
    store.sealed(&api).refresh().expect("a refresh");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link was replaced");
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
    assert_no_reuse(&api);
    assert!(!Path::new(&format!("{link}.lock")).exists());
}

#[test]
fn t2_a_lock_file_that_was_removed_locks_nobody_out_and_lets_no_two_in() {
    let (api, store) = (start(json!({})), Store::new());
    store.sealed(&api).token().expect("a login");
    let lock = store.folder.path("tokens.lock");
    let removed = File::open(&lock).unwrap();
    removed.lock().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.sealed(&api).refresh());
        // It has the removed file open, or will open the new one: either way it is to lock the one that is there.
        thread::sleep(std::time::Duration::from_millis(100));
        fs::remove_file(&lock).unwrap();
        let anew = OpenOptions::new().write(true).create_new(true).open(&lock).unwrap();
        anew.lock().unwrap();
        drop(removed);
        thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(api.counter("refresh_arrivals"), 0, "two were inside");
        drop(anew);
        waiting.join().expect("no panic").expect("a refresh");
    });
}

#[test]
fn p_a_pipe_in_the_place_of_the_file_or_its_lock_makes_nobody_wait() {
    for name in ["tokens.lock", "tokens"] {
        let (api, store) = (start(json!({})), Store::new());
        let made = std::process::Command::new("mkfifo").arg(store.folder.path(name)).status().expect("mkfifo");
        assert!(made.success());
        let manager = store.sealed(&api);
        assert_eq!(status(&manager), 200);
        assert_eq!(stats(&manager)["token_is_private"], true, "{name}");
        // A fork waits for nothing, either.
        assert!(std::process::Command::new("true").status().expect("a fork").success());
    }
}
