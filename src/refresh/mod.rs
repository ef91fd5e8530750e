//! Getting a new pair, so that no refresh token is ever sent twice (T1 to T5). Read `transaction` first.

pub mod apart;
pub mod ask;
mod decide;
mod degraded;
mod login;
pub mod logout;
pub mod need;
pub mod outcome;
mod publish;
mod record;
pub mod replace;
pub mod transaction;
mod view;
