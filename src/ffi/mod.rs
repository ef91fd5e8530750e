//! The C ABI and nothing else: every exported function, every pointer from C, the panic boundary. One file
//! per handle. What stands in the doc comments here is the reference in `include/tokenmgr.h`.

#![allow(unsafe_code)] // the only place that talks to C: each block says why it is sound
#![allow(non_camel_case_types)] // the names are C's

mod adapter;
mod boundary;
mod callbacks;
mod check;
mod error;
mod jwt;
mod library;
mod manager;
mod outcome;
mod panics;
mod response;
mod store;
mod stream;
mod strings;
mod token;
