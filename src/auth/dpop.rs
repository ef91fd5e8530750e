//! DPoP (RFC 9449): tokens that only the holder of a key can use. The key, the proofs, and the nonces that servers ask for.

use crate::auth::json::Document;
use crate::auth::meaning::challenge;
use crate::auth::render::json_string;
use crate::error::{Error, Result, Status};
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// The header that carries a proof.
pub const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A key pair of one manager.
pub struct Key {
    pair: EcdsaKeyPair,
    /// The public key as a JWK, its members in the order of RFC 7638.
    jwk: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

/// What a proof is made for.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    pub method: &'a str,
    /// The request's URL; what follows its path is left out.
    pub url: &'a str,
    /// Of a call: the token that it carries.
    pub access_token: Option<&'a Secret>,
    pub nonce: Option<&'a str>,
    /// Unix seconds.
    pub now: i64,
    /// Random, never used before.
    pub jti: &'a str,
}

impl Key {
    /// A fresh one.
    pub fn generate() -> Result<Key> {
        let failed = || Error::new(Status::TM_PANIC, "no key for DPoP could be made; try again");
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| failed())?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).map_err(|_| failed())?;
        // 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Ok(Key { pair, jwk })
    }

    /// RFC 7638: what names the key; tokens are bound to it, so it belongs to a pair's identity.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.jwk.as_bytes()))
    }

    pub fn prove(&self, proof: &Proof<'_>) -> Result<String> {
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, self.jwk);
        let url = proof.url.split(['?', '#']).next().unwrap_or_default();
        let mut claims = format!(
            r#"{{"jti":{},"htm":{},"htu":{},"iat":{}"#,
            json_string(proof.jti),
            json_string(proof.method),
            json_string(url),
            proof.now
        );
        if let Some(token) = proof.access_token {
            let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
            claims.push_str(&format!(r#","ath":"{hash}""#));
        }
        if let Some(nonce) = proof.nonce {
            claims.push_str(&format!(r#","nonce":{}"#, json_string(nonce)));
        }
        claims.push('}');
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| Error::new(Status::TM_PANIC, "the proof for DPoP could not be signed; try again"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The last nonce of each origin.
#[derive(Clone, Debug, Default)]
pub struct Nonces(Vec<(String, String)>);

impl Nonces {
    pub fn get(&self, origin: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == origin).map(|(_, nonce)| nonce.as_str())
    }

    /// Takes over what an answer says.
    pub fn note(&mut self, origin: &str, headers: &HeaderMap) {
        const MOST: usize = 16;
        let is_nonce =
            |text: &&str| !text.is_empty() && text.len() <= 1024 && text.bytes().all(|b| b.is_ascii_graphic());
        let Some(nonce) = headers.get(NONCE).and_then(|value| value.to_str().ok()).filter(is_nonce) else { return };
        self.0.retain(|(known, _)| known != origin);
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push((origin.to_owned(), nonce.to_owned()));
    }
}

/// Whether a server refused a proof for want of its nonce, which it sends along: the same request is sent once more, with it.
pub fn wants_nonce(status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
    const CODE: &str = "use_dpop_nonce";
    let says = || Document::new(body).at("/error").and_then(|code| code.as_str()) == Some(CODE);
    headers.contains_key(NONCE)
        && matches!(status, 400 | 401)
        && (challenge(headers).is_some_and(|code| code == CODE) || says())
}
