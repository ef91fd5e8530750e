//! The store in HashiCorp Vault or OpenBao: one secret of a KV version 2 engine for each client.
//!
//! The engine counts the versions of a secret, and writes one only if it is the next after the one that the writer
//! names (`cas`). So a change is: read, change, write with `cas`; the slower of two processes reads again.
//!
//! A write is never sent twice. It goes over the connection that the reading has just gone over, and if that dies,
//! or the answer does not come, it counts as perhaps written: sent again it would meet its own version, and that
//! looks like another process's.

use crate::call::Call;
use crate::call::backoff::RETRY_VAULT_WRITE;
use crate::error::{Error, Result, Status};
use crate::http::message::Reuse;
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore, to_json};
use crate::store::seal::{self, Seal};
use crate::store::vault::answer::Metadata;
use crate::store::vault::options::VaultOptions;
use crate::store::vault::path;
use crate::store::vault::server::{Answered, Clock, Request, Server};
use crate::store::vault::token::Tokens;
use crate::sys::failpoint::failpoint;
use crate::sys::secret::Secret;
use crate::token::fingerprint::FingerprintKey;
use crate::token::record::{LEASE, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

/// How often a change begins again because another process wrote first.
const MOST_ROUNDS: u32 = 30;
/// How far apart the clock that a writer read and the time at which the Vault says that it wrote may be: the
/// time-outs of a slow Vault, and the clocks of its nodes.
const LONGEST_WRITE: i64 = 60_000;

type Outcome<T> = std::result::Result<T, StoreFault>;

/// Records in a Vault.
#[derive(Debug)]
pub struct VaultStore {
    options: VaultOptions,
    server: Server,
    tokens: Tokens,
    /// `None`: the Vault's own encryption is enough.
    seal: Option<Arc<Seal>>,
}

/// What was read.
struct Found {
    record: Record,
    /// The latest version, 0 where there is none: what a write has to name.
    version: u64,
    clock: Clock,
    discarded: Option<String>,
}

/// What is in the secret: the record as it is, so that `vault kv get -field=access_token` works, or sealed.
#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Sealed { sealed: String },
    Plain(Box<Record>),
}

/// The result of a write.
enum Write {
    Done,
    /// The secret has another version than was read.
    Conflict,
}

impl VaultStore {
    /// Reads the keys, the certificates and the credentials; the Vault itself is first asked when a token is needed.
    pub fn new(options: &VaultOptions) -> Result<VaultStore> {
        let seal = seal::keys(options.key.as_ref(), &options.old_keys)?;
        Ok(VaultStore { server: Server::new(options)?, tokens: Tokens::new(options)?, options: options.clone(), seal })
    }

    fn url_path(&self, client_id: &str) -> String {
        format!("{}/data/{}", path::in_url(&self.options.mount), path::in_url(&path::of(&self.options, client_id)))
    }

    /// Sends a request with the library's Vault token. One that is refused is replaced once, where it can be.
    fn ask(&self, call: &Call, method: Method, path: &str, body: &[u8], reuse: Reuse) -> Outcome<Answered> {
        let request = |token: &Secret| {
            let body = Zeroizing::new(body.to_vec());
            let (method, token, secrets) = (method.clone(), Some(token), Vec::new());
            self.server.ask(call, Request { method, path, token, body, secrets, reuse })
        };
        let token = self.tokens.current(call, &self.server)?;
        let answered = request(&token.secret)?;
        if answered.status != 403 {
            return Ok(answered);
        }
        let Some(token) = self.tokens.after_refusal(call, &self.server, &token)? else {
            return Ok(answered);
        };
        let answered = request(&token.secret)?;
        self.tokens.after_second(answered.status == 403);
        Ok(answered)
    }

    fn read(&self, call: &Call, client_id: &str) -> Outcome<Found> {
        let kept = Reuse::Kept { repeatable: true };
        let answered = self
            .ask(call, Method::GET, &self.url_path(client_id), &[], kept)
            .map_err(|StoreFault { error, .. }| StoreFault { error, maybe_written: false })?;
        let metadata = answered.body.data.as_ref().and_then(|data| data.metadata.as_ref());
        let nothing =
            |version, discarded| Found { record: Record::default(), version, clock: answered.clock, discarded };
        match (answered.status, metadata) {
            (200, Some(found)) => Ok(match self.decode(client_id, &answered.text) {
                Ok(mut record) => {
                    record.invalidate_if_restored(client_id, &incarnation(&record, found));
                    Found { record, version: found.version, clock: answered.clock, discarded: None }
                }
                Err(why) => nothing(found.version, Some(format!("the secret that {} got {why}", answered.redacted))),
            }),
            // Deleted or destroyed: the next write has to name the version all the same.
            (404, Some(gone)) => Ok(nothing(gone.version, None)),
            (404, None) if answered.reply().is_empty() => Ok(nothing(0, None)),
            _ => Err(StoreFault { error: answered.reply().error(), maybe_written: false }),
        }
    }

