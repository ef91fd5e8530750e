//! A token as text; an empty one, as foreign writers leave behind, is none.

use crate::sys::secret::Secret;
use serde::Serializer;
use zeroize::Zeroizing;

pub fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.as_str()),
        None => serializer.serialize_none(),
    }
}

pub fn read(text: Option<String>) -> Option<Secret> {
    text.map(Zeroizing::new).filter(|text| !text.is_empty()).and_then(|text| Secret::new(&text))
}
