//! What is sent to Redis: two scripts on the record's own key, or, where scripts are refused, the same by WATCH and
//! MULTI.

use crate::store::redis::fields::{Edit, Hash};
use crate::store::redis::resp::{Command, Value};
use zeroize::Zeroizing;

/// What was read, in one step.
#[derive(Debug)]
pub struct Snapshot {
    pub hash: Hash,
    /// Milliseconds on the server's clock.
    pub now: i64,
    /// The server's replication ID, which changes when a failover or a restart may have lost writes. `None`: the user
    /// may not ask.
    pub incarnation: Option<String>,
    pub is_replica: bool,
    /// `None`: the user may not ask.
    pub expiry: Option<Expiry>,
}

/// When the key expires. Each write sets another moment and notes it in the record, and a copy of the hash has none, or is
/// put where another stands: so the moment is the number of the write (T3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expiry {
    /// Milliseconds on the server's clock; where it does not expire, long ago.
    at: i64,
    /// How much later it may be: what passed between asking for the time and for the time left.
    slack: i64,
}

/// How far the sum of two times may be off that were asked for at once and cut to milliseconds.
const TOLERANCE: i64 = 5;
/// How much sooner than it has to a record may expire, so that no two writes set the same moment.
const SPREAD: i64 = 90_000;

impl Expiry {
    pub fn read(now: i64, answer: &Value, slack: i64) -> Option<Expiry> {
        match answer {
            Value::Int(left) if *left < 0 => Some(Expiry { at: i64::MIN, slack: 0 }),
            Value::Int(left) => Some(Expiry { at: now + left, slack }),
            _ => None,
        }
    }

    pub fn is(self, moment: i64) -> bool {
        self.at.checked_sub(TOLERANCE).is_some_and(|from| (from..=self.at + self.slack + TOLERANCE).contains(&moment))
    }
}

/// How long the key is to live from now on.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub seconds: i64,
    /// Until when exactly, where the user may set and ask for that.
    pub until: Option<i64>,
}

impl Life {
    /// `fraction`: where between the earliest and the latest moment, from 0 to 1.
    pub fn new(seconds: i64, read: &Snapshot, fraction: f64) -> Life {
        let latest = read.now + seconds * 1000;
        let sooner = (fraction * SPREAD as f64) as i64;
        let until = read.expiry.map(|expiry| {
            let until = latest - sooner;
            // Never the one that stands there.
            let is_near = until.abs_diff(expiry.at) <= (2 * TOLERANCE + expiry.slack) as u64;
            if is_near { latest - (sooner + SPREAD / 2) % SPREAD } else { until }
        });
        Life { seconds, until }
    }
}

/// The server's time, replication ID and role, the hash, and how long it lives. Without `+info` the second and third are
/// nil, without `+pttl` the last.
const SNAPSHOT: &str = r"
local function snapshot()
  local time, info, id, role = redis.call('TIME'), redis.pcall('INFO', 'replication'), false, false
  if type(info) == 'string' then
    id, role = string.match(info, 'master_replid:(%w+)') or false, string.match(info, 'role:(%w+)') or false
  end
  local left = redis.pcall('PTTL', KEYS[1])
  return {time[1], time[2], id, role, redis.call('HGETALL', KEYS[1]), type(left) == 'number' and left}
end
";

/// Compares every field and the replication ID with what was read, and then writes. All of it or nothing: HSET comes
/// first, which is what a full or read-only server refuses.
///
/// ARGV: the ID that was read or '', seconds to live, until when exactly or '', then three lists, each begun by its length:
/// what was read (fields and values), what to set (likewise), what to delete. Answers 2 where the user may not set the
/// exact moment.
const CHANGE: &str = r"
local at = 4
local function list()
  local length = tonumber(ARGV[at])
  local first = at + 1
  at = first + length
  return first, at - 1
end
local found = snapshot()
local hash, read = found[5], {}
local first, last = list()
for i = first, last, 2 do read[ARGV[i]] = ARGV[i + 1] end
local same = #hash == last - first + 1 and (ARGV[1] == '' or found[3] == ARGV[1])
for i = 1, #hash, 2 do same = same and read[hash[i]] == hash[i + 1] end
if not same then return found end
first, last = list()
if last > first then redis.call('HSET', KEYS[1], unpack(ARGV, first, last)) end
first, last = list()
if last >= first then redis.call('HDEL', KEYS[1], unpack(ARGV, first, last)) end
local exactly = ARGV[3] ~= ''
if exactly and type(redis.pcall('PEXPIREAT', KEYS[1], ARGV[3])) == 'number' then return 1 end
redis.call('EXPIRE', KEYS[1], ARGV[2])
if not exactly then return 1 end
redis.call('HDEL', KEYS[1], 'written')
return 2
";

/// Reads the record.
pub fn load(key: &str) -> Command<'_> {
    Command::new("EVAL").arg_owned(format_args!("{SNAPSHOT}return snapshot()")).arg("1").arg(key)
}

