//! Tokens and times as the API writes them.

use super::settings::{Settings, lay_over};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde_json::{Value, json};
use time::{
    OffsetDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};

/// Signs this server's access tokens.
pub struct Mint {
    key: hmac::Key,
    random: SystemRandom,
}

impl Mint {
    pub fn new() -> Mint {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).expect("randomness");
        Mint { key, random }
    }

    /// A real HS256 JWT with the claims of a business API, filled up to the size that is asked for.
    pub fn access_token(&self, set: &Settings, client_id: u64, username: &str, times: [i64; 2]) -> String {
        if set.opaque_access_tokens {
            return self.opaque();
        }
        let [issued_ms, expires_ms] = times;
        let Value::Object(mut claims) = json!({
            "iss": "popup-reward-store",
            "aud": "b2b-api",
            "sub": client_id.to_string(),
            "name": username,
            "client_id": client_id,
            "jti": self.opaque(),
            "iat": issued_ms.div_euclid(1000),
            "exp": expires_ms.div_euclid(1000),
            "roles": ["products:read", "categories:read", "orders:write"],
        }) else {
            unreachable!("claims are an object");
        };
        lay_over(&mut claims, &set.claims);
        let signed = |claims: &Value| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
            let body = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
            let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, body.as_bytes()));
            format!("{body}.{signature}")
        };
        let mut claims = Value::Object(claims);
        let bare = signed(&claims).len();
        // Four letters of base64 carry three bytes; `,"scope":""` takes eleven of them.
        let filling = set.access_token_bytes.saturating_sub(bare) * 3 / 4;
        if filling > 11 {
            claims["scope"] = "catalogue orders ".chars().cycle().take(filling - 11).collect::<String>().into();
        }
        signed(&claims)
    }

    pub fn opaque(&self) -> String {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes).expect("randomness");
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// What may be shown of a token.
pub fn fingerprint(token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    hash.as_ref()[..4].iter().map(|b| format!("{b:02x}")).collect()
}

pub fn rfc3339(ms: i64, fractional: bool) -> String {
    let ms = if fractional { ms } else { ms.div_euclid(1000) * 1000 };
    at(ms).format(&Rfc3339).expect("a time in this era")
}

/// The `Date` header's form: RFC 2822, with GMT for its zone.
pub fn http_date(ms: i64) -> String {
    at(ms).format(&Rfc2822).expect("a time in this era").replace("+0000", "GMT")
}

fn at(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).expect("a time in this era")
}
