//! S2: makes text of servers fit to be shown. A secret that a server repeats is found in any encoding, and in several around
//! each other.

use crate::sys::secret::Secret;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// How many bytes are shown at the most, and how many are looked at for that.
const LONGEST: usize = 500;
const LOOKED_AT: usize = 8 << 10;

/// Shorter secrets are not looked for: they occur in ordinary words, and the gap would show them.
const SHORTEST: usize = 4;

/// How many encodings around each other are undone, and how many readings of a text are tried.
const DEEPEST: usize = 3;
const MOST_READINGS: usize = 200;

const WITHHELD: &str = "[withheld: it repeats what was sent]";

/// A server's message: at most 500 bytes, one line, and without anything that looks like a secret (a JWT, a bearer
/// token, a long run of token characters) or is one of `secrets`. A message that holds one of those in an encoding is
/// withheld altogether.
pub fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let text = cut(text, LOOKED_AT);
    // Both before runs of white space become one blank, because a secret may hold some, and after, because that may
    // put one together.
    let hidden = hide(text, secrets).replace(char::is_control, " ");
    let words: Vec<&str> = hidden.split_whitespace().collect();
    let evened = hide(&words.join(" "), secrets);
    if repeats(&evened, secrets) {
        return WITHHELD.to_owned();
    }
    let mut redacted = String::new();
    for (at, word) in evened.split(' ').enumerate() {
        if at > 0 {
            redacted.push(' ');
        }
        scrub_word(word, &mut redacted);
        if redacted.len() > LONGEST {
            break;
        }
    }
    cut(&redacted, LONGEST).to_owned()
}

/// The same for a message about a body that was sent: quoted text that is longer than an error code is left out, as it may be
/// part of that body.
pub fn scrub_echo(text: &str, secrets: &[&Secret]) -> String {
    scrub(&without_quotes(cut(text, LOOKED_AT)), secrets)
}

/// The longest code that an API gives to its errors.
const LONGEST_CODE: usize = 32;

fn without_quotes(text: &str) -> String {
    const PAIRS: [(char, char); 7] =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('«', '»'), ('“', '”'), ('„', '“'), ('‘', '’')];
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c| PAIRS.iter().any(|(open, _)| *open == c)) {
        let open = rest[at..].chars().next().unwrap_or_default();
        let close = PAIRS.iter().find(|(first, _)| *first == open).map_or(open, |(_, close)| *close);
        let (before, quoted) = rest.split_at(at + open.len_utf8());
        kept.push_str(before);
        // Quoted text may hold quotes itself: it ends at the last one.
        let end = if open == '\'' { quoted.find(close) } else { quoted.rfind(close) }.unwrap_or(quoted.len());
        let (value, after) = quoted.split_at(end);
        kept.push_str(if value.len() > LONGEST_CODE { "[…]" } else { value });
        rest = after;
        if let Some(close) = rest.chars().next() {
            kept.push(close);
            rest = &rest[close.len_utf8()..];
        }
    }
    kept.push_str(rest);
    kept
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

fn hide(text: &str, secrets: &[&Secret]) -> String {
    let long_enough = secrets.iter().filter(|secret| secret.as_bytes().len() >= SHORTEST);
    long_enough.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[secret]"))
}

/// Whether any reading of a text holds a secret: the text itself, and what it becomes when what is encoded in it is
/// decoded, again and again.
pub fn repeats(text: &str, secrets: &[&Secret]) -> bool {
    let sought: Vec<String> =
        secrets.iter().filter(|secret| secret.as_bytes().len() >= SHORTEST).flat_map(|s| forms(s.as_str())).collect();
    if sought.is_empty() {
        return false;
    }
    let mut seen: Vec<String> = Vec::new();
    let mut readings = vec![cut(text, LOOKED_AT).to_owned()];
    for _ in 0..=DEEPEST {
        let mut next = Vec::new();
        for reading in readings {
            let plain = squeezed(&reading);
            let ascii = ascii_of(&plain);
            if sought.iter().any(|secret| plain.contains(secret.as_str()) || ascii.contains(secret.as_str())) {
                return true;
            }
            for decoded in DECODERS.iter().filter_map(|decode| decode(&reading)) {
                if seen.len() < MOST_READINGS && !seen.contains(&decoded) {
                    seen.push(decoded.clone());
                    next.push(decoded);
                }
            }
        }
        readings = next;
    }
    false
}

