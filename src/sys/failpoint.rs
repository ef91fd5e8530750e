//! Steps of the refresh transaction at which a test kills, stops or delays this process.
//!
//! In a build with the feature `failpoints` the variable `TOKENMGR_FAILPOINT` holds `STEP:kill:N` or `STEP:stop:N` (when it is
//! reached for the Nth time), `STEP:sleep:MS` or `any:kill:N` (at every step, once in N times, at random). In every other build
//! the function is empty.

/// Marks a step.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_step: &'static str) {}

#[cfg(feature = "failpoints")]
pub use hook::failpoint;

#[cfg(feature = "failpoints")]
mod hook {
    use std::sync::atomic::{AtomicU64, Ordering};

    /// How often this process has reached the step that the order is about.
    static REACHED: AtomicU64 = AtomicU64::new(0);

    pub fn failpoint(step: &'static str) {
        let Ok(order) = std::env::var("TOKENMGR_FAILPOINT") else {
            return;
        };
        let parts: Vec<&str> = order.split(':').collect();
        let [at, what, number] = parts[..] else {
            panic!("TOKENMGR_FAILPOINT holds {order:?}, not STEP:WHAT:NUMBER");
        };
        let number: u64 = number.parse().expect("TOKENMGR_FAILPOINT ends with a number");
        let is_nth = || REACHED.fetch_add(1, Ordering::SeqCst) + 1 == number;
        match what {
            "kill" if at == "any" && u64::from_le_bytes(crate::sys::secret::random()) % number == 0 => {
                send(libc::SIGKILL)
            }
            "kill" if at == step && is_nth() => send(libc::SIGKILL),
            "stop" if at == step && is_nth() => send(libc::SIGSTOP),
            "sleep" if at == step => std::thread::sleep(std::time::Duration::from_millis(number)),
            _ => {}
        }
    }

    fn send(signal: libc::c_int) {
        // SAFETY: it is sent to this very process, takes no pointer, and a test asked for it.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(libc::getpid(), signal);
        }
    }
}
