//! Getting in: passwords, ACL users, databases, TLS.

use super::fake::FakeRedis;
use super::server::{KEY, Redis, options};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use support::demo::*;
use support::folder::Folder;
use support::pki::Authority;
use tokenmgr::error::Status;
use tokenmgr::{Level, Manager};

/// A password with everything that needs care in a URL, a command line or a log.
const ODD: &str = "p:a/s?s#w%o[r]d@ \"é'&\\";
const ODD_ENCODED: &str = "p%3Aa%2Fs%3Fs%23w%25o%5Br%5Dd%40%20%22%C3%A9'%26%5C";

/// What the store needs, and nothing more.
const ALL: [&str; 7] = ["+eval", "+time", "+info", "+hgetall", "+hset", "+hdel", "+expire"];

fn user(redis: &Redis, commands: &[&str]) {
    let mut rule = vec!["ACL", "SETUSER", "shop", "reset", "on", ">shop-password", "~api_tokens:*"];
    rule.extend(commands);
    redis.cli(&rule);
}

fn as_user(redis: &Redis, more: Value) -> Value {
    options(json!({"url": format!("redis://shop:shop-password@127.0.0.1:{}", redis.port())}), more)
}

/// One login, one refresh, and no fault, by two managers in turn.
fn works(options: impl Fn() -> Value) {
    let api = start(json!({}));
    let (first, second) = (manager(&api, options()), manager(&api, options()));
    assert_eq!((status(&first), status(&second)), (200, 200));
    api.control(json!({"revoke": {"what": "access"}}));
    assert_eq!((status(&second), status(&first)), (200, 200));
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!((stat(&first, "store_failures"), stat(&second, "store_failures")), (0, 0));
    assert_no_reuse(&api);
}

#[test]
fn a_password_with_odd_characters_in_the_url_or_beside_it() {
    let redis = Redis::listening(Folder::new(), "--port", &["--requirepass", ODD], &["-a", ODD]);
    let port = redis.port();
    works(|| options(json!({"url": format!("redis://:{ODD_ENCODED}@127.0.0.1:{port}")}), json!({})));
    redis.cli(&["FLUSHALL"]);
    works(|| options(json!({"url": format!("redis://127.0.0.1:{port}"), "password": ODD}), json!({})));
    redis.cli(&["FLUSHALL"]);
    let file = redis.folder.file("password", format!("{ODD}\n"));
    works(|| options(json!({"url": format!("redis://127.0.0.1:{port}"), "password": {"file": file}}), json!({})));
    redis.cli(&["FLUSHALL"]);
    let file = redis.folder.file("url", format!("redis://default:{ODD_ENCODED}@127.0.0.1:{port}\n"));
    works(|| options(json!({"url": {"file": file}}), json!({})));
}

#[test]
fn s2_a_refused_password_is_said_and_not_shown() {
    let redis = Redis::listening(Folder::new(), "--port", &["--requirepass", ODD], &["-a", ODD]);
    for (url, why) in [
        (format!("redis://127.0.0.1:{}", redis.port()), "NOAUTH"),
        (format!("redis://us%20er:hidden-9Xw1@127.0.0.1:{}", redis.port()), "WRONGPASS"),
        (format!("redis://:hidden-9Xw1@127.0.0.1:{}", redis.port()), "WRONGPASS"),
    ] {
        let api = start(json!({}));
        let first = manager(&api, options(json!({"url": url}), json!({})));
        let lines = listen(&first);
        // T5: it goes on alone.
        assert_eq!(status(&first), 200);
        let all = format!("{:?}", lines.lock().unwrap());
        assert!(all.contains(why) && all.contains(&format!("127.0.0.1:{}", redis.port())), "{all}");
        assert!(!all.contains("hidden-9Xw1") && !all.contains("us er") && !all.contains("us%20er"), "{all}");
    }
}

