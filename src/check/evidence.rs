//! What advice and hints are based on.

use crate::auth::{Dialect, Stage, Values};
use crate::http::message::Answer;
use crate::sys::secret::Secret;

/// An endpoint that was asked, and its answer.
pub struct Evidence<'a> {
    pub dialect: &'a Dialect,
    pub stage: Stage,
    pub values: &'a Values<'a>,
    pub answer: &'a Answer,
    /// What must not be shown, and is not what is looked for.
    pub secrets: &'a [Secret],
}
