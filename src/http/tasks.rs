//! The tasks that hyper's HTTP/2 splits a connection into, polled together by the thread that has the connection.

use hyper::rt::Executor;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's tasks. The locks are never waited for: one thread at a time has the connection.
#[derive(Default)]
pub struct Tasks {
    running: Vec<Task>,
    /// Those that were added since the last poll.
    added: Arc<Mutex<Vec<Task>>>,
}

/// What hyper adds tasks through. Tasks hold it themselves, so it must not keep them.
#[derive(Clone)]
pub struct Spawner(Weak<Mutex<Vec<Task>>>);

impl Tasks {
    pub fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.added))
    }

    fn take_added(&self) -> Vec<Task> {
        self.added.lock().map(|mut added| std::mem::take(&mut *added)).unwrap_or_default()
    }

    pub fn add(&mut self, task: Task) {
        self.running.push(task);
    }

    /// Polls each of them, and those that they add meanwhile. Ready once none is left.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.running.extend(self.take_added());
            self.running.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            let added = self.take_added();
            if added.is_empty() {
                return if self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending };
            }
            self.running.extend(added);
        }
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Some(added) = self.0.upgrade()
            && let Ok(mut added) = added.lock()
        {
            added.push(Box::pin(async move {
                future.await;
            }));
        }
    }
}
