//! What can go wrong between sending a request and having its whole answer, and what that allows.

use crate::call::Call;
use crate::error::{Error, Status, WaitEnd};
use crate::http::tls;
use crate::http::tls::settings::OptionScope;
use crate::net::connect::Unreached;
use crate::net::drive::Stopped;
use std::error::Error as _;
use std::io;

/// What sending a request comes to.
pub type Result<T> = std::result::Result<T, Fault>;

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// The caller's own time limit or interrupt ended the exchange: its error is ready.
    Ended(Error),
    /// The same while a connection was made, so nothing was sent. `in_tls`: in the TLS handshake.
    Unbegun { error: Error, in_tls: bool },
    /// No connection was made, so nothing was sent.
    Connect { dns: bool, timeout: bool, why: String },
    /// TLS failed. Where `connected`, the handshake was over on our side, so the request may have been sent.
    Tls { connected: bool, why: String },
    /// The connection died before an answer began. `reused`: it was one kept alive. `sent`: a byte of the request may
    /// have left this machine.
    Lost { reused: bool, sent: bool, why: String },
    /// The connection died within the answer, or what came is not HTTP.
    Broken(String),
    /// The answer grew past its limit.
    TooLarge(u64),
    /// The request cannot be put on the wire.
    Unsendable(String),
    /// A proxy did not connect to the server, so nothing was sent to the server. `proxy`: its URL without user-info.
    Proxy { proxy: String, why: String },
    /// This process or machine has run out of descriptors or memory, so nothing was sent.
    Exhausted(String),
    /// A plain request would have left this machine: nothing was sent. `host`: where to.
    Readable { host: String },
}

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The connection served a call before.
    pub is_reused: bool,
    /// A byte of the request may have left this machine.
    pub has_sent: bool,
    /// A byte of the answer has come.
    pub has_received: bool,
}

impl Fault {
    /// Whether it is certain that no byte of the request was written (T3).
    pub fn nothing_was_written(&self) -> bool {
        matches!(
            self,
            Fault::Unbegun { .. }
                | Fault::Connect { .. }
                | Fault::Tls { connected: false, .. }
                | Fault::Lost { sent: false, .. }
                | Fault::Unsendable(_)
                | Fault::Proxy { .. }
                | Fault::Exhausted(_)
                | Fault::Readable { .. }
        )
    }

