use super::*;
use crate::options::SecretSource;
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::record::{Claim, PauseCause, StoredPair, u128hex};
use std::collections::BTreeMap;

const NOW: i64 = 1_700_000_000_000;

fn hash(fields: &[(&str, &str)]) -> Hash {
    Hash(fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec().into())).collect())
}

/// What the hash is after an edit.
fn applied(mut hash: Hash, edit: Edit) -> Hash {
    for (name, value) in edit.set {
        hash.0.retain(|(field, _)| field != name.as_bytes());
        hash.0.push((name.as_bytes().to_vec(), value));
    }
    hash.0.retain(|(field, _)| !edit.delete.iter().any(|name| field == name.as_bytes()));
    hash
}

/// A record with everything that one can hold.
fn full() -> Record {
    let pair = StoredPair {
        access_token: Secret::new("access"),
        refresh_token: Secret::new("123"),
        expires_at: Some(1_700_003_600),
        refresh_expires_at: Some(1_700_604_800),
        stored_at: Some(NOW),
        lifetime_ms: Some(3_600_000),
        family: Some(u128hex::Hex(7)),
        generation: 3,
        token_type: Some("DPoP".to_owned()),
        kept: BTreeMap::from([("api".to_owned(), Secret::new("https://eu.example.org").unwrap())]),
    };
    let mut record = Record { host: Some("example.org".to_owned()), ..Record::default() };
    record.put("shop", &pair);
    record.suspend("mark", NOW);
    let cause = PauseCause { status: 10, http_status: 503, message: "answered 503".to_owned() };
    record.pause_logins("other", cause, None, 0.5, NOW);
    record.rate_limit(Some(std::time::Duration::from_secs(9)), 0.5, NOW);
    record.user = Some(Fingerprint::of_user("shop", "us\"er"));
    record.spent = record.described.clone();
    record.incarnation = Some("0123abcd".to_owned());
    record.set_number("shop", Some(1_700_604_800_123));
    record.claim = Some(Claim { nonce: "c".to_owned(), until: NOW });
    record.tombstone = Some(Claim { nonce: "t".to_owned(), until: NOW });
    record
}

fn seal(byte: u8, old: &[u8]) -> Seal {
    let source = |byte: u8| SecretSource::Given(Secret::new(&STANDARD.encode([byte; 32])).unwrap());
    Seal::new(&source(byte), &old.iter().map(|byte| source(*byte)).collect::<Vec<_>>()).unwrap()
}

#[test]
fn every_part_of_a_record_has_a_field_and_comes_back() {
    let record = full();
    let Ok(Value::Object(parts)) = serde_json::to_value(&record) else { panic!("no object") };
    for name in parts.keys() {
        assert!(TEXTS.contains(&name.as_str()) || OTHERS.contains(&name.as_str()), "{name} would be lost");
    }
    assert_eq!(parts.len(), TEXTS.len() + OTHERS.len(), "the record of this test does not hold everything");
    for seal in [None, Some(seal(1, &[]))] {
        let written = applied(Hash::default(), encode("shop", &record, &Hash::default(), seal.as_ref()));
        assert_eq!(decode("shop", &written, seal.as_ref()).unwrap(), record);
    }
}

#[test]
fn only_what_differs_is_written_and_fields_of_others_are_left_alone() {
    let mut record = full();
    let mut read = applied(hash(&[("theirs", "x")]), encode("shop", &record, &Hash::default(), None));
    read.0.push((b"\xff\xfe".to_vec(), b"\xff\x00".to_vec().into()));
    assert_eq!(encode("shop", &record, &read, None), Edit::default());
    record.claim = None;
    record.replays = 1;
    let edit = encode("shop", &record, &read, None);
    assert_eq!(edit.delete, ["claim"]);
    assert_eq!(edit.set, [("replays", b"1".to_vec().into())]);
}

#[test]
fn a_foreign_writers_fields_are_read_leniently() {
    let expires = |text| decode("shop", &hash(&[("access_token", "a"), ("expires_at", text)]), None).unwrap();
    for text in ["1700000000", " 1700000000\n", "1700000000.75", "1.7e9"] {
        assert_eq!(expires(text).pair.expires_at, Some(1_700_000_000), "{text}");
    }
    for text in ["", "soon", "NaN", "inf", "1e300", "2023-11-14"] {
        let record = expires(text);
        assert!(record.pair.expires_at.is_none() && record.pair.access_token.is_some(), "{text}");
    }
    // A token that looks like a number stays what it is.
    let record = decode("shop", &hash(&[("access_token", "0123"), ("refresh_token", "")]), None).unwrap();
    assert_eq!(record.pair.access_token.unwrap().as_str(), "0123");
    assert!(record.pair.refresh_token.is_none());
}

