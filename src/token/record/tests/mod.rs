//! Each rule of the record by itself; in `schedules`, any order of all of them; in `versions`, what other versions of this
//! library wrote.

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
fn t2_a_claim_marks_its_token_as_spent_in_the_same_step() {
    let (record, claim) = claimed("a");
    assert_eq!(record.spent, Some(print("a")));
    assert_eq!(record.claim.as_ref().unwrap().nonce, claim.nonce);
    assert_eq!(record.claimed_for(NOW), Some(LEASE));
    assert!(record.is_spent(CLIENT, None));
}

#[test]
fn t2_a_claim_for_a_login_spends_nothing() {
    let mut record = record_with("a");
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &Claim::new(), LONG, NOW), Claimed::Yes);
    assert_eq!(record.spent, None);
}

#[test]
fn t2_a_pair_that_was_renewed_without_another_token_is_not_what_was_read() {
    let (mut record, claim) = claimed("a");
    // The answer held no refresh token, so that the old one stays.
    let renewal = StoredPair { access_token: Secret::new("access-b"), generation: 1, ..pair("a", 1, 0) };
    assert!(record.publish(CLIENT, &holds("a"), None, &renewal, NOW));
    assert!(!record.release(&claim, Spending::Nothing), "the claim went with it");
    let late = |record: &mut Record, read: &Holding| {
        record.claim(CLIENT, read, Spending::First(&print("a")), &Claim::new(), LONG, NOW)
    };
    assert_eq!(late(&mut record, &holds("a")), Claimed::Changed, "it was read before the renewal");
    assert!(!record.publish(CLIENT, &holds("a"), None, &pair("c", 1, 1), NOW));
    assert_eq!(late(&mut record, &renewed("a", 1)), Claimed::Yes);
}

#[test]
fn t2_only_what_was_read_can_be_claimed() {
    let mut record = record_with("a");
    let before = record.clone();
    for read in [Holding::Nothing, holds("b"), Holding::Tombstone("x".to_owned())] {
        assert_eq!(
            record.claim(CLIENT, &read, Spending::First(&print("a")), &Claim::new(), LONG, NOW),
            Claimed::Changed
        );
    }
    assert_eq!(record, before);
    let mut empty = Record::default();
    assert_eq!(empty.claim(CLIENT, &holds("a"), Spending::Nothing, &Claim::new(), LONG, NOW), Claimed::Changed);
    assert_eq!(empty.claim(CLIENT, &Holding::Nothing, Spending::Nothing, &Claim::new(), LONG, NOW), Claimed::Yes);
}

#[test]
fn t2_a_live_claim_keeps_others_away_until_its_lease_is_over() {
    let (mut record, _) = claimed("a");
    let claim_at = |now| record.clone().claim(CLIENT, &holds("a"), Spending::Nothing, &Claim::new(), LONG, now);
    assert_eq!(claim_at(NOW), Claimed::Busy(LEASE));
    assert_eq!(claim_at(NOW + LEASE_MS - 1), Claimed::Busy(Duration::from_millis(1)));
    assert_eq!(claim_at(NOW + LEASE_MS), Claimed::Yes);
    // Further away than a lease: somebody's clock was wrong, or was set back since.
    assert_eq!(claim_at(NOW - 1), Claimed::Yes);
    assert_eq!(claim_at(i64::MIN), Claimed::Yes);
    record.claim.as_mut().unwrap().until = i64::MAX;
    assert_eq!(record.claimed_for(NOW), None);
}

#[test]
fn t2_a_lease_never_outlasts_its_owners_call() {
    let (mut record, claim) = (record_with("a"), Claim::new());
    let left = Duration::from_millis(300);
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &claim, left, NOW), Claimed::Yes);
    assert_eq!(record.claimed_for(NOW), Some(left));
    assert!(record.renew(&claim, Duration::from_millis(100), NOW + 200));
    assert_eq!(record.claimed_for(NOW + 200), Some(Duration::from_millis(100)));
}

#[test]
fn t2_only_its_owner_renews_a_claim() {
    let (mut record, claim) = claimed("a");
    assert!(!record.renew(&Claim::new(), LONG, NOW + 4000));
    assert_eq!(record.claimed_for(NOW + 4000), Some(Duration::from_secs(1)));
    assert!(record.renew(&claim, LONG, NOW + 4000));
    assert_eq!(record.claimed_for(NOW + 4000), Some(LEASE));
    assert!(record.release(&claim, Spending::Nothing));
    assert!(!record.renew(&claim, LONG, NOW + 4000), "what was given up stays given up");
}

