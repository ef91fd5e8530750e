//! Claims, and what they mark as spent (T2, T3).

use super::*;

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
    assert!(!record.publish_local(
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
    assert!(!record.publish_local(CLIENT, last_seen(1, 0), &pair("b", 1, 1), NOW));
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
fn t3_an_owner_that_was_taken_over_can_not_take_its_mark_back() {
    let (mut record, slow) = claimed("a");
    let late = NOW + LEASE_MS;
    let next = Claim::new();
    assert_eq!(record.claim(CLIENT, &holds("a"), Spending::Nothing, &next, LONG, late), Claimed::Yes);
    assert!(!record.release(&slow, Spending::First(&print("a"))));
    assert!(record.is_spent(CLIENT, None));
    // And the new owner gives up the claim only.
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
    // Another writer's change does not make it good again.
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
