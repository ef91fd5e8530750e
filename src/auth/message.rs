//! The API's own words for what went wrong, fit to be shown.

use crate::auth::json::Document;
use crate::redact::{repeats, scrub, scrub_echo};
use crate::sys::secret::Secret;
use serde_json::Value;

/// The API's own error code and message.
#[derive(Debug, Default)]
pub struct ServerMessage {
    pub code: Option<String>,
    pub message: Option<String>,
}

/// Where APIs put a code, and where a message: in the error object, else at the top.
const CODES: [&str; 8] = ["code", "errcode", "error_code", "errorCode", "error", "name", "type", "key"];
const MESSAGES: [&str; 8] =
    ["message", "error_description", "error_message", "errorMessage", "detail", "msg", "description", "title"];

/// Whether a member of this name holds words about what went wrong.
pub fn is_word(name: &str) -> bool {
    CODES[..5].contains(&name) || MESSAGES.contains(&name)
}

impl ServerMessage {
    pub fn is_empty(&self) -> bool {
        self.code.is_none() && self.message.is_none()
    }

    /// ` (code: message)` of a body.
    pub fn read(body: &[u8], secrets: &[&Secret]) -> ServerMessage {
        // An error body is small; one that is not is not worth parsing.
        const LARGEST: usize = 64 * 1024;
        if body.len() > LARGEST {
            return ServerMessage::default();
        }
        ServerMessage::of(&Document::new(body), secrets)
    }

    /// The same of a body that may be parsed already.
    pub fn of(document: &Document<'_>, secrets: &[&Secret]) -> ServerMessage {
        let Some(json) = document.json() else {
            return ServerMessage::default();
        };
        let is_echo = repeats(&document.text(), secrets);
        let scrub = if is_echo { scrub_echo } else { scrub };
        let (code, message) = find(json);
        ServerMessage {
            code: code.map(|code| scrub(&code, secrets)),
            message: message.map(|text| scrub(&text, secrets)),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A code and a message, in any of the shapes that errors commonly have.
fn find<'v>(json: &'v Value) -> (Option<String>, Option<String>) {
    let first = |of: &Value, names: &[&str]| names.iter().find_map(|name| text(of.get(*name)?));
    // {"errors": ["…"]} and {"errors": [{…}]}, as well as {"error": {…}}; Flask-Security wraps them once more.
    const LISTS: [&str; 3] = ["errors", "detail", "non_field_errors"];
    let first_of = |of: &'v Value| LISTS.iter().find_map(|name| of.get(*name)?.as_array()?.first());
    let list = first_of(json).or_else(|| json.get("response").and_then(first_of));
    if let Some(message) = list.and_then(text) {
        return (None, Some(message));
    }
    let inner = json.get("error").filter(|error| error.is_object()).or(list);
    if let Some(inner) = inner {
        let extended = inner.get("extensions").and_then(|more| first(more, &CODES));
        return (extended.or_else(|| first(inner, &CODES)), first(inner, &MESSAGES));
    }
    let message = first(json, &MESSAGES);
    match (first(json, &CODES[..4]), json.get("error").and_then(text)) {
        // {"errcode": "…", "error": "the message"}
        (Some(code), Some(error)) if message.is_none() => (Some(code), Some(error)),
        // What is called name or type says what went wrong only beside a message.
        (code, error) => (code.or(error).or_else(|| message.as_ref().and(first(json, &CODES[5..]))), message),
    }
}

impl std::fmt::Display for ServerMessage {
    /// ` (code: message)`, or as much of it as there is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_the_shapes_they_commonly_have() {
        for (body, text) in [
            (r#"{"error":{"name":"n","code":"c","message":"the words"}}"#, " (c: the words)"),
            (r#"{"error":{"name":"n","message":"the words"}}"#, " (n: the words)"),
            (r#"{"success":false,"error":{"code":1234}}"#, " (1234)"),
            (r#"{"error":"invalid_grant","message":"gone"}"#, " (invalid_grant: gone)"),
            (r#"{"error":"invalid_grant","error_description":"gone"}"#, " (invalid_grant: gone)"),
            (r#"{"errcode":"M_FORBIDDEN","error":"Invalid password"}"#, " (M_FORBIDDEN: Invalid password)"),
            (r#"{"detail":"No active account found","code":"no_active"}"#, " (no_active: No active account found)"),
            (
                r#"{"errors":[{"message":"Invalid user.","extensions":{"code":"INVALID"}}]}"#,
                " (INVALID: Invalid user.)",
            ),
            (r#"{"errors":["permission denied"]}"#, " (permission denied)"),
            (r#"{"non_field_errors":["no such account"]}"#, " (no such account)"),
            (
                r#"{"detail":[{"type":"missing","loc":["body","username"],"msg":"Field required"}]}"#,
                " (missing: Field required)",
            ),
            (r#"{"meta":{"code":400},"response":{"errors":["Invalid password"]}}"#, " (Invalid password)"),
            (r#"{"error":{"code":401,"message":"no","title":"Unauthorized"}}"#, " (401: no)"),
            (r#"{"type":"about:blank","title":"Locked","detail":"later","status":423}"#, " (about:blank: later)"),
            (r#"{"name":"UnauthorizedError","message":"no"}"#, " (UnauthorizedError: no)"),
            (r#"{"name":"Ann","type":"user"}"#, ""),
            ("<html>", ""),
            ("{}", ""),
            ("[]", ""),
            ("7", ""),
        ] {
            assert_eq!(ServerMessage::read(body.as_bytes(), &[]).to_string(), text, "{body}");
        }
        assert!(ServerMessage::read(&[b' '; 70_000], &[]).is_empty());
    }

    #[test]
    fn s2_the_servers_words_are_scrubbed() {
        let secret = Secret::new("hunter2").unwrap();
        let words = ServerMessage::read(br#"{"error":"hunter2","message":"no hunter2 here"}"#, &[&secret]);
        assert_eq!(words.to_string(), " ([secret]: no [secret] here)");
    }
}
