//! Calls where a thread or the process ends, in a real one: a C program.

use super::server::Redis;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use support::demo::*;
use support::folder::Folder;

#[test]
fn calls_work_where_a_thread_or_the_process_ends() {
    let (api, redis, folder) = (start(json!({})), Redis::start(), Folder::new());
    let me = std::env::current_exe().expect("a path");
    let library = me.parent().expect("a folder").join("libtokenmgr.so");
    // It is loaded by its soname.
    std::os::unix::fs::symlink(&library, folder.path("libtokenmgr.so.0")).expect("a link in a folder of ours");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.path("ends");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-pthread", "-o", &program])
        .arg(root.join("tests/stores/redis/ends.c"))
        .arg("-I")
        .arg(root.join("include"))
        .arg(&library)
        .output()
        .expect("cc");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let options = redis.options(json!({}));
    let ended = Command::new(&program)
        .arg(api.url())
        .arg(json!({"store": options["store"], "proxy": "none", "timeout_ms": 10_000}).to_string())
        .env("LD_LIBRARY_PATH", folder.path(""))
        .output()
        .expect("it was compiled");
    assert!(ended.status.success(), "{:?}: {}", ended.status, String::from_utf8_lossy(&ended.stderr));
    assert_counters(&api, [("logins", 1), ("refreshes", 2)]);
    // All by one connection: none was lost where the thread ended.
    let info = redis.cli(&["INFO", "stats"]);
    let made = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).expect("a count");
    assert_eq!(made.trim().parse::<u32>().expect("a number") - redis.asked(), 1);
    assert_no_reuse(&api);
}
