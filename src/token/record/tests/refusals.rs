//! Suspensions, pauses and 429 (R5).

use super::*;

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
