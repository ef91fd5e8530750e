//! Errors of Redis: which operation failed, on which server, and what to do. They never hold a value, nor
//! what a URL holds beside host and port.

use crate::error::{Error, Status, WaitEnd};
use crate::redact::scrub;
use crate::store::contract::StoreFault;
use crate::store::redis::address::Server;
use crate::store::redis::resp::{Refusal, Unusable};
use crate::sys::secret::Secret;
use std::time::Duration;

/// Why a command brought no answer that can be used.
#[derive(Debug)]
pub enum RedisError {
    /// The call's interrupt or its time limit ended the operation: its error is ready.
    Ended(Error),
    /// There is no connection: nothing was sent.
    Unreached(String),
    /// No answer within the time, or the connection broke: what became of the command is unknown.
    Lost { why: String, timed_out: bool },
    /// The server answered with an error.
    Refused { server: Server, refusal: Refusal },
    /// Fewer replicas have the write than `wait_replicas` asks for.
    Unreplicated { server: Server, wanted: u64, got: i64 },
    /// It answered something that Redis does not answer.
    Senseless(Server),
    /// Its answer was larger than any expected one.
    Excessive { server: Server, what: &'static str },
    /// The record cannot be kept here.
    Unusable(String),
}

impl RedisError {
    pub fn timed_out(what: &str, server: &Server, limit: Duration) -> RedisError {
        RedisError::Lost { why: format!("{server} did not {what} within {} ms", limit.as_millis()), timed_out: true }
    }

    /// What bytes mean that are no answer.
    pub fn of_unusable(why: Unusable, server: &Server) -> RedisError {
        let what = match why {
            Unusable::Malformed => return RedisError::Senseless(server.clone()),
            Unusable::TooLarge => "more than 1 MiB",
            Unusable::TooDeep => "arrays nested more than 8 deep",
            Unusable::TooManyElements => "more than 10,000 elements",
        };
        RedisError::Excessive { server: server.clone(), what }
    }

    /// What the server's own error means.
    pub fn of_refusal(mut refusal: Refusal, server: &Server) -> RedisError {
        // How Redis 7.0 reports a command inside a script.
        if refusal.code == "ERR" && refusal.detail.contains("user executing the script can't") {
            refusal.code = "NOPERM".to_owned();
        }
        RedisError::Refused { server: server.clone(), refusal }
    }

    fn code(&self) -> &str {
        match self {
            RedisError::Refused { refusal, .. } => &refusal.code,
            _ => "",
        }
    }

    /// Whether the user, or this server, may run no scripts.
    pub fn refuses_scripts(&self) -> bool {
        match self {
            RedisError::Refused { refusal: Refusal { code, detail }, .. } => {
                let detail = detail.to_ascii_lowercase();
                (code == "NOPERM" && detail.contains("'eval'"))
                    || (code == "ERR" && detail.contains("unknown command") && detail.contains("eval"))
            }
            _ => false,
        }
    }

    /// Whether the server refused the user and password, in the messages of this and older versions of Redis.
    pub fn refuses_password(&self) -> bool {
        match self {
            RedisError::Refused { refusal: Refusal { code, detail }, .. } => {
                code == "WRONGPASS" || code == "ERR" && detail.contains("invalid password")
            }
            _ => false,
        }
    }

    pub fn is_not_permitted(&self) -> bool {
        self.code() == "NOPERM"
    }

    /// Whether the server takes no writes, so that another one has to be asked.
    pub fn is_demoted(&self) -> bool {
        matches!(self.code(), "READONLY" | "MASTERDOWN" | "LOADING")
    }