#[test]
fn t2_every_claim_has_a_nonce_of_128_bits() {
    let nonces: std::collections::BTreeSet<String> = (0..100).map(|_| Claim::new().nonce).collect();
    assert_eq!(nonces.len(), 100);
    assert!(nonces.iter().all(|nonce| nonce.len() == 32));
}

#[test]
fn t2_a_new_pair_goes_over_what_was_claimed_or_over_nothing() {
    let (mut record, _) = claimed("a");
    assert!(record.publish(CLIENT, &holds("a"), None, &pair("b", 1, 1), NOW));
    assert_eq!(record.holding(CLIENT, NOW), renewed("b", 1));
    assert_eq!((&record.spent, &record.claim, record.replays), (&None, &None, 0));
    assert_eq!(record.described, Some(print("b")));

    let mut wiped = Record::default();
    assert!(wiped.publish(CLIENT, &holds("a"), None, &pair("b", 1, 1), NOW));
    assert_eq!(wiped.holding(CLIENT, NOW), renewed("b", 1));
}

#[test]
fn t2_other_peoples_claims_do_not_matter_to_who_was_first() {
    let (mut record, _) = claimed("a");
    let late = NOW + LEASE_MS;
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &Claim::new(), LONG, late), Claimed::Yes);
    assert!(record.publish(CLIENT, &holds("a"), None, &pair("b", 1, 1), late), "the slow holder's pair");
    assert!(!record.publish(CLIENT, &holds("a"), None, &pair("c", 2, 0), late), "the one that came second");
    assert_eq!(record.holding(CLIENT, late), renewed("b", 1));
}

#[test]
fn t2_a_new_pair_never_goes_over_another() {
    let (mut record, _) = claimed("a");
    record.put(CLIENT, &pair("theirs", 7, 3));
    let before = record.clone();
    for last_seen in [None, last_seen(1, 0), last_seen(7, 3), last_seen(7, 2), last_seen(8, 9)] {
        assert!(!record.publish(CLIENT, &holds("a"), last_seen, &pair("b", 1, 1), NOW), "{last_seen:?}");
    }
    assert_eq!(record, before);
}

#[test]
fn t2_a_record_that_was_rolled_back_is_replaced() {
    let mut record = record_with("old");
    assert!(record.is_rolled_back(CLIENT, last_seen(1, 1)));
    for (other, why) in [(last_seen(1, 0), "the same"), (last_seen(2, 9), "another login"), (None, "unknown")] {
        assert!(!record.is_rolled_back(CLIENT, other), "{why}");
    }
    assert!(record.publish(CLIENT, &holds("elsewhere"), last_seen(1, 1), &pair("new", 1, 2), NOW));
    assert_eq!(record.holding(CLIENT, NOW), renewed("new", 2));
}

#[test]
fn t2_a_foreign_pair_is_not_taken_for_a_rolled_back_one_of_ours() {
    let mut record = record_with("old");
    write_as_php(&mut record, "php");
    // What lineage there is was the old pair's.
    assert!(!record.is_rolled_back(CLIENT, last_seen(1, 1)));
    assert!(!record.publish(CLIENT, &holds("old"), last_seen(1, 1), &pair("new", 1, 2), NOW));
    assert!(!record.publish_private(
        CLIENT,
        last_seen(1, 1),
        &StoredPair { expires_at: Some(1), ..pair("p", 1, 1) },
        NOW
    ));
    assert_eq!(record.holding(CLIENT, NOW), holds("php"));
}

#[test]
fn t2_a_logout_leaves_a_tombstone_that_nothing_in_flight_replaces() {
    let (mut record, claim) = claimed("a");
    record.suspend("mark", NOW);
    record.mark_logged_out(NOW);
    assert!(matches!(record.holding(CLIENT, NOW), Holding::Tombstone(_)));
    assert_eq!((&record.pair, &record.spent, &record.claim), (&StoredPair::default(), &None, &None));
    assert!(record.suspended_for("mark", NOW).is_some(), "it lifts no suspension");

    assert!(!record.publish(CLIENT, &holds("a"), last_seen(1, 0), &pair("b", 1, 1), NOW));
    assert!(!record.publish(CLIENT, &Holding::Nothing, None, &pair("b", 1, 1), NOW));
    assert!(!record.publish_private(CLIENT, last_seen(1, 0), &pair("b", 1, 1), NOW));
    assert!(!record.release(&claim, Spending::First(&print("a"))) && !record.renew(&claim, LONG, NOW));
    assert_eq!(record.pair, StoredPair::default());
}

