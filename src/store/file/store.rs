//! The store in one file: for the processes of one machine (S3).
//!
//! The file is replaced as a whole, never changed, so that reading takes no lock. Changing takes the lock of
//! `PATH.lock`, around load, compare and save only, never over the network: a process that is stopped inside
//! costs the others a bounded wait, and then they go on without the store (T5).

use crate::call::Call;
use crate::call::backoff::POLL_FILE_LOCK;
use crate::error::{Error, Result, Status};
use crate::store::contract::{Change, Loaded, StoreFault, TokenStore, to_json};
use crate::store::file::access::{Access, MAGIC, folder_of};
use crate::store::file::options::FileOptions;
use crate::store::file::{access, path};
use crate::store::seal::{self, Seal};
use crate::sys::clock::unix_millis;
use crate::sys::failpoint::failpoint;
use crate::sys::files;
use crate::sys::fork::LockFile;
use crate::sys::signals::NoSigxfsz;
use crate::token::fingerprint::FingerprintKey;
use crate::token::record::Record;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Far more than any record has.
const LARGEST: u64 = 1 << 20;
/// The longest wait for the lock. Processes hold it for milliseconds.
const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(2);
/// The longest wait for another process that is making the lock's file, which takes it microseconds.
const LONGEST_MAKING: Duration = Duration::from_millis(50);

/// A record in a file for each client.
#[derive(Debug)]
pub struct FileStore {
    /// The option, in which the client's name may stand.
    path: String,
    /// Whether the folder's group shares the files.
    is_group_shared: bool,
    /// `None`: `plaintext`.
    seal: Option<Arc<Seal>>,
}

type Outcome<T> = std::result::Result<T, StoreFault>;

impl FileStore {
    /// Reads the keys; the file itself is first touched when a token is needed.
    pub fn new(options: &FileOptions) -> Result<FileStore> {
        let seal = seal::keys(options.key.as_ref(), &options.old_keys)?;
        Ok(FileStore { path: options.path.clone(), is_group_shared: options.share_with_group, seal })
    }

    /// The file of a client, with links followed, so that a process that uses another path to it takes the same lock.
    fn locate<'a>(&'a self, client_id: &'a str) -> Outcome<Target<'a>> {
        let named = path::of(&self.path, client_id);
        let path = match Access::resolve(named.clone()) {
            Ok(Ok(path)) => path,
            Ok(Err((link, why))) => return Err(unusable(&link, &why)),
            Err(cause) => return Err(fault(&named, "could not be found", &cause, false)),
        };
        let access = match self.is_group_shared {
            false => Access::Owner,
            true => match std::fs::metadata(folder_of(&path)) {
                Ok(folder) => Access::Group(folder.gid()),
                Err(cause) => return Err(fault(&path, "has a folder that could not be looked at", &cause, false)),
            },
        };
        Ok(Target { client_id, path, access, seal: self.seal.as_deref() })
    }
}

/// One client's file, as one operation uses it.
struct Target<'a> {
    client_id: &'a str,
    path: PathBuf,
    access: Access,
    seal: Option<&'a Seal>,
}

