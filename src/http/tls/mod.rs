//! TLS 1.2 and 1.3 by rustls on ring, always verified; the platform's authorities are read when first needed.

mod algorithms;
mod config;
mod explain;
mod files;
mod platform;
mod refusal;
pub mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod verifier;

#[cfg(feature = "store-redis")]
pub use config::{Material, client_config};
pub use explain::explain;
#[allow(unused_imports)] // For callers that tell errors of this process from those of the server.
pub use explain::local_failure;
#[allow(unused_imports)]
pub use refusal::Unreadable;
pub use shared::Shared;
