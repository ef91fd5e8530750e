//! JSON as serde reads it, by a deserializer of our own: so its errors are ours too, and name the member.

use crate::options::wrong::{What, Wrong, kind};
use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// The name, in serde's attribute `rename`, of an enum whose variants are objects that their member `type` tells apart. serde's
/// own `tag` would copy the object first, and not know the member that an error is about.
const TAGGED: &str = "tagged by type";
const TAG: &str = "type";

/// One JSON value.
pub struct Node<'de>(pub &'de Value);

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
            Value::Object(map) => visitor.visit_map(Entries { rest: map.iter(), without: None, current: None }),
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
        let is_tagged = name == TAGGED;
        let missing = || Wrong::new(What::Missing { key: TAG });
        match self.0 {
            Value::String(text) if !is_tagged => visitor.visit_enum(BorrowedStrDeserializer::<Wrong>::new(text)),
            Value::Object(members) if is_tagged => match members.get(TAG).ok_or_else(missing)? {
                Value::String(name) => visitor.visit_enum(Variant { name, members }),
                other => Err(Wrong::got(kind(other), "a string").inside(TAG)),
            },
            // As PHP writes an empty object.
            Value::Array(items) if is_tagged && items.is_empty() => Err(missing()),
            other => Err(Wrong::got(kind(other), if is_tagged { "an object" } else { "a string" })),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The entries of an object. It remembers the present one, so that an error inside can name it.
struct Entries<'de> {
    rest: serde_json::map::Iter<'de>,
    without: Option<&'static str>,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Wrong;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> std::result::Result<Option<K::Value>, Wrong> {
        let next = self.rest.find(|(key, _)| Some(key.as_str()) != self.without);
        self.current = next.map(|(key, value)| (key.as_str(), value));
        self.current.map(|(key, _)| seed.deserialize(BorrowedStrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> std::result::Result<T::Value, Wrong> {
        let (key, value) = self.current.ok_or_else(|| Wrong::custom("a value has no key"))?;
        seed.deserialize(Node(value)).map_err(|wrong| wrong.inside(key))
    }
}

/// A variant of an enum, by its tag.
struct Variant<'de> {
    name: &'de str,
    members: &'de Map<String, Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Wrong;
    type Variant = Members<'de>;

    fn variant_seed<V: de::DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> std::result::Result<(V::Value, Members<'de>), Wrong> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.name));
        Ok((variant.map_err(|wrong: Wrong| wrong.inside(TAG))?, Members(self.members)))
    }
}

/// The members of a variant, but for its tag.
struct Members<'de>(&'de Map<String, Value>);

impl<'de> Deserializer<'de> for Members<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, Wrong> {
        visitor.visit_map(Entries { rest: self.0.iter(), without: Some(TAG), current: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit option
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> de::VariantAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> std::result::Result<(), Wrong> {
        Ok(())
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> std::result::Result<T::Value, Wrong> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> std::result::Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }
}
