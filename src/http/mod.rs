//! HTTP on the caller's own thread: [`transport`] sends a request over a kept or a new connection and reads the answer.
//!
//! Making a connection (`dial`) and using it (`connection`) are apart, so that it is known whether a byte of a request
//! was written.

mod body;
mod collect;
mod connection;
mod decode;
mod dial;
pub mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod intermediary;
pub mod message;
pub mod origin;
mod pool;
mod protocol;
mod proxy;
pub mod redirect;
mod sending;
pub mod settings;
mod socks;
#[cfg(feature = "http2")]
mod tasks;
pub mod tls;
pub mod transport;