#[test]
fn t3_nonsense_in_our_own_fields_never_makes_a_spent_token_good() {
    let record = full();
    let read = || applied(Hash::default(), encode("shop", &record, &Hash::default(), None));
    for name in TEXTS.into_iter().chain(OTHERS) {
        // A writer of the pair and of what is spent can do anything.
        if ["access_token", "refresh_token", "spent", "for"].contains(&name) {
            continue;
        }
        for nonsense in ["", "x", "-1", "{}", "[1]", "\"x\"", "1e99", "null", "{\"nonce\":1,\"until\":\"x\"}"] {
            let mut damaged = read();
            damaged.0.retain(|(field, _)| field != name.as_bytes());
            damaged.0.push((name.as_bytes().to_vec(), nonsense.as_bytes().to_vec().into()));
            let got = decode("shop", &damaged, None).expect("a record");
            assert!(got.pair.access_token.is_some() && got.is_spent("shop", None), "{name}: {nonsense}");
        }
    }
}

#[test]
fn s3_a_sealed_value_opens_under_its_key_in_its_own_field_of_its_own_client_only() {
    let (record, ours) = (full(), seal(1, &[]));
    let read = || applied(Hash::default(), encode("shop", &record, &Hash::default(), Some(&ours)));
    let text = |value: &Bytes| String::from_utf8(value.to_vec()).unwrap();
    assert!(read().0.iter().all(|(_, value)| text(value).starts_with(SEALED)));
    assert_eq!(decode("shop", &read(), None).unwrap_err(), "is sealed, and no key was given");
    assert_eq!(decode("other", &read(), Some(&ours)).unwrap_err(), "is damaged, or another client_id's");
    assert!(decode("shop", &read(), Some(&seal(2, &[]))).unwrap_err().starts_with("is sealed with another key ("));
    assert_eq!(decode("shop", &hash(&[("access_token", "a")]), Some(&ours)).unwrap_err(), "is not sealed");
    assert_eq!(
        decode("shop", &hash(&[("access_token", "tms1:?")]), Some(&ours)).unwrap_err(),
        "is damaged, or another client_id's"
    );
    let mut swapped = read();
    let [a, b] = ["access_token", "refresh_token"]
        .map(|name| swapped.0.iter().position(|(field, _)| field == name.as_bytes()).unwrap());
    (swapped.0[a].0, swapped.0[b].0) = (b"refresh_token".to_vec(), b"access_token".to_vec());
    assert!(decode("shop", &swapped, Some(&ours)).is_err());
}

#[test]
fn s3_a_write_leaves_nothing_under_an_old_key() {
    let old = seal(1, &[]);
    let both = seal(2, &[1]);
    let read = applied(Hash::default(), encode("shop", &full(), &Hash::default(), Some(&old)));
    let record = decode("shop", &read, Some(&both)).expect("the old key opens");
    let edit = encode("shop", &record, &read, Some(&both));
    assert_eq!(decode("shop", &applied(read, edit), Some(&seal(2, &[]))).unwrap(), record);
}

#[test]
fn t_fields_of_others_and_of_a_later_version_are_left_alone_by_every_change() {
    // One of JSON, one of text, one of no text, and one that looks sealed.
    let theirs = hash(&[("tomorrow", "{\"a\": 1}"), ("note", "x"), ("tms", "tms1:?")]).0;
    let changes: [fn(&mut Record); 6] = [
        |record| record.claim = Some(Claim::new()),
        |record| record.claim = None,
        |record| _ = record.suspend("other", NOW),
        |record| record.put("shop", &StoredPair { access_token: Secret::new("next"), ..StoredPair::default() }),
        |record| record.mark_logged_out(NOW),
        |record| *record = Record::default(),
    ];
    for seal in [None, Some(seal(1, &[]))] {
        let mut read = applied(Hash(theirs.clone()), encode("shop", &full(), &Hash::default(), seal.as_ref()));
        for (number, change) in changes.iter().enumerate() {
            let mut record = decode("shop", &read, seal.as_ref()).expect("a record");
            change(&mut record);
            let edit = encode("shop", &record, &read, seal.as_ref());
            read = applied(read, edit);
            for (name, value) in &theirs {
                let name = std::str::from_utf8(name).unwrap();
                assert_eq!(read.get(name), Some(value), "{name} after change {number}");
            }
        }
    }
}
