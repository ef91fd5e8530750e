//! What every connection has in common, whatever is spoken over it: name look-up, connecting, and the one loop in which
//! a thread waits.

pub mod connect;
pub mod drive;
pub mod idle;
pub mod resolve;
pub mod stream;
