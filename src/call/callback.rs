//! Calls whose callbacks run, and which of them never returned.
//!
//! A callback may never return to its call (`longjmp`, PHP's `exit`): no code of the library runs then, and what the call held
//! stays on a dead stack. So what other threads need to know of a call that is in a callback is in a [`CallRecord`] on the
//! heap. Its thread's next call finds out whether the callback's frame is still there; other threads go by the call's
//! deadline. A call that never returned is *lost*: nobody waits for it, and its descriptors are closed.
//!
//! A call that was given up after its deadline may return after all: it then finds its sockets closed and its deadline past.

use crate::call::hooks::LogHook;
use crate::sys::cancel;
use crate::sys::fork;
use crate::sys::socket::Socket;
use crate::sys::stack;
use crate::sys::stack::Mark;
use crate::sys::thread::{ThreadId, set_in_library, this_thread};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

/// What other threads can know of a call.
#[derive(Debug)]
pub struct CallRecord {
    thread: ThreadId,
    deadline: Instant,
    /// Whether its thread could be cancelled before the call.
    cancel_before: cancel::State,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    is_lost: bool,
    /// What the call was using when its callback began.
    sockets: Vec<Weak<Socket>>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    mark: Mark,
    /// Which log callback it is, if it is one.
    hook: Option<usize>,
}

thread_local! {
    /// How many callbacks this thread is in, at the most. Plain data: see `sys::thread`.
    static CALLBACKS: Cell<usize> = const { Cell::new(0) };
}

/// The calls of this process that are in a callback or have been in one.
static RECORDS: fork::PerProcess<Mutex<Vec<Arc<CallRecord>>>> = fork::PerProcess::new();
/// How many records there are, so that most calls need not take the lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl CallRecord {
    pub fn new(deadline: Instant, cancel_before: cancel::State) -> Arc<CallRecord> {
        Arc::new(CallRecord { thread: this_thread(), deadline, cancel_before, state: Mutex::default() })
    }

    /// Whether no other call should wait for it any more.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline || self.state().is_lost
    }

    /// Whether the call is one of this very thread.
    pub fn is_this_threads(&self) -> bool {
        self.thread == this_thread()
    }

    /// Runs a callback. `sockets`: what the call is using; it has them again afterwards.
    pub fn run(&self, hook: Option<&LogHook>, sockets: &mut Vec<Weak<Socket>>, callback: &mut dyn FnMut()) {
        self.state().sockets = std::mem::take(sockets);
        stack::with_mark(&mut |mark| {
            self.state().running = Some(Running { mark, hook: hook.map(label_of) });
            CALLBACKS.set(CALLBACKS.get() + 1);
            let before = set_in_library(false);
            callback();
            set_in_library(before);
            CALLBACKS.set(CALLBACKS.get().saturating_sub(1));
        });
        let mut state = self.state();
        state.running = None;
        *sockets = std::mem::take(&mut state.sockets);
    }

    /// Gives the call up, if it is in a callback: closes its sockets.
    fn give_up(&self) {
        let mut state = self.state();
        if state.running.take().is_some() {
            state.is_lost = true;
            // Under the lock, which a call that comes back takes before it uses a socket again.
            state.sockets.drain(..).filter_map(|socket| socket.upgrade()).for_each(|socket| socket.close());
        }
    }

    fn running(&self) -> Option<Running> {
        self.state().running
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way. std's lock: see `single_flight`.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// From now on the call is among those that can be lost.
pub fn list(record: &Arc<CallRecord>) {
    records(|records| records.push(Arc::clone(record)));
}

/// The call has ended, or is given up.
pub fn unlist(record: &Arc<CallRecord>) {
    records(|records| records.retain(|one| !Arc::ptr_eq(one, record)));
}

/// The callbacks that this thread is in when a call begins. Those whose frames it has left are lost from now on.
pub fn enclosing() -> Enclosing {
    if CALLBACKS.get() == 0 {
        return Enclosing(Vec::new());
    }
    let mut around = Vec::new();
    let this_thread = this_thread();
    records(|records| around.extend(records.iter().filter(|record| record.thread == this_thread).map(Arc::clone)));
    let mut lost = Vec::new();
    let mut inside = Vec::new();
    for record in around {
        match record.running() {
            Some(running) if stack::has_left(running.mark) => lost.push(record),
            Some(running) => inside.push(running),
            None => {}
        }
    }
    CALLBACKS.set(inside.len());
    // The outermost last: its `cancel_before` is the thread's state before all of them.
    for record in lost.iter().rev() {
        record.give_up();
        unlist(record);
        cancel::set(record.cancel_before);
    }
    Enclosing(inside)
}

/// The callbacks that a call was made in.
pub struct Enclosing(Vec<Running>);

impl Enclosing {
    /// Whether one of them is this log callback.
    pub fn has(&self, hook: &LogHook) -> bool {
        self.0.iter().any(|running| running.hook == Some(label_of(hook)))
    }
}

/// Gives up the calls of all threads whose callbacks have not returned within their calls' time.
pub fn give_up_overdue() {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return;
    }
    let now = Instant::now();
    let mut overdue = Vec::new();
    let is_overdue = |record: &Arc<CallRecord>| now >= record.deadline && record.running().is_some();
    records(|records| overdue.extend(records.iter().filter(|record| is_overdue(record)).map(Arc::clone)));
    for record in overdue {
        record.give_up();
        unlist(&record);
    }
}

fn records<T>(work: impl FnOnce(&mut Vec<Arc<CallRecord>>) -> T) -> T {
    let records = RECORDS.get();
    let mut records = records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let output = work(&mut records);
    COUNT.store(records.len(), Ordering::Relaxed);
    output
}

fn label_of(hook: &LogHook) -> usize {
    Arc::as_ptr(hook).cast::<()>().addr()
}