impl Target<'_> {
    fn read(&self) -> Outcome<Loaded> {
        let now = unix_millis();
        let nothing = |discarded| Loaded { record: Record::default(), now, discarded };
        let file = match files::open_regular(&self.path, libc::O_NOFOLLOW) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(nothing(None)),
            Err(cause) => return Err(self.unopened(&self.path, "could not be read", &cause)),
        };
        let unread = |cause: io::Error| fault(&self.path, "could not be read", &cause, false);
        let metadata = file.metadata().map_err(unread)?;
        self.access.check(&metadata).map_err(|why| unusable(&self.path, &why))?;
        let bytes = read_whole(file, &metadata).map_err(unread)?;
        if !access::is_record(&bytes) {
            let why = "holds something else than a token record and is not replaced; move it away, or give another store.path";
            return Err(unusable(&self.path, why));
        }
        match self.decode(&bytes, &metadata) {
            Ok(mut record) => {
                record.invalidate_if_restored(self.client_id, &identity(&metadata));
                Ok(Loaded { record, now, discarded: None })
            }
            Err(why) => Ok(nothing(Some(format!("the token file {} {why}", self.path.display())))),
        }
    }

    /// The record in the file's bytes, or why it cannot be used.
    fn decode(&self, bytes: &[u8], metadata: &Metadata) -> std::result::Result<Record, String> {
        let damaged = |_| "is damaged".to_owned();
        if let Some(why) = self.access.exposure(metadata) {
            return Err(why.to_owned());
        }
        match seal::open(self.seal, self.client_id, bytes.strip_prefix(MAGIC))? {
            None => serde_json::from_slice(bytes).map_err(damaged),
            Some(plain) => serde_json::from_slice(&plain).map_err(damaged),
        }
    }

    /// Replaces the file whole or not at all: a temporary file, fsync, rename, fsync of the folder.
    fn write(&self, record: &mut Record) -> Outcome<()> {
        let temporary = beside(&self.path, ".tmp");
        self.clear_away(&temporary)?;
        let unwritten = |cause: io::Error| {
            // It holds tokens, and no later writer would use it.
            let _ = std::fs::remove_file(&temporary);
            fault(&self.path, "could not be written", &cause, false)
        };
        self.write_temporary(record, &temporary).map_err(unwritten)?;
        failpoint("file-written");
        if let Err(cause) = std::fs::rename(&temporary, &self.path) {
            match self.is_in_place(record, &temporary) {
                Some(true) => {}
                Some(false) => return Err(unwritten(cause)),
                None => return Err(fault(&self.path, "was perhaps not written", &cause, true)),
            }
        }
        failpoint("file-renamed");
        File::open(folder_of(&self.path))
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| fault(&self.path, "was written, but perhaps not to the disk", &cause, true))
    }

    /// Removes what a killed writer left; the caller has the lock, so no writer is active. A file that is no writer's stays.
    fn clear_away(&self, temporary: &Path) -> Outcome<()> {
        let unread = |cause: io::Error| self.unopened(temporary, "could not be removed", &cause);
        let there = match std::fs::symlink_metadata(temporary) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            there => there.map_err(unread)?,
        };
        let mut head = Vec::new();
        // A writer that was killed before it wrote anything may have left a file that cannot be opened.
        if !there.is_file() || there.len() > 0 {
            let file = files::open_regular(temporary, libc::O_NOFOLLOW).map_err(unread)?;
            file.take(MAGIC.len() as u64).read_to_end(&mut head).map_err(unread)?;
        }
        self.access.check(&there).map_err(|why| unusable(temporary, &why))?;
        if !access::may_be_begun(&head) {
            let why = "is where records are written first, and holds something else; move it away, or give another store.path";
            return Err(unusable(temporary, why));
        }
        std::fs::remove_file(temporary).map_err(unread)
    }

    fn write_temporary(&self, record: &mut Record, temporary: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        self.access.prepare(&file)?;
        record.incarnation = Some(identity(&file.metadata()?));
        let plain = to_json(record);
        let content = match self.seal {
            None => plain,
            Some(seal) => Zeroizing::new([MAGIC, &seal.seal(self.client_id, &plain)].concat()),
        };
        // At a limit on file sizes the store fails; SIGXFSZ must not end the process.
        let _kept = NoSigxfsz::new();
        file.write_all(&content)?;
        file.sync_all()
    }

    /// Whether the record is in its place although the renaming was reported as failed. `None`: unknown.
    fn is_in_place(&self, record: &Record, temporary: &Path) -> Option<bool> {
        let is_it = |path: &Path| match std::fs::symlink_metadata(path) {
            Ok(metadata) => Some(record.incarnation == Some(identity(&metadata))),
            Err(cause) => (cause.kind() == ErrorKind::NotFound).then_some(false),
        };
        match (is_it(&self.path), is_it(temporary)) {
            (Some(true), _) => Some(true),
            (Some(false), _) | (_, Some(true)) => Some(false),
            (None, _) => None,
        }
    }

    /// Takes the lock that every change takes. Dropping it unlocks.
    fn lock(&self, call: &Call) -> Outcome<LockFile> {
        let path = beside(&self.path, ".lock");
        let mut lock = None;
        let began = Instant::now();
        let until = began + LONGEST_LOCK_WAIT.min(call.left_for_store());
        for looks in 0.. {
            if lock.is_none() {
                lock = self.open_lock(&path, began.elapsed() < LONGEST_MAKING)?;
            }
            let is_locked = match &lock {
                Some(lock) => lock.try_lock().map_err(|cause| fault(&path, "could not be locked", &cause, false))?,
                None => false,
            };
            // If it was removed meanwhile, the next process would lock another file.
            if let Some(lock) = lock.take_if(|_| is_locked)
                && lock.is_at(&path)
            {
                failpoint("file-locked");
                return Ok(lock);
            }
            if Instant::now() >= until {
                let held = format!(
                    "the lock {} stayed with another process for too long; see what holds it (lslocks, fuser)",
                    path.display()
                );
                let error = Error::busy(&held, None);
                return Err(StoreFault { error, maybe_written: false });
            }
            call.checkpoint().map_err(|error| StoreFault {
                error: call.hung(error, "waiting for the token store's file"),
                maybe_written: false,
            })?;
            std::thread::sleep(POLL_FILE_LOCK.jittered_delay(looks).min(call.left()));
        }
        unreachable!("the loop ends when its time is over")
    }

    /// `None`: another process is making it at this moment, and has not set its group and mode yet.
    fn open_lock(&self, path: &Path, may_be_made: bool) -> Outcome<Option<LockFile>> {
        match LockFile::open(path, &|made| self.access.prepare(made)) {
            Ok(lock) => {
                let metadata = lock.metadata().map_err(|cause| fault(path, "could not be locked", &cause, false))?;
                self.access.check(&metadata).map_err(|why| unusable(path, &why))?;
                Ok(Some(lock))
            }
            Err(cause) if may_be_made && cause.kind() == ErrorKind::PermissionDenied && self.may_become_ours(path) => {
                Ok(None)
            }
            Err(cause) => Err(self.unopened(path, "could not be locked", &cause)),
        }
    }

    fn may_become_ours(&self, path: &Path) -> bool {
        let is_ours = |there: &Metadata| self.access != Access::Owner || self.access.check(there).is_ok();
        std::fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && is_ours(&there))
    }

    /// Why a file was not opened. Whose file is there explains it better than the system's error.
    fn unopened(&self, path: &Path, what: &str, cause: &io::Error) -> StoreFault {
        match std::fs::symlink_metadata(path) {
            Ok(there) if !there.is_file() => {
                unusable(path, "is no regular file; remove it, or give another store.path")
            }
            Ok(there) => match self.access.check(&there) {
                Err(why) => unusable(path, &why),
                Ok(()) => fault(path, what, cause, false),
            },
            Err(_) => fault(path, what, cause, false),
        }
    }
}

