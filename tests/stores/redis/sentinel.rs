//! A master, a replica and a Sentinel that makes the one the other.

use super::proxy::Proxy;
use super::server::{KEY, Redis, options};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use support::demo::*;
use support::folder::Folder;
use support::program::Program;
use tokenmgr::Manager;

struct Watched {
    sentinel: Program,
    master: Redis,
    replica: Redis,
    /// What the replica follows the master through.
    proxy: Proxy,
    _folder: Folder,
}

impl Watched {
    fn start() -> Watched {
        let master = Redis::start();
        let proxy = Proxy::to(master.port());
        let replica = Redis::with(&["--replicaof", "127.0.0.1", &proxy.port.to_string()]);
        until("the replica follows", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
        let folder = Folder::new();
        let sentinel = Program::start("redis-sentinel", "redis-sentinel", &folder, |port| {
            let config = format!(
                "port {port}\nbind 127.0.0.1\ndir {dir}\nsentinel monitor shop 127.0.0.1 {master} 1\n\
                 sentinel down-after-milliseconds shop 400\nsentinel failover-timeout shop 5000\n",
                dir = folder.path(""),
                master = master.port(),
            );
            vec![folder.file("sentinel.conf", config)]
        });
        let watched = Watched { sentinel, master, replica, proxy, _folder: folder };
        let port = watched.replica.port().to_string();
        until("the Sentinel knows the replica", || watched.ask(&["SENTINEL", "REPLICAS", "shop"]).contains(&port));
        watched
    }

    fn ask(&self, command: &[&str]) -> String {
        let port = self.sentinel.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn options(&self, more: Value) -> Value {
        // The first Sentinel of the list is not there.
        let nodes = ["redis://127.0.0.1:1".to_owned(), format!("redis://127.0.0.1:{}", self.sentinel.port)];
        options(json!({"sentinel": {"master": "shop", "nodes": nodes}}), more)
    }

    /// Ends the master, and waits until the replica is the new one.
    fn fail_over(&mut self) {
        self.master.kill();
        let port = self.replica.port().to_string();
        until("the replica is promoted", || {
            self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"]).contains(&port)
                && self.replica.cli(&["INFO", "replication"]).contains("role:master")
        });
    }
}

#[test]
fn t3_after_a_failover_what_is_stored_serves_and_its_refresh_token_does_not() {
    let (api, mut watched) = (start(json!({})), Watched::start());
    let all: Vec<Manager> = (0..3).map(|_| manager(&api, watched.options(json!({})))).collect();
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    all[0].refresh().expect("a refresh");
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    until("the replica has it", || watched.replica.cli(&["HGET", KEY, "seq"]) == "1");
    watched.fail_over();
    let late = manager(&api, watched.options(json!({})));
    assert_eq!(status(&late), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    // Nobody can tell whether the new master lacks a claim: one login, for all of them.
    age(&late);
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
    assert_eq!(status(&late), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    // And from then on it goes on as before.
    late.refresh().expect("a refresh");
    assert_counters(&api, [("logins", 2), ("refreshes", 2)]);
    assert_no_reuse(&api);
}

#[test]
fn t3_a_failover_in_the_middle_of_a_refresh_that_loses_the_claim() {
    let (api, mut watched) = (start(json!({})), Watched::start());
    let first = manager(&api, watched.options(json!({})));
    first.token().expect("a login");
    until("the replica has it", || watched.replica.cli(&["EXISTS", KEY]) == "1");
    watched.proxy.stall();
    api.control(json!({"faults": {"route": "POST /auth/refresh", "delay_after_ms": 6000}}));
    thread::scope(|scope| {
        let refreshing = scope.spawn(|| first.refresh());
        assert!(api.wait_until("refresh_arrivals", 1, PATIENCE));
        let claimed = watched.master.hash();
        assert!(claimed.contains_key("claim"));
        watched.fail_over();
        // The new master has the pair as it was before the claim: unmarked, and its token is on its way.
        let behind = watched.replica.hash();
        assert!(!behind.contains_key("claim") && !behind.contains_key("spent"), "the claim was replicated");
        assert_eq!(behind["refresh_token"], claimed["refresh_token"]);
        let second = manager(&api, watched.options(json!({})));
        second.refresh().expect("a login");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
        refreshing.join().expect("no panic").expect("a pair");
        // The second was first.
        assert_eq!(held(&first).access.as_str(), held(&second).access.as_str());
    });
    assert_eq!(status(&first), 200);
    assert_counters(&api, [("logins", 2), ("refresh_arrivals", 1)]);
    assert_no_reuse(&api);
}

#[test]
fn t5_sentinels_that_are_gone_or_do_not_know_the_name_are_said() {
    let api = start(json!({}));
    let folder = Folder::new();
    let sentinel = Program::start("redis-sentinel", "redis-sentinel", &folder, |port| {
        vec![folder.file("sentinel.conf", format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.path("")))]
    });
    for (port, says) in [(sentinel.port, "store.sentinel.master"), (1, "127.0.0.1:1 could not be connected to")] {
        let nodes = format!("redis://127.0.0.1:{port}");
        let all = options(json!({"sentinel": {"master": "shop", "nodes": nodes}}), json!({}));
        let nobody = Manager::new(
            Some(&api.url()),
            Some(USER),
            None,
            Some(&json!({"store": all["store"], "proxy": "none"}).to_string()),
        );
        let error = nobody.expect("a manager").token().expect_err("no password, no store");
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn t5_however_many_sentinels_hang_half_of_the_call_is_left() {
    let api = start(json!({}));
    // The kernel takes connections, and nobody answers.
    let deaf: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let nodes: Vec<String> =
        deaf.iter().map(|one| format!("redis://:x@127.0.0.1:{}", one.local_addr().expect("bound").port())).collect();
    let mut all = options(json!({"sentinel": {"master": "shop", "nodes": nodes}}), json!({}));
    all["timeout_ms"] = json!(3000);
    let first = manager(&api, all);
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    says(&lines, &["going on without the token store", "half of the call's time"]);
}
