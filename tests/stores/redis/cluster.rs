//! A Cluster of three masters, and a replica for the one that has the record.

use super::server::{KEY, Redis, options};
use serde_json::{Value, json};
use support::demo::*;
use support::folder::Folder;
use support::program::free_port;

/// The slot of the record's key, and what else there is.
struct Cluster {
    nodes: Vec<Redis>,
    slot: String,
    /// Which node has the slot at first.
    home: usize,
}

impl Cluster {
    fn start() -> Cluster {
        let node = |_| {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
            Redis::listening(Folder::new(), "--port", &arguments, &[])
        };
        let nodes: Vec<Redis> = (0..3).map(node).collect();
        for (at, range) in [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].iter().enumerate() {
            nodes[at].cli(&["CLUSTER", "ADDSLOTSRANGE", range[0], range[1]]);
            nodes[at].cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
        }
        let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", KEY]);
        let home = slot.parse::<usize>().expect("a number") / 5461;
        let mut cluster = Cluster { nodes, slot, home };
        for at in 1..3 {
            cluster.meet(at);
        }
        cluster.is_whole();
        cluster
    }

    fn meet(&mut self, at: usize) {
        let info = self.nodes[at].cli(&["CLUSTER", "NODES"]);
        let bus = info.split(['@', ',', ' ']).nth(2).expect("a bus port").to_owned();
        self.nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &self.nodes[at].port().to_string(), &bus]);
    }

    fn is_whole(&self) {
        let well = |node: &Redis| {
            node.try_cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && node.try_cli(&["CLUSTER", "NODES"]).lines().count() >= 3
        };
        until("the Cluster is whole", || self.nodes.iter().all(well));
    }

    fn id(&self, at: usize) -> String {
        self.nodes[at].cli(&["CLUSTER", "MYID"])
    }

    /// The options of a manager that first asks this node.
    fn options(&self, at: usize, more: Value) -> Value {
        options(json!({"cluster": true, "url": [self.nodes[at].url()]}), more)
    }
}

#[test]
fn t2_one_record_whichever_node_is_asked_first() {
    let (api, cluster) = (start(json!({"access_ms": 2000})), Cluster::start());
    let all: Vec<_> = (0..9).map(|at| manager(&api, cluster.options(at % 3, json!({})))).collect();
    assert_eq!(together(9, |at| status(&all[at])), [200; 9]);
    assert_counters(&api, [("logins", 1)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(9, |at| status(&all[at])), [200; 9]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert!(all.iter().all(|one| stat(one, "store_failures") == 0));
    assert!(cluster.nodes[cluster.home].hash().contains_key("access_token"));
    assert_no_reuse(&api);
    // Whoever does not say that it is a Cluster is told.
    let elsewhere = (cluster.home + 1) % 3;
    let alone = Some(json!({"store": {"type": "redis", "url": cluster.nodes[elsewhere].url()}}).to_string());
    let alone = tokenmgr::Manager::new(Some(&api.url()), Some(USER), None, alone.as_deref()).expect("a manager");
    let error = alone.token().expect_err("no password, no store");
    assert!(error.message().contains("MOVED") && error.message().contains("\"cluster\": true"), "{error}");
}

#[test]
fn t2_while_a_slot_moves_no_call_fails_and_no_token_is_sent_twice() {
    let (api, cluster) = (start(json!({})), Cluster::start());
    let all: Vec<_> = (0..3).map(|at| manager(&api, cluster.options(at, json!({})))).collect();
    let (from, to, slot) = (cluster.home, (cluster.home + 1) % 3, cluster.slot.as_str());
    let round = || {
        api.control(json!({"revoke": {"what": "access"}}));
        assert_eq!(together(3, |at| status(&all[at])), [200; 3]);
        assert_no_reuse(&api);
    };
    round();
    assert_counters(&api, [("logins", 1)]);
    cluster.nodes[to].cli(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &cluster.id(from)]);
    cluster.nodes[from].cli(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &cluster.id(to)]);
    // The key is still where it was.
    round();
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    let port = cluster.nodes[to].port().to_string();
    cluster.nodes[from].cli(&["MIGRATE", "127.0.0.1", &port, KEY, "0", "5000"]);
    // The key is there already, the slot is not: ASK. Another server is another incarnation.
    round();
    assert_counters(&api, [("logins", 2), ("refreshes", 1)]);
    round();
    assert_counters(&api, [("logins", 2), ("refreshes", 2)]);
    for node in [to, from] {
        cluster.nodes[node].cli(&["CLUSTER", "SETSLOT", slot, "NODE", &cluster.id(to)]);
    }
    // The slot is there: MOVED.
    round();
    assert_counters(&api, [("logins", 2), ("refreshes", 3)]);
    assert!(all.iter().all(|one| stat(one, "store_failures") == 0));
}

#[test]
fn t5_a_master_that_fails_is_replaced_by_its_replica() {
    let (api, mut cluster) = (start(json!({})), Cluster::start());
    let home = cluster.home;
    let bus = free_port().to_string();
    let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
    cluster.nodes.push(Redis::listening(Folder::new(), "--port", &arguments, &[]));
    cluster.meet(3);
    let id = cluster.id(home);
    until("the replica is let in", || cluster.nodes[3].try_cli(&["CLUSTER", "REPLICATE", &id]) == "OK");
    until("it follows", || cluster.nodes[3].cli(&["INFO", "replication"]).contains("master_link_status:up"));
    // The manager knows only the node that is going to fail: the others it has to learn of.
    let first = manager(&api, cluster.options(home, json!({"timeout_ms": 500})));
    assert_eq!(status(&first), 200);
    until("the replica has it", || cluster.nodes[3].try_cli(&["DBSIZE"]) == "1");
    // An election needs the masters to know the replica as one, and the replica to know its master's slots.
    until("all know the replica", || {
        let knows = |node: &Redis| node.cli(&["CLUSTER", "NODES"]).contains(&format!("slave {id}"));
        cluster.nodes.iter().all(knows)
    });
    until("the replica knows the slots", || {
        let nodes = cluster.nodes[3].cli(&["CLUSTER", "NODES"]);
        nodes.lines().any(|line| line.starts_with(&id) && line.split(' ').count() > 8)
    });
    cluster.nodes[home].kill();
    // While nobody has the slot it goes on alone.
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!(status(&first), 200);
    until("the replica is promoted", || cluster.nodes[3].cli(&["INFO", "replication"]).contains("role:master"));
    until("the Cluster is well", || cluster.nodes[3].cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    until("it is back in the store", || {
        first.refresh().expect("a pair");
        stats(&first)["token_is_private"] == false
    });
    assert_eq!(cluster.nodes[3].hash()["access_token"], held(&first).access.as_str());
    assert_no_reuse(&api);
}