impl TokenStore for FileStore {
    fn load(&self, _: &Call, client_id: &str) -> Outcome<Loaded> {
        self.locate(client_id)?.read()
    }

    fn change(&self, call: &Call, client_id: &str, change: Change<'_>) -> Outcome<()> {
        let target = self.locate(client_id)?;
        let _lock = target.lock(call)?;
        let Loaded { mut record, now, .. } = target.read()?;
        match change(&mut record, now) {
            true => target.write(&mut record),
            false => Ok(()),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn fingerprint_key(&self) -> FingerprintKey<'_> {
        seal::fingerprint_key(self.seal.as_deref())
    }

    fn after_fork(&self) -> Arc<dyn TokenStore> {
        let FileStore { path, is_group_shared, seal } = self;
        Arc::new(FileStore { path: path.clone(), is_group_shared: *is_group_shared, seal: seal.clone() })
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

fn fault(path: &Path, what: &str, cause: &io::Error, maybe_written: bool) -> StoreFault {
    let advice = "see its folder's permissions and the space left";
    let message = format!("the token file {} {what} ({cause}); {advice}", path.display());
    StoreFault { error: Error::new(Status::TM_STORE, message), maybe_written }
}

fn unusable(path: &Path, why: &str) -> StoreFault {
    let message = format!("the token file {} {why}", path.display());
    StoreFault { error: Error::new(Status::TM_STORE, message), maybe_written: false }
}

fn read_whole(file: File, metadata: &Metadata) -> io::Result<Zeroizing<Vec<u8>>> {
    // Large enough from the start: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len().min(LARGEST) as usize + 1));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file's incarnation: a copy that was put back is another file than the one that its record names. Every write makes
/// a new file with one name. A file with a second name (a hard link) could be put back unnoticed, so it counts as another.
fn identity(metadata: &Metadata) -> String {
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let linked = if metadata.nlink() > 1 { ":linked" } else { "" };
    format!("{}:{}{linked}", metadata.ino(), born.unwrap_or_default().as_nanos())
}
