//! Three processes, one record, and a server that counts: thousands of random orders of everything that they
//! and the world can do. Whatever the order, no refresh token arrives twice, no usable pair gives way to an
//! older one, nothing in flight survives a logout, and nothing is ever stuck. The world also puts old copies of the record
//! back, where the store numbers the writes; where it is shared with a version that knows no numbers, it does not.

use super::*;

/// A small generator, so that a schedule is named by its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What the server knows of a refresh token, by its number. A pair's number tells also which is newer.
#[derive(Clone, Default)]
struct Issued {
    family: u64,
    arrivals: u32,
    is_revoked: bool,
}

#[derive(Default)]
struct Server(Vec<Issued>);

impl Server {
    fn issue(&mut self, family: u64) -> usize {
        self.0.push(Issued { family, ..Issued::default() });
        self.0.len() - 1
    }

    fn login(&mut self) -> usize {
        let family = self.0.len() as u64;
        self.issue(family)
    }

    /// `None`: refused.
    fn refresh(&mut self, token: usize) -> Option<usize> {
        let held = &mut self.0[token];
        held.arrivals += 1;
        assert_eq!(held.arrivals, 1, "refresh token {token} was sent twice");
        let family = held.family;
        (!held.is_revoked).then(|| self.issue(family))
    }

    fn is_usable(&self, token: usize) -> bool {
        self.0[token].arrivals == 0 && !self.0[token].is_revoked
    }
}

fn number(pair: &StoredPair) -> Option<usize> {
    pair.refresh_token.as_ref()?.as_str().strip_prefix("refresh-")?.parse().ok()
}

fn made(number: usize, lineage: Lineage) -> StoredPair {
    let expires_at = Some(10_000 + number as i64);
    StoredPair { expires_at, ..pair(&number.to_string(), lineage.family, lineage.generation) }
}

fn as_fields(record: &Record) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(fields)) => fields,
        other => panic!("a record is an object: {other:?}"),
    }
}

/// How far a process is with a renewal.
#[derive(Clone, Debug)]
enum At {
    Idle,
    Read {
        holding: Holding,
        refresh: Option<(usize, Lineage)>,
    },
    Claimed {
        claim: Claim,
        holding: Holding,
        refresh: Option<(usize, Lineage)>,
    },
    Answered {
        claim: Claim,
        holding: Holding,
        pair: StoredPair,
    },
    /// `unseen`: the refresh token that was certainly not sent.
    Failed {
        claim: Claim,
        unseen: Option<Fingerprint>,
    },
}

#[derive(Clone)]
struct Process {
    at: At,
    /// What it serves, and whether only it knows that pair.
    held: Option<StoredPair>,
    is_private: bool,
    /// A logout came while it was under way.
    is_cut: bool,
    /// The claims that it may have left in the record.
    claims: Vec<Claim>,
}

const AT_REST: Process = Process { at: At::Idle, held: None, is_private: false, is_cut: false, claims: Vec::new() };

struct World {
    record: Record,
    /// What a replica has of it, and which server this is by now.
    replica: Record,
    incarnation: String,
    /// The number of the last write, as the store keeps it, beside the record.
    number: i64,
    /// What was copied of the record at some time.
    copy: Record,
    /// The last process is of a version of this library that numbers no writes.
    has_older_version: bool,
    now: i64,
    server: Server,
    processes: Vec<Process>,
    dice: Dice,
    families: u128,
}

impl World {
    fn new(schedule: u64) -> World {
        let dice = Dice(schedule);
        let processes = vec![AT_REST; 3];
        World {
            record: Record::default(),
            replica: Record::default(),
            incarnation: "first".to_owned(),
            number: 0,
            copy: Record::default(),
            has_older_version: schedule.is_multiple_of(4),
            now: NOW,
            server: Server::default(),
            processes,
            dice,
            families: 0,
        }
    }

    fn fresh_family(&mut self) -> Lineage {
        self.families += 1;
        Lineage { family: self.families, generation: 0 }
    }

    fn is_older_version(&self, who: usize) -> bool {
        self.has_older_version && who == 2
    }

    /// The record as the store gives it to a process.
    fn look(&self, who: usize) -> Record {
        let mut record = self.record.clone();
        if !self.is_older_version(who) {
            record.compare_number(CLIENT, |number| number == self.number);
        }
        record.invalidate_if_restored(CLIENT, &self.incarnation);
        record
    }

    /// Puts it into the store.
    fn put(&mut self, who: usize, mut record: Record) {
        self.number += 1;
        if !self.is_older_version(who) {
            record.set_number(CLIENT, Some(self.number));
        }
        self.record = record;
    }

