//! Each rule of the record by itself; in `schedules`, any order of all of them; in `versions`, what other versions of this
//! library wrote.

mod claims;
mod refusals;
mod schedules;
mod versions;

use super::claims::TOMBSTONE;
use super::fields::Suspension;
use super::refusals::MOST_SUSPENSIONS;
use super::*;
use crate::call::backoff::REFUSED;
use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::Lineage;
use std::time::Duration;

const CLIENT: &str = "shop";
const NOW: i64 = 1_000_000;
const LONG: Duration = Duration::from_secs(30);
const LEASE_MS: i64 = LEASE.as_millis() as i64;

fn pair(name: &str, family: u128, generation: u64) -> StoredPair {
    StoredPair {
        access_token: Secret::new(&format!("access-{name}")),
        refresh_token: Secret::new(&format!("refresh-{name}")),
        expires_at: Some(2_000 + generation as i64),
        refresh_expires_at: Some(9_000),
        stored_at: Some(NOW),
        lifetime_ms: Some(3_600_000),
        family: Some(u128hex::Hex(family)),
        generation,
        ..StoredPair::default()
    }
}

fn print(name: &str) -> Fingerprint {
    Fingerprint::of(CLIENT, &Secret::new(&format!("refresh-{name}")).unwrap())
}

/// The pair of a login.
fn holds(name: &str) -> Holding {
    renewed(name, 0)
}

fn renewed(name: &str, generation: u64) -> Holding {
    Holding::Pair(print(name), generation)
}

fn record_with(name: &str) -> Record {
    let mut record = Record::default();
    record.put(CLIENT, &pair(name, 1, 0));
    record
}

/// A record whose token is claimed and about to be sent.
fn claimed(name: &str) -> (Record, Claim) {
    let (mut record, claim) = (record_with(name), Claim::new());
    assert_eq!(record.claim(CLIENT, &holds(name), Spending::First(&print(name)), &claim, LONG, NOW), Claimed::Yes);
    (record, claim)
}

fn last_seen(family: u128, generation: u64) -> Option<Lineage> {
    Some(Lineage { family, generation })
}

/// What PHP does: its three fields, and the rest as it was.
fn write_as_php(record: &mut Record, name: &str) {
    let theirs = pair(name, 0, 0);
    record.pair.access_token = theirs.access_token;
    record.pair.refresh_token = theirs.refresh_token;
    record.pair.expires_at = theirs.expires_at;
}

#[test]
fn a_record_is_kept_as_long_as_its_refresh_token_lives() {
    let now = 1_000_000_000;
    let with = |refresh_expires_at| {
        let mut record = Record::default();
        record.put(CLIENT, &StoredPair { refresh_expires_at, ..pair("a", 1, 0) });
        record.ttl_seconds(now)
    };
    assert_eq!(with(Some(1_000_000 + 86_400)), 86_400);
    assert_eq!(with(Some(5)), 3600, "suspensions outlive the refresh token");
    assert_eq!(with(Some(i64::MIN)), 3600);
    assert_eq!(with(None), 7 * 86_400);
    assert_eq!(Record::default().ttl_seconds(now), 3600, "longer than any suspension in it");
}

#[test]
fn t5_a_private_pair_goes_over_nothing_spent_rolled_back_or_older() {
    let ours = StoredPair { expires_at: Some(3_000), ..pair("ours", 5, 4) };
    let with = |record: Record| {
        let mut record = record;
        let is_published = record.publish_local(CLIENT, last_seen(5, 4), &ours, NOW);
        (is_published, record.holding(CLIENT, NOW) == renewed("ours", 4))
    };
    let newer = |family, generation| {
        let mut record = Record::default();
        record.put(CLIENT, &StoredPair { expires_at: Some(4_000), ..pair("theirs", family, generation) });
        record
    };
    assert_eq!(with(Record::default()), (true, true));
    assert_eq!(with(record_with("older")), (true, true));
    assert_eq!(with(newer(5, 3)), (true, true), "rolled back");
    let mut spent = newer(6, 0);
    spent.spent = spent.described.clone();
    assert_eq!(with(spent), (true, true));
    assert_eq!(with(newer(6, 0)), (false, false), "usable and newer");
    let (claimed, _) = claimed("a");
    assert_eq!(with(claimed), (false, false), "somebody is at it");
}

