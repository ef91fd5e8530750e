//! The stores that processes share, each as the tests of sharing need it: to make managers on, and to look into.

use crate::redis::server::{KEY as RECORD, Redis};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::bao::Bao;
use support::caller_store::{CallerStore, Step};
use support::demo::{DemoApi, PASSWORD, USER};
use support::folder::Folder;
use support::managers;
use tokenmgr::{CallbackStore, Callbacks, Manager, Reply};
use zeroize::Zeroizing;

pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const OTHER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// One store of a test's own.
pub trait Place {
    fn start() -> Self;

    /// The options of a manager that keeps its pair here.
    fn options(&self) -> Value;

    /// A manager, as another process would make it.
    fn manager(&self, api: &DemoApi) -> Manager {
        self.manager_as(api, PASSWORD)
    }

    fn manager_as(&self, api: &DemoApi, password: &str) -> Manager {
        self.make(&api.url(), USER, password, json!({}))
    }

    /// The same of any API, with further options.
    fn make(&self, host: &str, username: &str, password: &str, more: Value) -> Manager {
        managers::make(host, username, password, self.with(more)).expect("a manager")
    }

    fn with(&self, more: Value) -> Value {
        let mut options = self.options();
        options.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        options
    }

    /// What the store holds, as it stands there; empty where it holds nothing.
    fn content(&self) -> String;

    /// The record in it; `None` where it is sealed.
    fn record(&self) -> Option<Value> {
        Some(serde_json::from_str(&self.content()).unwrap_or_default())
    }

    /// Takes the record away, as its administrator would.
    fn remove(&self);

    /// Takes fields out of every record, as a version that did not know them left it.
    fn forget(&self, fields: &[&str]);

    /// How often it was asked for anything, and how often written to, where it can tell.
    fn requests(&self) -> Option<u64> {
        None
    }

    fn writes(&self) -> Option<u64> {
        None
    }
}

/// In plain text, which has to be asked for.
pub struct InFile(Folder);

impl Place for InFile {
    fn start() -> InFile {
        InFile(Folder::new())
    }

    fn options(&self) -> Value {
        json!({"store": {"type": "file", "path": self.0.path("{client_id}"), "plaintext": true}})
    }

    fn content(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.0.path(USER)).unwrap_or_default()).into_owned()
    }

    fn remove(&self) {
        fs::remove_file(self.0.path(USER)).expect("a file");
    }

    fn forget(&self, fields: &[&str]) {
        for entry in fs::read_dir(self.0.path("")).expect("a folder").flatten() {
            if let Ok(mut record) = serde_json::from_slice::<Value>(&fs::read(entry.path()).expect("a file")) {
                without(&mut record, fields);
                fs::write(entry.path(), record.to_string()).expect("a file of ours");
            }
        }
    }
}

fn without(record: &mut Value, fields: &[&str]) {
    let record = record.as_object_mut().expect("an object");
    fields.iter().for_each(|field| drop(record.remove(*field)));
}

pub struct InRedis(Redis);

impl InRedis {
    /// What the server counted by now.
    fn counted(&self, section: &str, name: &str) -> u64 {
        let said = self.0.cli(&["INFO", section]);
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        let digits = line.map_or("", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
        digits.parse().unwrap_or_default()
    }
}

impl Place for InRedis {
    fn start() -> InRedis {
        InRedis(Redis::start())
    }

    fn options(&self) -> Value {
        self.0.options(json!({}))
    }

    fn content(&self) -> String {
        let hash = self.0.hash();
        let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::from(text));
        let fields: serde_json::Map<_, _> = hash.into_iter().map(|(field, text)| (field, value(text))).collect();
        Value::from(fields).to_string()
    }

    fn remove(&self) {
        self.0.cli(&["DEL", RECORD]);
    }

    fn forget(&self, fields: &[&str]) {
        for key in self.0.cli(&["KEYS", "api_tokens:*"]).lines() {
            self.0.cli(&[&["HDEL", key], fields].concat());
        }
    }

    fn requests(&self) -> Option<u64> {
        let all = self.counted("stats", "total_commands_processed:");
        Some(all.wrapping_sub(self.0.asked().into()))
    }

    fn writes(&self) -> Option<u64> {
        Some(self.counted("commandstats", "cmdstat_pexpireat:calls="))
    }
}

pub struct InVault(Bao);

impl Place for InVault {
    fn start() -> InVault {
        InVault(Bao::start())
    }

