//! Which thread this is, and whether it is in the library's own code. Both are plain data, which the destructors of a
//! thread's data still have.

use std::cell::Cell;

thread_local! {
    /// Not in a callback, where the code is the host's.
    static IN_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

pub fn is_in_library() -> bool {
    IN_LIBRARY.get()
}

/// Notes whether the thread is in the library from now on, and returns what was noted before. The code that returns restores
/// it, so it is also right after a callback that never returns.
pub fn set_in_library(is_in: bool) -> bool {
    IN_LIBRARY.replace(is_in)
}

#[cfg(not(feature = "shuttle"))]
mod id {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub type ThreadId = u64;

    /// A number that no other thread has or had. Ours, because std's is gone in the destructors of a thread's data.
    pub fn this_thread() -> ThreadId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static NUMBER: Cell<u64> = const { Cell::new(0) };
        }
        NUMBER.with(|number| {
            if number.get() == 0 {
                number.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
            }
            number.get()
        })
    }
}
#[cfg(feature = "shuttle")]
mod id {
    pub use shuttle::thread::ThreadId;

    pub fn this_thread() -> ThreadId {
        shuttle::thread::current().id()
    }
}
pub use id::{ThreadId, this_thread};
