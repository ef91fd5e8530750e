//! What a Vault answers, and what its refusals mean to its operator. Pure.

use crate::error::{Error, Status};
use crate::redact::scrub;
use crate::sys::secret::Secret;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// An answer's body, as far as it is needed here. The content of the secret is read separately: it may be
/// anything, and its version is needed all the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Body {
    errors: Option<Vec<String>>,
    pub data: Option<Data>,
    pub auth: Option<Auth>,
}

/// The answer to reading a secret, to writing one (`version`), or to looking a token up (`ttl`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Data {
    pub metadata: Option<Metadata>,
    pub version: Option<u64>,
    pub ttl: Option<u64>,
    pub renewable: Option<bool>,
}

/// A version of a secret.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub version: u64,
    pub created_time: String,
}

/// A token that was given or renewed.
#[derive(Debug, Deserialize)]
pub struct Auth {
    #[serde(deserialize_with = "secret")]
    pub client_token: Option<Secret>,
    /// Seconds; 0: it does not run out.
    #[serde(default)]
    pub lease_duration: u64,
    #[serde(default)]
    pub renewable: bool,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new);
    Ok(text.and_then(|text| Secret::new(&text)))
}

/// An answer, and what messages about it need.
pub struct Reply<'a> {
    /// The request, as messages show it: `GET https://…`.
    pub redacted: &'a str,
    pub status: u16,
    pub body: &'a Body,
    /// Which intermediary refused, if it was not the Vault, and what to do about it.
    pub intermediary: Option<&'a str>,
    /// Secrets that the Vault may repeat in its messages.
    pub secrets: &'a [Secret],
}

impl Reply<'_> {
    /// Whether a write found another version than it named.
    pub fn is_conflict(&self) -> bool {
        self.status == 400 && self.server_text().contains("check-and-set")
    }

    /// Whether the path exists and holds nothing.
    pub fn is_empty(&self) -> bool {
        self.status == 404 && self.body.errors.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether the request was refused before anything was done.
    pub fn did_nothing(&self) -> bool {
        // A sealed Vault looks at no request.
        matches!(self.status, 300..500) || self.is_sealed()
    }

    /// What went wrong, where the answer is of no use.
    pub fn error(&self) -> Error {
        let Reply { redacted, status, .. } = self;
        if let Some(why) = self.intermediary {
            let sentence = format!("{redacted} was refused ({status}): {why}");
            return Error::new(Status::TM_STORE, sentence).with_http_status(*status);
        }
        let text = self.server_text();
        let said = if text.is_empty() { String::new() } else { format!(" ({text})") };
        let sentence = match status {
            300..400 => format!(
                "{redacted} was sent on elsewhere ({status}), as a standby that does not forward does; give the address of the active node, or of what stands before all nodes, in store.url"
            ),
            403 => format!(
                "{redacted} was refused (403): the Vault token's policy has to allow this path read, create and update, and the token must not have run out"
            ),
            404 if text.contains("namespace") => {
                format!("{redacted} found no such namespace{said}; check store.namespace")
            }
            404 => format!(
                "{redacted} found nothing mounted there{said}; check store.url and store.mount, or mount a KV version 2 secrets engine"
            ),
            429 => {
                format!("{redacted} was refused (429): a quota of the Vault is used up; try again later, or raise it")
            }
            472 | 473 => format!(
                "{redacted} reached a standby that serves no requests ({status}); give the address of the active node in store.url"
            ),
            501 => format!("{redacted} reached a Vault that is not initialized; initialize and unseal it"),
            503 if self.is_sealed() => format!("{redacted} reached a Vault that is sealed; unseal it"),
            200..300 => format!(
                "{redacted} was answered {status} without a version; check that store.mount is a KV secrets engine of version 2, and that store.url is a Vault"
            ),
            _ => format!("{redacted} was answered {status}{said}; see the Vault's own log"),
        };
        Error::new(Status::TM_STORE, sentence).with_http_status(*status)
    }

    fn is_sealed(&self) -> bool {
        self.status == 503 && self.server_text().contains("sealed")
    }

    fn server_text(&self) -> String {
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        scrub(&self.body.errors.as_deref().unwrap_or_default().join("; "), &secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, json: &str) -> Reply<'static> {
        let body = Box::leak(Box::new(serde_json::from_str(json).unwrap()));
        Reply { redacted: "GET https://v/v1/x", status, body, intermediary: None, secrets: &[] }
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        for (status, json, says) in [
            (307, "{}", "active node"),
            (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, "read, create and update"),
            (404, r#"{"errors":["no handler for route \"x\". route entry not found."]}"#, "store.mount"),
            (404, r#"{"errors":["namespace not found"]}"#, "store.namespace"),
            (429, r#"{"errors":["request path: rate limit quota exceeded"]}"#, "quota"),
            (472, "{}", "standby"),
            (473, "{}", "standby"),
            (501, "{}", "initialize"),
            (503, r#"{"errors":["Vault is sealed"]}"#, "unseal it"),
            (503, "{}", "answered 503"),
            (500, r#"{"errors":["internal error"]}"#, "internal error"),
            (204, "{}", "version 2"),
        ] {
            let error = reply(status, json).error();
            assert!(error.message().contains(says), "{status}: {error}");
            assert!(error.status() == Status::TM_STORE && error.http_status() == status);
        }
    }

    #[test]
    fn s2_its_words_are_shown_without_secrets() {
        let token = Secret::new("s.hunter2hunter2").unwrap();
        let body = serde_json::from_str(r#"{"errors":["bad token s.hunter2hunter2"]}"#).unwrap();
        let reply = Reply { redacted: "x", status: 500, body: &body, intermediary: None, secrets: &[token] };
        assert!(!reply.error().message().contains("hunter2"));
    }

    #[test]
    fn a_conflict_an_empty_place_and_a_refusal_are_told_apart() {
        let conflict = r#"{"errors":["check-and-set parameter did not match the current version"]}"#;
        assert!(reply(400, conflict).is_conflict() && !reply(400, "{}").is_conflict());
        assert!(reply(404, r#"{"errors":[]}"#).is_empty() && !reply(404, r#"{"errors":["no handler"]}"#).is_empty());
        assert!(!reply(404, "{}").is_empty(), "not a Vault's answer");
        assert!(reply(403, "{}").did_nothing() && !reply(500, "{}").did_nothing());
        assert!(reply(503, r#"{"errors":["Vault is sealed"]}"#).did_nothing() && !reply(503, "{}").did_nothing());
        assert!(!reply(204, "{}").did_nothing());
    }
}
