//! The store in Redis.

mod plain;
mod server;
