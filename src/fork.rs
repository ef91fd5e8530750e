//! P1: how the library notices that it lives on in a forked child.
//!
//! A child inherits memory, but none of the threads that were changing it: a lock may be held by
//! nobody, a connection is shared with the parent. So nothing that was made before the fork is ever
//! locked, driven or dropped in the child. A counter tells: it rises in every child, and whoever holds
//! state with an older count leaks that state and builds its own.

#![allow(unsafe_code)]

use once_cell::sync::OnceCell;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);
static WATCHED: OnceCell<()> = OnceCell::new();

/// How often this process's line has forked since [`watch`] was first called.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Begins to watch for forks. Idempotent; called when a manager is made.
pub fn watch() {
    WATCHED.get_or_init(|| {
        // SAFETY: the handlers are plain functions that only touch atomics and close descriptors, which is
        // allowed in a forked child of a threaded process. They stay mapped: the library is linked with
        // `-z nodelete`.
        let refused = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        // Only out of memory can refuse it, where Rust aborts anyway. To go on would risk what P1 forbids.
        assert_eq!(refused, 0, "pthread_atfork was refused");
    });
}

extern "C" fn before_fork() {
    begin_list_change();
}

extern "C" fn in_parent() {
    end_list_change();
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for slot in &LOCK_FILES {
        let descriptor = slot.swap(NONE, Ordering::Relaxed);
        if descriptor != NONE {
            // SAFETY: the descriptor is the child's copy of one that a `LockFile` of its parent owns. No
            // thread of the child uses that `LockFile`, and dropping it here does not close it again.
            unsafe { libc::close(descriptor) };
        }
    }
    end_list_change();
}

const NONE: i32 = -1;

/// The descriptors of every open [`LockFile`]. A lock belongs to the open file, which a forked child shares:
/// were the child to unlock it, the parent's lock would go; were it to keep it open, the lock would outlive a
/// parent that is killed. So the child closes its copies at once.
static LOCK_FILES: [AtomicI32; 256] = [const { AtomicI32::new(NONE) }; 256];

/// Held while a lock file is opened and listed, so that no fork comes in between. Nothing waits under it but
/// for a local file to be opened.
static LIST_CHANGES: AtomicBool = AtomicBool::new(false);

fn begin_list_change() {
    while LIST_CHANGES.swap(true, Ordering::Acquire) {
        std::thread::yield_now();
    }
}

fn end_list_change() {
    LIST_CHANGES.store(false, Ordering::Release);
}

/// A file to lock (`flock`), whose descriptor no forked child keeps.
#[derive(Debug)]
pub struct LockFile {
    file: ManuallyDrop<File>,
    slot: usize,
    generation: u32,
}

impl LockFile {
    /// Opens the file, or makes it, readable by its owner only.
    pub fn open(path: &Path) -> io::Result<LockFile> {
        begin_list_change();
        let opened = LockFile::open_listed(path);
        end_list_change();
        opened
    }

    fn open_listed(path: &Path) -> io::Result<LockFile> {
        let free = LOCK_FILES.iter().position(|slot| slot.load(Ordering::Relaxed) == NONE);
        let slot = free.ok_or_else(|| io::Error::other("too many threads wait for locks"))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        // Neither a pipe in its place, which would make every fork wait, nor a link to somewhere else.
        let file = options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        LOCK_FILES[slot].store(file.as_raw_fd(), Ordering::Relaxed);
        Ok(LockFile { file: ManuallyDrop::new(file), slot, generation: generation() })
    }

    /// Whether it is still the file of this name.
    pub fn is_at(&self, path: &Path) -> bool {
        let same = |here: &Metadata, there: &Metadata| (here.dev(), here.ino()) == (there.dev(), there.ino());
        let (here, there) = (self.file.metadata(), std::fs::symlink_metadata(path));
        here.is_ok_and(|here| there.is_ok_and(|there| same(&here, &there)))
    }

    /// Locks it against every other open of it, or says that another has it. Never waits.
    pub fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.generation != generation() {
            return; // the child's copy was closed when it was forked; its number may be another file's by now
        }
        // First, so that a copy which a fork makes just now holds nothing.
        let _ = self.file.unlock();
        begin_list_change();
        LOCK_FILES[self.slot].store(NONE, Ordering::Relaxed);
        // SAFETY: it is dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.file) };
        end_list_change();
    }
}
