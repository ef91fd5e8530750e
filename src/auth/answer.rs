//! What an answer of 400 and above to an API call means.

use crate::auth::popup::{ServerMessage, forbidden};
use crate::error::{Error, Status};
use crate::http::date;
use crate::http::message::Answer;
use crate::sys::clock::unix_seconds;
use crate::sys::secret::Secret;
use http::header;

/// What an answer of 400 and above means, with the server's own code and message.
pub fn explain(redacted: &str, answer: &Answer, secrets: &[&Secret]) -> Error {
    let Answer { status, headers, body, intermediary, .. } = answer;
    let status = *status;
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let date = text(header::DATE).and_then(date::http_date);
    let retry_after = text(header::RETRY_AFTER).and_then(|text| date::retry_after(text, date, unix_seconds()));
    let words = ServerMessage::read(body, secrets);
    if let Some(why) = intermediary {
        let kind = if status >= 500 { Status::TM_SERVER_ERROR } else { Status::TM_HTTP_ERROR };
        let error = Error::new(kind, format!("{redacted} was answered {status}: {why}"));
        return error.with_http_status(status).with_retry_after(retry_after);
    }
    let error = match status {
        401 => Error::new(
            Status::TM_UNAUTHORIZED,
            format!(
                "{redacted} was answered 401{words}, also after the token was renewed as far as it may be; see whether the account may do this"
            ),
        ),
        403 => forbidden(redacted, &words),
        407 => Error::new(
            Status::TM_HTTP_ERROR,
            format!(
                "{redacted} was answered 407{words} by a proxy, which wants a username and a password; put them into the proxy's URL, http://user:password@host:port"
            ),
        ),
        429 => Error::new(
            Status::TM_RATE_LIMITED,
            format!("{redacted} was answered 429{words}; wait before the next call"),
        ),
        500.. => {
            Error::new(Status::TM_SERVER_ERROR, format!("{redacted} was answered {status}{words}; try again later"))
        }
        _ => Error::new(Status::TM_HTTP_ERROR, format!("{redacted} was answered {status}{words}; correct the request")),
    };
    error.with_http_status(status).with_server_code(words.code).with_retry_after(retry_after)
}
