//! S3: sealing what is stored. XChaCha20-Poly1305 under a key from the options, bound to the client that the record
//! belongs to, so that records cannot be swapped.

use crate::error::{Error, Result, Status};
use crate::options::SecretSource;
use crate::sys::secret::{hex, random};
use crate::token::fingerprint::FingerprintKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::hmac;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The bytes of a key, and of the nonce that the format puts before what is sealed.
const KEY: usize = 32;
const NONCE: usize = 24;
/// How many bytes of a key's own hash name it: enough to tell a wrong key from damage.
const NAME: usize = 4;

/// The keys of a store: the first seals, all open, so that a key can be replaced while it is in use.
pub struct Seal {
    keys: Vec<Key>,
}

struct Key {
    name: [u8; NAME],
    cipher: XChaCha20Poly1305,
    /// For the fingerprints of credentials in suspensions (R5).
    fingerprints: hmac::Key,
}

/// Why something could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// It was sealed under a key of this name, which is not among ours.
    ForeignKey([u8; NAME]),
    /// It is not whole, was changed, or belongs to another client.
    Damaged,
}

/// Checks the options of a store that seals only where a key is given.
pub fn check_keys(key: Option<&SecretSource>, old: &[SecretSource]) -> Result<()> {
    match key.is_none() && !old.is_empty() {
        true => Err(Error::new(
            Status::TM_INVALID_OPTIONS,
            "the option store.old_keys needs store.key, the key to seal with from now on",
        )),
        false => Ok(()),
    }
}

impl Seal {
    /// Reads the keys. `old`: those that records may still be sealed with while keys are replaced.
    pub fn new(key: &SecretSource, old: &[SecretSource]) -> Result<Seal> {
        let first = Key::read(key, "store.key");
        let others = old.iter().map(|key| Key::read(key, "store.old_keys"));
        Ok(Seal { keys: std::iter::once(first).chain(others).collect::<Result<_>>()? })
    }

    /// Seals a record of this client.
    pub fn seal(&self, client_id: &str, plain: &[u8]) -> Vec<u8> {
        let (key, nonce) = (&self.keys[0], random::<NONCE>());
        // It fails only for more bytes than fit into memory.
        let sealed = key
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: client_id.as_bytes() })
            .expect("a record is short");
        [&key.name[..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed for this client under any of the keys.
    pub fn open(&self, client_id: &str, sealed: &[u8]) -> std::result::Result<Zeroizing<Vec<u8>>, Unopened> {
        let (name, rest) = sealed.split_first_chunk::<NAME>().ok_or(Unopened::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Unopened::Damaged)?;
        let key = self.keys.iter().find(|key| key.name == *name).ok_or(Unopened::ForeignKey(*name))?;
        key.cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: client_id.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| Unopened::Damaged)
    }

    /// Why it was not opened: the end of a sentence that begins with the name of the place.
    pub fn explain(&self, unopened: Unopened) -> String {
        match unopened {
            Unopened::Damaged => "is damaged, or another client_id's".to_owned(),
            Unopened::ForeignKey(theirs) => format!(
                "is sealed with another key (its name is {}, this process's {}): processes with different keys replace each \
                 other's record at every refresh; give all the same store.key, or add the other one to store.old_keys",
                hex(&theirs),
                hex(&self.keys[0].name)
            ),
        }
    }
}

/// The keys that the options of a store name, if any.
pub fn keys(key: Option<&SecretSource>, old: &[SecretSource]) -> Result<Option<Arc<Seal>>> {
    key.map(|key| Seal::new(key, old).map(Arc::new)).transpose()
}

/// Opens what a store holds for this client: `sealed`, or something readable where there is none, for which `None` is
/// returned. A store with keys takes nothing readable, and one without takes nothing sealed.
pub fn open(
    seal: Option<&Seal>,
    client_id: &str,
    sealed: Option<&[u8]>,
) -> std::result::Result<Option<Zeroizing<Vec<u8>>>, String> {
    match (sealed, seal) {
        (None, None) => Ok(None),
        (Some(_), None) => Err("is sealed, and no key was given".to_owned()),
        (None, Some(_)) => Err("is not sealed".to_owned()),
        (Some(sealed), Some(seal)) => seal.open(client_id, sealed).map(Some).map_err(|unopened| seal.explain(unopened)),
    }
}

