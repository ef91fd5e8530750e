//! The fuzzer's targets in what comes from Redis.

use crate::store::redis::fields;
use crate::store::redis::fields::Hash;
use crate::store::redis::{resp, script};
use zeroize::Zeroizing;

/// Bytes as an answer, in pieces.
pub fn reply(data: &[u8]) {
    let mut reader = resp::Reader::new();
    for piece in data.chunks(7) {
        reader.unfilled()[..piece.len()].copy_from_slice(piece);
        match reader.came(piece.len()) {
            Ok(None) => {}
            Ok(Some(value)) => return drop(script::snapshot(value)),
            Err(_) => return,
        }
    }
}

/// Lines `field value`, as any program may have written them. A record that was read is the same after it was written.
pub fn hash(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        Some((line[..at].to_vec(), Zeroizing::new(line[at + 1..].to_vec())))
    });
    let mut hash = Hash::default();
    for (name, value) in lines {
        // A hash has each field once.
        hash.0.retain(|(field, _)| *field != name);
        hash.0.push((name, value));
    }
    let Ok(record) = fields::decode("shop", &hash, None) else { return };
    let edit = fields::encode("shop", &record, &hash, None);
    let is_kept = |field: &[u8]| {
        let names = edit.set.iter().map(|(name, _)| name).chain(&edit.delete);
        !names.into_iter().any(|name| name.as_bytes() == field)
    };
    hash.0.retain(|(field, _)| is_kept(field));
    hash.0.extend(edit.set.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())));
    assert_eq!(fields::decode("shop", &hash, None).expect("it was just written"), record);
}
