//! Driving a future on the caller's own thread: polled, waited for in slices, polled again. Between two slices the
//! caller's callbacks are served, with no lock held.

use crate::call::{Call, POLL_INTERVAL};
use crate::error::Error;
use crate::sys::socket::{LONGEST_READ, Socket};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// What a future's parts wake each other through. Sockets wake nobody: see [`crate::sys::socket`].
#[derive(Clone, Debug)]
pub struct Alarm {
    flag: Arc<Flag>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Alarm {
    pub fn new() -> Alarm {
        let flag = Arc::new(Flag::default());
        Alarm { waker: Waker::from(Arc::clone(&flag)), flag }
    }

    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Whether it was woken since this was asked last.
    fn was_woken(&self) -> bool {
        self.flag.0.swap(false, Ordering::Relaxed)
    }
}

/// How long a step may take, and what is to happen meanwhile.
pub struct Pace<'a> {
    pub call: &'a Call,
    /// The step's own time limit; the call's holds, too.
    pub deadline: Instant,
    /// Called about every 50 ms.
    pub on_tick: Option<&'a mut dyn FnMut()>,
    /// A connection that this one is made in addition to: once anything comes over it, this step ends, as
    /// [`io::ErrorKind::Interrupted`].
    pub beside: Option<&'a Socket>,
    /// When the caller's callbacks are due. It outlasts one wait: a server that sends a byte now and then must not put
    /// them off.
    next_check: Instant,
}

/// Why a wait ended without what was waited for.
#[derive(Debug)]
pub enum Stopped {
    /// The step's time is over; the call may have more.
    StepOutOfTime,
    /// The call's own time is over, or its interrupt callback ended it.
    Call(Error),
    /// The kernel could not wait.
    Unable(io::Error),
}

impl<'a> Pace<'a> {
    pub fn new(call: &'a Call, deadline: Instant, on_tick: Option<&'a mut dyn FnMut()>) -> Pace<'a> {
        Pace { call, deadline, on_tick, beside: None, next_check: Instant::now() + POLL_INTERVAL }
    }

    /// The same with less time.
    pub fn within(&mut self, deadline: Instant) -> Pace<'_> {
        Pace {
            call: self.call,
            deadline: deadline.min(self.deadline),
            on_tick: self.on_tick.as_mut().map(|on_tick| &mut **on_tick as _),
            beside: self.beside,
            next_check: self.next_check,
        }
    }

    /// Whether anything is to be done while it waits.
    pub fn is_watched(&self) -> bool {
        self.call.is_watched() || self.on_tick.is_some()
    }

    /// Waits for the sockets, and for the one beside them.
    fn wait(&self, sockets: &[&Socket], longest: Duration) -> Result<(), Stopped> {
        match self.beside {
            None => Socket::wait(sockets, longest),
            Some(beside) => Socket::wait(&[sockets, &[beside]].concat(), longest),
        }
        .map_err(Stopped::Unable)
    }

    /// Serves the callbacks where they are due, and looks at the time and at the connection beside.
    pub fn checkpoint(&mut self, now: Instant) -> Result<(), Stopped> {
        if now >= self.next_check {
            self.next_check = now + POLL_INTERVAL;
            if self.is_watched() {
                self.call.checkpoint().map_err(Stopped::Call)?;
            }
            if let Some(on_tick) = self.on_tick.as_mut() {
                on_tick();
            }
        }
        if now >= self.call.deadline() {
            return Err(Stopped::Call(self.call.timed_out("waiting for the server")));
        }
        if now >= self.deadline {
            return Err(Stopped::StepOutOfTime);
        }
        match self.beside.is_some_and(Socket::is_readable) {
            true => Err(Stopped::Unable(io::ErrorKind::Interrupted.into())),
            false => Ok(()),
        }
    }

    /// How long it may wait before something is due, `until` at the latest.
    fn longest_wait(&self, now: Instant, until: Instant) -> Duration {
        let end = until.min(self.deadline).min(self.call.deadline());
        let end = if self.is_watched() { end.min(self.next_check) } else { end };
        end.saturating_duration_since(now)
    }
}

/// Polls `step` until it is ready, and waits for the sockets in between. `alarm` is what `step` is polled with.
pub fn drive<T>(
    pace: &mut Pace<'_>,
    alarm: &Alarm,
    sockets: &[&Socket],
    step: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<T, Stopped> {
    let until = pace.deadline;
    drive_until(pace, until, alarm, sockets, step)?.ok_or(Stopped::StepOutOfTime)
}

/// The same, and `None` where `until` comes first.
pub fn drive_until<T>(
    pace: &mut Pace<'_>,
    until: Instant,
    alarm: &Alarm,
    sockets: &[&Socket],
    mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Result<Option<T>, Stopped> {
    pace.checkpoint(Instant::now())?;
    let mut read_waits = false;
    loop {
        alarm.was_woken();
        sockets.iter().for_each(|socket| socket.begin_turn());
        let polled = step(&mut alarm.context());
        let has_waited = read_waits && sockets[0].read_has_waited();
        if let Poll::Ready(output) = polled {
            return Ok(Some(output));
        }
        let now = Instant::now();
        pace.checkpoint(now)?;
        if now >= until {
            return Ok(None);
        }
        if alarm.was_woken() {
            read_waits = false;
            continue;
        }
        let longest = pace.longest_wait(now, until);
        // A read that was allowed to wait and got nothing is not allowed to wait again.
        read_waits = sockets.len() == 1
            && pace.beside.is_none()
            && longest >= LONGEST_READ
            && sockets[0].waits_for_bytes_only()
            && (has_waited || !read_waits);
        match read_waits {
            true => sockets[0].let_read_wait(),
            false => pace.wait(sockets, longest)?,
        }
    }
}