/// What the credentials' fingerprints in a shared record are made with.
pub fn fingerprint_key(seal: Option<&Seal>) -> FingerprintKey<'_> {
    seal.map_or(FingerprintKey::Open, |seal| FingerprintKey::Sealed(&seal.keys[0].fingerprints))
}

impl Key {
    fn read(source: &SecretSource, option: &str) -> Result<Key> {
        let text = source.read(option)?;
        let bytes = Zeroizing::new(STANDARD.decode(text.as_bytes()).unwrap_or_default());
        let bytes: Zeroizing<[u8; KEY]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| {
            Error::new(
                Status::TM_INVALID_OPTIONS,
                format!("the option {option} is not a key: 32 bytes in base64; make one with tm_generate_key or tokenmgr key"),
            )
        })?);
        // One key, three uses: each but the cipher's own is a hash of it.
        let derived = |what: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*bytes), what);
        let mut name = [0; NAME];
        name.copy_from_slice(&derived(b"tokenmgr: the name of this key").as_ref()[..NAME]);
        Ok(Key {
            name,
            cipher: XChaCha20Poly1305::new((&*bytes).into()),
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, derived(b"tokenmgr: the marks of credentials").as_ref()),
        })
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} keys]", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::secret::Secret;

    fn source(bytes: &[u8]) -> SecretSource {
        SecretSource::Given(Secret::new(&STANDARD.encode(bytes)).unwrap())
    }

    fn seal(bytes: &[u8]) -> Seal {
        Seal::new(&source(bytes), &[]).unwrap()
    }

    #[test]
    fn s3_what_is_sealed_opens_under_the_same_key_for_the_same_client_only() {
        let (ours, theirs) = (seal(&[1; 32]), seal(&[2; 32]));
        let sealed = ours.seal("shop", b"tokens");
        assert_eq!(&**ours.open("shop", &sealed).unwrap(), b"tokens");
        assert_eq!(ours.open("other", &sealed).unwrap_err(), Unopened::Damaged);
        assert_eq!(theirs.open("shop", &sealed).unwrap_err(), Unopened::ForeignKey(ours.keys[0].name));
        assert_ne!(sealed, ours.seal("shop", b"tokens"), "every nonce is fresh");
    }

    #[test]
    fn s3_no_byte_can_be_changed_cut_off_or_added() {
        let key = seal(&[7; 32]);
        let sealed = key.seal("shop", b"tokens");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open("shop", &changed).is_err(), "byte {at}");
            assert!(key.open("shop", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(key.open("shop", &[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn s3_an_old_key_opens_and_the_new_one_seals() {
        let old = seal(&[1; 32]);
        let both = Seal::new(&source(&[2; 32]), &[source(&[1; 32])]).unwrap();
        assert_eq!(&**both.open("shop", &old.seal("shop", b"x")).unwrap(), b"x");
        assert_eq!(old.open("shop", &both.seal("shop", b"x")).unwrap_err(), Unopened::ForeignKey(both.keys[0].name));
        assert_eq!(&**seal(&[2; 32]).open("shop", &both.seal("shop", b"x")).unwrap(), b"x");
    }

    #[test]
    fn s2_a_wrong_key_is_refused_without_being_shown() {
        for wrong in [&b"hunter2hunter2"[..], &[0; 31], &[0; 33], b""] {
            let text = SecretSource::Given(Secret::new(&STANDARD.encode(wrong)).unwrap());
            let error = Seal::new(&text, &[]).unwrap_err();
            assert!(error.message().contains("store.key") && error.message().contains("tokenmgr key"));
            assert!(!error.message().contains(&STANDARD.encode(wrong)) || wrong.is_empty());
        }
        assert!(Seal::new(&SecretSource::Given(Secret::new("not base64!").unwrap()), &[]).is_err());
        assert_eq!(format!("{:?}", seal(&[1; 32])), "[1 keys]");
    }
}
