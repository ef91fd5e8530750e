//! What is sent to Redis: two scripts on the record's own key, or, where scripts are refused, the same by WATCH and
//! MULTI.

use super::fields::{Edit, Hash};
use super::resp::{Command, Value};
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
}

/// The server's time, replication ID and role, and the hash. Without `+info` the second and third are nil.
const SNAPSHOT: &str = r"
local function snapshot()
  local time, info, id, role = redis.call('TIME'), redis.pcall('INFO', 'replication'), false, false
  if type(info) == 'string' then
    id, role = string.match(info, 'master_replid:(%w+)') or false, string.match(info, 'role:(%w+)') or false
  end
  return {time[1], time[2], id, role, redis.call('HGETALL', KEYS[1])}
end
";

/// Compares every field and the replication ID with what was read, and then writes. All of it or nothing: HSET comes
/// first, which is what a full or read-only server refuses.
///
/// ARGV: the ID that was read or '', seconds to live, then three lists, each begun by its length: what was read
/// (fields and values), what to set (likewise), what to delete.
const CHANGE: &str = r"
local at = 3
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
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
";

/// Reads the record.
pub fn load(key: &str) -> Command<'_> {
    Command::new("EVAL").arg_owned(format_args!("{SNAPSHOT}return snapshot()")).arg("1").arg(key)
}

/// Writes the record if it is what was read.
pub fn change<'a>(key: &'a str, read: &'a Snapshot, edit: &'a Edit, ttl_seconds: i64) -> Command<'a> {
    let command = Command::new("EVAL").arg_owned([SNAPSHOT, CHANGE].concat()).arg("1").arg(key);
    let command = command.arg(read.incarnation.as_deref().unwrap_or_default()).arg_owned(ttl_seconds);
    let command = command.arg_owned(2 * read.hash.0.len());
    let command = read.hash.0.iter().fold(command, |command, (field, value)| command.arg(field).arg(&**value));
    let command = set(command.arg_owned(2 * edit.set.len()), edit);
    delete(command.arg_owned(edit.delete.len()), edit)
}

/// The commands of a change between MULTI and EXEC.
pub fn writes<'a>(key: &'a str, edit: &'a Edit, ttl_seconds: i64) -> Vec<Command<'a>> {
    let mut commands = Vec::new();
    if !edit.set.is_empty() {
        commands.push(set(Command::new("HSET").arg(key), edit));
    }
    if !edit.delete.is_empty() {
        commands.push(delete(Command::new("HDEL").arg(key), edit));
    }
    commands.push(Command::new("EXPIRE").arg(key).arg_owned(ttl_seconds));
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
    let [seconds, micros, id, role, hash] = <[Value; 5]>::try_from(parts).ok()?;
    Some(Snapshot {
        hash: hash_in(hash)?,
        now: time_in(&[seconds, micros])?,
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