    /// Runs a change of the record, and looks at what it overwrote.
    fn write(&mut self, who: usize, change: impl FnOnce(&mut Record, i64) -> bool) -> bool {
        let mut record = self.look(who);
        // A spent pair is of no more use to anyone, whether it was sent or not (T3).
        let is_spent = |before: &usize| record.spent == Some(print(&before.to_string()));
        let before = number(&record.pair).filter(|before| !is_spent(before));
        let done = change(&mut record, self.now);
        let after = number(&record.pair);
        if let (Some(before), Some(after)) = (before, after) {
            assert!(after >= before || !self.server.is_usable(before), "pair {before} gave way to the older {after}");
        }
        if done {
            self.put(who, record);
        }
        done
    }

    /// One step of one process.
    fn step(&mut self, who: usize) {
        let process = self.processes[who].clone();
        let last_seen = process.held.as_ref().and_then(StoredPair::lineage);
        self.processes[who].at = match process.at {
            At::Idle if process.is_private => self.reconcile(who, last_seen),
            At::Idle => self.read(who, last_seen),
            At::Read { holding, refresh } => self.claim(who, holding, refresh),
            At::Claimed { claim, holding, refresh } => self.ask(claim, holding, refresh),
            At::Answered { claim, holding, pair } => {
                self.publish(who, &holding, last_seen, pair);
                drop(claim);
                At::Idle
            }
            At::Failed { claim, unseen } => {
                // Giving it back may fail, too.
                if self.dice.roll(8) > 0 {
                    let unseen = unseen.as_ref().map_or(Spending::Nothing, Spending::First);
                    self.write(who, |record, _| record.release(&claim, unseen));
                }
                At::Idle
            }
        };
        if matches!(self.processes[who].at, At::Idle) {
            self.processes[who].is_cut = false;
        }
    }

    /// The record as a process sees it that begins anew: without what it left there itself.
    fn seen_by(&self, who: usize) -> Record {
        let mut record = self.look(who);
        for claim in &self.processes[who].claims {
            record.release(claim, Spending::Nothing);
        }
        record
    }

    fn claim(&mut self, who: usize, holding: Holding, refresh: Option<(usize, Lineage)>) -> At {
        let (mut record, claim) = (self.seen_by(who), Claim::new());
        let spend = refresh.as_ref().map(|(token, _)| print(&token.to_string()));
        let spending = spend.as_ref().map_or(Spending::Nothing, Spending::First);
        if record.claim(CLIENT, &holding, spending, &claim, LONG, self.now) != Claimed::Yes {
            return At::Idle;
        }
        self.processes[who].claims.push(claim.clone());
        // Whether it was written may be unknown. Then it is no claim, and is given back, which may fail as well.
        let fate = self.dice.roll(16);
        if fate > 0 {
            self.put(who, record);
        }
        match fate {
            0 | 1 => At::Failed { claim, unseen: spend },
            _ => At::Claimed { claim, holding, refresh },
        }
    }

    fn read(&mut self, who: usize, last_seen: Option<Lineage>) -> At {
        let record = self.seen_by(who);
        let holding = record.holding(CLIENT, self.now);
        let wants_another = self.dice.roll(2) == 0;
        if !wants_another && !record.is_rolled_back(CLIENT, last_seen) && record.pair.access_token.is_some() {
            self.processes[who].held = Some(record.pair.clone());
            return At::Idle;
        }
        if record.claimed_for(self.now).is_some() {
            let standing = record.claim.as_ref().map(|claim| &claim.nonce);
            let is_own = |process: &Process| process.claims.iter().any(|claim| Some(&claim.nonce) == standing);
            assert!(!is_own(&self.processes[who]), "a process waits for a claim of its own");
            return At::Idle;
        }
        let lineage = record.lineage(CLIENT).unwrap_or(Lineage { family: 0, generation: 0 });
        let refresh =
            number(&record.pair).filter(|_| !record.is_spent(CLIENT, last_seen)).map(|token| (token, lineage));
        At::Read { holding, refresh }
    }

    /// The request, and all that can come of it.
    fn ask(&mut self, claim: Claim, holding: Holding, refresh: Option<(usize, Lineage)>) -> At {
        let fate = self.dice.roll(10);
        if fate == 0 {
            return At::Failed { claim, unseen: refresh.map(|(token, _)| print(&token.to_string())) };
        }
        let granted = match refresh {
            None => Some((self.server.login(), self.fresh_family())),
            Some((token, lineage)) => self
                .server
                .refresh(token)
                .map(|number| (number, Lineage { family: lineage.family, generation: lineage.generation + 1 })),
        };
        match granted {
            // The answer is lost.
            Some(_) if fate == 1 => At::Failed { claim, unseen: None },
            Some((number, lineage)) => At::Answered { claim, holding, pair: made(number, lineage) },
            // Refused: T4, unless the record holds another pair by now, a login under the same claim.
            None if self.record.holding(CLIENT, self.now) == holding => At::Claimed { claim, holding, refresh: None },
            None => At::Failed { claim, unseen: None },
        }
    }

