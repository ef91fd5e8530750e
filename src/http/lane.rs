//! A lane: a current-thread runtime and the HTTP client that it drives, on the caller's own thread. One
//! call uses a lane at a time, so answers can not be mixed up, and no thread runs between calls.

use super::fault::Fault;
use super::tls::Side;
use super::{Answer, Exchange};
use crate::call::{Call, SLICE};
use crate::clock::Tick;
use crate::error::{Error, Result, Status};
use crate::signal::NoSigpipe;
use parking_lot::Mutex;
use reqwest::{Client, Request};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// A lane that idled this long is dropped: most servers have closed its connection by then.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// A connection used this recently is taken to be open without asking the kernel first.
const RECENT: Duration = Duration::from_secs(1);

/// One runtime and one client, whose connections belong to nobody else.
#[derive(Debug)]
pub struct Lane {
    client: Client,
    /// `None` only while it is being dropped.
    runtime: Option<Runtime>,
    side: Side,
    /// Whether its last answer left the connection open, so that a request most likely goes over that one.
    is_kept: bool,
    idle_since: Tick,
}

/// What drives a lane's sockets, on the thread of whoever has the lane.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        // Name look-ups need a thread; it must not outlive the call (P4).
        .thread_keep_alive(Duration::ZERO)
        .build()
}

impl Lane {
    pub fn new(client: Client, side: Side) -> Result<Lane> {
        let runtime = runtime().map_err(|cause| {
            Error::new(
                Status::TM_NETWORK,
                format!("no connection could be prepared ({cause}); check the limit of open files"),
            )
        })?;
        Ok(Lane { client, runtime: Some(runtime), side, is_kept: false, idle_since: Tick::now() })
    }

    /// Sends one request and reads its whole answer, in slices, between which the caller's callbacks are
    /// served and `exchange.beat` is called.
    pub fn exchange(
        &self,
        call: &Call,
        request: Request,
        exchange: &mut Exchange<'_>,
    ) -> std::result::Result<Answer, Fault> {
        // Nothing polls a kept connection between calls: without a look at it, one that the server closed
        // meanwhile would only be found out by failing.
        let look_first = Tick::now() >= self.idle_since.after(RECENT) || !request.method().is_safe();
        let answer = pin!(read_answer(self, request, exchange.limit, look_first));
        self.drive(call, exchange, answer)?
    }

    fn drive<F: Future>(
        &self,
        call: &Call,
        exchange: &mut Exchange<'_>,
        mut work: Pin<&mut F>,
    ) -> std::result::Result<F::Output, Fault> {
        let runtime = self.runtime.as_ref().ok_or_else(|| Fault::Unsendable("the lane is closed".to_owned()))?;
        let deadline = exchange.deadline.min(call.deadline());
        loop {
            let end = match call.is_watched() || exchange.beat.is_some() {
                true => deadline.min(Instant::now() + SLICE),
                false => deadline,
            };
            let no_sigpipe = NoSigpipe::new();
            let slice = runtime.block_on(async { tokio::time::timeout_at(end.into(), work.as_mut()).await });
            drop(no_sigpipe);
            match slice {
                Ok(output) => return Ok(output),
                Err(_) => call.go_on().map_err(Fault::Ended)?,
            }
            if Instant::now() >= deadline {
                return Err(Fault::Ended(call.timed_out("waiting for the server")));
            }
            if let Some(beat) = exchange.beat.as_mut() {
                beat();
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // A plain drop would wait for a name look-up that is stuck.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn read_answer(
    lane: &Lane,
    request: Request,
    limit: u64,
    look_first: bool,
) -> std::result::Result<Answer, Fault> {
    let sort = |error, head_seen| Fault::sort(error, lane.side, head_seen, lane.is_kept);
    if look_first {
        tokio::task::yield_now().await;
    }
    let mut response = lane.client.execute(request).await.map_err(|error| sort(error, false))?;
    let arrived = Tick::now();
    let expected = response.content_length().unwrap_or(0);
    if expected > limit {
        return Err(Fault::TooLarge(limit));
    }
    // What a server announces is not yet sent: reserve no more than a modest part of it ahead.
    let mut body = Vec::with_capacity(expected.min(1 << 16) as usize + 1);
    while let Some(chunk) = response.chunk().await.map_err(|error| sort(error, true))? {
        if body.len() as u64 + chunk.len() as u64 > limit {
            return Err(Fault::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        url: response.url().clone(),
        body,
        arrived,
    })
}

/// The idle lanes. Every slot has a lock that is only ever tried, never waited for: so a fork can not catch
/// it half-way, and threads do not queue for it.
#[derive(Debug)]
pub struct Lanes {
    slots: Box<[Mutex<Option<Lane>>]>,
    /// When idle lanes were last looked through, in ticks.
    pruned: AtomicU64,
}

impl Lanes {
    pub fn new(most_idle: usize) -> Lanes {
        Lanes { slots: (0..most_idle).map(|_| Mutex::new(None)).collect(), pruned: AtomicU64::new(0) }
    }

    /// The first idle lane: so few lanes serve few callers, and the rest fall idle for good.
    pub fn take(&self) -> Option<Lane> {
        let oldest = Tick::now().before(LONGEST_IDLE);
        self.slots.iter().find_map(|slot| {
            let lane = slot.try_lock()?.take()?;
            (lane.idle_since >= oldest).then_some(lane)
        })
    }

    /// Keeps a lane for the next call, or drops it when enough are kept. `is_open`: its connection is, too.
    pub fn put(&self, mut lane: Lane, is_open: bool) {
        let now = Tick::now();
        lane.idle_since = now;
        lane.is_kept = is_open;
        let mut lane = Some(lane);
        for slot in &self.slots {
            if let Some(mut slot) = slot.try_lock()
                && slot.is_none()
            {
                *slot = lane.take();
                break;
            }
        }
        self.prune(now);
    }

    /// Drops lanes that idled too long; looks at most once a second.
    fn prune(&self, now: Tick) {
        let last = self.pruned.load(Ordering::Relaxed);
        if now.0 < last + 1000
            || self.pruned.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let oldest = now.before(LONGEST_IDLE);
        for slot in &self.slots {
            let stale = slot.try_lock().and_then(|mut slot| slot.take_if(|lane| lane.idle_since < oldest));
            drop(stale);
        }
    }

    pub fn idle(&self) -> usize {
        // A slot that is in someone's hands right now counts as not idle.
        self.slots.iter().filter(|slot| slot.try_lock().is_some_and(|slot| slot.is_some())).count()
    }
}
