//! A redis-server of a test's own, and talking to it as an operator would.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use support::api::DemoApi;
use support::demo::{PASSWORD, USER, until};
use support::folder::Folder;
use support::program::Program;

/// The key of the record that managers of these tests share.
pub const KEY: &str = "api_tokens:demo";

pub struct Redis {
    // Stopped before its folder goes.
    program: Program,
    pub folder: Folder,
    /// What redis-cli needs to get in as one who may do everything.
    entry: Vec<String>,
    /// How often redis-cli has connected, and its starter.
    asked: AtomicU32,
}

impl Redis {
    pub fn start() -> Redis {
        Redis::with(&[])
    }

    /// With further arguments, such as `["--maxmemory", "1mb"]`.
    pub fn with(arguments: &[&str]) -> Redis {
        Redis::listening(Folder::new(), "--port", arguments, &[])
    }

    /// `port`: the option that takes the port; `entry`: what redis-cli needs.
    pub fn listening(folder: Folder, port: &str, arguments: &[&str], entry: &[&str]) -> Redis {
        let program = Program::start("redis-server", "redis-server", &folder, |free| {
            let free = free.to_string();
            let fixed =
                ["--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--dir", &folder.path("")];
            let all = [port, &free].into_iter().chain(fixed).chain(arguments.iter().copied());
            all.map(str::to_owned).collect()
        });
        let entry = entry.iter().map(|&word| word.to_owned()).collect();
        let redis = Redis { program, folder, entry, asked: AtomicU32::new(1) };
        until("redis-server answers", || redis.try_cli(&["PING"]).contains("PONG"));
        redis
    }

    pub fn port(&self) -> u16 {
        self.program.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The options of a manager that keeps its pair here.
    pub fn options(&self, more: Value) -> Value {
        options(json!({"url": self.url()}), more)
    }

    /// An order for a process of its own that shares the record here: see `support::process`.
    pub fn order(&self, api: &DemoApi, steps: &[&str]) -> Value {
        let mut options = self.options(json!({}));
        options["proxy"] = "none".into();
        options["refresh_jitter_seconds"] = 0.into();
        json!({"host": api.url(), "username": USER, "password": PASSWORD, "options": options, "steps": steps})
    }

    /// What redis-cli prints for a command that must not fail.
    #[track_caller]
    pub fn cli(&self, command: &[&str]) -> String {
        let said = self.try_cli(command);
        assert!(!said.starts_with("(error)") && !said.starts_with("ERR"), "{command:?}: {said}");
        said
    }

    /// How many connections to it were the test's own.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn try_cli(&self, command: &[&str]) -> String {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let output = Command::new("redis-cli")
            .args(["-p", &self.port().to_string(), "--no-auth-warning"])
            .args(&self.entry)
            .args(command)
            .output()
            .expect("redis-cli, of the package redis-tools");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The record's hash.
    pub fn hash(&self) -> BTreeMap<String, String> {
        let lines = self.cli(&["HGETALL", KEY]);
        let lines: Vec<&str> = lines.lines().collect();
        lines.chunks(2).map(|pair| (pair[0].to_owned(), pair.get(1).unwrap_or(&"").to_string())).collect()
    }

    pub fn signal(&self, signal: &str) {
        self.program.signal(signal);
    }

    /// Ends it at once, and starts another in its place: on the same port, with nothing of what it held.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    pub fn restart(&mut self) {
        self.program.restart();
        until("redis-server answers again", || self.try_cli(&["PING"]).contains("PONG"));
    }
}

/// A store's options and more of them, as a manager takes them.
pub fn options(store: Value, more: Value) -> Value {
    let mut all = json!({"type": "redis"});
    for some in [store, more] {
        all.as_object_mut().expect("an object").extend(some.as_object().expect("an object").clone());
    }
    json!({ "store": all })
}