/// A password in a file, which is replaced while managers come and go.
#[test]
fn r5_a_refused_password_is_sent_once_until_it_is_another() {
    let redis = Redis::listening(Folder::new(), "--port", &["--requirepass", "first"], &["-a", "first"]);
    let file = redis.folder.file("password", "wrong");
    let store = json!({"url": format!("redis://127.0.0.1:{}", redis.port()), "password": {"file": file}});
    let api = start(json!({}));
    let new = || manager(&api, options(store.clone(), json!({})));
    let one = new();
    for manager in [&one, &new(), &one, &new()] {
        manager.refresh().expect("a pair of one's own");
    }
    let log = redis.cli(&["ACL", "LOG"]);
    let count = log.lines().skip_while(|&line| line != "count").nth(1);
    assert_eq!(count, Some("1"), "{log}");
    redis.folder.file("password", "first");
    one.refresh().expect("a pair");
    assert_eq!(stats(&one)["token_is_private"], false);
    // The server's password is another, and then the file's: the next connection knows it.
    let failures = stat(&one, "store_failures");
    redis.cli(&["CONFIG", "SET", "requirepass", "second"]);
    redis.folder.file("password", "second");
    let killed = std::process::Command::new("redis-cli")
        .args(["-p", &redis.port().to_string(), "-a", "second", "CLIENT", "KILL", "TYPE", "normal"])
        .output();
    assert!(killed.expect("redis-cli").status.success());
    one.refresh().expect("a pair");
    assert_eq!((stat(&one, "store_failures"), &stats(&one)["token_is_private"]), (failures, &json!(false)));
    assert_no_reuse(&api);
}

