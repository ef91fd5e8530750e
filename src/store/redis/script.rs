//! What is sent to Redis: two scripts on the record's own key, or, where scripts are refused, the same by WATCH and
//! MULTI.

use super::fields::{Edit, Hash};
use redis::{Cmd, Value, cmd};
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
pub fn load(key: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(format!("{SNAPSHOT}return snapshot()")).arg(1).arg(key);
    command
}

/// Writes the record if it is what was read.
pub fn change(key: &str, read: &Snapshot, edit: &Edit, ttl_seconds: i64) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg([SNAPSHOT, CHANGE].concat()).arg(1).arg(key);
    command.arg(read.incarnation.as_deref().unwrap_or_default()).arg(ttl_seconds);
    command.arg(2 * read.hash.0.len());
    for (field, value) in &read.hash.0 {
        command.arg(field).arg(value.as_slice());
    }
    command.arg(2 * edit.set.len());
    for (field, value) in &edit.set {
        command.arg(*field).arg(value.as_slice());
    }
    command.arg(edit.delete.len()).arg(&edit.delete);
    command
}

/// The commands of a change between MULTI and EXEC.
pub fn writes(key: &str, edit: &Edit, ttl_seconds: i64) -> Vec<Cmd> {
    let mut commands = Vec::new();
    if !edit.set.is_empty() {
        let mut set = cmd("HSET");
        set.arg(key);
        for (field, value) in &edit.set {
            set.arg(*field).arg(value.as_slice());
        }
        commands.push(set);
    }
    if !edit.delete.is_empty() {
        let mut delete = cmd("HDEL");
        delete.arg(key).arg(&edit.delete);
        commands.push(delete);
    }
    let mut expire = cmd("EXPIRE");
    expire.arg(key).arg(ttl_seconds);
    commands.push(expire);
    commands
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
    let mut fields = Vec::new();
    let (Value::Array(_) | Value::Map(_)) = value else {
        return None;
    };
    let mut flat = match value {
        Value::Array(parts) => parts,
        Value::Map(pairs) => pairs.into_iter().flat_map(|(field, value)| [field, value]).collect(),
        _ => return None,
    }
    .into_iter();
    while let (Some(field), Some(value)) = (flat.next(), flat.next()) {
        fields.push((bytes(field)?, Zeroizing::new(bytes(value)?)));
    }
    Some(Hash(fields))
}

fn time_in(parts: &[Value]) -> Option<i64> {
    let number = |value: &Value| match value {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse::<i64>().ok(),
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let [seconds, micros] = parts else {
        return None;
    };
    Some(number(seconds)? * 1000 + number(micros)? / 1000)
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.into_bytes()),
        Value::Okay => Some(b"OK".to_vec()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    String::from_utf8(bytes(value)?).ok()
}
