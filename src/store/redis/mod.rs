//! The store in Redis. Read `store` first.

pub mod options;

#[cfg(feature = "store-redis")]
mod address;
#[cfg(feature = "store-redis")]
mod connection;
#[cfg(feature = "store-redis")]
mod error;
#[cfg(feature = "store-redis")]
mod fields;
#[cfg(all(feature = "fuzzing", feature = "store-redis"))]
pub mod fuzzing;
#[cfg(feature = "store-redis")]
mod resp;
#[cfg(feature = "store-redis")]
mod route;
#[cfg(feature = "store-redis")]
mod script;
#[cfg(feature = "store-redis")]
mod session;
#[cfg(feature = "store-redis")]
pub mod store;
#[cfg(feature = "store-redis")]
mod visit;
