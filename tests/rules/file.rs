//! The store in one file: what it promises by itself (S3). The rules across its processes, which are those of every
//! store: tests/stores/sharing.rs. A process here is a manager of its own; `make storm` has real ones.

use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use support::api::DemoApi;
use support::demo::*;
use support::folder::Folder;
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
    is_discarded("is not sealed", rewrite(|bytes| *bytes = br#"{"access_token":"x","seq":0,"replays":0}"#.to_vec()));
    is_discarded("sealed with another key", rewrite(|bytes| bytes[5] ^= 1));
    is_discarded("read by others", |path| fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap());
    is_discarded("store.share_with_group", |path| fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap());
}

#[test]
fn s3_plaintext_must_be_asked_for() {
    let (api, store) = (start(json!({})), Store::new());
    let options = |more| store.options(more).to_string();
    let pipe = store.folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for (more, says) in [
        (json!({}), "store.key is missing"),
        (json!({"plaintext": true, "key": KEY}), "exclude each other"),
        (json!({"key": "AAAA"}), "not a key"),
        (json!({"key": {"env": "TOKENMGR_NO_SUCH"}}), "TOKENMGR_NO_SUCH"),
        (json!({"key": {"file": "/no/such/file"}}), "/no/such/file"),
        (json!({"key": {"file": &pipe}}), "store.key names the file"),
        (json!({"key": {"file": &pipe}}), "not a regular file"),
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

/// A hard link is no copy: it is the file that the record names. So while there is one, its token is not sent.
#[test]
fn t3_a_file_with_a_hard_link_that_may_be_put_back_counts_as_spent() {
    for (is_moved, expected) in [(false, [("logins", 3), ("refreshes", 0)]), (true, [("logins", 2), ("refreshes", 1)])]
    {
        let (api, store) = (start(json!({"access_ms": 120_000})), Store::new());
        let (link, path) = (store.folder.path("link"), store.path());
        store.sealed(&api).token().expect("a login");
        fs::hard_link(&path, &link).unwrap();
        store.sealed(&api).refresh().expect("a login");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        fs::remove_file(&path).unwrap();
        match is_moved {
            true => fs::rename(&link, &path).unwrap(),
            false => fs::hard_link(&link, &path).unwrap(),
        }
        store.sealed(&api).refresh().expect("another pair");
        assert_counters(&api, expected);
        assert_no_reuse(&api);
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
    symlink(store.path(), &link).unwrap();
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
        let made = Command::new("mkfifo").arg(store.folder.path(name)).status().expect("mkfifo");
        assert!(made.success());
        let manager = store.sealed(&api);
        assert_eq!(status(&manager), 200);
        assert_eq!(stats(&manager)["token_is_private"], true, "{name}");
        // A fork waits for nothing, either.
        assert!(Command::new("true").status().expect("a fork").success());
    }
}

const NOBODY: u32 = 65534;

/// Only root can make files of other users, which some tests need.
fn is_root() -> bool {
    fs::metadata("/proc/self").expect("Linux").uid() == 0
}

/// The store cannot be used as it is: the call works all the same, with a pair of its own, and the log says why.
#[track_caller]
fn goes_on_alone(manager: &Manager, says: &[&str]) {
    let lines = listen(manager);
    assert_eq!(status(manager), 200);
    assert_eq!(stats(manager)["token_is_private"], true, "{says:?}");
    let lines = lines.lock().unwrap();
    let said = |(_, line): &(Level, String)| line.contains("token file") && says.iter().all(|word| line.contains(word));
    assert!(lines.iter().any(said), "{says:?}: {lines:?}");
}

#[test]
fn s3_a_link_of_another_user_is_not_followed() {
    if !is_root() {
        return;
    }
    let (api, store) = (start(json!({})), Store::new());
    // As in /tmp: anybody may have put the link there.
    fs::set_permissions(store.path().parent().unwrap(), Permissions::from_mode(0o1777)).unwrap();
    let precious = store.folder.file("precious", "");
    symlink(&precious, store.path()).unwrap();
    lchown(store.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    goes_on_alone(&store.sealed(&api), &["link that another user (uid 65534) made", "store.path"]);
    assert_eq!(fs::read(&precious).unwrap(), b"");
    assert!(!Path::new(&format!("{precious}.lock")).exists());
    // Nor is one that leads nowhere.
    fs::remove_file(&precious).unwrap();
    goes_on_alone(&store.sealed(&api), &["link that another user (uid 65534) made"]);
    assert!(!Path::new(&precious).exists());
}

#[test]
fn s3_what_belongs_to_another_user_is_neither_used_nor_replaced() {
    if !is_root() {
        return;
    }
    for name in ["tokens", "tokens.lock", "tokens.tmp"] {
        let (api, store) = (start(json!({})), Store::new());
        store.sealed(&api).token().expect("a login");
        let path = store.folder.path(name);
        let made = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        chown(&path, Some(NOBODY), None).unwrap();
        let before = fs::read(&path).unwrap();
        let manager = store.sealed(&api);
        if name != "tokens" {
            manager.token().expect("what is stored");
            api.control(json!({"revoke": {"what": "access"}}));
        }
        goes_on_alone(&manager, &[&path, "another user (uid 65534)", "\"share_with_group\": true"]);
        let (is, was) = (fs::metadata(&path).unwrap(), made.metadata().unwrap());
        assert_eq!((is.uid(), is.ino(), fs::read(&path).unwrap()), (NOBODY, was.ino(), before), "{name}");
    }
}

#[test]
fn s3_what_is_no_record_is_never_replaced() {
    for (name, content) in [
        ("tokens", &b"the user's own data\n"[..]),
        ("tokens", br#"{"access_token": "of another program"}"#),
        ("tokens", b"TMS"),
        ("tokens.tmp", b"the user's own data\n"),
    ] {
        let (api, store) = (start(json!({})), Store::new());
        let path = store.folder.file(name, content);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        goes_on_alone(&store.sealed(&api), &[&path, "move it away, or give another store.path"]);
        assert_eq!(fs::read(&path).unwrap(), content, "{name}");
        // Once it is moved away, the store is as any other.
        fs::remove_file(&path).unwrap();
        assert_eq!(status(&store.sealed(&api)), 200);
        assert_eq!(fs::metadata(store.path()).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn s3_what_a_killed_writer_left_is_cleared_away() {
    for content in ["", "T", "TMS1 and a part of what is sealed", "{\"access_token\":\"x"] {
        let (api, store) = (start(json!({})), Store::new());
        store.folder.file("tokens.tmp", content);
        assert_eq!(status(&store.sealed(&api)), 200);
        assert_eq!(stats(&store.sealed(&api))["token_is_private"], false, "{content}");
        assert!(store.path().exists() && !Path::new(&store.folder.path("tokens.tmp")).exists());
    }
}

#[test]
fn s3_a_group_shares_the_files_if_that_is_asked_for() {
    let (api, store) = (start(json!({})), Store::new());
    let folder = store.path().parent().unwrap().to_owned();
    let group = match is_root() {
        true => NOBODY,
        false => fs::metadata(&folder).unwrap().gid(),
    };
    chown(&folder, None, Some(group)).unwrap();
    let shared = || manager(&api, store.options(json!({"key": KEY, "share_with_group": true})));
    let files = [store.path(), store.folder.path("tokens.lock").into()];
    // What was its owner's so far becomes the group's with the next change.
    store.sealed(&api).token().expect("a login");
    shared().refresh().expect("a refresh");
    let modes = |files: &[PathBuf]| -> Vec<_> {
        files.iter().map(|file| fs::metadata(file).unwrap()).map(|is| (is.mode() & 0o777, is.gid())).collect()
    };
    assert_eq!(modes(&files[..1]), [(0o660, group)]);
    fs::remove_file(&files[1]).unwrap();
    shared().refresh().expect("a refresh");
    assert_eq!(modes(&files), [(0o660, group); 2]);
    if is_root() {
        // As another of the group would have left them.
        files.iter().for_each(|file| chown(file, Some(NOBODY), None).unwrap());
    }
    shared().refresh().expect("a refresh");
    assert_eq!(status(&shared()), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 3)]);
    assert_no_reuse(&api);
    // Not what everybody may read, nor what another group may.
    fs::set_permissions(store.path(), Permissions::from_mode(0o664)).unwrap();
    assert_eq!(status(&shared()), 200);
    assert_counters(&api, [("logins", 2)]);
    if is_root() {
        chown(store.path(), Some(NOBODY), Some(0)).unwrap();
        goes_on_alone(&shared(), &["not to the group of its folder (gid 65534)"]);
    }
}

#[test]
fn s3_a_client_has_a_file_of_its_own_by_its_name_in_the_path() {
    let (api, store) = (start(json!({})), Store::new());
    let path = store.folder.path("{client_id}");
    let client = |name: &str| {
        let options = json!({"client_id": name, "store": {"type": "file", "path": path, "key": KEY}});
        manager(&api, options)
    };
    for name in ["shop", "../shop", "shop.lock"] {
        assert_eq!(status(&client(name)), 200);
        assert_eq!(status(&client(name)), 200);
    }
    assert_counters(&api, [("logins", 3)]);
    for name in ["shop", "%2E%2E%2Fshop", "shop%2Elock"] {
        assert!(Path::new(&store.folder.path(name)).exists(), "{name}");
    }
}

/// Runs one of the ignored tests below in a process of its own, which a shell prepares.
fn in_a_process_with(preparation: &str, name: &str) {
    let program = std::env::current_exe().expect("a path");
    let output = Command::new("sh")
        .args(["-c", &format!("{preparation}; exec \"$0\" \"$@\""), program.to_str().expect("UTF-8")])
        .args(["--exact", &format!("file::{name}"), "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{}: {said}", output.status);
}

#[test]
fn s3_the_mode_of_the_files_does_not_depend_on_the_umask() {
    for umask in ["0277", "0777", "0"] {
        in_a_process_with(&format!("umask {umask}"), "s3_with_an_odd_umask");
    }
}

#[test]
#[ignore = "run by s3_the_mode_of_the_files_does_not_depend_on_the_umask"]
fn s3_with_an_odd_umask() {
    // A folder made under that umask could not be used.
    let (api, store) = (start(json!({})), Store::new());
    fs::set_permissions(store.path().parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    store.sealed(&api).token().expect("a login");
    store.sealed(&api).refresh().expect("a refresh");
    for file in [store.path(), store.folder.path("tokens.lock").into()] {
        assert_eq!(fs::metadata(&file).expect("a file").mode() & 0o777, 0o600, "{}", file.display());
    }
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
}

#[test]
fn t5_a_limit_on_the_size_of_files_is_a_store_that_is_away() {
    in_a_process_with("ulimit -f 0", "t5_with_a_limit_on_the_size_of_files");
}

#[test]
#[ignore = "run by t5_a_limit_on_the_size_of_files_is_a_store_that_is_away"]
fn t5_with_a_limit_on_the_size_of_files() {
    let (api, store) = (start(json!({})), Store::new());
    let manager = store.sealed(&api);
    goes_on_alone(&manager, &["tokens could not be written", "File too large"]);
    // The signal is the host's again, as it was: neither blocked nor left behind.
    let status = fs::read_to_string("/proc/thread-self/status").expect("Linux");
    let signals = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        u64::from_str_radix(line.trim(), 16).expect("a number")
    };
    const SIGXFSZ: u64 = 1 << 24;
    for name in ["SigBlk:", "SigPnd:", "ShdPnd:", "SigIgn:"] {
        assert_eq!(signals(name) & SIGXFSZ, 0, "{name}");
    }
}
