//! What needs the operating system more directly than std offers it. Unsafe code is here and in `ffi` only.

#![allow(unsafe_code)]

pub mod cancel;
pub mod clock;
pub mod failpoint;
pub mod files;
pub mod fork;
pub mod pages;
pub mod recent;
pub mod secret;
pub mod signals;
pub mod socket;
pub mod stack;
pub mod thread;
pub mod user;
pub mod zeroing;
