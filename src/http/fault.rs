//! What can go wrong between sending a request and having its whole answer, and what that allows.

use super::tls::{self, Side};
use crate::error::{Error, Status};
use std::error::Error as _;
use std::io;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// Ended by the caller's own time limit or interrupt: its error is ready.
    Ended(Error),
    /// No connection was made, so nothing was sent.
    Connect { dns: bool, timeout: bool, why: String },
    /// TLS failed. Where `connected`, the handshake was over on our side, so the request may have been sent.
    Tls { connected: bool, why: String },
    /// The connection died before an answer began. `reused`: it was one kept alive.
    Lost { reused: bool, why: String },
    /// The connection died, or spoke nonsense, within the answer.
    Broken(String),
    /// The answer grew past its limit.
    TooLarge(u64),
    /// The request can not be put on the wire.
    Unsendable(String),
}

impl Fault {
    /// Whether it is certain that no byte of the request was written (T3).
    pub fn nothing_was_written(&self) -> bool {
        matches!(self, Fault::Connect { .. } | Fault::Tls { connected: false, .. } | Fault::Unsendable(_))
    }

    /// R6: whether the request may be sent once more, if it does no harm twice.
    pub fn is_dead_reused_connection(&self) -> bool {
        matches!(self, Fault::Lost { reused: true, .. })
    }

    /// The error that the caller gets; `what` is what was being asked, `POST https://…`.
    pub fn into_error(self, what: &str) -> Error {
        match self {
            Fault::Ended(error) => error,
            Fault::Connect { timeout: true, .. } => Error::new(
                Status::TM_TIMEOUT,
                format!(
                    "{what} could not connect within connect_timeout_ms; check the host, the port and the firewall"
                ),
            ),
            Fault::Connect { dns: true, why, .. } => Error::new(
                Status::TM_NETWORK,
                format!("{what} could not find the host ({why}); check its name and this machine's DNS"),
            ),
            Fault::Connect { why, .. } => Error::new(
                Status::TM_NETWORK,
                format!("{what} could not connect ({why}); check the host, the port and the proxy"),
            ),
            Fault::Tls { connected: false, why } => {
                Error::new(Status::TM_TLS, format!("{what} made no TLS connection: {why}"))
            }
            Fault::Tls { why, .. } => Error::new(Status::TM_TLS, format!("{what} lost its TLS connection: {why}")),
            Fault::Lost { why, .. } => Error::new(
                Status::TM_NETWORK,
                format!(
                    "{what} lost its connection before an answer came ({why}); what became of the request is unknown"
                ),
            ),
            Fault::Broken(why) => {
                let advice = match what.contains(" http://") {
                    true => "try again, use https:// if the port speaks TLS, or check what stands between",
                    false => "try again, or check what stands between",
                };
                Error::new(
                    Status::TM_NETWORK,
                    format!("{what} got an answer that broke off or is no HTTP ({why}); {advice}"),
                )
            }
            Fault::TooLarge(limit) => Error::new(
                Status::TM_RESPONSE_TOO_LARGE,
                format!("{what} got an answer of more than {limit} bytes; raise max_response_bytes, or ask for less"),
            ),
            Fault::Unsendable(why) => Error::new(Status::TM_INVALID_ARGUMENT, format!("{what} can not be sent: {why}")),
        }
    }

    /// Sorts an error of the HTTP engine. `head_seen`: the answer's head had arrived; `reused`: the
    /// connection was one kept alive.
    pub fn sort(error: reqwest::Error, side: Side, head_seen: bool, reused: bool) -> Fault {
        // The URL may hold user-info of a proxy or a query that is nobody's business.
        let error = error.without_url();
        if let Some(why) = tls::explain(&error, side) {
            return Fault::Tls { connected: !error.is_connect(), why };
        }
        let why = innermost(&error);
        if error.is_builder() {
            return Fault::Unsendable(why);
        }
        if error.is_connect() {
            let (dns, timeout) = (error.is_dns(), error.is_timeout());
            return Fault::Connect { dns, timeout, why };
        }
        if head_seen || error.is_decode() || error.is_body() || is_nonsense(&error) {
            return Fault::Broken(why);
        }
        Fault::Lost { reused, why }
    }
}

/// Walks to the cause behind all wrappers: the only part that tells a person something.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// An answer began, but it is not HTTP. The engine says so only in words of its own type.
fn is_nonsense(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::InvalidData;
        }
        let text = inner.to_string();
        if text.starts_with("invalid HTTP")
            || text.contains("message head is too large")
            // HTTP/2's word for a frame that makes no sense; what the other side says is "received".
            || text.starts_with("connection error detected")
        {
            return true;
        }
        cause = inner.source();
    }
    false
}
