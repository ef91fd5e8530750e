//! JSON as a tree, for the options. It refuses, with the path to it, what would arrive as something else: a NUL, which no C
//! string can carry, a number that 64 bits cannot hold, and a member that stands twice.

use crate::redact::scrub;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Why a text is no tree of options.
pub struct Untaken {
    /// The keys down to where it is, from the outside in.
    pub path: Vec<String>,
    pub why: Why,
}

pub enum Why {
    Nul,
    NumberTooLarge,
    Twice,
    /// Not JSON, at this line and column.
    Syntax(usize, usize),
}

impl Untaken {
    /// Quotes no value, only the place.
    pub fn sentence(&self, what: &str) -> String {
        let path = scrub(&self.path.join("."), &[]);
        let at = match path.is_empty() {
            true => format!("the {what}"),
            false => format!("the option {path}"),
        };
        match self.why {
            Why::Nul => format!("{at} got a text with a NUL character; it takes text without one"),
            Why::NumberTooLarge => {
                format!("{at} got a number beyond 64 bits; pass a smaller one, or a text where that is taken")
            }
            Why::Twice => format!("{at} stands twice; leave one of the two out"),
            Why::Syntax(line, column) => {
                let place = if path.is_empty() { String::new() } else { format!(" at or behind {path}") };
                format!("the {what} are not valid JSON{place} (line {line}, column {column}); pass one JSON object")
            }
        }
    }
}

/// Messages of the visitor's own errors, which tell them from serde_json's.
const NUL: &str = "a NUL";
const TWICE: &str = "a member twice";
/// serde_json's message for a float that is too large; ours for any number that is.
const TOO_LARGE: &str = "number out of range";

pub fn read(text: &str) -> Result<Value, Untaken> {
    let path = RefCell::new(Vec::new());
    let mut json = serde_json::Deserializer::from_slice(text.as_bytes());
    let value = Below(&path).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|cause| {
        let said = cause.to_string();
        let why = match () {
            () if said.starts_with(NUL) => Why::Nul,
            () if said.starts_with(TWICE) => Why::Twice,
            () if said.starts_with(TOO_LARGE) => Why::NumberTooLarge,
            () => Why::Syntax(cause.line(), cause.column()),
        };
        Untaken { path: path.take(), why }
    })
}

/// The value below a path. After an error the path leads to it.
struct Below<'p>(&'p RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Below<'_> {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn text<E: de::Error>(text: &str) -> Result<String, E> {
    match text.contains('\0') {
        true => Err(E::custom(NUL)),
        false => Ok(text.to_owned()),
    }
}

impl<'de> Visitor<'de> for Below<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        text(value).map(Value::String)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    /// A whole number beyond 64 bits comes as a float, and has lost digits by then.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        let fits = number > i64::MIN as f64 && number < u64::MAX as f64;
        Number::from_f64(number).filter(|_| fits).map(Value::Number).ok_or_else(|| E::custom(TOO_LARGE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element_seed(Below(self.0))? {
            all.push(one);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = text(&key)?;
            self.0.borrow_mut().push(key.clone());
            if all.contains_key(&key) {
                return Err(de::Error::custom(TWICE));
            }
            let value = map.next_value_seed(Below(self.0))?;
            self.0.borrow_mut().pop();
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}