    /// Whether the command may have done something before it failed: errors with the codes named here come before anything
    /// is written.
    fn may_have_written(&self) -> bool {
        match self {
            RedisError::Unreached(_) | RedisError::Unusable(_) => false,
            // Where the call ended, the outcome is unknown, as after a lost answer.
            RedisError::Ended(_) => true,
            RedisError::Lost { .. } | RedisError::Unreplicated { .. } => true,
            RedisError::Senseless(_) | RedisError::Excessive { .. } => true,
            RedisError::Refused { refusal, .. } => !matches!(
                refusal.code.as_str(),
                "OOM"
                    | "READONLY"
                    | "LOADING"
                    | "MASTERDOWN"
                    | "CLUSTERDOWN"
                    | "NOAUTH"
                    | "WRONGTYPE"
                    | "MISCONF"
                    | "NOREPLICAS"
                    | "MOVED"
                    | "ASK"
                    | "TRYAGAIN"
                    | "BUSY"
                    | "EXECABORT"
            ),
        }
    }

    /// As the store reports it. `operation`: what failed; `writing`: whether a write was on its way; `secrets`: secrets
    /// that the server may repeat.
    pub fn into_fault(self, operation: &str, writing: bool, secrets: &[&Secret]) -> StoreFault {
        let maybe_written = writing && self.may_have_written();
        let error = match self {
            RedisError::Ended(error) if error.wait_end() == Some(WaitEnd::CallDeadline) => {
                Error::new(Status::TM_TIMEOUT, format!("{operation} took too long: {error}"))
                    .with_wait_end(WaitEnd::CallDeadline)
            }
            RedisError::Ended(error) if error.status() != Status::TM_STORE => error,
            other => Error::new(Status::TM_STORE, format!("{operation} failed: {}", other.sentence(secrets))),
        };
        StoreFault { error, maybe_written }
    }

    fn sentence(self, secrets: &[&Secret]) -> String {
        match self {
            RedisError::Ended(error) => error.message().to_owned(),
            RedisError::Unreached(why) | RedisError::Unusable(why) => why,
            RedisError::Lost { why, timed_out } => match timed_out {
                true => format!("{why}; see whether it is overloaded or stopped"),
                false => why,
            },
            RedisError::Unreplicated { server, wanted, got } => format!(
                "{server} had the write on {got} of the {wanted} replicas that wait_replicas asks for; see its replicas"
            ),
            RedisError::Senseless(server) => {
                format!("{server} answered what is no Redis answer; check the URL's port and scheme")
            }
            RedisError::Excessive { server, what } => {
                format!("{server} answered with {what}; see what it holds under the record's key")
            }
            RedisError::Refused { server, refusal } => refused(&server, &refusal, secrets),
        }
    }
}

fn refused(server: &Server, refusal: &Refusal, secrets: &[&Secret]) -> String {
    let Refusal { code, detail } = refusal;
    let advice = match code.as_str() {
        "NOAUTH" => "it asks for a password; give one in store.url or store.password",
        "WRONGPASS" => {
            "it does not know this user and password; correct store.url, or store.username and store.password"
        }
        "NOPERM" => {
            "the ACL user may not do this; it needs ~PREFIX* for the keys, and +eval +time +info +hgetall +hset +hdel +expire (docs/STORES.md)"
        }
        "OOM" => "it is out of memory; raise its maxmemory, or let it evict something else",
        "READONLY" => "it is a replica, which takes no writes; name the master, or use store.sentinel",
        "LOADING" => "it is still loading its data; it recovers by itself",
        "MASTERDOWN" => "it is a replica that has lost its master; a failover mends it",
        "CLUSTERDOWN" => "the Cluster has no master for this key; a failover mends it, or CLUSTER INFO tells more",
        "MISCONF" | "NOREPLICAS" => "it takes no writes as it is now; see its log",
        "MOVED" | "ASK" => "it is a Cluster's node; set \"cluster\": true in the option store",
        "WRONGTYPE" => "the record's key holds something that is no hash; remove it, or choose another store.prefix",
        "BUSY" => "it is busy with a script that does not end; see SCRIPT KILL",
        _ => "see what it says and its log",
    };
    // Its message about an unknown command or wrong arguments repeats what was sent.
    let repeats = detail.contains("with args") || detail.is_empty();
    let detail = if repeats { String::new() } else { format!(" {}", scrub(detail, secrets)) };
    format!("{server} answered {code}{detail}; {advice}")
}