    fn options(&self) -> Value {
        self.0.options(json!({}))
    }

    fn content(&self) -> String {
        self.0.record().to_string()
    }

    fn remove(&self) {
        self.0.must("DELETE", "secret/metadata/tokenmgr/demo", Value::Null);
    }

    fn forget(&self, fields: &[&str]) {
        let names = self.0.must("LIST", "secret/metadata/tokenmgr", Value::Null);
        for name in names["data"]["keys"].as_array().expect("names") {
            let path = format!("secret/data/tokenmgr/{}", name.as_str().expect("a name"));
            let mut record = self.0.must("GET", &path, Value::Null)["data"]["data"].clone();
            without(&mut record, fields);
            self.0.must("POST", &path, json!({"data": record}));
        }
    }

    fn writes(&self) -> Option<u64> {
        Some(self.0.version())
    }
}

/// Behind callbacks, with one for each name.
pub struct InCallerStore {
    by_client: Arc<CallerStores>,
}

#[derive(Debug, Default)]
struct CallerStores {
    by_name: Mutex<HashMap<String, Arc<CallerStore>>>,
    requests: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl CallerStores {
    fn of(&self, name: &str) -> Arc<CallerStore> {
        let mut all = self.by_name.lock().expect("no panic under the lock");
        let new = || {
            let caller_store = CallerStore::new();
            let (requests, writes) = (self.requests.clone(), self.writes.clone());
            caller_store.watch(move |step| {
                requests.fetch_add(1, Ordering::Relaxed);
                writes.fetch_add((step == Step::Save).into(), Ordering::Relaxed);
            });
            caller_store
        };
        all.entry(name.to_owned()).or_insert_with(new).clone()
    }
}

impl Callbacks for CallerStores {
    fn load(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.of(name).load(name)
    }

    fn save(&self, name: &str, data: &[u8], expected: Option<&[u8]>, ttl: i64) -> Reply {
        self.of(name).save(name, data, expected, ttl)
    }

    fn can_lock(&self) -> bool {
        true
    }

    fn lock(&self, name: &str, wait: Duration) -> Reply {
        self.of(name).lock(name, wait)
    }

    fn unlock(&self, name: &str) -> Reply {
        self.of(name).unlock(name)
    }
}

impl Place for InCallerStore {
    fn start() -> InCallerStore {
        InCallerStore { by_client: Arc::default() }
    }

    fn options(&self) -> Value {
        json!({})
    }

    fn make(&self, host: &str, username: &str, password: &str, more: Value) -> Manager {
        let manager = managers::make(host, username, password, more).expect("a manager");
        manager.set_store(Arc::new(CallbackStore::new(self.by_client.clone()))).expect("a store");
        manager
    }

    fn content(&self) -> String {
        self.by_client.of(USER).record().to_string()
    }

    fn remove(&self) {
        self.by_client.of(USER).put(b"");
    }

    fn forget(&self, fields: &[&str]) {
        for caller_store in self.by_client.by_name.lock().expect("no panic under the lock").values() {
            caller_store.edit(|record| without(record, fields));
        }
    }

    fn requests(&self) -> Option<u64> {
        Some(self.by_client.requests.load(Ordering::Relaxed))
    }

    fn writes(&self) -> Option<u64> {
        Some(self.by_client.writes.load(Ordering::Relaxed))
    }
}

/// The same with a seal.
pub struct Sealed<P>(pub P);

impl<P: Place> Sealed<P> {
    /// The options of a manager that has this key, and these old ones.
    pub fn with_keys(&self, key: &str, old: &[&str]) -> Value {
        let mut options = self.0.options();
        let store = options["store"].as_object_mut().expect("an object");
        store.remove("plaintext");
        store.insert("key".to_owned(), key.into());
        store.insert("old_keys".to_owned(), json!(old));
        options
    }
}

impl<P: Place> Place for Sealed<P> {
    fn start() -> Sealed<P> {
        Sealed(P::start())
    }

    fn options(&self) -> Value {
        self.with_keys(KEY, &[])
    }

    fn content(&self) -> String {
        self.0.content()
    }

    fn record(&self) -> Option<Value> {
        None
    }

    fn remove(&self) {
        self.0.remove();
    }

    fn forget(&self, _: &[&str]) {
        unreachable!("nobody takes anything out of what is sealed")
    }

    fn requests(&self) -> Option<u64> {
        self.0.requests()
    }

    fn writes(&self) -> Option<u64> {
        self.0.writes()
    }
}
