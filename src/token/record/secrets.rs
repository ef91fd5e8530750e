//! Secrets by name, as JSON has them.

use crate::sys::secret::Secret;
use serde::de::Error;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub fn serialize<S: Serializer>(secrets: &BTreeMap<String, Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(secrets.len()))?;
    for (name, secret) in secrets {
        map.serialize_entry(name, secret.as_str())?;
    }
    map.end()
}

pub fn read(texts: BTreeMap<String, String>) -> Result<BTreeMap<String, Secret>, serde_json::Error> {
    let secret = |(name, text): (String, String)| {
        let text = Zeroizing::new(text);
        let secret = Secret::new(&text).ok_or_else(|| Error::custom("a kept value holds a NUL"))?;
        Ok((name, secret))
    };
    texts.into_iter().map(secret).collect()
}
