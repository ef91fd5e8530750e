//! The store in HashiCorp Vault or OpenBao. Read `store` first.

pub mod options;

#[cfg(feature = "store-vault")]
mod answer;
#[cfg(all(feature = "fuzzing", feature = "store-vault"))]
pub mod fuzzing;
#[cfg(feature = "store-vault")]
mod path;
#[cfg(feature = "store-vault")]
mod server;
#[cfg(feature = "store-vault")]
pub mod store;
#[cfg(feature = "store-vault")]
mod token;
