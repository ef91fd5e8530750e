//! The steps of the refresh transaction at which a test may end or stop this process, as a machine might.
//!
//! In a build with the feature `steps` the variable `TOKENMGR_STEP` holds `STEP:kill`, `STEP:stop` or
//! `any:kill:N` (at every step, once in N times, at random). Every other build has nothing here.

/// A step is reached.
#[cfg(not(feature = "steps"))]
#[inline(always)]
pub fn reach(_step: &'static str) {}

#[cfg(feature = "steps")]
pub use hook::reach;

#[cfg(feature = "steps")]
mod hook {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A process is stopped once only: it is to go on where it was.
    static STOPPED: AtomicBool = AtomicBool::new(false);

    pub fn reach(step: &'static str) {
        let Ok(order) = std::env::var("TOKENMGR_STEP") else {
            return;
        };
        let words: Vec<&str> = order.split(':').collect();
        match words[..] {
            [at, "kill"] if at == step => send(libc::SIGKILL),
            [at, "stop"] if at == step && !STOPPED.swap(true, Ordering::SeqCst) => send(libc::SIGSTOP),
            ["any", "kill", often] => {
                let often: u64 = often.parse().expect("TOKENMGR_STEP holds any:kill:N");
                if u64::from_le_bytes(crate::secret::random()) % often == 0 {
                    send(libc::SIGKILL);
                }
            }
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