    /// The record in an answer, or why it cannot be used.
    fn decode(&self, client_id: &str, text: &[u8]) -> std::result::Result<Record, String> {
        #[derive(Deserialize)]
        struct Outer<T> {
            data: Inner<T>,
        }
        #[derive(Deserialize)]
        struct Inner<T> {
            data: T,
        }
        let damaged = || "is damaged".to_owned();
        let outer: Outer<Map<String, Value>> = serde_json::from_slice(text).map_err(|_| damaged())?;
        let content = outer.data.data;
        // What is no base64 opens under no key.
        let decoded = |text: &str| STANDARD.decode(text).unwrap_or_default();
        let sealed = content.get("sealed").and_then(Value::as_str).map(decoded);
        let record = match seal::open(self.seal.as_deref(), client_id, sealed.as_deref())? {
            None => Record::try_from(content),
            Some(plain) => serde_json::from_slice(&plain),
        };
        record.map_err(|_| damaged())
    }

    /// Writes the version after `version`, or finds that there is one.
    fn write(&self, call: &Call, client_id: &str, record: Record, version: u64) -> Outcome<Write> {
        #[derive(Serialize)]
        struct Cas {
            cas: u64,
        }
        #[derive(Serialize)]
        struct Outer {
            options: Cas,
            data: Content,
        }
        let content = match &self.seal {
            None => Content::Plain(Box::new(record)),
            Some(seal) => Content::Sealed { sealed: STANDARD.encode(seal.seal(client_id, &to_json(&record))) },
        };
        let body = to_json(&Outer { options: Cas { cas: version }, data: content });
        let kept = Reuse::Kept { repeatable: false };
        let answered = self.ask(call, Method::POST, &self.url_path(client_id), &body, kept)?;
        let written = answered.body.data.as_ref().and_then(|data| data.version);
        let reply = answered.reply();
        match (answered.status, written) {
            (200, Some(written)) if written == version + 1 => Ok(Write::Done),
            _ if reply.is_conflict() => Ok(Write::Conflict),
            _ => Err(StoreFault { error: reply.error(), maybe_written: !reply.did_nothing() }),
        }
    }
}

impl TokenStore for VaultStore {
    fn load(&self, call: &Call, client_id: &str) -> Outcome<Loaded> {
        let Found { record, clock, discarded, .. } = self.read(call, client_id)?;
        Ok(Loaded { record, now: clock.now, discarded })
    }

    fn change(&self, call: &Call, client_id: &str, change: Change<'_>) -> Outcome<()> {
        for round in 0..MOST_ROUNDS {
            let Found { mut record, version, clock, .. } = self.read(call, client_id)?;
            if !change(&mut record, clock.now) {
                return Ok(());
            }
            stamp(&mut record, version + 1, clock);
            failpoint("vault-read");
            match self.write(call, client_id, record, version)? {
                Write::Done => {
                    failpoint("vault-written");
                    return Ok(());
                }
                Write::Conflict => {
                    let pause = RETRY_VAULT_WRITE.jittered_delay(round);
                    call.sleep(pause).map_err(|error| StoreFault { error, maybe_written: false })?;
                }
            }
        }
        let error = Error::new(
            Status::TM_STORE,
            format!(
                "the secret {} in the Vault was changed by others each of {MOST_ROUNDS} times that it was to be written; see who writes it",
                path::of(&self.options, client_id)
            ),
        );
        Err(StoreFault { error, maybe_written: false })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn fingerprint_key(&self) -> FingerprintKey<'_> {
        seal::fingerprint_key(self.seal.as_deref())
    }

    fn after_fork(&self) -> Arc<dyn TokenStore> {
        Arc::new(VaultStore {
            options: self.options.clone(),
            server: self.server.after_fork(),
            tokens: self.tokens.after_fork(),
            seal: self.seal.clone(),
        })
    }
}

