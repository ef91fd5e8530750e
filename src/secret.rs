//! S2: values that must not be seen. Zeroed when the last copy goes, never printed.

use bytes::Bytes;
use once_cell::sync::OnceCell;
use ring::{hmac, rand};
use std::fmt;
use zeroize::Zeroizing;

/// A token, a password or a key. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The value and one NUL, so that C can be lent it as it is.
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

/// A key that lives and dies with this process, for fingerprints that nothing outside needs to repeat.
pub fn process_key() -> &'static hmac::Key {
    static KEY: OnceCell<hmac::Key> = OnceCell::new();
    KEY.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()))
}

/// Fresh random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It can only fail where the kernel has no random numbers to give; nothing here is safe without.
    rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut bytes)
        .expect("the operating system gave no random bytes");
    bytes
}

/// A random place between 0 and 1.
pub fn random_place() -> f64 {
    f64::from(u32::from_le_bytes(random())) / f64::from(u32::MAX)
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The server's own words, fit to be shown: at most 500 bytes, one line, and without anything that looks
/// like a secret (a JWT, a bearer token, a long run of token characters) or is one of `known`.
pub fn scrub(text: &str, known: &[&Secret]) -> String {
    const LONGEST: usize = 500;
    // Before the white space is evened out, because a secret may hold some, and after it, because that may
    // put one together.
    let hidden = hide(text, known).replace(char::is_control, " ");
    let words: Vec<&str> = hidden.split_whitespace().collect();
    let evened = hide(&words.join(" "), known);
    let mut shown = String::new();
    for (at, word) in evened.split(' ').enumerate() {
        if at > 0 {
            shown.push(' ');
        }
        scrub_word(word, &mut shown);
        if shown.len() > LONGEST {
            break;
        }
    }
    let mut end = shown.len().min(LONGEST);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown.truncate(end);
    shown
}

fn hide(text: &str, secrets: &[&Secret]) -> String {
    // Shorter ones would take ordinary words apart, and say more by that than they hide.
    let long_enough = secrets.iter().filter(|secret| secret.as_bytes().len() >= 4);
    long_enough.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[secret]"))
}

/// Appends a word, with every run of token characters that is long, or begins like a JWT, left out.
fn scrub_word(word: &str, shown: &mut String) {
    const LONG: usize = 24;
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~');
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(run);
        let has_digit = token.bytes().any(|b| b.is_ascii_digit());
        if token.starts_with("eyJ") || (token.len() >= LONG && has_digit) || token.len() >= 2 * LONG {
            shown.push_str("[secret]");
        } else {
            shown.push_str(token);
        }
        let next = after.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&after[..next]);
        rest = &after[next..];
    }
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

    #[test]
    fn s2_scrub_takes_out_tokens_and_keeps_words() {
        let password = Secret::new("s3cr3t!").unwrap();
        assert_eq!(scrub("bad password s3cr3t! for you", &[&password]), "bad password [secret] for you");
        assert_eq!(scrub("token eyJhbGciOi.J9 is expired", &[]), "token [secret] is expired");
        assert_eq!(scrub("Bearer 0123456789abcdef0123456789abcdef", &[]), "Bearer [secret]");
        assert_eq!(
            scrub("{\"refresh_token\":\"0123456789abcdef0123456789\"}", &[]),
            "{\"refresh_token\":\"[secret]\"}"
        );
        assert_eq!(scrub("IP 203.0.113.7 is not whitelisted", &[]), "IP 203.0.113.7 is not whitelisted");
        assert_eq!(scrub("two\nlines\u{7}", &[]), "two lines");
    }

    #[test]
    fn s2_scrub_puts_no_secret_together_from_its_pieces() {
        let secret = Secret::new("hunter2hunter2").unwrap();
        assert!(!scrub("hunter2hu\u{1}nter2", &[&secret]).contains("hunter2hunter2"));
        let spaced = Secret::new("two words").unwrap();
        assert_eq!(scrub("it is two  words", &[&spaced]), "it is [secret]");
        let tabbed = Secret::new("two \t words").unwrap();
        assert_eq!(scrub("it is two \t words", &[&tabbed]), "it is [secret]");
    }

    #[test]
    fn s2_scrub_cuts_at_500_bytes_on_a_character() {
        let long = "é ".repeat(400);
        let shown = scrub(&long, &[]);
        assert!(shown.len() <= 500 && shown.len() > 490);
    }
}
