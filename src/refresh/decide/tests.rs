//! Each row: what the record holds, what is needed and what may be spent, and the step that follows.

use super::*;
use crate::token::freshness::Lifetime;
use crate::token::pair::{PairParts, RecoveryStage};
use crate::token::record::{Claim, LEASE, Spending, StoredPair, u128hex};
use std::sync::Arc;

const NOW: i64 = 1_800_000_000_000;
const CLIENT: &str = "shop";
const MINUTE: Duration = Duration::from_secs(60);

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn name(token: &str) -> Fingerprint {
    Fingerprint::of(CLIENT, &secret(token))
}

fn pair(access: &str, lineage: Lineage) -> Pair {
    Pair::new(PairParts {
        access: secret(access),
        refresh: Some(secret("r1")),
        lifetime: Lifetime::UNKNOWN,
        refresh_expires_at: None,
        lineage,
        local_only: false,
        recovery_stage: RecoveryStage::None,
    })
    .unwrap()
}

fn lineage(generation: u64) -> Lineage {
    Lineage { family: 7, generation }
}

/// A record with the pair a1, r1 of the first generation.
fn record() -> Record {
    let mut record = Record::default();
    let stored = StoredPair {
        access_token: Some(secret("a1")),
        refresh_token: Some(secret("r1")),
        family: Some(u128hex::Hex(7)),
        generation: 1,
        ..StoredPair::default()
    };
    record.put(CLIENT, &stored);
    record
}

fn claimed(mut record: Record, spending: Spending<'_>, age: Duration) -> Record {
    let then = NOW - age.as_millis() as i64;
    let holding = record.holding(CLIENT, then);
    record.claim(CLIENT, &holding, spending, &Claim::new(), MINUTE, then);
    record
}

fn suspended(mut record: Record) -> Record {
    record.suspend("these credentials", NOW);
    record
}

/// A situation, the one in which a token is due and everything may be spent unless said otherwise.
struct Case {
    record: Record,
    freshness: Freshness,
    need: TokenNeed,
    may_refresh: bool,
    may_login: bool,
    has_password: bool,
    last_seen: Option<Lineage>,
    is_logged_out: bool,
    suspended_for: Option<Duration>,
}

impl Case {
    fn of(record: Record) -> Case {
        Case {
            record,
            freshness: Freshness::Due,
            need: TokenNeed::Ahead,
            may_refresh: true,
            may_login: true,
            has_password: true,
            last_seen: None,
            is_logged_out: false,
            suspended_for: None,
        }
    }

    fn step(&self) -> Step {
        let pair = self.record.pair.access_token.as_ref().map(|_| pair("a1", lineage(1)));
        let budget = Budget::new();
        budget.refresh.set(self.may_refresh);
        budget.login.set(self.may_login);
        let view = View {
            record: &self.record,
            now: NOW,
            client_id: CLIENT,
            pair: pair.as_ref().map(|pair| (pair, self.freshness)),
            last_seen: self.last_seen,
            has_password: self.has_password,
            is_logged_out: self.is_logged_out,
            suspended_for: &|| self.suspended_for,
        };
        decide(&view, &self.need, &budget)
    }
}

fn refresh(is_replay: bool) -> Step {
    Step::Refresh(RefreshToken { token: secret("r1"), expires_at: None, lineage: lineage(1), is_replay })
}

fn check(rows: Vec<(&str, Case, Step)>) {
    for (what, case, step) in rows {
        assert_eq!(case.step(), step, "{what}");
    }
}

#[test]
fn an_empty_record_calls_for_a_login() {
    let nothing = || Case { need: TokenNeed::Usable, ..Case::of(Record::default()) };
    check(vec![
        ("nothing stored", nothing(), Step::Login),
        ("without a password", Case { has_password: false, ..nothing() }, Step::Refuse(Refusal::NoPassword)),
        ("the login is spent", Case { may_login: false, ..nothing() }, Step::Refuse(Refusal::BudgetSpent)),
        ("somebody logged out", Case { is_logged_out: true, ..nothing() }, Step::Refuse(Refusal::LoggedOut)),
    ]);
}

