//! The store in one file. Read `store` first.

mod access;
pub mod options;
mod path;
pub mod store;
