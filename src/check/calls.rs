//! The steps that call the API: with the token, and with a wrong one.

use crate::auth::{Means, json_string, location};
use crate::call::backoff::REPEAT_AFTER;
use crate::check::advice::{Advice, Called, Redirect, not_expired, refused, unrecognised};
use crate::check::outline::{self, Show};
use crate::check::trial::Trial;
use crate::error::Result;
use crate::http::message::{Answer, Outgoing, Streams};
use crate::request::explain::explain;
use crate::request::send::{carry, follow};
use crate::sys::secret::Secret;
use crate::token::pair::Pair;

const NO_CALL: &str = "no call to try was given";

impl Trial<'_> {
    /// Calls the API with the token of a pair.
    pub fn call(&mut self, name: &str, call: Option<&mut Outgoing>, pair: &Pair) {
        let Some(outgoing) = call else { return self.report.skip(name, NO_CALL) };
        let mut sent = self.send(outgoing, pair);
        if self.means(&sent) == Some(Means::Expired) && self.context.call.sleep(REPEAT_AFTER).is_ok() {
            sent = self.send(outgoing, pair); // R1: read replicas lag
        }
        let advice = self.tell_call(name, outgoing, sent, true);
        self.report.end(advice.is_none(), advice);
    }

    /// The same call with a token that is wrong by one character: whether that is taken for an expired one.
    pub fn call_with_wrong_token(&mut self, name: &str, call: Option<&mut Outgoing>, pair: &Pair) {
        let Some(outgoing) = call else { return self.report.skip(name, NO_CALL) };
        let wrong = wrong_by_one(pair.access.as_str()).filter(|_| self.good.is_some());
        let Some(wrong) = wrong else {
            return self.report.skip(name, "the right token was not taken either, or cannot be changed");
        };
        self.secrets.push(wrong.clone());
        let sent = self.send(outgoing, &pair.with_access(wrong));
        let advice = self.tell_call(name, outgoing, sent, false);
        self.report.end(advice.is_none(), advice);
    }

    /// Begins the step of a call that was sent, and says what did not fit.
    fn tell_call(&mut self, name: &str, outgoing: &Outgoing, sent: Result<Called>, is_right: bool) -> Option<Advice> {
        self.report.begin(name);
        self.report.add("sent", &outline::sent(outgoing, &self.secrets));
        let called = match sent {
            Err(error) => return Some(Advice::plain(error.message().to_owned())),
            Ok(called) => called,
        };
        let Called { answer, redirects } = &called;
        if !redirects.is_empty() {
            let told = redirects.iter().map(|Redirect { status, to }| json_string(&format!("{status} to {to}")));
            self.report.add("redirected", &format!("[{}]", told.collect::<Vec<_>>().join(",")));
        }
        let meant = self.context.client.auth.dialect.call_meant(answer.status, &answer.headers, &answer.body);
        let is_refused = answer.status >= 400 || meant.means.is_some_and(|means| means != Means::Accepted);
        let is_dead = meant.means == Some(Means::Expired);
        let show = if is_refused || !is_right { Show::Words } else { Show::Kinds };
        self.report.add("answered", &outline::answered(answer, show, &self.secrets));
        self.report.understand_meaning(&meant);
        if !is_right {
            let good = self.good.as_ref().filter(|_| !is_dead)?;
            return Some(not_expired(good, &called, &meant, &self.secrets));
        }
        let carried = outline::carried(outgoing, &self.secrets);
        // A redirect that was not followed leads to where people log in.
        if is_dead || (300..400).contains(&answer.status) {
            return Some(unrecognised(answer, &carried, &self.secrets));
        }
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let error = explain(&outgoing.redacted(), answer, meant.means, &secrets);
        self.good = Some(called);
        error.map(|error| refused(&error, meant.means, &carried))
    }

    fn means(&self, sent: &Result<Called>) -> Option<Means> {
        let answer = &sent.as_ref().ok()?.answer;
        self.context.client.auth.dialect.call_means(answer.status, &answer.headers, &answer.body)
    }

    /// Sends a call, once more where the server asks for a nonce of its own in the proof (RFC 9449, 9).
    fn send(&self, outgoing: &mut Outgoing, pair: &Pair) -> Result<Called> {
        let client = &self.context.client;
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let mut is_last = false;
        loop {
            let mut redirects = Vec::new();
            let mut note = |answer: &Answer| {
                let to = location(&answer.headers, &secrets).unwrap_or_default();
                redirects.push(Redirect { status: answer.status, to });
            };
            carry(self.context, pair, outgoing)?;
            let mut streams = Streams::default();
            let answer = follow(self.context, pair, outgoing, true, &mut streams, self.deadline(), &mut note)?;
            let wants_nonce = client.auth.wants_nonce(&answer.url, answer.status, &answer.headers, &answer.body);
            if is_last || !wants_nonce {
                return Ok(Called { answer, redirects });
            }
            is_last = true;
        }
    }
}

/// The token with another character in place of one near its end, of the same kind: in a JWT that is in the signature, and
/// not in its last character, whose last bits may count for nothing.
fn wrong_by_one(token: &str) -> Option<Secret> {
    const FROM_END: usize = 4;
    let mut bytes = zeroize::Zeroizing::new(token.as_bytes().to_vec());
    let last = bytes.len().saturating_sub(FROM_END);
    let at = (0..=last).rev().find(|at| bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric))?;
    bytes[at] = match bytes[at] {
        b'9' | b'z' | b'Z' | b'f' | b'F' => bytes[at] - 1,
        other => other + 1,
    };
    Secret::new(std::str::from_utf8(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_token_has_the_shape_of_the_right_one() {
        for (right, wrong) in [
            ("eyJh.eyJz.c2lnbmF0dXJl", "eyJh.eyJz.c2lnbmF0eXJl"),
            ("0123456789abcdef", "0123456789abddef"),
            ("12|abc-----", "12|abd-----"),
            ("ab9z", "bb9z"),
            ("ab", "bb"),
        ] {
            assert_eq!(wrong_by_one(right).unwrap().as_str(), wrong);
        }
        assert!(wrong_by_one("----").is_none() && wrong_by_one("").is_none());
    }
}
