//! The store in one file: for the processes of one machine (S3).
//!
//! The file is replaced as a whole, never changed, so that reading takes no lock. Changing takes the lock of
//! `PATH.lock`, around load, compare and save only, never over the network: a process that is stopped inside
//! costs the others a bounded wait, and then they go on without the store (T5).

use super::record::Record;
use super::seal::{Seal, Unopened};
use super::{Change, Loaded, Marks, StoreFault, TokenStore, to_json};
use crate::call::Call;
use crate::clock::unix_millis;
use crate::error::{Error, Result, Status};
use crate::fork::LockFile;
use crate::options::FileOptions;
use crate::secret::random_place;
use crate::steps::reach;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use zeroize::Zeroizing;

/// What a sealed file begins with.
const MAGIC: &[u8] = b"TMS1";
/// No record is larger by far.
const LARGEST: u64 = 1 << 20;
/// The longest wait for the lock: everyone holds it for milliseconds.
const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(2);

/// A record in a file.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    /// `None`: readable, as was asked for.
    seal: Option<Arc<Seal>>,
}

impl FileStore {
    /// Reads the keys; the file itself is first touched when a token is needed.
    pub fn new(options: &FileOptions) -> Result<FileStore> {
        let seal = options.key.as_ref().map(|key| Seal::new(key, &options.old_keys).map(Arc::new)).transpose()?;
        Ok(FileStore { path: PathBuf::from(&options.path), seal })
    }

    /// The file itself, whatever links lead to it: who comes by another way must meet the same lock.
    fn real_path(&self) -> PathBuf {
        let in_folder = || Some(std::fs::canonicalize(folder_of(&self.path)).ok()?.join(self.path.file_name()?));
        std::fs::canonicalize(&self.path).ok().or_else(in_folder).unwrap_or_else(|| self.path.clone())
    }

    fn read(&self, client: &str, path: &Path) -> std::result::Result<Loaded, StoreFault> {
        let now = unix_millis();
        let nothing = |discarded| Loaded { record: Record::default(), now, discarded };
        let (bytes, metadata) = match read_whole(path) {
            Ok(read) => read,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(nothing(None)),
            Err(cause) => return Err(self.fault("could not be read", &cause, false)),
        };
        match self.decode(client, &bytes, &metadata) {
            Ok(mut record) => {
                record.stand_in(client, &identity(&metadata));
                Ok(Loaded { record, now, discarded: None })
            }
            Err(why) => Ok(nothing(Some(format!("the token file {} {why}", self.path.display())))),
        }
    }

