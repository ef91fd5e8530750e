//! One call of one caller: its time limit, its callbacks, its log lines. Every wait in the library goes
//! through here, so that each obeys its own caller.

pub mod backoff;
pub mod callback;
pub mod hooks;
pub mod log;
pub mod single_flight;

use crate::call::callback::CallRecord;
use crate::call::hooks::{Hooks, LogHook};
use crate::call::log::Level;
use crate::error::{Error, Result, WaitEnd};
use crate::sys::cancel::NoCancel;
use crate::sys::socket::Socket;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long a wait may go on before the callbacks are served.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// One call of one caller.
#[derive(Debug)]
pub struct Call {
    hooks: Arc<Hooks>,
    timeout: Duration,
    deadline: Instant,
    /// The interrupt callback has ended the call, and is not called again.
    is_cancelled: Cell<bool>,
    /// Nothing but the time limit may end what is being done.
    is_uninterruptible: Cell<bool>,
    /// Until when stores may take: see [`Call::asking_store`].
    store_until: Cell<Option<Instant>>,
    /// Lines that wait until no lock is held.
    lines: RefCell<Vec<(Level, String)>>,
    /// Whether its lines go to the log callback: not if that callback made the call, or each line would cause another.
    takes_lines: bool,
    /// Whether any callback may run in it.
    may_call_back: Cell<bool>,
    /// What other threads can know of it, made when they need to.
    record: OnceCell<Arc<CallRecord>>,
    /// Whether a callback has run in it.
    is_listed: Cell<bool>,
    /// The sockets that it uses, if any callback may run in it. Closed ones may still be listed.
    sockets: RefCell<Vec<Weak<Socket>>>,
    /// Dropped last.
    _no_cancel: NoCancel,
}

