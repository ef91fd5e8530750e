//! Private keys, as PEM or as a JWK, and signing with them. By rustls, which is here for client certificates.

use crate::error::{Error, Result, Status};
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Ps256,
    Es256,
    EdDsa,
    Hs256,
}

impl Algorithm {
    pub const NAMES: [(&str, Algorithm); 5] = [
        ("RS256", Algorithm::Rs256),
        ("PS256", Algorithm::Ps256),
        ("ES256", Algorithm::Es256),
        ("EdDSA", Algorithm::EdDsa),
        ("HS256", Algorithm::Hs256),
    ];

    pub fn name(self) -> &'static str {
        Algorithm::NAMES.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| name)
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Algorithm::Rs256 | Algorithm::Hs256 => SignatureScheme::RSA_PKCS1_SHA256,
            Algorithm::Ps256 => SignatureScheme::RSA_PSS_SHA256,
            Algorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
            Algorithm::EdDsa => SignatureScheme::ED25519,
        }
    }
}

#[derive(Clone)]
pub struct Key {
    kind: Kind,
    id: Option<String>,
}

#[derive(Clone)]
enum Kind {
    /// The key itself, and as it was given.
    Shared {
        key: Arc<Zeroizing<Vec<u8>>>,
        text: Secret,
    },
    Pair(Arc<dyn SigningKey>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

const TAKES: &str = "it takes a private key in PEM (PKCS#8, PKCS#1 or SEC1) or a private JWK";

impl Key {
    /// Else why it is none.
    pub fn read(algorithm: Algorithm, text: &Secret) -> std::result::Result<Key, String> {
        let jwk = serde_json::from_slice::<Value>(text.as_bytes()).ok().filter(Value::is_object);
        let id = jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str().map(str::to_owned));
        if algorithm == Algorithm::Hs256 {
            let kind = match &jwk {
                None => {
                    Some(Kind::Shared { key: Arc::new(Zeroizing::new(text.as_bytes().to_vec())), text: text.clone() })
                }
                Some(jwk) => shared(jwk),
            };
            let why = "holds a JWK that is no symmetric key (\"kty\": \"oct\"); it takes one, or the key as text";
            return kind.map(|kind| Key { kind, id }).ok_or_else(|| why.to_owned());
        }
        let der = match &jwk {
            Some(jwk) => of_jwk(jwk).ok_or_else(|| {
                format!("holds a JWK that is no private key of type RSA, EC (P-256) or OKP (Ed25519); {TAKES}")
            })?,
            None => of_pem(text.as_str())?,
        };
        let key = any_supported_type(&der).map_err(|_| format!("holds a key that cannot be used; {TAKES}"))?;
        if key.choose_scheme(&[algorithm.scheme()]).is_none() {
            return Err(format!("holds a key of another kind than {} is for; check alg", algorithm.name()));
        }
        Ok(Key { kind: Kind::Pair(key), id })
    }

    /// A JWK's `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// A shared key, which a server could repeat.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.kind {
            Kind::Shared { text, .. } => Some(text),
            Kind::Pair(_) => None,
        }
    }

    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>> {
        let failed =
            || Error::new(Status::TM_INVALID_OPTIONS, "the key in auth.assertion.key could not sign; check it");
        let pair = match &self.kind {
            Kind::Shared { key, .. } => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key);
                return Ok(hmac::sign(&key, message).as_ref().to_vec());
            }
            Kind::Pair(pair) => pair,
        };
        let signer = pair.choose_scheme(&[algorithm.scheme()]).ok_or_else(failed)?;
        let signature = signer.sign(message).map_err(|_| failed())?;
        match algorithm {
            Algorithm::Es256 => fixed(&signature).ok_or_else(failed),
            _ => Ok(signature),
        }
    }
}

/// The key in a symmetric JWK.
fn shared(jwk: &Value) -> Option<Kind> {
    let is_symmetric = jwk.get("kty").and_then(Value::as_str) == Some("oct");
    let text = jwk.get("k")?.as_str().filter(|_| is_symmetric)?;
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|bytes| !bytes.is_empty())?;
    Some(Kind::Shared { key: Arc::new(Zeroizing::new(bytes)), text: Secret::new(text)? })
}

fn of_pem(text: &str) -> std::result::Result<PrivateKeyDer<'static>, String> {
    if text.contains("ENCRYPTED") {
        return Err(format!("holds a key that is encrypted with a passphrase; {TAKES}, without one"));
    }
    // In an environment variable line ends are often written as \n.
    let lines = Zeroizing::new(text.replace("\\n", "\n"));
    PrivateKeyDer::from_pem_slice(lines.as_bytes()).map_err(|_| format!("holds no private key; {TAKES}"))
}

/// A private JWK (RFC 7518, RFC 8037) as the DER that there is for its kind.
fn of_jwk(jwk: &Value) -> Option<PrivateKeyDer<'static>> {
    let bytes = |name: &str| {
        let text = jwk.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().map(Zeroizing::new)
    };
    let curve = || jwk.get("crv")?.as_str();
    match jwk.get("kty")?.as_str()? {
        "RSA" => {
            let mut numbers = Zeroizing::new(vec![2, 1, 0]);
            for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                numbers.extend_from_slice(&integer(&bytes(name)?));
            }
            Some(PrivateKeyDer::Pkcs1(tagged(0x30, &numbers).into()))
        }
        "EC" if curve() == Some("P-256") => {
            let (d, x, y) = (bytes("d")?, bytes("x")?, bytes("y")?);
            if [d.len(), x.len(), y.len()] != [32; 3] {
                return None;
            }
            let mut point = vec![0, 4];
            point.extend_from_slice(&x);
            point.extend_from_slice(&y);
            let mut key = Zeroizing::new(vec![2, 1, 1]);
            key.extend_from_slice(&tagged(4, &d));
            key.extend_from_slice(&tagged(0xa1, &tagged(3, &point)));
            Some(PrivateKeyDer::Sec1(tagged(0x30, &key).into()))
        }
        "OKP" if curve() == Some("Ed25519") => {
            let seed = bytes("d").filter(|seed| seed.len() == 32)?;
            // PKCS#8, version 1, of the algorithm 1.3.101.112.
            let mut key = Zeroizing::new(vec![2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70]);
            key.extend_from_slice(&tagged(4, &tagged(4, &seed)));
            Some(PrivateKeyDer::Pkcs8(tagged(0x30, &key).into()))
        }
        _ => None,
    }
}

/// DER: a tag, the length, the content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte > 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | significant.len() as u8);
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}

/// A positive INTEGER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let significant = &bytes[bytes.iter().position(|byte| *byte > 0).unwrap_or(bytes.len())..];
    let mut content = Zeroizing::new(Vec::with_capacity(significant.len() + 1));
    if significant.first().is_none_or(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(significant);
    tagged(2, &content)
}

/// An ECDSA signature in DER, SEQUENCE of two INTEGERs, as JWS has it: both in 32 bytes each.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let mut out = Vec::with_capacity(64);
    for _ in 0..2 {
        let length = usize::from(*rest.strip_prefix(&[2])?.first()?);
        let number = rest.get(2..2 + length)?;
        let significant = &number[number.iter().position(|byte| *byte > 0).unwrap_or(length)..];
        out.resize(out.len() + 32usize.checked_sub(significant.len())?, 0);
        out.extend_from_slice(significant);
        rest = &rest[2 + length..];
    }
    rest.is_empty().then_some(out)
}
