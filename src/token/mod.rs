//! Tokens: the pair that is held, when it is fresh, what a JWT says, and the record that a store keeps. Pure: the caller
//! passes the time in.

pub mod fingerprint;
pub mod freshness;
pub mod jwt;
pub mod pair;
pub mod record;
