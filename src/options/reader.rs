//! Reads options from JSON. A wrong one is answered with the key, the *kind* of the value it got (never
//! the value: it may be a secret) and what the key takes; a near miss in a key is suggested.

use crate::error::{Error, Result, Status};
use crate::options::OneOrMany;
use crate::options::tree;
use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Reads one JSON object; `what` names it in messages.
pub fn parse<T: DeserializeOwned>(json: Option<&str>, what: &str) -> Result<T> {
    let refuse = |message: String| Error::new(Status::TM_INVALID_OPTIONS, message);
    let value = match json {
        None => Value::Object(serde_json::Map::new()),
        Some(text) => tree::read(text).map_err(|untaken| refuse(untaken.sentence(what)))?,
    };
    let value = match value {
        Value::Array(items) if items.is_empty() => Value::Object(serde_json::Map::new()),
        Value::Object(_) => value,
        other => {
            return Err(refuse(format!("the {what} are {}; pass one JSON object", kind(&other))));
        }
    };
    T::deserialize(Node(&value)).map_err(|wrong| refuse(wrong.sentence(what)))
}

/// A map, or the empty array that PHP's `json_encode([])` makes of an empty map.
pub fn map_or_empty_array<'de, D, T>(deserializer: D) -> std::result::Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct MapOrEmpty<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for MapOrEmpty<T> {
        type Value = BTreeMap<String, T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
            BTreeMap::deserialize(MapAccessDeserializer::new(map))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Self::Value, A::Error> {
            match seq.next_element::<de::IgnoredAny>()? {
                None => Ok(BTreeMap::new()),
                Some(_) => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }
    }
    deserializer.deserialize_any(MapOrEmpty(std::marker::PhantomData))
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<OneOrMany, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, true or false, or an array of these")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> std::result::Result<OneOrMany, E> {
                Ok(OneOrMany(vec![value.to_string()]))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<OneOrMany, E> {
                Ok(OneOrMany(vec![number.to_string()]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<OneOrMany, E> {
                Ok(OneOrMany(vec![number.to_string()]))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> std::result::Result<OneOrMany, E> {
                Ok(OneOrMany(vec![number.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(OneOrMany(one)) = seq.next_element()? {
                    all.extend(one);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Strings)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
            ]
        })
    }
}

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
struct Wrong {
    /// From the inside out.
    path: Vec<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    Value { got: String, takes: String },
    UnknownKey { key: String, known: Vec<&'static str> },
    UnknownName { known: Vec<&'static str> },
    Missing { key: &'static str },
    Other(String),
}

impl Wrong {
    fn new(what: What) -> Wrong {
        Wrong { path: Vec::new(), what }
    }

    fn inside(mut self, key: &str) -> Wrong {
        self.path.push(key.to_owned());
        self
    }

    fn sentence(&self, what: &str) -> String {
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
        Wrong::new(What::Value { got: got.to_owned(), takes: plain(&takes.to_string()) })
    }
    fn invalid_value(got: Unexpected<'_>, takes: &dyn Expected) -> Wrong {
        match got {
            // A number out of its range is no secret, and seeing it helps.
            Unexpected::Unsigned(n) => Wrong::new(What::Value { got: n.to_string(), takes: takes.to_string() }),
            Unexpected::Signed(n) => Wrong::new(What::Value { got: n.to_string(), takes: takes.to_string() }),
            Unexpected::Float(n) => Wrong::new(What::Value { got: n.to_string(), takes: takes.to_string() }),
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
        other if other.starts_with("struct ") || other.starts_with("internally tagged") => "an object".to_owned(),
        other if other.starts_with("enum ") || other.ends_with("enum") => "a string".to_owned(),
        other => other.to_owned(),
    }
}

/// One JSON value, as serde reads it. Our own, so that its errors are, too: see [`Wrong`].
struct Node<'de>(&'de Value);

impl<'de> IntoDeserializer<'de, Wrong> for Node<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(n), _, _) => visitor.visit_u64(n),
                (_, Some(n), _) => visitor.visit_i64(n),
                (_, _, n) => visitor.visit_f64(n.unwrap_or(f64::NAN)),
            },
            Value::Array(items) => SeqDeserializer::new(items.iter().map(Node)).deserialize_any(visitor),
            Value::Object(map) => visitor.visit_map(Entries {
                inner: MapDeserializer::new(map.iter().map(|(key, value)| (key.as_str(), Node(value)))),
                key: None,
                upcoming: map.keys(),
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(UnitName(text)),
            other => {
                Err(Wrong::new(What::Value { got: kind(other).to_owned(), takes: plain(&format!("enum {name}")) }))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The entries of an object. It remembers the present key, so that an error inside can name it.
struct Entries<'de, I: Iterator<Item = (&'de str, Node<'de>)>> {
    inner: MapDeserializer<'de, I, Wrong>,
    key: Option<&'de str>,
    upcoming: serde_json::map::Keys<'de>,
}

impl<'de, I: Iterator<Item = (&'de str, Node<'de>)>> MapAccess<'de> for Entries<'de, I> {
    type Error = Wrong;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, Wrong> {
        self.key = self.upcoming.next().map(String::as_str);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> std::result::Result<T::Value, Wrong> {
        let key = self.key.unwrap_or_default();
        self.inner.next_value_seed(seed).map_err(|wrong| wrong.inside(key))
    }
}

/// The name of an enum's variant that carries nothing.
struct UnitName<'de>(&'de str);

impl<'de> EnumAccess<'de> for UnitName<'de> {
    type Error = Wrong;
    type Variant = Self;
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> std::result::Result<(V::Value, Self), Wrong> {
        let name: de::value::BorrowedStrDeserializer<'de, Wrong> = de::value::BorrowedStrDeserializer::new(self.0);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for UnitName<'de> {
    type Error = Wrong;
    fn unit_variant(self) -> std::result::Result<(), Wrong> {
        Ok(())
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, _: T) -> std::result::Result<T::Value, Wrong> {
        Err(de::Error::custom("it takes an object"))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> std::result::Result<V::Value, Wrong> {
        Err(de::Error::custom("it takes an object"))
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> std::result::Result<V::Value, Wrong> {
        Err(de::Error::custom("it takes an object"))
    }
}