    /// The record in the file's bytes, or why it can not be used.
    fn decode(&self, client: &str, bytes: &[u8], metadata: &Metadata) -> std::result::Result<Record, &'static str> {
        if metadata.mode() & 0o077 != 0 {
            return Err("may be read by others than its owner");
        }
        let opened = match (bytes.strip_prefix(MAGIC), &self.seal) {
            (Some(_), None) => return Err("is sealed, and no key was given"),
            (None, Some(_)) => return Err("is not sealed"),
            (None, None) => return serde_json::from_slice(bytes).map_err(|_| "is damaged"),
            (Some(sealed), Some(seal)) => seal.open(client, sealed),
        };
        match opened {
            Ok(plain) => serde_json::from_slice(&plain).map_err(|_| "is damaged"),
            Err(Unopened::ForeignKey) => Err("is sealed with another key"),
            Err(Unopened::Damaged) => Err("is damaged, or another client_id's"),
        }
    }

    /// Replaces the file whole or not at all: a temporary file, fsync, rename, fsync of the folder.
    fn write(&self, client: &str, path: &Path, record: &mut Record) -> std::result::Result<(), StoreFault> {
        let temporary = beside(path, ".tmp");
        let unwritten = |cause: io::Error| {
            // It holds tokens, and nobody will come for it.
            let _ = std::fs::remove_file(&temporary);
            self.fault("could not be written", &cause, false)
        };
        self.write_temporary(client, record, &temporary).map_err(unwritten)?;
        reach("file-written");
        std::fs::rename(&temporary, path).map_err(unwritten)?;
        reach("file-renamed");
        File::open(folder_of(path))
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| self.fault("was written, but perhaps not to the disk", &cause, true))
    }

    fn write_temporary(&self, client: &str, record: &mut Record, temporary: &Path) -> io::Result<()> {
        // A killed writer's: only who has the lock writes.
        if let Err(cause) = std::fs::remove_file(temporary)
            && cause.kind() != ErrorKind::NotFound
        {
            return Err(cause);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        record.incarnation = Some(identity(&file.metadata()?));
        let plain = to_json(record);
        match &self.seal {
            None => file.write_all(&plain)?,
            Some(seal) => file.write_all(&[MAGIC, &seal.seal(client, &plain)].concat())?,
        }
        file.sync_all()
    }

    /// The lock that everyone takes for a change. It is let go of by dropping it.
    fn lock(&self, call: &Call, path: &Path) -> std::result::Result<LockFile, StoreFault> {
        let path = beside(path, ".lock");
        let unopened = |cause| self.fault("could not be locked", &cause, false);
        let mut lock = LockFile::open(&path).map_err(unopened)?;
        let until = Instant::now() + LONGEST_LOCK_WAIT.min(call.left() / 2);
        let mut nap = Duration::from_millis(1);
        loop {
            if lock.try_lock().map_err(unopened)? {
                if lock.is_at(&path) {
                    reach("file-locked");
                    return Ok(lock);
                }
                // Somebody has removed it: whoever comes next locks another file.
                lock = LockFile::open(&path).map_err(unopened)?;
            }
            if Instant::now() >= until {
                let error = Error::new(
                    Status::TM_LOCK_TIMEOUT,
                    format!(
                        "the lock {} stayed with another process for too long; see what holds it (lslocks, fuser)",
                        path.display()
                    ),
                );
                return Err(StoreFault { error, maybe_written: false });
            }
            call.go_on().map_err(|error| StoreFault { error, maybe_written: false })?;
            std::thread::sleep(nap.mul_f64(0.5 + random_place()).min(call.left()));
            nap = (nap * 2).min(Duration::from_millis(20));
        }
    }

    fn fault(&self, what: &str, cause: &io::Error, maybe_written: bool) -> StoreFault {
        let error = Error::new(
            Status::TM_STORE,
            format!(
                "the token file {} {what} ({cause}); see its folder's permissions and the space left",
                self.path.display()
            ),
        );
        StoreFault { error, maybe_written }
    }
}

impl TokenStore for FileStore {
    fn load(&self, _: &Call, client: &str) -> std::result::Result<Loaded, StoreFault> {
        self.read(client, &self.real_path())
    }

    fn change(&self, call: &Call, client: &str, change: Change<'_>) -> std::result::Result<(), StoreFault> {
        let path = self.real_path();
        let _lock = self.lock(call, &path)?;
        let Loaded { mut record, now, .. } = self.read(client, &path)?;
        match change(&mut record, now) {
            true => self.write(client, &path, &mut record),
            false => Ok(()),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn marks(&self) -> Marks<'_> {
        self.seal.as_ref().map_or(Marks::Open, |seal| Marks::Sealed(seal.marks()))
    }

    fn in_child(&self) -> Arc<dyn TokenStore> {
        Arc::new(FileStore { path: self.path.clone(), seal: self.seal.clone() })
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read_whole(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    // A pipe in its place must not make anyone wait.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // Big enough at once: a growing buffer would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len().min(LARGEST) as usize + 1));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok((bytes, metadata))
}

/// The file's incarnation: a copy that was put back is another file than the one that its record names. Every
/// write makes a new one.
fn identity(metadata: &Metadata) -> String {
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    format!("{}:{}", metadata.ino(), born.unwrap_or_default().as_nanos())
}
