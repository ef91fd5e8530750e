//! P1: a fork while connected, in a real process: Python, by ctypes. The child connects anew, and the parent keeps its
//! connection.

use super::server::Redis;
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use support::demo::*;

/// Arguments: the library, the host, the options. Each child and the parent get a new pair in turn and at once.
const PROGRAM: &str = r#"
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1])
library.tm_new.restype = ctypes.c_void_p
library.tm_new.argtypes = [ctypes.c_char_p] * 4 + [ctypes.c_void_p]
library.tm_refresh.argtypes = [ctypes.c_void_p] * 2
library.tm_stats_json.restype = ctypes.c_void_p
manager = library.tm_new(sys.argv[2].encode(), b"demo", b"demo-password", sys.argv[3].encode(), None)
assert manager, "no manager"
assert library.tm_refresh(manager, None) == 0, "no login"
for round in range(3):
    child = os.fork()
    ours = library.tm_refresh(manager, None)
    if child == 0:
        os._exit(ours)
    assert ours == 0, "the parent failed"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "a child failed"
"#;

#[test]
fn p1_a_child_connects_anew_and_both_go_on() {
    let (api, redis) = (start(json!({})), Redis::start());
    let me = std::env::current_exe().expect("a path");
    let library: PathBuf = me.parent().expect("a folder").join("libtokenmgr.so");
    let options = redis.options(json!({}));
    let output = Command::new("python3")
        .args(["-c", PROGRAM, library.to_str().expect("UTF-8"), &api.url()])
        .arg(json!({"store": options["store"], "proxy": "none", "timeout_ms": 10_000}).to_string())
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_no_reuse(&api);
    assert_counters(&api, [("logins", 1)]);
    // Those of the parent: one for the first login, and it was never another's. Each child had one of its own.
    let info = redis.cli(&["INFO", "stats"]);
    let made = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).expect("a count");
    let by_us = made.trim().parse::<u32>().expect("a number") - redis.asked();
    assert_eq!(by_us, 4, "a connection was shared, or lost");
}
