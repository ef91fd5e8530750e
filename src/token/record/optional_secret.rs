//! A token as text; an empty one, as foreign writers leave behind, is none.

use crate::sys::secret::Secret;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

pub fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.as_str()),
        None => serializer.serialize_none(),
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new);
    Ok(text.filter(|text| !text.is_empty()).and_then(|text| Secret::new(&text)))
}