#[test]
fn t1_a_pair_that_is_what_is_needed_is_adopted() {
    let other = TokenNeed::Other(Arc::new(pair("a0", lineage(0))));
    check(vec![
        ("a good one", Case { freshness: Freshness::Good, ..Case::of(record()) }, Step::Adopt),
        ("a due one, for whoever has none", Case { need: TokenNeed::Usable, ..Case::of(record()) }, Step::Adopt),
        ("another than the refused one", Case { need: other, ..Case::of(record()) }, Step::Adopt),
        (
            "also under another process's claim",
            Case { freshness: Freshness::Good, ..Case::of(claimed(record(), Spending::Nothing, Duration::ZERO)) },
            Step::Adopt,
        ),
        (
            "never one that is behind what this process holds",
            Case { freshness: Freshness::Good, last_seen: Some(lineage(2)), ..Case::of(record()) },
            Step::Login,
        ),
    ]);
}

#[test]
fn t2_a_due_pair_is_refreshed_unless_another_process_has_the_claim() {
    let r1 = name("r1");
    check(vec![
        ("nobody is at it", Case::of(record()), refresh(false)),
        ("somebody is", Case::of(claimed(record(), Spending::First(&r1), Duration::ZERO)), Step::Wait(LEASE)),
        (
            "the one that is refused is the one that is stored",
            Case { need: TokenNeed::Other(Arc::new(pair("a1", lineage(1)))), ..Case::of(record()) },
            refresh(false),
        ),
        ("the refresh is spent", Case { may_refresh: false, ..Case::of(record()) }, Step::Login),
        ("a login is asked for", Case { need: TokenNeed::Login(None), ..Case::of(record()) }, Step::Login),
    ]);
}

#[test]
fn t3_a_spent_token_is_never_sent_again() {
    let r1 = name("r1");
    let spent = || claimed(record(), Spending::First(&r1), 4 * LEASE);
    let replayed = claimed(spent(), Spending::Replay(&r1), 2 * LEASE);
    let mut foreign = record();
    foreign.pair.refresh_token = Some(secret("r2"));
    check(vec![
        ("its owner is gone", Case::of(spent()), Step::Login),
        ("a foreign writer put another there", Case::of(foreign), Step::Login),
        ("an older rotation was put back", Case { last_seen: Some(lineage(2)), ..Case::of(record()) }, Step::Login),
        ("without a password: once more", Case { has_password: false, ..Case::of(spent()) }, refresh(true)),
        ("and no third time", Case { has_password: false, ..Case::of(replayed) }, Step::Refuse(Refusal::NoPassword)),
    ]);
}

#[test]
fn a_refresh_token_that_has_run_out_is_not_sent() {
    let with_expiry = |at: i64| {
        let mut record = record();
        record.pair.refresh_expires_at = Some(at);
        Case::of(record)
    };
    check(vec![
        ("over", with_expiry(NOW / 1000), Step::Login),
        ("good for a second", with_expiry(NOW / 1000 + 1), refresh(false)),
    ]);
}

#[test]
fn a_429_stops_refreshes_and_logins_but_no_adoption() {
    let limited = || {
        let mut record = record();
        record.rate_limit(MINUTE, NOW);
        record
    };
    check(vec![
        ("a refresh is due", Case::of(limited()), Step::Refuse(Refusal::RateLimited(MINUTE))),
        ("the pair is good", Case { freshness: Freshness::Good, ..Case::of(limited()) }, Step::Adopt),
    ]);
}

#[test]
fn r5_suspended_credentials_stop_logins_only() {
    let left = Some(Duration::from_secs(2));
    let case = |record| Case { suspended_for: left, ..Case::of(suspended(record)) };
    let login = TokenNeed::Usable;
    check(vec![
        ("a refresh is still sent", case(record()), refresh(false)),
        (
            "a login is not",
            Case { need: login.clone(), ..case(Record::default()) },
            Step::Refuse(Refusal::Suspended(MINUTE / 30)),
        ),
        ("other credentials are", Case { need: login, suspended_for: None, ..case(Record::default()) }, Step::Login),
    ]);
}
