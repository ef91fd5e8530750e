//! Why an option cannot be taken: where it is, what it got and what it takes.

use serde::de::{self, Expected, Unexpected};
use serde_json::Value;
use std::fmt;

/// The name that a misspelt one was meant to be.
pub fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), *known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .map(|(_, known)| known)
}

/// What a value is, for messages that must not quote it.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What was wrong, and where.
#[derive(Debug)]
pub struct Wrong {
    /// From the inside out.
    path: Vec<String>,
    what: What,
}

#[derive(Debug)]
pub enum What {
    Value { got: String, takes: String },
    UnknownKey { key: String, known: Vec<&'static str> },
    UnknownName { known: Vec<&'static str> },
    Missing { key: &'static str },
    Other(String),
}

impl Wrong {
    pub fn new(what: What) -> Wrong {
        Wrong { path: Vec::new(), what }
    }

    /// A value that cannot be taken.
    pub fn got(got: &str, takes: &str) -> Wrong {
        Wrong::new(What::Value { got: got.to_owned(), takes: takes.to_owned() })
    }

    /// The same, seen from outside the member `key`.
    pub fn inside(mut self, key: &str) -> Wrong {
        self.path.push(key.to_owned());
        self
    }

    pub fn sentence(&self, what: &str) -> String {
        let path = self.path.iter().rev().cloned().collect::<Vec<_>>().join(".");
        let below = |key: &str| match path.is_empty() {
            true => key.to_owned(),
            false => format!("{path}.{key}"),
        };
        let at = match path.is_empty() {
            true => format!("the {what}"),
            false => format!("the option {path}"),
        };
        match &self.what {
            What::Value { got, takes } => format!("{at} got {got}; it takes {takes}"),
            What::UnknownName { known } => format!("{at} got a name that it does not know; it takes {}", quoted(known)),
            What::Missing { key } => {
                format!("the option {} is missing; it is required there", below(key))
            }
            What::Other(message) => format!("{at} is wrong: {message}"),
            What::UnknownKey { key, known } => {
                let key = crate::redact::scrub(key, &[]);
                match nearest(&key, known) {
                    Some(name) => format!("the option {} is unknown; did you mean {name}?", below(&key)),
                    None if known.is_empty() => format!("the option {} is unknown; leave it out", below(&key)),
                    None => format!("the option {} is unknown; there are {}", below(&key), known.join(", ")),
                }
            }
        }
    }
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(" or ")
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence("options"))
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Wrong {
        Wrong::new(What::Other(message.to_string()))
    }
    fn invalid_type(got: Unexpected<'_>, takes: &dyn Expected) -> Wrong {
        let got = match got {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            Unexpected::Unit | Unexpected::Option => "null",
            _ => "something else",
        };
        Wrong::got(got, &plain(&takes.to_string()))
    }
    fn invalid_value(got: Unexpected<'_>, takes: &dyn Expected) -> Wrong {
        match got {
            // A number out of its range is no secret, and seeing it helps.
            Unexpected::Unsigned(n) => Wrong::got(&n.to_string(), &takes.to_string()),
            Unexpected::Signed(n) => Wrong::got(&n.to_string(), &takes.to_string()),
            Unexpected::Float(n) => Wrong::got(&n.to_string(), &takes.to_string()),
            other => Wrong::invalid_type(other, takes),
        }
    }
    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Wrong {
        Wrong::new(What::UnknownKey { key: field.to_owned(), known: expected.to_vec() })
    }
    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Wrong {
        Wrong::new(What::UnknownName { known: expected.to_vec() })
    }
    fn missing_field(field: &'static str) -> Wrong {
        Wrong::new(What::Missing { key: field })
    }
}

/// What a type takes, in our terms instead of serde's.
fn plain(takes: &str) -> String {
    match takes {
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array of strings".to_owned(),
        "a map" => "an object".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}
