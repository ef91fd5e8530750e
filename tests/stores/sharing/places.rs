//! The stores that processes share, each as the tests of sharing need it: to make managers on, and to look into.

use crate::api::DemoApi;
use crate::bao::Bao;
use crate::folder::Folder;
use crate::redis::server::{KEY as RECORD, Redis};
use crate::shelf::{Shelf, Step};
use crate::support::{self, PASSWORD, on};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokenmgr::Manager;

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
        support::manager_as(api, password, self.options())
    }

    /// What the store holds, as it stands there; empty where it holds nothing.
    fn content(&self) -> String;

    /// The record in it; `None` where it is sealed.
    fn record(&self) -> Option<Value> {
        Some(serde_json::from_str(&self.content()).unwrap_or_default())
    }

    /// Takes the record away, as its administrator would.
    fn remove(&self);

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
        json!({"store": {"type": "file", "path": self.0.path("tokens"), "plaintext": true}})
    }

    fn content(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.0.path("tokens")).unwrap_or_default()).into_owned()
    }

    fn remove(&self) {
        fs::remove_file(self.0.path("tokens")).expect("a file");
    }
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

    fn writes(&self) -> Option<u64> {
        Some(self.0.version())
    }
}

/// Behind callbacks.
pub struct OnShelf {
    shelf: Arc<Shelf>,
    requests: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
}

impl Place for OnShelf {
    fn start() -> OnShelf {
        let place = OnShelf { shelf: Shelf::new(), requests: Arc::default(), writes: Arc::default() };
        let (requests, writes) = (place.requests.clone(), place.writes.clone());
        place.shelf.watch(move |step| {
            requests.fetch_add(1, Ordering::Relaxed);
            writes.fetch_add((step == Step::Save).into(), Ordering::Relaxed);
        });
        place
    }

    fn options(&self) -> Value {
        json!({})
    }

    fn manager_as(&self, api: &DemoApi, password: &str) -> Manager {
        on(&self.shelf, support::manager_as(api, password, self.options()))
    }

    fn content(&self) -> String {
        self.shelf.record().to_string()
    }

    fn remove(&self) {
        self.shelf.put(b"");
    }

    fn requests(&self) -> Option<u64> {
        Some(self.requests.load(Ordering::Relaxed))
    }

    fn writes(&self) -> Option<u64> {
        Some(self.writes.load(Ordering::Relaxed))
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

    fn requests(&self) -> Option<u64> {
        self.0.requests()
    }

    fn writes(&self) -> Option<u64> {
        self.0.writes()
    }
}
