//! Trying a dialect on a live server, step by step: what was sent, what was understood, and what to change. No secret is in
//! any of it (S2).
//!
//! Read `check` first; the steps are in `tokens` (login, refresh, logout) and `calls`. They share a `Trial`, which writes the
//! `report`. What that says is made by `outline` (requests and answers without what is secret), `suspects` (what an answer may
//! hold elsewhere than the dialect looks for it), `hints` (what a refusal suggests) and `advice`, which are pure.

mod advice;
mod calls;
mod evidence;
mod hints;
mod json;
mod outline;
mod report;
mod suspects;
mod tokens;
mod trial;

use crate::check::trial::Trial;
use crate::client::context::Context;
use crate::error::Result;
use crate::request::options::RequestOptions;
use crate::request::prepare::prepare;
use crate::sys::zeroing::SecretWork;
use bytes::Bytes;

const CALL: &str = "call";
const CALL_AGAIN: &str = "call with refreshed token";
const DEAD_TOKEN: &str = "dead token";

/// Tries the dialect with one login on a pair of its own, which no store ever sees, and with a GET of `path`. The report is
/// JSON.
pub fn check(context: &Context, path: Option<&str>) -> Result<String> {
    let _work = SecretWork::begin();
    let get = |path| prepare(&context.client, "GET", path, Bytes::new(), false, &RequestOptions::default());
    let mut call = path.map(get).transpose()?;
    let mut trial = Trial::new(context);
    match trial.log_in() {
        None => {
            let others = [CALL, "refresh", CALL_AGAIN, DEAD_TOKEN, "logout"];
            others.iter().for_each(|name| trial.report.skip(name, "there is no token to try it with"));
        }
        Some(pair) => {
            trial.call(CALL, call.as_mut(), &pair);
            let renewed = trial.refresh(&pair);
            match &renewed {
                Some(renewed) => trial.call(CALL_AGAIN, call.as_mut(), renewed),
                None => trial.report.skip(CALL_AGAIN, "there is no refreshed token"),
            }
            let pair = renewed.unwrap_or(pair);
            trial.call_with_wrong_token(DEAD_TOKEN, call.as_mut(), &pair);
            trial.log_out(&pair);
        }
    }
    Ok(trial.report.finish())
}