/// What a write puts into the record for processes that read it later.
fn stamp(record: &mut Record, version: u64, clock: Clock) {
    record.incarnation = Some(format!("{version}@{}", clock.now));
    // A lease counts from the beginning of the second. A machine whose own clock is off reads no finer than that
    // (see `Clock`), and a claim that seems to stand for longer than a lease counts as a mistake.
    if let Some(claim) = &mut record.claim {
        claim.until = claim.until.min(clock.second + LEASE.as_millis() as i64);
    }
}

/// The incarnation that a record is found in: the one that it was written in, or another (T3).
///
/// A record names the version that it was written as and the time, and the Vault tells both of what it has. They
/// differ where the record was put there by something else than the write that made it: an older version that
/// `vault kv rollback` brought back has a new version's number; so has a copy that was put into another secret, or
/// into this one after its metadata, and with them the count of versions, were deleted. Should such a copy meet its
/// own number again, it still has a later time. A version that was deleted and undeleted is the same version with
/// the same time, and rightly counts as never gone: as long as it is the latest, nothing was written since, no
/// claim either.
///
/// The time that the Vault notes is not known before the write. It is at most a slow request later than the time
/// that the writer read; where it is later, the cost is one login.
fn incarnation(record: &Record, found: &Metadata) -> String {
    let written_at = OffsetDateTime::parse(&found.created_time, &Rfc3339)
        .map_or(0, |at| (at.unix_timestamp_nanos() / 1_000_000) as i64);
    let is_it = |stamp: &&str| {
        let (version, at) = stamp.split_once('@')?;
        let (version, at): (u64, i64) = (version.parse().ok()?, at.parse().ok()?);
        (version == found.version && (written_at - at).abs() <= LONGEST_WRITE).then_some(())
    };
    match record.incarnation.as_deref().filter(|stamp| is_it(stamp).is_some()) {
        Some(stamp) => stamp.to_owned(),
        None => format!("{}@{written_at}", found.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::record::{Claim, StoredPair};

    const SECOND: i64 = 1_800_000_000_000;

    fn found(version: u64, after_ms: i64) -> Metadata {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(SECOND + after_ms) * 1_000_000).unwrap();
        Metadata { version, created_time: at.format(&Rfc3339).unwrap() }
    }

    fn record(version: u64) -> Record {
        let pair = StoredPair {
            access_token: Secret::new("access"),
            refresh_token: Secret::new("refresh"),
            ..StoredPair::default()
        };
        let mut record = Record::default();
        record.put("shop", &pair);
        stamp(&mut record, version, Clock { now: SECOND + 500, second: SECOND });
        record
    }

    fn is_spent(version: u64, at: Metadata) -> bool {
        let mut record = record(version);
        record.invalidate_if_restored("shop", &incarnation(&record, &at));
        record.is_spent("shop", None)
    }

    #[test]
    fn t3_a_record_is_good_as_the_version_and_at_the_time_that_it_was_written() {
        assert!(!is_spent(7, found(7, 600)));
        assert!(!is_spent(7, found(7, 9_000)), "a slow Vault");
        assert!(!is_spent(7, found(7, -900)), "another node's clock");
        // It looks like a slow Vault: a copy that meets its own number within that time (docs/STORES.md).
        assert!(!is_spent(7, found(7, LONGEST_WRITE)));
    }

    #[test]
    fn t3_a_record_that_was_rolled_back_copied_or_put_back_is_spent() {
        assert!(is_spent(7, found(9, 600)), "rolled back: a new version");
        assert!(is_spent(7, found(1, 600)), "put back after the versions began anew");
        assert!(is_spent(7, found(7, 3_600_000)), "put back until its number came round");
        assert!(is_spent(7, Metadata { version: 7, created_time: "yesterday".into() }));
        let mut foreign = record(7);
        foreign.incarnation = None;
        foreign.invalidate_if_restored("shop", &incarnation(&foreign, &found(7, 600)));
        assert!(foreign.is_spent("shop", None), "written by others");
    }

    #[test]
    fn a_lease_never_seems_longer_to_a_reader_than_it_is() {
        let mut record = record(1);
        record.claim = Some(Claim { until: SECOND + 999 + LEASE.as_millis() as i64, ..Claim::new() });
        stamp(&mut record, 2, Clock { now: SECOND + 999, second: SECOND });
        for reader in [SECOND, SECOND + 999] {
            assert!(record.claimed_for(reader).is_some_and(|left| left <= LEASE));
        }
    }
}
