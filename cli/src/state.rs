//! Where the command keeps its tokens between two runs: a sealed file for each account, in a folder of the user's own.

use crate::{ffi, report};
use serde_json::{Map, Value, json};
use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The options of TOKENMGR_OPTIONS, with a store of the user's own where they name none, so that one command finds what
/// the one before it got. Where that cannot be, it says so, and the tokens stay in memory.
pub fn options() -> Vec<u8> {
    let (options, trouble) = options_and_trouble();
    if let Some(trouble) = trouble {
        report::say(&trouble);
    }
    options
}

/// The same, and what there would be to say.
pub fn options_and_trouble() -> (Vec<u8>, Option<String>) {
    let text = given_text();
    // What is no object is left for the library to refuse.
    let Some(options) = read(&text).filter(|options| !options.contains_key("store")) else { return (text, None) };
    match own_store(&options) {
        Ok(store) => (with_member(&text, "store", &store, options.is_empty()), None),
        Err(reason) => (text, Some(format!("tokens are not kept from one command to the next: {reason}"))),
    }
}

/// The same, but with the user's own store in place of the one that they name. None: they name none, or there can be none.
pub fn options_with_own_store() -> Option<Vec<u8>> {
    let mut options = given_options()?;
    options.contains_key("store").then_some(())?;
    let store = own_store(&options).ok()?;
    options.insert("store".to_owned(), store);
    Some(Value::Object(options).to_string().into_bytes())
}

/// The options of TOKENMGR_OPTIONS, if they are an object.
pub fn given_options() -> Option<Map<String, Value>> {
    read(&given_text())
}

fn given_text() -> Vec<u8> {
    let given = env::var_os("TOKENMGR_OPTIONS").unwrap_or_default();
    if given.is_empty() || given == "[]" { b"{}".to_vec() } else { given.as_bytes().to_vec() }
}

fn read(text: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(text).ok()
}

/// Puts a member before the others of an object. The rest of the text stays as it is: what is wrong with it, such as a
/// name that stands twice, the library says.
fn with_member(text: &[u8], name: &str, value: &Value, is_only: bool) -> Vec<u8> {
    let inside = text.iter().position(|&byte| byte == b'{').map_or(0, |at| at + 1);
    let comma = if is_only { "" } else { "," };
    [format!("{{{}:{value}{comma}", json!(name)).as_bytes(), &text[inside..]].concat()
}

/// The user's own store, which is made where there is none yet; or why there can be none.
fn own_store(options: &Map<String, Value>) -> Result<Value, String> {
    let folder = folder().ok_or("set HOME, or XDG_STATE_HOME")?;
    let key = folder.join("key");
    let made = make_folder(&folder).and_then(|()| make_key(&key)).and_then(|()| ffi::may_write(&folder));
    let cannot_write = |reason: &str| format!("cannot write in {}: {reason}; set XDG_STATE_HOME", folder.display());
    made.map_err(|error| cannot_write(&report::reason(&error)))?;
    let path = folder.join(account(options));
    match (path.to_str(), key.to_str()) {
        (Some(path), Some(key)) => Ok(json!({"type": "file", "path": path, "key": {"file": key}})),
        _ => Err(cannot_write("its name is not UTF-8")),
    }
}

/// $XDG_STATE_HOME/tokenmgr; ~/.local/state/tokenmgr unless that is set.
fn folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("tokenmgr"))
}

/// Makes the folder and those above it, for the user alone.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the key where there is none yet. Of two that do so at once, both go on with the key of the first.
fn make_key(path: &Path) -> io::Result<()> {
    // The library refuses what is no regular file; opening a pipe must not wait until then.
    match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened.map(drop),
    }
    let temporary = path.with_file_name(format!("key.{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let written = write_key(&temporary).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let _ = fs::remove_file(&temporary);
    written
}

fn write_key(path: &Path) -> io::Result<()> {
    let key = ffi::generate_key().map_err(|failure| io::Error::other(failure.message))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_str().as_bytes())?;
    file.sync_all()
}

/// A name for the account's file: readable, and by its number unlike every other's (FNV-1a).
fn account(options: &Map<String, Value>) -> String {
    let mut account = [setting("TOKENMGR_USERNAME"), b"@".to_vec(), host()].concat();
    // What is stored is sealed for one client_id.
    if let Some(client) = options.get("client_id").and_then(Value::as_str) {
        account.extend_from_slice(b" ");
        account.extend_from_slice(client.as_bytes());
    }
    let hash = account
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let readable = account.iter().take(80).map(|&byte| match byte {
        b'@' | b'.' | b'_' | b'-' => char::from(byte),
        _ if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '_',
    });
    format!("{}-{hash:016x}", readable.collect::<String>())
}

/// The host without a username and password in it: the library refuses those, and they are not to be shown.
pub fn host() -> Vec<u8> {
    setting("TOKENMGR_HOST").rsplit(|&byte| byte == b'@').next().unwrap_or_default().to_vec()
}

/// A setting, from its variable or from the file that NAME_FILE names, as the library reads it. Not from a pipe, which
/// can be read only once.
pub fn setting(name: &str) -> Vec<u8> {
    let set = |name: &str| Some(env::var_os(name).unwrap_or_default()).filter(|value: &OsString| !value.is_empty());
    if let Some(value) = set(name) {
        return value.as_bytes().to_vec();
    }
    let path = set(&format!("{name}_FILE")).filter(|path| fs::metadata(path).is_ok_and(|status| status.is_file()));
    let mut line = Vec::new();
    if let Some(file) = path.and_then(|path| File::open(path).ok()) {
        let _ = BufReader::new(file.take(512)).read_until(b'\n', &mut line);
    }
    while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        line.pop();
    }
    line
}