/// No Redis does, but what stands in its place may. The password is short, so that nothing but knowing it takes it out.
#[test]
fn s2_a_password_that_the_server_repeats_is_not_shown() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        assert!(client.read(&mut [0; 1024]).expect("AUTH") > 0);
        client.write_all(b"-ERR 'hid-9Xw1' of 'shopper' is not to my taste\r\n").expect("it reads");
    });
    let api = start(json!({}));
    let first = manager(&api, options(json!({"url": format!("redis://shopper:hid-9Xw1@127.0.0.1:{port}")}), json!({})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    server.join().expect("no panic");
    says(&lines, &["is not to my taste"]);
    let all = format!("{:?}", lines.lock().unwrap());
    assert!(!all.contains("hid-9Xw1") && !all.contains("shopper"), "{all}");
}

#[test]
fn an_acl_user_that_may_touch_its_own_keys_only() {
    let redis = Redis::start();
    user(&redis, &ALL);
    works(|| as_user(&redis, json!({})));
    // Without any command of the list it is told which.
    for missing in ALL.iter().filter(|&&command| command != "+info" && command != "+eval") {
        user(&redis, &ALL.iter().copied().filter(|command| command != missing).collect::<Vec<_>>());
        redis.cli(&["FLUSHALL"]);
        let api = start(json!({}));
        let first = manager(&api, as_user(&redis, json!({})));
        let lines = listen(&first);
        assert_eq!(status(&first), 200, "{missing}");
        if *missing == "+hdel" {
            first.refresh().expect("a pair");
        }
        says(&lines, &["NOPERM", missing]);
        assert_no_reuse(&api);
    }
}

#[test]
fn t3_who_may_not_ask_for_the_incarnation_sends_no_stored_refresh_token() {
    let redis = Redis::start();
    let without_info: Vec<&str> = ALL.iter().copied().filter(|&command| command != "+info").collect();
    for commands in
        [without_info.clone(), without_info[1..].iter().copied().chain(["+watch", "+multi", "+exec"]).collect()]
    {
        redis.cli(&["FLUSHALL"]);
        user(&redis, &commands);
        let api = start(json!({}));
        let first = manager(&api, as_user(&redis, json!({})));
        let lines = listen(&first);
        assert_eq!(status(&first), 200);
        assert_eq!(status(&manager(&api, as_user(&redis, json!({})))), 200);
        assert_counters(&api, [("logins", 1)]);
        first.refresh().expect("a login");
        assert_counters(&api, [("logins", 2), ("refresh_arrivals", 0)]);
        let lines = lines.lock().unwrap();
        let warnings = lines.iter().filter(|(level, line)| {
            *level == Level::Warning && line.contains("+info") && line.contains("wait_replicas")
        });
        assert_eq!(warnings.count(), 1, "{lines:?}");
        assert_eq!(stat(&first, "store_failures"), 0);
    }
}

#[test]
fn t3_with_wait_replicas_a_claim_counts_when_they_have_it() {
    let redis = Redis::start();
    user(&redis, &ALL.iter().copied().filter(|&command| command != "+info").chain(["+wait"]).collect::<Vec<_>>());
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &redis.port().to_string()]);
    until("the replica follows", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    works(|| as_user(&redis, json!({"wait_replicas": 1})));
    // One that is frozen has nothing: nothing is sent.
    replica.signal("STOP");
    let api = start(json!({}));
    redis.cli(&["FLUSHALL"]);
    let first = manager(&api, as_user(&redis, json!({"wait_replicas": 1, "timeout_ms": 300})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    first.refresh().expect("a pair");
    says(&lines, &["0 of the 1 replicas"]);
    replica.signal("CONT");
    assert_no_reuse(&api);
}

#[test]
fn t2_without_scripts_it_goes_by_watch_and_multi() {
    let redis = Redis::start();
    user(&redis, &["+watch", "+multi", "+exec", "+time", "+info", "+hgetall", "+hset", "+hdel", "+expire"]);
    works(|| as_user(&redis, json!({})));
    redis.cli(&["FLUSHALL"]);
    let api = start(json!({"access_ms": 2000}));
    let all: Vec<Manager> = (0..12).map(|_| manager(&api, as_user(&redis, json!({})))).collect();
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    assert_counters(&api, [("logins", 1)]);
    until("the token is dead", || stats(&all[0])["token"] == "dead");
    assert_eq!(together(12, |at| status(&all[at])), [200; 12]);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_no_reuse(&api);
    // A server on which the command has another name is the same.
    let renamed = Redis::with(&["--rename-command", "EVAL", ""]);
    works(|| renamed.options(json!({})));
}

#[test]
fn the_database_may_stand_in_the_url_or_beside_it() {
    let (api, redis) = (start(json!({})), Redis::start());
    let url = |database: &str| json!({"url": format!("{}{database}", redis.url())});
    assert_eq!(status(&manager(&api, options(url("/3"), json!({})))), 200);
    assert_eq!(status(&manager(&api, options(url(""), json!({"database": 3})))), 200);
    assert_counters(&api, [("logins", 1)]);
    assert_eq!(redis.cli(&["-n", "3", "EXISTS", KEY]), "1");
    assert_eq!(redis.cli(&["EXISTS", KEY]), "0");
    let first = manager(&api, options(url("/99"), json!({})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    says(&lines, &["out of range"]);
}

#[test]
fn a_socket_of_this_machine() {
    let folder = Folder::new();
    let (socket, missing) = (folder.path("redis.sock"), folder.path("missing.sock"));
    let redis = Redis::with(&["--unixsocket", &socket]);
    let by_socket = |query: &str| options(json!({"url": format!("unix://{socket}{query}")}), json!({}));
    works(|| by_socket("?db=2"));
    assert_eq!(redis.cli(&["-n", "2", "EXISTS", KEY]), "1");
    user(&redis, &ALL);
    redis.cli(&["FLUSHALL"]);
    works(|| by_socket("?user=shop&pass=shop%2Dpassword"));
    assert_eq!(redis.cli(&["EXISTS", KEY]), "1");
    let beside = json!({"url": format!("unix://{socket}"), "username": "shop", "password": "shop-password"});
    works(|| {
        redis.cli(&["DEL", KEY]);
        options(beside.clone(), json!({}))
    });
    for (url, why) in
        [(format!("unix://{missing}"), "missing.sock"), (format!("unix://{socket}?db=99"), "out of range")]
    {
        let api = start(json!({}));
        let first = manager(&api, options(json!({"url": url}), json!({})));
        let lines = listen(&first);
        assert_eq!(status(&first), 200);
        says(&lines, &[why]);
    }
}

/// What a Sentinel says is judged like a URL.
#[test]
fn s1_plain_redis_goes_to_this_machine_only() {
    let sentinel = FakeRedis::start(|_| b"*2\r\n$9\r\n192.0.2.1\r\n$4\r\n6379\r\n".to_vec());
    let api = start(json!({}));
    let nodes = json!({"master": "shop", "nodes": sentinel.url()});
    let first = manager(&api, options(json!({"sentinel": nodes}), json!({})));
    let lines = listen(&first);
    assert_eq!(status(&first), 200);
    says(&lines, &["readable to 192.0.2.1:6379", "store.allow_insecure"]);
    for store in [json!({"url": "redis://192.0.2.1"}), json!({"url": "redis://[2001:db8::1]/0"})] {
        let text = options(store, json!({})).to_string();
        let error = Manager::new(Some(&api.url()), Some(USER), Some(PASSWORD), Some(&text)).expect_err("refused");
        assert_eq!(error.status(), Status::TM_INVALID_OPTIONS);
        assert!(error.message().contains("store.allow_insecure"), "{error}");
    }
}

#[test]
fn tls_with_an_authority_and_a_clients_certificate() {
    let (ours, clients, folder) = (Authority::new(), Authority::new(), Folder::new());
    let (server, client) = (ours.server(), clients.issue(&["shop"]));
    let files = [
        folder.file("server.pem", &server.chain),
        folder.file("server.key", &server.key),
        folder.file("clients.pem", &clients.certificate),
        folder.file("ours.pem", &ours.certificate),
        folder.file("client.pem", &client.chain),
        folder.file("client.key", &client.key),
    ];
    let [chain, key, client_ca, ca, certificate, client_key] = &files;
    let arguments = ["--port", "0", "--tls-cert-file", chain, "--tls-key-file", key, "--tls-ca-cert-file", client_ca];
    let entry = ["--tls", "--cacert", ca, "--cert", certificate, "--key", client_key];
    let redis = Redis::listening(Folder::new(), "--tls-port", &arguments, &entry);
    let with = |more: Value| options(json!({"url": format!("rediss://127.0.0.1:{}", redis.port())}), more);
    works(|| with(json!({"ca_file": ca, "client_cert_file": certificate, "client_key_file": client_key})));
    for (more, why) in [
        (json!({"client_cert_file": certificate, "client_key_file": client_key}), "store.ca_file"),
        (json!({"ca_file": ca, "ca_only": true}), "check store.client_cert_file"),
    ] {
        let api = start(json!({}));
        let first = manager(&api, with(more));
        let lines = listen(&first);
        assert_eq!(status(&first), 200);
        says(&lines, &[why]);
    }
    let api = start(json!({}));
    let text = with(json!({"ca_file": "/no/such/file"})).to_string();
    let error = Manager::new(Some(&api.url()), Some(USER), Some(PASSWORD), Some(&text)).expect_err("no file");
    assert!(error.status() == Status::TM_INVALID_OPTIONS && error.message().contains("/no/such/file"), "{error}");
    assert!(error.message().contains("the option store.ca_file"), "{error}");
}

#[test]
fn options_that_make_no_sense_together_are_refused() {
    let api = start(json!({}));
    for (store, why) in [
        (json!({}), "store.url is missing"),
        (json!({"url": []}), "store.url is missing"),
        (json!({"url": 7}), "store"),
        (json!({"url": ["redis://a", "redis://b"]}), "\"cluster\": true"),
        (json!({"url": "redis://a", "sentinel": {"master": "m", "nodes": "redis://s"}}), "excludes store.url"),
        (json!({"sentinel": {"master": "m", "nodes": []}}), "at least one URL"),
        (json!({"url": "redis://a/1", "cluster": true}), "one only"),
        (json!({"url": "unix:///a", "cluster": true}), "reached by TCP"),
        (json!({"url": "redis://a", "tls": true}), "rediss://"),
        (json!({"url": "redis://a", "username": "u"}), "store.password"),
        (json!({"url": {"env": "TOKENMGR_NO_SUCH"}}), "TOKENMGR_NO_SUCH"),
        (json!({"url": "redis://a", "key": "AAAA"}), "not a key"),
        (json!({"url": "redis://a", "old_keys": ["AAAA"]}), "needs store.key"),
        (json!({"url": "rediss://a", "ca_only": true}), "store.ca_file"),
        (json!({"url": "redis://a", "urll": 1}), "url"),
    ] {
        let text = options(store, json!({})).to_string();
        let error = Manager::new(Some(&api.url()), Some(USER), Some(PASSWORD), Some(&text)).expect_err(why);
        assert!(error.status() == Status::TM_INVALID_OPTIONS && error.message().contains(why), "{why}: {error}");
    }
}