impl Call {
    pub fn begin(hooks: Arc<Hooks>, timeout: Duration) -> Call {
        // First, as it may change whether the thread can be cancelled.
        let enclosing = callback::enclosing();
        Call {
            takes_lines: hooks.log.as_ref().is_some_and(|(_, hook)| !enclosing.has(hook)),
            may_call_back: Cell::new(hooks.log.is_some() || hooks.interrupt.is_some()),
            record: OnceCell::new(),
            is_listed: Cell::new(false),
            sockets: RefCell::default(),
            hooks,
            timeout,
            deadline: Instant::now() + timeout,
            is_cancelled: Cell::new(false),
            is_uninterruptible: Cell::new(false),
            store_until: Cell::new(None),
            lines: RefCell::new(Vec::new()),
            _no_cancel: NoCancel::begin(),
        }
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The caller has passed callbacks for this call only.
    pub fn expect_callbacks(&self) {
        self.may_call_back.set(true);
    }

    pub fn record(&self) -> &Arc<CallRecord> {
        self.record.get_or_init(|| CallRecord::new(self.deadline, self._no_cancel.before()))
    }

    /// Runs one of the caller's callbacks, which may never return: before, everything that the call uses is put where other
    /// threads find it. Only where no lock is held.
    pub fn run_callback<T>(&self, callback: impl FnOnce() -> T) -> T {
        let mut callback = Some(callback);
        let mut output = None;
        self.run(None, &mut || output = callback.take().map(|callback| callback()));
        output.expect("the callback was run")
    }

    fn run(&self, hook: Option<&LogHook>, callback: &mut dyn FnMut()) {
        if !self.is_listed.replace(true) {
            callback::list(self.record());
        }
        let mut sockets = self.sockets.take();
        self.record().run(hook, &mut sockets, callback);
        self.sockets.replace(sockets);
    }

    /// The call uses a socket from now on.
    pub fn add_socket(&self, socket: &Arc<Socket>) {
        if self.may_call_back.get() {
            self.sockets.borrow_mut().push(Arc::downgrade(socket));
        }
    }

    /// The call no longer uses the socket.
    pub fn remove_socket(&self, socket: &Arc<Socket>) {
        if self.may_call_back.get() {
            self.sockets.borrow_mut().retain(|one| one.as_ptr() != Arc::as_ptr(socket));
        }
    }

    /// How much of the call's time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Runs `work`, which asks a store in any number of steps. Together they get half of what is left of the call's time: where
    /// the store hangs, the other half is for going on without it (T5).
    pub fn asking_store<T>(&self, work: impl FnOnce() -> T) -> T {
        let outer = self.store_until.get();
        self.store_until.set(Some(outer.unwrap_or_else(|| Instant::now() + self.left() / 2)));
        let output = work();
        self.store_until.set(outer);
        output
    }

    /// How long the next step of a store may take.
    pub fn left_for_store(&self) -> Duration {
        match self.store_until.get() {
            Some(until) => until.saturating_duration_since(Instant::now()).min(self.left()),
            None => self.left() / 2,
        }
    }

    /// Whether any callback is served while the call waits.
    pub fn is_watched(&self) -> bool {
        self.hooks.interrupt.is_some() || self.hooks.log.is_some()
    }

    /// Notes a line for the log callback. The text is made only if the callback takes it.
    pub fn log(&self, level: Level, line: impl FnOnce() -> String) {
        if let Some((most, _)) = &self.hooks.log
            && level <= *most
            && self.takes_lines
        {
            self.lines.borrow_mut().push((level, line()));
        }
    }

    /// Serves the log callback. Only where no lock is held.
    pub fn deliver_logs(&self) {
        let Some((_, hook)) = &self.hooks.log else {
            return;
        };
        // One at a time and taken out first: the callback may call back into this manager, or never return.
        loop {
            let next = {
                let mut lines = self.lines.borrow_mut();
                if lines.is_empty() { None } else { Some(lines.remove(0)) }
            };
            match next {
                Some((level, line)) => self.run(Some(hook), &mut || hook(level, &line)),
                None => return,
            }
        }
    }

    /// Between two slices of a wait: serves the callbacks, and says whether the caller still wants to wait.
    pub fn checkpoint(&self) -> Result<()> {
        self.deliver_logs();
        if let Some(interrupted) = &self.hooks.interrupt
            && !self.is_cancelled.get()
            && self.run_callback(|| interrupted())
        {
            self.is_cancelled.set(true);
        }
        if self.is_cancelled.get() && !self.is_uninterruptible.get() {
            return Err(Error::interrupted("the interrupt callback ended the call"));
        }
        if Instant::now() >= self.deadline {
            return Err(self.timed_out("waiting"));
        }
        Ok(())
    }

    /// Runs `work`, which must not be left half done. An interrupt that comes meanwhile ends the call afterwards.
    pub fn uninterruptible<T>(&self, work: impl FnOnce() -> T) -> T {
        self.is_uninterruptible.set(true);
        let output = work();
        self.is_uninterruptible.set(false);
        output
    }

    /// The error of a call whose time ran out while it was doing `what`.
    pub fn timed_out(&self, what: &str) -> Error {
        Error::call_timed_out(self.timeout, what)
    }

    /// The error of a step whose time ran out while it was doing `what`.
    pub fn step_timed_out(&self, what: &str) -> Error {
        self.timed_out(what).with_wait_end(WaitEnd::StepDeadline)
    }

    /// The error that ended a wait; where time ran out, with what was waited for.
    pub fn hung(&self, error: Error, what: &str) -> Error {
        match error.wait_end() {
            Some(WaitEnd::CallDeadline) => self.timed_out(what),
            Some(WaitEnd::StepDeadline) => self.step_timed_out(what),
            _ => error,
        }
    }

    /// Sleeps, or less if the caller's time runs out, in slices.
    pub fn sleep(&self, wait: Duration) -> Result<()> {
        let until = Instant::now() + wait;
        loop {
            self.checkpoint()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL_INTERVAL).min(self.left()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // After a panic no more lines are delivered.
        if !std::thread::panicking() {
            self.deliver_logs();
        }
        if self.is_listed.get() {
            callback::unlist(self.record());
        }
    }
}
