//! P1: a fork while connected. The child has a connection of its own, and the parent keeps its.

use super::server::Redis;
use crate::support::*;
use serde_json::json;
use std::process::Command;

#[test]
fn p1_a_child_connects_anew_and_both_go_on() {
    // In a process of its own: this one has other tests' threads, and locks that they may hold.
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "redis::fork::p1_forking", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "run by p1_a_child_connects_anew_and_both_go_on"]
fn p1_forking() {
    let (api, redis) = (start(json!({})), Redis::start());
    let manager = manager(&api, redis.options(json!({})));
    manager.refresh().expect("a login, over a connection that is kept");
    let connections = || redis.cli(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count();
    let before = connections();
    for round in 1..=3 {
        // SAFETY: the child only uses the library, which is made for this, and ends by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let went_well =
                manager.refresh().is_ok() && get(&manager, PRODUCTS).is_ok_and(|answer| answer.status == 200);
            // SAFETY: it ends this process and takes no pointer.
            unsafe { libc::_exit(if went_well { 0 } else { 1 }) };
        }
        manager.refresh().expect("a pair");
        let mut ended = 0;
        // SAFETY: the child is ours, and the place for its status is valid.
        assert_eq!(unsafe { libc::waitpid(child, &mut ended, 0) }, child);
        assert_eq!(ended, 0, "the child of round {round}");
        assert_eq!(status(&manager), 200);
    }
    assert_eq!(stat(&manager, "store_failures"), 0);
    assert_counters(&api, [("logins", 1)]);
    assert_no_reuse(&api);
    until("the children's connections are gone", || connections() == before);
}