    fn publish(&mut self, who: usize, holding: &Holding, last_seen: Option<Lineage>, pair: StoredPair) {
        let is_cut = self.processes[who].is_cut;
        let fate = self.dice.roll(10);
        let mut written = false;
        if fate != 0 {
            written = self.write(who, |record, now| record.publish(CLIENT, holding, last_seen, &pair, now));
            assert!(!(written && is_cut), "what was in flight came back after a logout");
        }
        let process = &mut self.processes[who];
        // The store certainly failed: nobody else knows the pair. If it answered, or its answer was lost, others may.
        process.is_private = fate == 0 && !is_cut;
        if written || fate == 0 {
            process.held = Some(pair);
        }
    }

    /// A private pair: its owner alone may refresh it, until it is published or may have been.
    fn reconcile(&mut self, who: usize, last_seen: Option<Lineage>) -> At {
        let held = self.processes[who].held.clone().expect("a private pair");
        if self.dice.roll(3) == 0 {
            let lineage = held.lineage().expect("ours");
            let next = number(&held).and_then(|token| self.server.refresh(token));
            let next = next.map(|number| made(number, Lineage { generation: lineage.generation + 1, ..lineage }));
            self.processes[who].is_private = next.is_some();
            self.processes[who].held = next.or(Some(held));
            return At::Idle;
        }
        let claims = self.processes[who].claims.clone();
        self.write(who, |record, now| {
            claims.iter().for_each(|claim| _ = record.release(claim, Spending::Nothing));
            record.publish_local(CLIENT, last_seen, &held, now)
        });
        self.processes[who].is_private = false;
        At::Idle
    }

    /// What happens beside the processes.
    fn happen(&mut self) {
        match self.dice.roll(18) {
            16 => self.copy = self.record.clone(),
            17 if !self.has_older_version => {
                // A copy of the record is put back into the same store; every other time what it lacks stays as it is.
                let mut fields = as_fields(&self.copy);
                if self.dice.roll(2) == 0 {
                    let newer = as_fields(&self.record);
                    newer.into_iter().for_each(|(name, value)| _ = fields.entry(name).or_insert(value));
                }
                self.record = serde_json::from_value(fields.into()).expect("a record");
                // A tombstone may be among what was lost.
                self.processes.iter_mut().for_each(|process| process.is_cut = false);
            }
            12 | 13 => self.replica = self.record.clone(),
            14 => {
                // The server fails, and a replica that lacks the last writes takes its place.
                self.record = self.replica.clone();
                self.incarnation = self.dice.roll(u64::MAX).to_string();
                // A tombstone may be among what was lost.
                self.processes.iter_mut().for_each(|process| process.is_cut = false);
            }
            0 => {
                // A crash, and a new process in its place.
                let who = self.dice.roll(3) as usize;
                self.processes[who] = AT_REST;
            }
            1 => {
                // PHP logs in and writes its three fields; every other time nothing else is left.
                let number = self.server.login();
                if self.dice.roll(2) == 0 {
                    self.record = Record::default();
                }
                write_as_php(&mut self.record, &number.to_string());
                self.record.pair.expires_at = Some(10_000 + number as i64);
            }
            2 => {
                self.server.0.iter_mut().for_each(|issued| issued.is_revoked = true);
                self.record.mark_logged_out(self.now);
                for process in &mut self.processes {
                    process.is_cut = !matches!(process.at, At::Idle | At::Read { .. });
                    process.is_private = false;
                }
            }
            3 => {
                // The store comes back empty, its tombstones too.
                self.record = Record::default();
                self.processes.iter_mut().for_each(|process| process.is_cut = false);
            }
            4 => {
                for who in 0..self.processes.len() {
                    if let At::Claimed { claim, .. } = self.processes[who].at.clone() {
                        self.write(who, |record, now| record.renew(&claim, LONG, now));
                    }
                }
            }
            5 | 6 => self.now += LEASE_MS + 1,
            _ => self.now += self.dice.roll(3_000) as i64,
        }
    }

    /// Left alone, any one process comes to a pair that is good.
    fn settle(&mut self) {
        self.now += LEASE_MS + 1;
        self.processes[0] = AT_REST;
        for _ in 0..200 {
            let held = self.processes[0].held.as_ref().and_then(number);
            if held.is_some_and(|token| self.server.is_usable(token)) && !self.processes[0].is_private {
                return;
            }
            self.step(0);
            self.now += 100;
        }
        panic!("it is stuck: {:?}", self.record);
    }
}

#[test]
fn t_in_any_order_no_token_is_sent_twice_and_no_newer_pair_is_lost() {
    for schedule in 0..4_000 {
        let mut world = World::new(schedule);
        for _ in 0..80 {
            match world.dice.roll(4) {
                0 => world.happen(),
                _ => {
                    let who = world.dice.roll(3) as usize;
                    world.step(who);
                }
            }
        }
        world.settle();
    }
}
