//! The store in Redis: servers alone, behind Sentinel and in a Cluster, and everything that can happen to them.

mod access;
mod clock;
mod cluster;
mod ends;
mod fake;
mod faults;
mod fork;
mod hostile;
mod php;
mod plain;
mod proxy;
mod put_back;
mod sentinel;
pub mod server;
mod troubles;
