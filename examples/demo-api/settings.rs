//! What the server can be told to be: every knob, with the documented API as the default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// One API client. `client_id` 0 asks the server to number it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub username: String,
    pub password: String,
    #[serde(default)]
    pub client_id: u64,
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// At most `max` logins, refused ones included, in any `window_ms`.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginLimit {
    pub max: usize,
    pub window_ms: i64,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    // Lifetimes.
    pub access_ms: i64,
    pub refresh_ms: i64,
    /// Access tokens are handed out as if they had been minted this long ago.
    pub access_age_ms: i64,

    // The server's clock, its `Date` header included, less the machine's.
    pub clock_skew_ms: i64,
    pub omit_date: bool,

    // What answers look like.
    pub old_envelope: bool,
    pub fractional_seconds: bool,
    pub expires_in: bool,
    pub omit_expiries: bool,
    pub omit_refresh_token_on_login: bool,
    pub omit_refresh_token_on_refresh: bool,
    /// Merged over the token data of every login and refresh; null removes a member.
    pub patch: Map<String, Value>,

    // What access tokens look like.
    pub access_token_bytes: usize,
    pub opaque_access_tokens: bool,
    /// Merged over the JWT's claims; null removes one.
    pub claims: Map<String, Value>,
    /// A login or refresh hands back the client's live access token again.
    pub same_access_token: bool,

    // Refusals.
    pub whitelist: Option<Vec<IpAddr>>,
    pub login_limit: Option<LoginLimit>,
    pub refuse_all_access: bool,

    // Connections.
    /// Announce `Connection: close` on every answer.
    pub announce_close: bool,
    /// Close a connection, unannounced, once it has been idle for this long; 0: right after an answer.
    pub idle_close_ms: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            access_ms: 3_600_000,
            refresh_ms: 7 * 24 * 3_600_000,
            access_age_ms: 0,
            clock_skew_ms: 0,
            omit_date: false,
            old_envelope: false,
            fractional_seconds: false,
            expires_in: false,
            omit_expiries: false,
            omit_refresh_token_on_login: false,
            omit_refresh_token_on_refresh: false,
            patch: Map::new(),
            access_token_bytes: 1024,
            opaque_access_tokens: false,
            claims: Map::new(),
            same_access_token: false,
            whitelist: None,
            login_limit: None,
            refuse_all_access: false,
            announce_close: false,
            idle_close_ms: None,
        }
    }
}

impl Settings {
    /// These settings with some replaced; an unknown name or a wrong type is an error that names it.
    pub fn with(&self, changes: Map<String, Value>) -> Result<Settings, String> {
        let Ok(Value::Object(mut all)) = serde_json::to_value(self) else {
            unreachable!("settings are a JSON object");
        };
        all.extend(changes);
        serde_json::from_value(Value::Object(all)).map_err(|e| e.to_string())
    }
}

/// Lays `patch` over `onto`: null removes a member, anything else replaces it.
pub fn lay_over(onto: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => onto.remove(name),
            _ => onto.insert(name.clone(), value.clone()),
        };
    }
}