    /// Whether the cause lies on this machine, so that nothing was tried with another.
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self, Fault::Unsendable(_) | Fault::Exhausted(_) | Fault::Readable { .. })
    }

    /// Where time ran out, names what did not answer: `what`, such as the login at an address.
    pub fn hung(self, call: &Call, what: &str) -> Fault {
        match self {
            Fault::Ended(error) => Fault::Ended(call.hung(error, &format!("waiting for {what}"))),
            Fault::Unbegun { error, in_tls } => {
                let doing = if in_tls { "waiting for TLS with the server, for" } else { "connecting for" };
                Fault::Unbegun { error: call.hung(error, &format!("{doing} {what}")), in_tls }
            }
            other => other,
        }
    }

    /// The error that the caller gets; `what` is what was being asked, `POST https://…`.
    pub fn into_error(self, what: &str) -> Error {
        let is_plain = what.contains(" http://");
        match self {
            Fault::Ended(error) | Fault::Unbegun { error, .. } => error,
            Fault::Connect { timeout: true, why, .. } => Error::new(
                Status::TM_TIMEOUT,
                format!(
                    "{what} could not connect within connect_timeout_ms ({why}); check the host, the port and the firewall"
                ),
            )
            .with_wait_end(WaitEnd::StepDeadline),
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
            Fault::Lost { sent: false, why, .. } => Error::new(
                Status::TM_NETWORK,
                format!("{what} was not sent, as its connection closed ({why}); try again"),
            ),
            Fault::Lost { reused, why, .. } => {
                // A TLS server closes at once on bytes that are none.
                let advice = match is_plain && !reused {
                    true => "; use https:// if the port speaks TLS",
                    false => "",
                };
                Error::new(
                    Status::TM_NETWORK,
                    format!(
                        "{what} lost its connection before an answer came ({why}); what became of the request is unknown{advice}"
                    ),
                )
            }
            Fault::Broken(why) => {
                let advice = match is_plain {
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
            Fault::Proxy { proxy, why } => {
                Error::new(Status::TM_NETWORK, format!("{what} was not let through by the proxy {proxy}: {why}"))
            }
            Fault::Exhausted(why) => Error::new(Status::TM_NETWORK, format!("{what} could not be sent: {why}")),
            Fault::Readable { host } => Error::new(
                Status::TM_URL_NOT_ALLOWED,
                format!(
                    "{what} would travel readable to {host}, which is not on this machine; nothing was sent. Use https://, take the proxy away, or set allow_insecure_http"
                ),
            ),
            Fault::Unsendable(why) => Error::new(Status::TM_INVALID_ARGUMENT, format!("{what} cannot be sent: {why}")),
        }
    }

    /// What a hyper error means for an exchange over this connection.
    pub fn of_exchange(error: &hyper::Error, progress: Progress, scope: OptionScope) -> Fault {
        if let Some(why) = tls::explain(error, scope) {
            return Fault::Tls { connected: true, why };
        }
        let why = innermost(error);
        if error.is_user() && !is_abandoned(error) {
            return Fault::Unsendable(why);
        }
        match progress.has_received || error.is_parse() || is_not_http(error) {
            true => Fault::Broken(why),
            false => Fault::Lost { reused: progress.is_reused, sent: progress.has_sent, why },
        }
    }

    /// What a hyper error means while an answer's body is read.
    pub fn of_body(error: &hyper::Error, scope: OptionScope) -> Fault {
        match tls::explain(error, scope) {
            Some(why) => Fault::Tls { connected: true, why },
            None => Fault::Broken(innermost(error)),
        }
    }

    /// What an error means while HTTP is begun over a new connection.
    pub fn of_opening(error: hyper::Error) -> Fault {
        Fault::Connect { dns: false, timeout: false, why: innermost(&error) }
    }

    /// What the end of a wait for the server means.
    pub fn of_stopped(stopped: Stopped, call: &Call) -> Fault {
        match stopped {
            Stopped::StepOutOfTime => Fault::Ended(call.step_timed_out("waiting for the server")),
            Stopped::Call(error) => Fault::Ended(error),
            // The request may have left by then: unlike a shortage before it, this does not mean that nothing was sent.
            Stopped::Unable(cause) => {
                Fault::Lost { reused: false, sent: true, why: format!("this process could not wait for it: {cause}") }
            }
        }
    }

    /// What the end of a wait means while a connection is made.
    pub fn of_stopped_dial(stopped: Stopped) -> Fault {
        match stopped {
            Stopped::StepOutOfTime => Fault::Connect { dns: false, timeout: true, why: "no answer".to_owned() },
            Stopped::Call(error) => Fault::Unbegun { error, in_tls: false },
            Stopped::Unable(cause) => Fault::of_connecting(&cause),
        }
    }

    /// What the end of a wait means in the TLS handshake.
    pub fn of_stopped_handshake(stopped: Stopped) -> Fault {
        match stopped {
            Stopped::StepOutOfTime => Fault::Connect {
                dns: false,
                timeout: true,
                why: "it took the connection and began no TLS; use http:// if its port speaks none".to_owned(),
            },
            Stopped::Call(error) => Fault::Unbegun { error, in_tls: true },
            unable => Fault::of_stopped_dial(unable),
        }
    }

    /// What an error of the kernel means while a connection is made.
    pub fn of_connecting(cause: &io::Error) -> Fault {
        Fault::local_shortage(cause).unwrap_or_else(|| Fault::Connect {
            dns: false,
            timeout: cause.kind() == io::ErrorKind::TimedOut,
            why: cause.to_string(),
        })
    }

    /// What ended a TLS handshake.
    pub fn of_handshake(cause: &io::Error, scope: OptionScope) -> Fault {
        if let Some(unread) = tls::local_failure(cause) {
            return Fault::Exhausted(unread.to_string());
        }
        if let Some(fault) = Fault::local_shortage(cause) {
            return fault;
        }
        match tls::explain(cause, scope) {
            Some(why) => Fault::Tls { connected: false, why },
            None => Fault::Connect { dns: false, timeout: false, why: format!("in the TLS handshake, {cause}") },
        }
    }

    /// Whether this process has run out of something, which no other machine caused.
    pub fn local_shortage(cause: &io::Error) -> Option<Fault> {
        let lacking = match cause.raw_os_error()? {
            libc::EMFILE => "this process has no file descriptors left; raise its limit of open files (ulimit -n)",
            libc::ENFILE => "this machine has no file descriptors left; raise its limit of open files (fs.file-max)",
            libc::ENOMEM | libc::ENOBUFS => "this machine's kernel has no memory left for another connection",
            libc::EADDRNOTAVAIL => {
                "this machine has no local address or port left for it; see net.ipv4.ip_local_port_range"
            }
            _ => return None,
        };
        Some(Fault::Exhausted(lacking.to_owned()))
    }
}

impl From<Unreached> for Fault {
    fn from(unreached: Unreached) -> Fault {
        match unreached {
            Unreached::LookUp(cause) => Fault::local_shortage(&cause).unwrap_or_else(|| Fault::Connect {
                dns: true,
                timeout: cause.kind() == io::ErrorKind::TimedOut,
                why: cause.to_string(),
            }),
            Unreached::NoAddress => {
                Fault::Connect { dns: true, timeout: false, why: "the host has no address".to_owned() }
            }
            Unreached::Refused(cause) => Fault::of_connecting(&cause),
            Unreached::Stopped(stopped) => Fault::of_stopped_dial(stopped),
        }
    }
}

/// The innermost cause: the only part of the message that says what happened.
fn innermost(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// The connection ended before the request's turn on it came. hyper reports that as a mistake of its user.
fn is_abandoned(error: &hyper::Error) -> bool {
    error.to_string().starts_with("dispatch task is gone")
}

/// An answer began, but it is not HTTP. hyper has no accessor for this, so the causes are looked at.
fn is_not_http(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::InvalidData;
        }
        // h2 says "detected" of errors that it found itself, and "received" of those that the peer reported.
        if inner.to_string().starts_with("connection error detected") {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::hooks::Hooks;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_plain_request_that_a_tls_port_resets_is_told_of_it() {
        for (what, reused, expected) in [
            ("POST http://127.0.0.1:443/login", false, true),
            ("POST http://127.0.0.1:443/login", true, false),
            ("POST https://127.0.0.1:443/login", false, false),
        ] {
            let error = Fault::Lost { reused, sent: true, why: "reset".to_owned() }.into_error(what);
            assert_eq!(error.message().contains("use https:// if the port speaks TLS"), expected, "{what} {reused}");
        }
    }

    #[test]
    fn t3_where_a_wait_for_the_server_fails_the_request_may_have_left() {
        let call = Call::begin(Arc::new(Hooks::default()), Duration::from_secs(1));
        for code in [libc::EINVAL, libc::ENOMEM] {
            let fault = Fault::of_stopped(Stopped::Unable(io::Error::from_raw_os_error(code)), &call);
            assert!(!fault.nothing_was_written(), "{fault:?}");
        }
    }
}
