//! The fuzzer's target in what a Vault answers.

use crate::store::vault::answer::{Body, Reply};
use crate::sys::secret::Secret;

/// The first byte picks the status.
pub fn answer(data: &[u8]) {
    let Some((first, json)) = data.split_first() else { return };
    let Ok(body) = serde_json::from_slice::<Body>(json) else { return };
    let status = 200 + u16::from(*first) * 2;
    let secrets: Vec<Secret> = Secret::new("hunter2hunter2").into_iter().collect();
    let redacted = "GET https://vault.example/v1/x";
    let reply = Reply { redacted, status, body: &body, intermediary: None, secrets: &secrets };
    assert!(!reply.error().message().contains("hunter2hunter2"));
    assert!(!reply.is_conflict() || status == 400);
    assert!(!reply.is_empty() || status == 404);
    reply.did_nothing();
}