/// The forms of a secret that are looked for: squeezed; its ASCII characters alone, and with question marks for the others; and
/// of a number what a server that reads it as one keeps: no leading zeros, and of many digits the first.
fn forms(secret: &str) -> Vec<String> {
    /// What is left of a decimal number in floating point.
    const EXACT_DIGITS: usize = 15;
    let plain = squeezed(secret);
    let number = plain.trim_start_matches('0');
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { &number[..number.len().min(EXACT_DIGITS)] } else { "" };
    let ascii = ascii_of(&plain);
    let marked = plain.replace(|c: char| !c.is_ascii(), "?");
    let parts: [&str; 3] = [&ascii, if ascii.len() >= SHORTEST { &marked } else { "" }, number];
    let parts = parts.into_iter().filter(|part| part.len() >= SHORTEST);
    // A secret of white space and quotes only would be empty.
    let whole = Some(&plain[..]).filter(|plain| plain.chars().count() >= SHORTEST.min(secret.len()));
    whole.into_iter().chain(parts).map(str::to_owned).collect()
}

/// Without what servers add or drop: white space, quotes and backslashes before them, a number's decimal point and the commas
/// between its thousands; in small letters, as some servers look names and keys up.
fn squeezed(text: &str) -> String {
    let is_kept = |c: &char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\' | '.' | ',');
    text.chars().filter(is_kept).flat_map(char::to_lowercase).collect()
}

/// What is left of a text where a server takes it to be in another character set, or has another: in place of the characters
/// beyond ASCII stand others then, or nothing.
fn ascii_of(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.chars().filter(char::is_ascii).collect()),
    }
}

/// Each decodes everything that it finds; `None`: nothing was found.
const DECODERS: [fn(&str) -> Option<String>; 6] = [json, html, percent, plus, base64, hexadecimal];

fn changed(from: &str, to: impl Into<String>) -> Option<String> {
    Some(to.into()).filter(|to| to != from)
}

/// JSON's escapes, and those of other languages that are written alike: JavaScript's `escape` writes `%u00fc`.
fn json(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let with_backslashes = text.replace("%u", "\\u");
    let mut rest = &with_backslashes[..];
    while let Some(at) = rest.find('\\') {
        units.extend(rest[..at].encode_utf16());
        let escape = &rest[at + 1..];
        let code = |digits: std::ops::Range<usize>| u16::from_str_radix(escape.get(digits)?, 16).ok();
        let (unit, len) = match escape.as_bytes().first() {
            Some(b'u' | b'U') => code(1..5).map_or((None, 0), |unit| (Some(unit), 5)),
            Some(b'x') => code(1..3).map_or((None, 0), |unit| (Some(unit), 3)),
            Some(b'n' | b'r' | b't' | b'f' | b'b') => (Some(u16::from(b' ')), 1),
            Some(byte) if byte.is_ascii() => (Some(u16::from(*byte)), 1),
            _ => (None, 0),
        };
        units.push(unit.unwrap_or(u16::from(b'\\')));
        rest = &escape[len..];
    }
    units.extend(rest.encode_utf16());
    changed(text, String::from_utf16_lossy(&units))
}

