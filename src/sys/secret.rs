//! S2: values that must not be seen. They are zeroed when the last copy is dropped, and never printed.

use bytes::Bytes;
use once_cell::sync::OnceCell;
use ring::{hmac, rand};
use std::fmt;
use zeroize::Zeroizing;

/// A token, a password or a key. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The value and one NUL, so that C can borrow it.
    bytes: Bytes,
}

impl Secret {
    /// `None` when the text holds a NUL, which no C string can carry.
    pub fn new(text: &str) -> Option<Secret> {
        if text.as_bytes().contains(&0) {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Some(Secret { bytes: Bytes::from_owner(bytes) })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 1]
    }

    pub fn as_bytes_with_nul(&self) -> &[u8] {
        &self.bytes
    }

    pub fn as_str(&self) -> &str {
        // Made from a &str and never changed.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A key that only this process has, for fingerprints that no other process needs.
pub fn process_key() -> &'static hmac::Key {
    static KEY: OnceCell<hmac::Key> = OnceCell::new();
    KEY.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()))
}

/// Fresh random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It fails only where the kernel has no random numbers, and nothing here is safe without them.
    rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut bytes)
        .expect("the operating system gave no random bytes");
    bytes
}

/// A random place between 0 and 1.
pub fn random_fraction() -> f64 {
    f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX)
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_a_secret_is_never_printed() {
        let secret = Secret::new("hunter2hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.as_str(), "hunter2hunter2");
        assert_eq!(secret.as_bytes_with_nul().last(), Some(&0));
    }

    #[test]
    fn a_secret_with_a_nul_is_refused() {
        assert!(Secret::new("a\0b").is_none());
    }
}