#[test]
fn t2_who_comes_after_the_logout_claims_the_tombstone_itself() {
    let mut record = record_with("a");
    record.mark_logged_out(NOW);
    let first = record.holding(CLIENT, NOW);
    let claim = Claim::new();
    assert_eq!(record.claim(CLIENT, &first, Spending::Nothing, &claim, LONG, NOW), Claimed::Yes);
    record.mark_logged_out(NOW + 1);
    // Logged out once more meanwhile: another tombstone.
    assert!(!record.publish(CLIENT, &first, None, &pair("b", 2, 0), NOW + 2));
    let second = record.holding(CLIENT, NOW + 2);
    assert!(record.publish(CLIENT, &second, None, &pair("c", 3, 0), NOW + 2));
    assert_eq!(record.tombstone, None);
}

#[test]
fn t2_a_tombstone_does_not_stand_for_ever() {
    let mut record = record_with("a");
    record.mark_logged_out(NOW);
    let ms = TOMBSTONE.as_millis() as i64;
    assert!(matches!(record.holding(CLIENT, NOW + ms - 1), Holding::Tombstone(_)));
    assert_eq!(record.holding(CLIENT, NOW + ms), Holding::Nothing);
}

#[test]
fn t3_only_the_owner_gives_a_claim_up_and_spent_stays() {
    let (mut record, claim) = claimed("a");
    let before = record.clone();
    assert!(!record.release(&Claim::new(), Spending::First(&print("a"))) && record == before);
    assert!(record.release(&claim, Spending::Nothing));
    assert_eq!((&record.claim, &record.spent), (&None, &Some(print("a"))));
    assert!(!record.release(&claim, Spending::First(&print("a"))), "it is nobody's any more");
    assert!(record.is_spent(CLIENT, None));
}

#[test]
fn t3_the_owner_takes_the_mark_back_when_nothing_was_seen() {
    let (mut record, claim) = claimed("a");
    assert!(record.release(&claim, Spending::First(&print("a"))));
    assert!(!record.is_spent(CLIENT, None));
    assert_eq!(record, record_with("a"));
}

#[test]
fn t3_whoever_was_taken_over_can_not_take_its_mark_back() {
    let (mut record, slow) = claimed("a");
    let late = NOW + LEASE_MS;
    let next = Claim::new();
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &next, LONG, late), Claimed::Yes);
    assert!(!record.release(&slow, Spending::First(&print("a"))));
    assert!(record.is_spent(CLIENT, None));
    // And whoever took over gives up the claim only.
    assert!(record.release(&next, Spending::Nothing));
    assert!(record.is_spent(CLIENT, None));
}

#[test]
fn t3_a_pair_that_our_fields_do_not_describe_counts_as_spent() {
    let mut record = record_with("a");
    assert!(!record.is_spent(CLIENT, None));
    write_as_php(&mut record, "php");
    assert!(record.is_spent(CLIENT, None));
    let foreign: Record = serde_json::from_str(r#"{"access_token":"x","refresh_token":"y","expires_at":5}"#).unwrap();
    assert!(foreign.is_spent(CLIENT, None));
    assert!(record_with("a").is_spent("another client", None), "the fingerprint is keyed with the client");
}

#[test]
fn t3_a_rolled_back_pair_counts_as_spent() {
    assert!(record_with("a").is_spent(CLIENT, last_seen(1, 1)));
    assert!(!record_with("a").is_spent(CLIENT, last_seen(1, 0)));
}

#[test]
fn t3_a_replay_is_counted_and_a_new_pair_ends_the_count() {
    let (mut record, claim) = claimed("a");
    assert_eq!(record.replays, 0);
    record.release(&claim, Spending::Nothing);
    assert_eq!(
        record.claim(CLIENT, &holds("a"), Spending::Replay(&print("a")), &Claim::new(), LONG, NOW),
        Claimed::Yes
    );
    assert_eq!(record.replays, 1);
    assert!(record.publish(CLIENT, &holds("a"), None, &pair("b", 1, 1), NOW));
    assert_eq!(record.replays, 0);
}

#[test]
fn t3_a_token_that_was_spent_before_stays_so_whatever_comes_of_a_later_claim() {
    let (mut record, lost) = claimed("a");
    assert!(record.release(&lost, Spending::Nothing));
    let login = Claim::new();
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &login, LONG, NOW), Claimed::Yes);
    assert!(record.release(&login, Spending::Nothing));
    assert!(record.is_spent(CLIENT, None));
    let replay = Claim::new();
    let spending = print("a");
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Replay(&spending), &replay, LONG, NOW), Claimed::Yes);
    assert!(record.release(&replay, Spending::Replay(&spending)));
    assert!(record.is_spent(CLIENT, None) && record.replays_of(&spending) == 0, "the try was not used up");
}

