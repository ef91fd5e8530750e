//! All that is unsafe in the command, made safe: the library's C interface, and what std does not offer of the process.

#[rustfmt::skip]
#[allow(dead_code, non_camel_case_types)]
mod abi;
mod library;
mod process;
mod stream;

pub use abi::*;
pub use library::{
    Failure, LogLine, Manager, Response, Token, abi_version, generate_key, jwt_is_expired, jwt_payload,
    jwt_seconds_left, version,
};
pub use process::{catch_signals, caught_signal, close, die_if_signalled, library_path, may_write, survive_file_limit};
pub use stream::{Call, Transfer};