/// Character references (`&amp;`, `&#252;`, `&#xfc;`): those with names, as far as an escaper writes them.
fn html(text: &str) -> Option<String> {
    const NAMES: [(&str, &str); 14] = [
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("nbsp", " "),
        ("auml", "ä"),
        ("ouml", "ö"),
        ("uuml", "ü"),
        ("Auml", "Ä"),
        ("Ouml", "Ö"),
        ("Uuml", "Ü"),
        ("szlig", "ß"),
        ("eacute", "é"),
    ];
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let reference = &rest[at + 1..];
        let number = |digits: &str, radix| {
            let len = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
            u32::from_str_radix(&digits[..len], radix).ok().and_then(char::from_u32).map(|c| (c.to_string(), len))
        };
        let found = if let Some(digits) = reference.strip_prefix("#x").or_else(|| reference.strip_prefix("#X")) {
            number(digits, 16).map(|(c, len)| (c, len + 2))
        } else if let Some(digits) = reference.strip_prefix('#') {
            number(digits, 10).map(|(c, len)| (c, len + 1))
        } else {
            let known = NAMES.iter().find(|(name, _)| reference.starts_with(name));
            let known = known.map(|(name, c)| ((*c).to_owned(), name.len()));
            // One that is not known stands for some character beyond ASCII, which `ascii_of` passes over.
            let len = reference.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(reference.len());
            let is_name = len > 0 && reference[len..].starts_with(';');
            known.or_else(|| is_name.then(|| ("\u{fffd}".to_owned(), len)))
        };
        let (c, len) = found.unwrap_or_else(|| ("&".to_owned(), 0));
        decoded.push_str(&c);
        rest = &reference[len..];
        if len > 0 {
            rest = rest.strip_prefix(';').unwrap_or(rest);
        }
    }
    decoded.push_str(rest);
    changed(text, decoded)
}

/// Bytes in hexadecimal digits, as URLs write them, and strings of Python and C: `%c3%bc`, `\xc3\xbc`.
fn percent(text: &str) -> Option<String> {
    changed(text, percent_encoding::percent_decode_str(&text.replace(r"\x", "%")).decode_utf8_lossy())
}

/// Blanks, as forms write them.
fn plus(text: &str) -> Option<String> {
    changed(text, text.replace('+', " "))
}

/// Runs of base64 in either alphabet, padded or not, on one line or on several.
fn base64(text: &str) -> Option<String> {
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let joined: String = text.split_whitespace().collect();
    runs(&format!("{text} {joined}"), is_part, |run| {
        let run = run.replace('+', "-").replace('/', "_");
        // Characters before it may look like part of it: all four places where it could begin.
        let readings = (0..4).filter_map(|start| {
            let run = run.get(start..)?;
            let whole = run.len() - usize::from(run.len() % 4 == 1);
            ENGINE.decode(&run[..whole]).ok()
        });
        readings.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<Vec<_>>().join(" ")
    })
}

/// Also with something between the bytes: `73:65`, `73 65`, `0x73, 0x65`.
fn hexadecimal(text: &str) -> Option<String> {
    let text = text.replace("0x", "").replace([' ', ':', '-', ','], "");
    runs(
        &text,
        |c| c.is_ascii_hexdigit(),
        |run| {
            let readings = (0..2).map(|start| {
                let digits = run.as_bytes()[start..].chunks_exact(2);
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                digits.filter_map(byte).collect::<Vec<u8>>()
            });
            readings.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<Vec<_>>().join(" ")
        },
    )
}

/// Decodes every run of such characters that is long enough to hold a secret.
fn runs(text: &str, is_part: fn(char) -> bool, decode: fn(&str) -> String) -> Option<String> {
    const SHORTEST_RUN: usize = 6;
    let mut decoded = String::new();
    for piece in text.split(|c| !is_part(c)).filter(|run| run.len() >= SHORTEST_RUN) {
        decoded.push_str(&decode(piece));
        decoded.push(' ');
    }
    Some(decoded).filter(|decoded| !decoded.is_empty())
}

/// Appends a word, with every run of token characters that is long, or begins like a JWT, left out.
fn scrub_word(word: &str, redacted: &mut String) {
    const LONG: usize = 24;
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~');
    let mut rest = word;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(run);
        let has_digit = token.bytes().any(|b| b.is_ascii_digit());
        if token.starts_with("eyJ") || (token.len() >= LONG && has_digit) || token.len() >= 2 * LONG {
            redacted.push_str("[secret]");
        } else {
            redacted.push_str(token);
        }
        let next = after.chars().next().map_or(0, char::len_utf8);
        redacted.push_str(&after[..next]);
        rest = &after[next..];
    }
}

#[cfg(test)]
mod tests;
