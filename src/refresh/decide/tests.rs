//! Each row: what the record holds, what is needed and what may be spent, and the step that follows.

use super::*;
use crate::sys::clock::Tick;
use crate::token::freshness::Lifetime;
use crate::token::pair::{Kept, PairParts, RecoveryStage};
use crate::token::record::{Claim, LEASE, PauseCause, Spending, StoredPair, u128hex};
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
        call: None,
        token_type: None,
        kept: Kept::new(),
        issued: Tick(0),
        lifetime: Lifetime::UNKNOWN,
        refresh_expires_at: None,
        lineage,
        local_only: false,
        recovery_stage: RecoveryStage::None,
    })
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
    renews_by: Option<RenewsBy>,
    suspended_for: Option<(Duration, Option<PauseCause>)>,
    unreached_for: Option<(Duration, Error)>,
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
            renews_by: Some(RenewsBy::RefreshToken),
            suspended_for: None,
            unreached_for: None,
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
            renews_by: self.renews_by,
            suspended_for: &|| self.suspended_for.clone(),
            unreached_for: self.unreached_for.clone(),
        };
        decide(&view, &self.need, &budget)
    }
}

fn refresh(is_replay: bool) -> Step {
    Step::Refresh(RefreshToken { token: Some(secret("r1")), expires_at: None, lineage: lineage(1), is_replay })
}

fn check(rows: Vec<(&str, Case, Step)>) {
    for (what, case, step) in rows {
        assert_eq!(format!("{:?}", case.step()), format!("{step:?}"), "{what}");
    }
}

#[test]
fn an_empty_record_calls_for_a_login() {
    let nothing = || Case { need: TokenNeed::Usable, ..Case::of(Record::default()) };
    check(vec![
        ("nothing stored", nothing(), Step::Login),
        ("without a password", Case { has_password: false, ..nothing() }, Step::Blocked(Blocked::NoPassword)),
        ("the login is spent", Case { may_login: false, ..nothing() }, Step::Blocked(Blocked::BudgetSpent)),
        ("somebody logged out", Case { is_logged_out: true, ..nothing() }, Step::Blocked(Blocked::LoggedOut)),
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
        ("and no third time", Case { has_password: false, ..Case::of(replayed) }, Step::Blocked(Blocked::NoPassword)),
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
        record.rate_limit(Some(MINUTE), 0.5, NOW);
        record
    };
    check(vec![
        ("a refresh is due", Case::of(limited()), Step::Blocked(Blocked::RateLimited(MINUTE))),
        ("the pair is good", Case { freshness: Freshness::Good, ..Case::of(limited()) }, Step::Adopt),
    ]);
}

#[test]
fn r5_what_pauses_logins_stops_nothing_else() {
    let (left, why) = (Duration::from_secs(2), Error::new(Status::TM_NETWORK, "no route"));
    let cause =
        PauseCause { status: Status::TM_SERVER_ERROR as i32, http_status: 503, message: "answered 503".to_owned() };
    let login = |record: Record| Case { need: TokenNeed::Usable, ..Case::of(record) };
    let refused = || Some((left, None));
    let answered = || Some((left, Some(cause.clone())));
    let unreached = || Some((left, why.clone()));
    check(vec![
        ("a refresh is still sent", Case { suspended_for: refused(), ..Case::of(suspended(record())) }, refresh(false)),
        ("also if nothing reached it", Case { unreached_for: unreached(), ..Case::of(record()) }, refresh(false)),
        (
            "refused credentials",
            Case { suspended_for: refused(), ..login(suspended(Record::default())) },
            Step::Blocked(Blocked::Suspended(left)),
        ),
        (
            "another answer",
            Case { suspended_for: answered(), ..login(suspended(Record::default())) },
            Step::Blocked(Blocked::LoginsPaused(left, cause.clone())),
        ),
        (
            "no answer at all",
            Case { unreached_for: unreached(), ..login(Record::default()) },
            Step::Blocked(Blocked::Unreached(left, why.clone())),
        ),
        ("other credentials", login(suspended(Record::default())), Step::Login),
    ]);
}

#[test]
fn a_token_that_renews_itself_is_sent_while_it_is_good_and_was_not_refused() {
    let itself = || Case { renews_by: Some(RenewsBy::AccessToken), ..Case::of(record()) };
    let renewal = Step::Refresh(RefreshToken { token: None, expires_at: None, lineage: lineage(1), is_replay: false });
    let refused = TokenNeed::Other(Arc::new(pair("a1", lineage(1))));
    check(vec![
        ("due", itself(), renewal),
        ("run out", Case { freshness: Freshness::Dead, ..itself() }, Step::Login),
        ("refused", Case { need: refused, ..itself() }, Step::Login),
        ("no refresh at all", Case { renews_by: None, ..Case::of(record()) }, Step::Login),
    ]);
}

#[test]
fn a_token_that_is_renewed_with_what_was_kept_is_renewed_whatever_became_of_it() {
    let by_kept = || Case { renews_by: Some(RenewsBy::Neither), ..Case::of(record()) };
    let renewal =
        || Step::Refresh(RefreshToken { token: None, expires_at: None, lineage: lineage(1), is_replay: false });
    let refused = TokenNeed::Other(Arc::new(pair("a1", lineage(1))));
    let spent = claimed(record(), Spending::Nothing, 4 * LEASE);
    check(vec![
        ("due", by_kept(), renewal()),
        ("run out", Case { freshness: Freshness::Dead, need: TokenNeed::Usable, ..by_kept() }, renewal()),
        ("refused", Case { need: refused, ..by_kept() }, renewal()),
        ("its owner is gone", Case { record: spent, ..by_kept() }, renewal()),
        ("the refresh is spent", Case { may_refresh: false, ..by_kept() }, Step::Login),
        ("a login is asked for", Case { need: TokenNeed::Login(None), ..by_kept() }, Step::Login),
        ("nothing stored", Case { record: Record::default(), ..by_kept() }, Step::Login),
        ("without a password", Case { has_password: false, ..by_kept() }, renewal()),
    ]);
}