#[test]
fn t3_replays_are_counted_for_each_token() {
    let (mut record, claim) = claimed("a");
    record.release(&claim, Spending::Nothing);
    assert_eq!(
        record.claim(CLIENT, &holds("a"), Spending::Replay(&print("a")), &Claim::new(), LONG, NOW),
        Claimed::Yes
    );
    record.claim = None;
    write_as_php(&mut record, "php");
    assert_eq!(record.replays_of(&print("php")), 0);
    let theirs = print("php");
    assert_eq!(record.claim(CLIENT, &holds("php"), Spending::Replay(&theirs), &Claim::new(), LONG, NOW), Claimed::Yes);
    assert_eq!(record.replays_of(&theirs), 1);
}

#[test]
fn t3_a_record_of_another_incarnation_of_the_store_counts_as_spent_until_a_new_pair_is_written() {
    let mut record = record_with("a");
    record.invalidate_if_restored(CLIENT, "first");
    assert!(record.is_spent(CLIENT, None), "nobody knows where it was written");
    record.put(CLIENT, &pair("b", 1, 1));
    assert!(!record.is_spent(CLIENT, None));
    record.invalidate_if_restored(CLIENT, "first");
    assert!(!record.is_spent(CLIENT, None));
    record.invalidate_if_restored(CLIENT, "second");
    assert!(record.is_spent(CLIENT, None));
    // Whoever writes something else meanwhile does not make it good again.
    let claim = Claim::new();
    assert_eq!(record.claim(CLIENT, &renewed("b", 1), Spending::Nothing, &claim, LONG, NOW), Claimed::Yes);
    record.release(&claim, Spending::Nothing);
    record.invalidate_if_restored(CLIENT, "second");
    assert!(record.is_spent(CLIENT, None));
}

#[test]
fn t3_standing_in_another_incarnation_gives_no_further_replay_of_a_spent_token() {
    let (mut record, _) = claimed("a");
    record.replays = 1;
    record.invalidate_if_restored(CLIENT, "second");
    assert_eq!(record.replays_of(&print("a")), 1);
}

#[test]
fn t3_a_copy_that_was_put_back_counts_as_spent() {
    let with = |number| {
        let mut record = record_with("a");
        record.set_number(CLIENT, number);
        record
    };
    let is_spent = |mut record: Record, last: i64| {
        record.compare_number(CLIENT, |number| number == last);
        record.is_spent(CLIENT, None)
    };
    assert!(!is_spent(with(Some(7)), 7));
    assert!(is_spent(with(Some(7)), 9), "put back");
    assert!(!is_spent(with(None), 9), "of a version that numbers no writes");
    let mut older = with(Some(7));
    older.put(CLIENT, &pair("b", 1, 1));
    assert!(!is_spent(older, 9), "such a version has written another pair, and left the number");
    let mut logged_out = with(Some(7));
    logged_out.mark_logged_out(NOW);
    logged_out.set_number(CLIENT, Some(8));
    assert_eq!(logged_out.written, None);
    let (mut spent, _) = claimed("a");
    spent.replays = 1;
    spent.set_number(CLIENT, Some(7));
    spent.compare_number(CLIENT, |_| false);
    assert_eq!(spent.replays_of(&print("a")), 1, "no further replay");
}

