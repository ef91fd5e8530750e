//! An answer's body, read as leniently as is safe: what is beside the token must not stop a login.

use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;

/// A body, parsed when something is looked for in it.
pub struct Document<'a> {
    body: &'a [u8],
    json: OnceCell<Option<Value>>,
}

impl<'a> Document<'a> {
    pub fn new(body: &'a [u8]) -> Document<'a> {
        Document { body: body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body), json: OnceCell::new() }
    }

    /// `None`: it is no JSON.
    pub fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| parse(self.body)).as_ref()
    }

    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.json()?.pointer(pointer)
    }

    /// The same; the whole of a body that is no JSON is its text.
    pub fn at_or_text(&self, pointer: &str) -> Option<Cow<'_, Value>> {
        match self.json() {
            Some(json) => json.pointer(pointer).map(Cow::Borrowed),
            None => {
                let text = Some(self.text()).filter(|text| pointer.is_empty() && !text.is_empty())?;
                Some(Cow::Owned(Value::String(text)))
            }
        }
    }

    /// The body as text, trimmed.
    pub fn text(&self) -> String {
        decode(self.body).trim().to_owned()
    }
}

fn parse(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().or_else(|| serde_json::from_slice(mend(&decode(body))?.as_bytes()).ok())
}

/// UTF-8, or else Latin-1.
fn decode(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(body.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// Nearly JSON, made into it: numbers that there are not (`NaN`, `Infinity`, 400 digits) become null, half surrogates the
/// replacement character, control characters in strings are escaped. `None`: a string has no end.
fn mend(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if first == '"' {
            rest = string(&rest[1..], &mut out)?;
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let digits = word.trim_start_matches(['+', '-']);
            let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            let is_missing = matches!(digits, "NaN" | "Infinity" | "nan" | "inf")
                || is_number && serde_json::from_slice::<Value>(word.as_bytes()).is_err();
            out.push_str(if is_missing { "null" } else { word });
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(out)
}

/// Copies a string from behind its first quote, and returns what follows its last.
fn string<'t>(text: &'t str, out: &mut String) -> Option<&'t str> {
    out.push('"');
    let mut rest = text;
    loop {
        let next = rest.chars().next()?;
        let after = &rest[next.len_utf8()..];
        rest = match next {
            '"' => {
                out.push('"');
                return Some(after);
            }
            '\\' => escape(after, out)?,
            control if control < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
                after
            }
            other => {
                out.push(other);
                after
            }
        };
    }
}

/// Copies an escape from behind its backslash, and returns what follows it.
fn escape<'t>(text: &'t str, out: &mut String) -> Option<&'t str> {
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let letter = text.chars().next()?;
    let after = &text[letter.len_utf8()..];
    match (letter, unit(text)) {
        ('u', Some(0xd800..=0xdbff)) => {
            let low = text[5..].strip_prefix('\\').and_then(unit);
            let is_pair = matches!(low, Some(0xdc00..=0xdfff));
            let (escape, rest) = text.split_at(if is_pair { 11 } else { 5 });
            out.push_str(if is_pair { "\\" } else { "\\ufffd" });
            out.push_str(if is_pair { escape } else { "" });
            Some(rest)
        }
        ('u', Some(0xdc00..=0xdfff)) => {
            out.push_str("\\ufffd");
            Some(&text[5..])
        }
        ('u', Some(_)) => {
            out.push('\\');
            out.push_str(&text[..5]);
            Some(&text[5..])
        }
        ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't', _) => {
            out.push('\\');
            out.push(letter);
            Some(after)
        }
        // No escape that JSON has: the backslash stands for itself.
        _ => {
            out.push_str("\\\\");
            Some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_nearly_json_is_read() {
        for (body, value) in [
            (&b"\xef\xbb\xbf{\"a\":1}\n\n"[..], json!({"a": 1})),
            (b"\n\n  {\"a\":1}\r\n", json!({"a": 1})),
            (
                b"{\"a\":1,\"b\":NaN,\"c\":-Infinity,\"d\":[Infinity]}",
                json!({"a": 1, "b": null, "c": null, "d": [null]}),
            ),
            (b"{\"a\":\"M\xfcller\"}", json!({"a": "Müller"})),
            (b"{\"a\":\"\\ud83d\"}", json!({"a": "\u{fffd}"})),
            (b"{\"a\":\"\\ud83d\\ud83d\\ude00\\udc00x\"}", json!({"a": "\u{fffd}😀\u{fffd}x"})),
            (b"{\"a\":\"1\n2\t3\"}", json!({"a": "1\n2\t3"})),
            (b"{\"a\":\"C:\\Program\"}", json!({"a": "C:\\Program"})),
            (b"{\"a\":1,\"a\":2}", json!({"a": 2})),
        ] {
            assert_eq!(Document::new(body).json(), Some(&value), "{}", String::from_utf8_lossy(body));
        }
        let many = format!("{{\"n\":1{},\"m\":1e999,\"a\":true}}", "0".repeat(400));
        assert_eq!(Document::new(many.as_bytes()).at("/a"), Some(&json!(true)));
        for body in
            ["", "<html>", "{\"a\":\"", "{\"a\":\"\\", "{\"a\":\"\\u12", "{", "{\"a\":1}}", "Unauthorized", "{a:1}"]
        {
            assert_eq!(Document::new(body.as_bytes()).json(), None, "{body}");
        }
        assert_eq!(Document::new(b"\xef\xbb\xbf tok\n").text(), "tok");
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_json_or_not(body: Vec<u8>, near in "[\\[\\]{}\",:\\\\u0-9dnaNI\\PC]{0,40}") {
            let _ = (Document::new(&body).json(), Document::new(near.as_bytes()).json());
        }

        #[test]
        fn mending_changes_nothing_that_is_json(text in "\\PC{0,40}", number: i64) {
            let value = json!({"a": text, "b": [number, null, true, 1.5]});
            let mended = mend(&value.to_string()).unwrap();
            proptest::prop_assert_eq!(serde_json::from_slice::<Value>(mended.as_bytes()).unwrap(), value);
        }
    }
}