#[test]
fn t_a_record_without_a_refresh_token_goes_by_its_access_token() {
    let mut record = Record::default();
    let access_only = StoredPair { refresh_token: None, ..pair("a", 1, 0) };
    record.put(CLIENT, &access_only);
    let token = Fingerprint::of(CLIENT, access_only.access_token.as_ref().unwrap());
    assert_eq!(record.holding(CLIENT, NOW), Holding::Pair(token, 0));
    record.pair.access_token = None;
    assert_eq!(record.holding(CLIENT, NOW), Holding::Nothing);
}

#[test]
fn t_a_record_survives_being_written_and_read() {
    let (mut record, _) = claimed("a");
    record.suspend("mark", NOW);
    record.rate_limit(Some(LONG), 0.5, NOW);
    record.host = Some("https://api.example".to_owned());
    record.tombstone = Some(Claim::new());
    record.replays = 1;
    record.rest.insert("tomorrow".to_owned(), serde_json::json!({"x": [1, null, "é"]}));
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    let fields: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(fields["access_token"], "access-a");
    assert_eq!(fields["refresh_token"], "refresh-a");
    assert_eq!(fields["expires_at"], 2_000);
    assert_eq!(fields["for"], fields["spent"]);
    assert_eq!(fields["tomorrow"]["x"][0], 1);
}

#[test]
fn t_every_member_is_read_by_the_name_that_it_is_written_with() {
    let (mut record, claim) = claimed("a");
    record.pair.generation = 3;
    record.pair.lifetime_ms = Some(u64::MAX);
    record.pair.token_type = Some("Bearer".to_owned());
    record.pair.kept = [("session".to_owned(), Secret::new("kept").unwrap())].into();
    record.incarnation = Some("first".to_owned());
    record.written = Some(fields::Written { number: 7, pair: print("a") });
    record.replays = 1;
    record.tombstone = Some(claim);
    record.host = Some("https://api.example".to_owned());
    record.user = Some(print("user"));
    record.rate_limited_until = Some(i64::MIN);
    record.rate_limit_fails = 2;
    let cause = PauseCause { status: 7, http_status: 503, message: "later".to_owned() };
    record.suspensions.insert("mark".to_owned(), Suspension { fails: 1, until: NOW, cause: Some(cause) });
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(serde_json::from_value::<Record>(written.clone()).unwrap(), record, "a member is not told of");
    let members = written.as_object().unwrap();
    assert_eq!(members.len(), 22, "a member is not set");
    for name in members.keys() {
        let mut without = members.clone();
        without.remove(name);
        assert_ne!(Record::try_from(without).unwrap(), record, "{name} is not read");
        let mut damaged = members.clone();
        damaged.insert(name.clone(), serde_json::json!([["damaged"]]));
        assert!(Record::try_from(damaged).is_err(), "{name} may be anything");
    }
}

#[test]
fn t_phps_three_fields_alone_are_a_record() {
    let text = r#"{"access_token":"a","refresh_token":"r","expires_at":1700000000}"#;
    let record: Record = serde_json::from_str(text).unwrap();
    assert_eq!(record.pair.expires_at, Some(1_700_000_000));
    assert_eq!(record.pair.lineage(), None);
    assert!(record.rest.is_empty());
    let empty: Record = serde_json::from_str(r#"{"access_token":"","refresh_token":null}"#).unwrap();
    assert_eq!(empty.holding(CLIENT, NOW), Holding::Nothing);
    assert_eq!(serde_json::from_str::<Record>("{}").unwrap(), Record::default());
}

#[test]
fn s2_debug_shows_no_token() {
    let redacted = format!("{:?}", claimed("a").0);
    assert!(!redacted.contains("access-a") && !redacted.contains("refresh-a"), "{redacted}");
}
