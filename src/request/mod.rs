//! An API call: a token for it, the sending, and what follows from a 401. Read `send` first.

pub mod acquire;
pub mod explain;
pub mod obtain;
pub mod options;
pub mod prepare;
mod recover;
pub mod response;
pub mod send;
