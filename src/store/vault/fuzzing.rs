//! What the fuzzer feeds of what a Vault answers.

use super::answer::{Body, Reply};
use crate::secret::Secret;

/// The first byte picks the status.
pub fn answer(data: &[u8]) {
    let Some((first, json)) = data.split_first() else { return };
    let Ok(body) = serde_json::from_slice::<Body>(json) else { return };
    let status = 200 + u16::from(*first) * 2;
    let known: Vec<Secret> = Secret::new("hunter2hunter2").into_iter().collect();
    let reply =
        Reply { shown: "GET https://vault.example/v1/x", status, body: &body, intermediary: None, known: &known };
    assert!(!reply.error().message().contains("hunter2hunter2"));
    assert!(!reply.is_conflict() || status == 400);
    assert!(!reply.is_empty() || status == 404);
    reply.did_nothing();
}
