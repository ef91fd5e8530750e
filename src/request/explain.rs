//! What an answer to an API call says went wrong.

use crate::auth::{Means, ServerMessage, forbidden, pause};
use crate::error::{Error, Status};
use crate::http::message::Answer;
use crate::sys::clock::unix_seconds;
use crate::sys::secret::Secret;

/// The error of an answer, with the server's own code and message; `None`: it is none. `means`: what the dialect says of
/// it, beside its status.
pub fn explain(redacted: &str, answer: &Answer, means: Option<Means>, secrets: &[&Secret]) -> Option<Error> {
    let Answer { status, headers, body, intermediary, .. } = answer;
    let status = *status;
    if means == Some(Means::Accepted) || (status < 400 && means.is_none()) {
        return None;
    }
    let retry_after = pause(headers, unix_seconds());
    if let Some(why) = intermediary {
        let kind = if status >= 500 { Status::TM_SERVER_ERROR } else { Status::TM_HTTP_ERROR };
        let error = Error::new(kind, format!("{redacted} was answered {status}: {why}"));
        return Some(error.with_http_status(status).with_retry_after(retry_after));
    }
    let words = ServerMessage::read(body, secrets);
    let said = |kind, rest: &str| Error::new(kind, format!("{redacted} was answered {status}{words}{rest}"));
    let error = match means {
        Some(Means::Expired) => said(
            Status::TM_UNAUTHORIZED,
            ", also after the token was renewed as far as it may be; see whether the account may do this",
        ),
        Some(Means::Forbidden) => forbidden(redacted, status, &words, !words.is_empty()),
        Some(Means::RateLimited) => said(Status::TM_RATE_LIMITED, "; wait before the next call"),
        Some(Means::Unavailable) => said(Status::TM_SERVER_ERROR, "; try again later"),
        _ if status == 407 => said(
            Status::TM_HTTP_ERROR,
            " by a proxy, which wants a username and a password; put them into the proxy's URL, http://user:password@host:port",
        ),
        _ if status >= 500 => said(Status::TM_SERVER_ERROR, "; try again later"),
        _ => said(Status::TM_HTTP_ERROR, "; correct the request"),
    };
    Some(error.with_http_status(status).with_server_code(words.code).with_retry_after(retry_after))
}
