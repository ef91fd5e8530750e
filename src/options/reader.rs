//! Reads options from JSON. A wrong one is answered with the key, the *kind* of the value it got (never
//! the value: it may be a secret) and what the key takes; a near miss in a key is suggested.

use crate::error::{Error, Result, Status};
use crate::options::OneOrMany;
use crate::options::node::Node;
use crate::options::tree;
use crate::options::wrong::kind;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
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
