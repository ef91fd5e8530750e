//! Histories of one record that three processes share: what they do, and what the world does to them, in any order.
//! The server counts: whatever the order, no refresh token arrives twice.

use crate::sys::secret::Secret;
use crate::token::fingerprint::Fingerprint;
use crate::token::pair::Lineage;
use crate::token::record::u128hex::Hex;
use crate::token::record::{Claim, Claimed, Holding, Record, Spending, StoredPair};
use std::collections::BTreeMap;
use std::time::Duration;

const CLIENT: &str = "shop";
const CALL: Duration = Duration::from_secs(30);

/// How far a process is.
enum At {
    Idle,
    Read { holding: Holding, refresh: Option<Secret> },
    Claimed { claim: Claim, holding: Holding, refresh: Option<Secret> },
    Answered { claim: Claim, holding: Holding, pair: StoredPair },
}

struct Process {
    at: At,
    last_seen: Option<Lineage>,
}

struct World {
    record: Record,
    /// A copy of the record that may be put back.
    copy: Record,
    incarnation: u32,
    now: i64,
    issued: u32,
    arrivals: BTreeMap<String, u32>,
    processes: [Process; 3],
}

/// Each byte is a step: whose, and what.
pub fn play(data: &[u8]) {
    let processes = [(); 3].map(|()| Process { at: At::Idle, last_seen: None });
    let (record, copy) = (Record::default(), Record::default());
    let mut world =
        World { record, copy, incarnation: 0, now: 1_700_000_000_000, issued: 0, arrivals: BTreeMap::new(), processes };
    for byte in data.iter().take(400) {
        world.step(usize::from(byte >> 4) % 3, byte & 15);
        // As stores keep it.
        let written = serde_json::to_vec(&world.record).expect("a record is plain data");
        assert_eq!(serde_json::from_slice::<Record>(&written).expect("it was just written"), world.record);
        assert!(world.record.ttl_seconds(world.now) > 0);
    }
}

impl World {
    fn step(&mut self, who: usize, what: u8) {
        match what {
            0..=7 => self.checkpoint(who),
            8 => self.processes[who].at = At::Idle, // killed
            9 => self.give_back(who),
            10 => self.now += 1000,
            11 => self.now += 6000,
            12 => self.record.mark_logged_out(self.now),
            13 => self.write_as_php(),
            14 => self.copy = self.record.clone(),
            _ => {
                self.record = self.copy.clone();
                self.incarnation += 1;
            }
        }
        self.record.invalidate_if_restored(CLIENT, &self.incarnation.to_string());
    }

    fn checkpoint(&mut self, who: usize) {
        let last_seen = self.processes[who].last_seen;
        let at = std::mem::replace(&mut self.processes[who].at, At::Idle);
        self.processes[who].at = match at {
            At::Idle => self.read(who),
            At::Read { holding, refresh } => self.claim(holding, refresh),
            At::Claimed { claim, holding, refresh } => At::Answered { claim, holding, pair: self.ask(refresh) },
            At::Answered { holding, pair, .. } => {
                if self.record.publish(CLIENT, &holding, last_seen, &pair, self.now) {
                    self.processes[who].last_seen = pair.lineage();
                }
                At::Idle
            }
        };
    }

    fn read(&mut self, who: usize) -> At {
        let holding = self.record.holding(CLIENT, self.now);
        let is_spent = self.record.is_spent(CLIENT, self.processes[who].last_seen);
        At::Read { holding, refresh: self.record.pair.refresh_token.clone().filter(|_| !is_spent) }
    }

    fn claim(&mut self, holding: Holding, refresh: Option<Secret>) -> At {
        let (claim, print) = (Claim::new(), refresh.as_ref().map(|token| Fingerprint::of(CLIENT, token)));
        let spending = print.as_ref().map_or(Spending::Nothing, Spending::First);
        match self.record.claim(CLIENT, &holding, spending, &claim, CALL, self.now) {
            Claimed::Yes => At::Claimed { claim, holding, refresh },
            Claimed::Changed | Claimed::Busy(_) => At::Idle,
        }
    }

    /// The request: a login, or a refresh with a token that came never before.
    fn ask(&mut self, refresh: Option<Secret>) -> StoredPair {
        let lineage = match refresh {
            None => Lineage { family: u128::from(self.issued) + 1, generation: 0 },
            Some(token) => {
                let arrivals = self.arrivals.entry(token.as_str().to_owned()).or_default();
                *arrivals += 1;
                assert_eq!(*arrivals, 1, "a refresh token was sent twice");
                let before = self.record.pair.lineage().unwrap_or(Lineage { family: 0, generation: 0 });
                Lineage { family: before.family, generation: before.generation + 1 }
            }
        };
        StoredPair { family: Some(Hex(lineage.family)), generation: lineage.generation, ..self.issue() }
    }

    /// Whoever has claimed and not sent may take that back.
    fn give_back(&mut self, who: usize) {
        match std::mem::replace(&mut self.processes[who].at, At::Idle) {
            At::Claimed { claim, refresh, .. } => {
                let print = refresh.as_ref().map(|token| Fingerprint::of(CLIENT, token));
                self.record.release(&claim, print.as_ref().map_or(Spending::Nothing, Spending::First));
            }
            At::Answered { claim, .. } => drop(self.record.release(&claim, Spending::Nothing)),
            At::Idle | At::Read { .. } => {}
        }
    }

    fn write_as_php(&mut self) {
        let theirs = self.issue();
        self.record.pair.access_token = theirs.access_token;
        self.record.pair.refresh_token = theirs.refresh_token;
        self.record.pair.expires_at = theirs.expires_at;
    }

    fn issue(&mut self) -> StoredPair {
        self.issued += 1;
        StoredPair {
            access_token: Secret::new(&format!("access-{}", self.issued)),
            refresh_token: Secret::new(&format!("refresh-{}", self.issued)),
            expires_at: Some(self.now / 1000 + 3600),
            ..StoredPair::default()
        }
    }
}
