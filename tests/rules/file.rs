//! The store in one file: what it promises by itself (S3). The rules across its processes, which are those of every
//! store: tests/stores/sharing.rs. A process here is a manager of its own; `make storm` has real ones.

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
}

#[test]
fn s3_the_file_is_its_owners_and_whole() {
    let (api, store) = (start(json!({})), Store::new());
    store.sealed(&api).token().expect("a login");
    for file in [store.path(), store.folder.path("tokens.lock").into()] {
        assert_eq!(fs::metadata(file).expect("a file").mode() & 0o777, 0o600);
    }
    let mut names: Vec<_> =
        fs::read_dir(store.path().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["tokens", "tokens.lock"], "something was left lying about");
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
fn s3_plaintext_must_be_asked_for() {
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
