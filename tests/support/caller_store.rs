//! A token store of the caller's own for tests: one value in memory, with faults on request.

use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use tokenmgr::{Callbacks, Reply};
use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Load,
    Save,
    Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing was done.
    Fails,
    /// It is done, and says that it failed.
    LosesReply,
    /// It says no.
    SaysNo,
}

type Watch = Arc<dyn Fn(Step) + Send + Sync>;

/// The store. `Default`: empty, locked during a change, without faults.
#[derive(Default)]
pub struct CallerStore {
    value: Mutex<Vec<u8>>,
    locked: Mutex<bool>,
    unlocked: Condvar,
    /// What goes wrong, and how often still; `None`: until healed.
    faults: Mutex<HashMap<Step, (Fault, Option<u32>)>>,
    watch: Mutex<Option<Watch>>,
    inside: AtomicBool,
    overlaps: AtomicUsize,
}

impl fmt::Debug for CallerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerStore")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic under the lock")
}

impl CallerStore {
    pub fn new() -> Arc<CallerStore> {
        Arc::default()
    }

    pub fn fail(&self, step: Step, fault: Fault, times: Option<u32>) {
        lock(&self.faults).insert(step, (fault, times));
    }

    /// Nothing answers any more.
    pub fn go_away(&self) {
        for step in [Step::Load, Step::Save, Step::Lock] {
            self.fail(step, Fault::Fails, None);
        }
    }

    pub fn heal(&self) {
        lock(&self.faults).clear();
    }

    /// Is told of every step before it is done.
    pub fn watch(&self, watch: impl Fn(Step) + Send + Sync + 'static) {
        *lock(&self.watch) = Some(Arc::new(watch));
    }

    pub fn overlaps(&self) -> usize {
        self.overlaps.load(Ordering::Relaxed)
    }

    pub fn put(&self, bytes: &[u8]) {
        *lock(&self.value) = bytes.to_vec();
    }

    /// What is stored; null: nothing.
    pub fn record(&self) -> Value {
        let value = lock(&self.value);
        match value.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&value).expect("a record"),
        }
    }

    /// A foreign writer: neither locks nor compares.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut record = self.record();
        change(&mut record);
        self.put(record.to_string().as_bytes());
    }

    /// As if the pair had been stored so many seconds earlier.
    pub fn grow_older(&self, seconds: i64) {
        self.edit(|record| {
            for (name, by) in [("stored_at", seconds * 1000), ("expires_at", seconds)] {
                record[name] = (record[name].as_i64().expect("a time") - by).into();
            }
        });
    }

    fn begin(&self, step: Step) -> Option<Fault> {
        if self.inside.swap(true, Ordering::SeqCst) {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        let watch = lock(&self.watch).clone();
        if let Some(watch) = watch {
            watch(step);
        }
        let mut faults = lock(&self.faults);
        let (fault, times) = faults.get_mut(&step)?;
        let fault = *fault;
        if let Some(left) = times {
            *left -= 1;
            if *left == 0 {
                faults.remove(&step);
            }
        }
        Some(fault)
    }

    fn end<T>(&self, reply: T) -> T {
        self.inside.store(false, Ordering::SeqCst);
        reply
    }
}

impl Callbacks for CallerStore {
    fn load(&self, _: &str) -> Option<Zeroizing<Vec<u8>>> {
        let fault = self.begin(Step::Load);
        let value = fault.is_none().then(|| Zeroizing::new(lock(&self.value).clone()));
        self.end(value)
    }

    fn save(&self, _: &str, data: &[u8], expected: Option<&[u8]>, _: i64) -> Reply {
        let fault = self.begin(Step::Save);
        match fault {
            Some(Fault::Fails) => return self.end(Reply::Failed),
            Some(Fault::SaysNo) => return self.end(Reply::No),
            Some(Fault::LosesReply) | None => {}
        }
        let mut value = lock(&self.value);
        let is_expected = *value == expected.unwrap_or_default();
        if is_expected {
            *value = data.to_vec();
        }
        drop(value);
        self.end(match (fault, is_expected) {
            (Some(_), _) => Reply::Failed,
            (None, true) => Reply::Done,
            (None, false) => Reply::No,
        })
    }

    fn can_lock(&self) -> bool {
        true
    }

    fn lock(&self, _: &str, wait: Duration) -> Reply {
        match self.begin(Step::Lock) {
            Some(Fault::SaysNo) => return self.end(Reply::No),
            Some(_) => return self.end(Reply::Failed),
            None => self.end(()),
        }
        let waited = self.unlocked.wait_timeout_while(lock(&self.locked), wait, |locked| *locked);
        let (mut locked, timeout) = waited.expect("no panic under the lock");
        if timeout.timed_out() && *locked {
            return Reply::No;
        }
        *locked = true;
        Reply::Done
    }

    fn unlock(&self, _: &str) -> Reply {
        *lock(&self.locked) = false;
        self.unlocked.notify_one();
        Reply::Done
    }
}