/// Writes the record if it is what was read.
pub fn change<'a>(key: &'a str, read: &'a Snapshot, edit: &'a Edit, life: Life) -> Command<'a> {
    let command = Command::new("EVAL").arg_owned([SNAPSHOT, CHANGE].concat()).arg("1").arg(key);
    let command = command.arg(read.incarnation.as_deref().unwrap_or_default()).arg_owned(life.seconds);
    let command = match life.until {
        Some(until) => command.arg_owned(until),
        None => command.arg(""),
    };
    let command = command.arg_owned(2 * read.hash.0.len());
    let command = read.hash.0.iter().fold(command, |command, (field, value)| command.arg(field).arg(&**value));
    let command = set(command.arg_owned(2 * edit.set.len()), edit);
    delete(command.arg_owned(edit.delete.len()), edit)
}

/// The commands of a change between MULTI and EXEC.
pub fn writes<'a>(key: &'a str, edit: &'a Edit, life: Life) -> Vec<Command<'a>> {
    let mut commands = Vec::new();
    if !edit.set.is_empty() {
        commands.push(set(Command::new("HSET").arg(key), edit));
    }
    if !edit.delete.is_empty() {
        commands.push(delete(Command::new("HDEL").arg(key), edit));
    }
    commands.push(match life.until {
        Some(until) => Command::new("PEXPIREAT").arg(key).arg_owned(until),
        None => Command::new("EXPIRE").arg(key).arg_owned(life.seconds),
    });
    commands
}

fn set<'a>(command: Command<'a>, edit: &'a Edit) -> Command<'a> {
    edit.set.iter().fold(command, |command, (field, value)| command.arg(*field).arg(&**value))
}

fn delete<'a>(command: Command<'a>, edit: &'a Edit) -> Command<'a> {
    edit.delete.iter().fold(command, |command, field| command.arg(*field))
}

/// What a script answered; `None`: it is not an answer of ours.
pub fn snapshot(value: Value) -> Option<Snapshot> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [seconds, micros, id, role, hash, left] = <[Value; 6]>::try_from(parts).ok()?;
    let now = time_in(&[seconds, micros])?;
    Some(Snapshot {
        hash: hash_in(hash)?,
        now,
        expiry: Expiry::read(now, &left, 0),
        incarnation: text(id),
        is_replica: text(role).is_some_and(|role| role != "master"),
    })
}

/// The answer to TIME.
pub fn time(value: &Value) -> Option<i64> {
    match value {
        Value::Array(parts) => time_in(parts),
        _ => None,
    }
}

/// Replication ID and role in the answer to INFO replication.
pub fn replication(value: Value) -> (Option<String>, Option<String>) {
    let info = text(value).unwrap_or_default();
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    (line("master_replid:"), line("role:"))
}

/// The answer to HGETALL.
pub fn hash_in(value: Value) -> Option<Hash> {
    let Value::Array(flat) = value else {
        return None;
    };
    let (mut flat, mut fields) = (flat.into_iter(), Vec::new());
    while let (Some(field), Some(value)) = (flat.next(), flat.next()) {
        fields.push((bytes(field)?.to_vec(), bytes(value)?));
    }
    Some(Hash(fields))
}

fn time_in(parts: &[Value]) -> Option<i64> {
    let number = |value: &Value| match value {
        Value::Bulk(digits) => std::str::from_utf8(digits).ok()?.parse::<i64>().ok(),
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let [seconds, micros] = parts else {
        return None;
    };
    Some(number(seconds)? * 1000 + number(micros)? / 1000)
}

fn bytes(value: Value) -> Option<Zeroizing<Vec<u8>>> {
    match value {
        Value::Bulk(bytes) => Some(bytes),
        Value::Simple(text) => Some(Zeroizing::new(text)),
        Value::Int(number) => Some(Zeroizing::new(number.to_string().into_bytes())),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(now: i64, left: Option<i64>) -> Snapshot {
        let expiry = left.and_then(|left| Expiry::read(now, &Value::Int(left), 0));
        Snapshot { hash: Hash::default(), now, incarnation: None, is_replica: false, expiry }
    }

    #[test]
    fn t3_an_expiry_is_the_moment_that_was_set_and_no_other() {
        let expiry = Expiry::read(1_000, &Value::Int(500), 20).unwrap();
        for moment in [1_500 - TOLERANCE, 1_500, 1_520 + TOLERANCE] {
            assert!(expiry.is(moment), "{moment}");
        }
        for moment in [1_499 - TOLERANCE, 1_521 + TOLERANCE, 0, i64::MIN, i64::MAX] {
            assert!(!expiry.is(moment), "{moment}");
        }
        for left in [-1, -2] {
            let never = Expiry::read(1_000, &Value::Int(left), 0).unwrap();
            assert!(!never.is(1_000 + left) && !never.is(i64::MIN), "{left}");
        }
        assert_eq!(Expiry::read(1_000, &Value::Nil, 0), None);
    }

    #[test]
    fn t3_no_write_sets_the_moment_that_stands_there() {
        for fraction in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let first = Life::new(3600, &snapshot(1_000, Some(-2)), fraction).until.unwrap();
            let next = Life::new(3600, &snapshot(1_000, Some(first - 1_000)), fraction).until.unwrap();
            assert!(first.abs_diff(next) > 2 * TOLERANCE as u64, "{fraction}: {first}, {next}");
            for until in [first, next] {
                assert!((1_000 + 3_600_000 - SPREAD..=1_000 + 3_600_000).contains(&until), "{fraction}: {until}");
            }
        }
        assert_eq!(Life::new(3600, &snapshot(1_000, None), 0.5).until, None, "the user may not ask");
    }
}