#[test]
fn r5_a_refusal_or_a_pause_since_reading_is_noticed() {
    let read = record_with("a");
    let mut record = read.clone();
    record.put(CLIENT, &pair("b", 1, 1));
    assert!(!record.has_refusals_since(&read));
    record.suspend("mark", NOW);
    assert!(record.has_refusals_since(&read));
    let mut record = read.clone();
    record.rate_limit(Some(LONG), 0.5, NOW);
    assert!(record.has_refusals_since(&read));
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
        let is_published = record.publish_private(CLIENT, last_seen(5, 4), &ours, NOW);
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
fn r5_suspensions_double_and_are_of_one_password_only() {
    let mut record = Record::default();
    let mut now = NOW;
    for fails in 1..=12 {
        let wait = record.suspend("wrong", now);
        assert_eq!(wait, REFUSED.wait(fails));
        assert_eq!(record.suspended_for("wrong", now), Some((wait, None)));
        assert_eq!(record.suspended_for("right", now), None);
        now += wait.as_millis() as i64;
        assert_eq!(record.suspended_for("wrong", now), None, "it is over");
    }
    assert_eq!(record.suspensions["wrong"].fails, 12);
    // Five minutes after the end of it nobody remembers.
    assert_eq!(record.suspend("wrong", now + REFUSED.most.as_millis() as i64), REFUSED.first);
    record.lift("wrong");
    assert!(record.suspensions.is_empty());
}

#[test]
fn r5_a_suspension_further_away_than_the_longest_is_a_clocks_mistake() {
    let mut record = Record::default();
    for until in [NOW + 300_001, i64::MAX, NOW, i64::MIN] {
        record.suspensions.insert("x".to_owned(), Suspension { fails: 3, until, cause: None });
        assert_eq!(record.suspended_for("x", NOW), None, "{until}");
    }
    // Nor does one make the arithmetic overflow.
    for until in [i64::MAX, i64::MIN] {
        record.suspensions.insert("x".to_owned(), Suspension { fails: u32::MAX, until, cause: None });
        assert!(record.suspend("x", NOW) <= REFUSED.most);
    }
}

#[test]
fn r5_a_record_remembers_few_suspensions_and_the_newest_among_them() {
    let mut record = Record::default();
    for number in 0..MOST_SUSPENSIONS {
        for _ in 0..8 {
            record.suspend(&format!("old-{number}"), NOW);
        }
    }
    for number in 0..50 {
        let mark = format!("new-{number}");
        record.suspend(&mark, NOW);
        assert!(record.suspended_for(&mark, NOW).is_some(), "a refusal was forgotten at once");
        assert_eq!(record.suspensions.len(), MOST_SUSPENSIONS);
    }
}

#[test]
fn r5_a_429_holds_and_a_new_pair_or_a_logout_does_not_lift_it() {
    let mut record = record_with("a");
    record.rate_limit(Some(Duration::from_secs(9)), 0.5, NOW);
    assert_eq!(record.rate_limited_for(NOW), Some(Duration::from_secs(9)));
    record.put(CLIENT, &pair("b", 1, 1));
    record.mark_logged_out(NOW);
    assert_eq!(record.rate_limited_for(NOW + 8_999), Some(Duration::from_millis(1)));
    assert_eq!(record.rate_limited_for(NOW + 9_000), None);
    record.rate_limit(Some(Duration::MAX), 0.5, NOW);
    assert_eq!(record.rate_limited_for(NOW), Some(Duration::from_secs(3600)), "for ever is a mistake");
    record.rate_limited_until = Some(i64::MAX);
    assert_eq!(record.rate_limited_for(NOW), None, "also somebody else's");
}

#[test]
fn r5_a_429_without_a_time_doubles_until_a_pair_comes() {
    let mut record = record_with("a");
    let mut now = NOW;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(record.rate_limit(None, 0.0, now), Duration::from_secs(wait));
        now += wait as i64 * 1000;
        assert_eq!(record.rate_limited_for(now), None);
    }
    assert_eq!(
        record.rate_limit(Some(Duration::from_secs(7)), 0.5, now),
        Duration::from_secs(7),
        "its own time counts"
    );
    record.put(CLIENT, &pair("b", 1, 1));
    assert_eq!(record.rate_limit_fails, 0);
}

#[test]
fn r5_an_answer_without_a_token_pauses_logins_with_these_credentials() {
    let mut record = record_with("a");
    let cause = |status| PauseCause { status, http_status: 503, message: format!("it was {status}") };
    let mut now = NOW;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(record.pause_logins("these", cause(10), None, 0.0, now), Duration::from_secs(wait));
        assert_eq!(record.suspended_for("these", now), Some((Duration::from_secs(wait), Some(&cause(10)))));
        assert_eq!(record.suspended_for("others", now), None);
        now += wait as i64 * 1000;
    }
    let asked_for = Some(Duration::from_secs(120));
    assert_eq!(record.pause_logins("these", cause(11), asked_for, 0.5, now), Duration::from_secs(120));
    // Refused credentials are another row of failures.
    assert_eq!(record.suspend("these", now), Duration::from_secs(2));
    assert_eq!(record.suspended_for("these", now), Some((Duration::from_secs(2), None)));
    assert_eq!(record.pause_logins("these", cause(10), None, 1.0, now), Duration::from_millis(1250));
    record.lift("these");
    assert_eq!(record.suspended_for("these", now), None);
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
