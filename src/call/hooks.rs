//! The callbacks of a handle's owner that any call may run.

use crate::call::log::Level;
use std::fmt;
use std::sync::Arc;

/// The caller's log callback. It may do anything but throw: see the rules at the head of the C header.
pub type LogHook = Arc<dyn Fn(Level, &str) + Send + Sync>;
/// The caller's interrupt callback: true ends the call.
pub type InterruptHook = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a handle's owner has set on it. A call keeps the hooks that it began with.
#[derive(Clone, Default)]
pub struct Hooks {
    pub log: Option<(Level, LogHook)>,
    pub interrupt: Option<InterruptHook>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("log", &self.log.as_ref().map(|(level, _)| level))
            .field("interrupt", &self.interrupt.is_some())
            .finish()
    }
}
