//! The record of one API client, and every change that may be made to it: claim, renew, release, publish, mark as logged
//! out (`claims`), suspend, pause and rate limit (`refusals`). Pure: each takes the store's time, and each is one atomic
//! step in the store.
//!
//! The rules T1 to T5 and R5 live here. A refresh token is sent only by the process that holds an acknowledged claim
//! on exactly that token; a process that is in doubt logs in, which is always safe.

mod claims;
mod fields;
mod optional_secret;
mod refusals;
mod restored;
mod secrets;
pub mod u128hex;

#[cfg(any(test, feature = "store-vault"))]
pub use claims::LEASE;
pub use claims::{Claimed, RENEW_EVERY, Spending};
pub use fields::{Claim, Holding, PauseCause, Record, StoredPair};

#[cfg(test)]
mod tests;
