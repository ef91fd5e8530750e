//! P1: how the library notices that it runs in a forked child.
//!
//! A child inherits memory, but none of the threads that were changing it: a lock may stay locked for ever, and a
//! connection is shared with the parent. So nothing that was made before the fork is ever locked, driven or dropped in
//! the child. A counter rises in every child; code that finds state with an older count leaks it and makes its own.
//!
//! The count stands on a page that the kernel empties in a forked child (`MADV_WIPEONFORK`), and the first call that finds it empty
//! counts. So a child also knows what it is in the host's own fork handlers that run before ours, and where none run
//! (`_Fork`, a bare `clone`). Where the kernel has no such pages, our fork handler counts.
//!
//! # Lock files
//!
//! `flock` locks an open file, which a forked child shares through its copy of the descriptor. Were the child to
//! unlock it, the parent's lock would go; were it to keep its copy open, the lock would outlive a parent that is
//! killed. So the child closes its copies at once, and for that every descriptor of a lock file is listed.
//!
//! The host's `fork` never waits for us, and a signal handler may fork at any moment, on any thread. So there is no
//! lock that a fork has to take: the list is made of atomics, grows, and frees nothing, and the child reads it as it
//! finds it. That leaves one gap: a fork between the opening of a file and its listing gives the child a copy that it
//! does not know of. Such a copy of an unlocked file is harmless, but the lock that the parent takes later would be the
//! child's too. Hence the order: open, list, see whether any fork was under way meanwhile ([`Forks`]) and if so close
//! the file and open it anew, and lock only then. A fork that begins after the look finds the descriptor listed.
//!
//! In a host whose threads fork without a pause some fork is always under way. After [`MOST_OPENINGS`] the file is
//! used all the same: a child would have to be copied within the microseconds of that last opening, and its parent to
//! be killed in the milliseconds in which it has the lock, for the lock to stay.
//!
//! A file is unlocked before it is taken off the list, and closed after that: the other way round a child could close
//! a descriptor that has become another file's. A fork in between leaves an unlocked copy in the child.

#![allow(unsafe_code)]

use arc_swap::ArcSwapOption;
use once_cell::sync::OnceCell;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

static GENERATION: AtomicU32 = AtomicU32::new(0);
/// What [`GENERATION`] was when the last fork began.
static FORKED_FROM: AtomicU32 = AtomicU32::new(0);
/// [`GENERATION`] plus one; 0: this is a child that has not counted yet. On the page that the kernel empties, if there is one.
static KNOWN: AtomicPtr<AtomicU32> = AtomicPtr::new((&raw const NOT_EMPTIED).cast_mut());
static NOT_EMPTIED: AtomicU32 = AtomicU32::new(1);
/// Another thread is counting.
const COUNTING: u32 = u32::MAX;
static WATCHED: OnceCell<()> = OnceCell::new();
static FORKS: Forks = Forks { begun: AtomicU64::new(0), ended: AtomicU64::new(0) };
static LOCK_FILES: List = List { first: AtomicPtr::new(ptr::null_mut()) };

/// How many forks lie between the process that first called [`watch`] and this one.
#[inline]
pub fn count() -> u32 {
    match known().load(Ordering::Relaxed) {
        0 | COUNTING => arrive(),
        known => known - 1,
    }
}

fn known() -> &'static AtomicU32 {
    // SAFETY: it points to a static or to the page that `watch` made, which is never unmapped.
    unsafe { &*KNOWN.load(Ordering::Relaxed) }
}

/// A page that is empty in each forked child, with the count on it. `None`: the kernel has none (before Linux 4.14). Emulators
/// (qemu-user before 7.2) say that they will empty it, and do not.
fn emptied_page() -> Option<*mut AtomicU32> {
    // SAFETY: an anonymous page is mapped, and given back if it cannot be as it has to be; its beginning is aligned, and
    // nobody else knows it yet.
    unsafe {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let size = size_of::<AtomicU32>();
        let page = libc::mmap(ptr::null_mut(), size, access, kind, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, libc::sysconf(libc::_SC_PAGESIZE) as usize, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, size);
            return None;
        }
        let page = page.cast::<AtomicU32>();
        (*page).store(known().load(Ordering::Relaxed), Ordering::Relaxed);
        Some(page)
    }
}

/// Begins to watch for forks. Idempotent; called when a manager is made.
pub fn watch() {
    WATCHED.get_or_init(|| {
        if let Some(page) = emptied_page() {
            KNOWN.store(page, Ordering::Release);
        }
        // SAFETY: the handlers are plain functions that only touch atomics and close descriptors, which is
        // allowed in a forked child of a threaded process. They stay mapped: the library is linked with
        // `-z nodelete`.
        let refused = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(after_fork)) };
        // It fails only without memory, where Rust aborts anyway. To go on would break P1.
        assert_eq!(refused, 0, "pthread_atfork was refused");
    });
}

extern "C" fn before_fork() {
    FORKED_FROM.store(GENERATION.load(Ordering::Relaxed), Ordering::Relaxed);
    FORKS.begun.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn in_parent() {
    FORKS.ended.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn after_fork() {
    let has_counted = GENERATION.load(Ordering::Relaxed) != FORKED_FROM.load(Ordering::Relaxed);
    if !has_counted {
        // Whether the kernel has emptied it or not.
        known().store(0, Ordering::Relaxed);
    }
    arrive();
}

/// The count of a child that may not have counted yet.
#[cold]
fn arrive() -> u32 {
    while let Err(known) = known().compare_exchange(0, COUNTING, Ordering::Acquire, Ordering::Acquire) {
        if known != COUNTING {
            return known - 1;
        }
        std::thread::yield_now();
    }
    let count = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
    leave_to_parent();
    known().store(count + 1, Ordering::Release);
    count
}

fn leave_to_parent() {
    // Forks that the parent's other threads had begun will not end here.
    FORKS.ended.store(FORKS.begun.load(Ordering::SeqCst), Ordering::SeqCst);
    LOCK_FILES.each(|slot| {
        let descriptor = slot.swap(NONE, Ordering::SeqCst);
        if descriptor != NONE {
            // SAFETY: the descriptor is the child's copy of one that a `LockFile` of its parent owns. No
            // thread of the child uses that `LockFile`, and dropping it here does not close it again.
            unsafe { libc::close(descriptor) };
        }
    });
}

/// The forks of this process.
struct Forks {
    begun: AtomicU64,
    /// Where the parent or the child goes on, and the child's copies have been made.
    ended: AtomicU64,
}

impl Forks {
    /// How many have begun, if none is under way.
    fn at_rest(&self) -> Option<u64> {
        // In this order: a fork that has ended by the second load has also begun by then.
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        (ended >= begun).then_some(begun)
    }
}

/// A value that a process has one of, and that a forked child makes anew: the parent's is leaked, as a lock in it may stay
/// locked for ever.
pub struct PerProcess<T>(ArcSwapOption<Made<T>>);

/// The value, and the count of forks that it was made in.
pub struct Made<T> {
    count: u32,
    it: T,
}

impl<T> PerProcess<T> {
    pub const fn new() -> PerProcess<T> {
        PerProcess(ArcSwapOption::const_empty())
    }

    /// Calls `work` with this process's value, if it has been made. It is borrowed, because counting references to a value
    /// that threads share costs time.
    pub fn if_made<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        let made = self.0.load();
        made.as_ref().filter(|made| made.count == count()).map(|made| work(&made.it))
    }
}

impl<T: Default> PerProcess<T> {
    pub fn get(&self) -> Arc<Made<T>> {
        loop {
            let current = self.0.load_full();
            if let Some(made) = current.as_ref().filter(|made| made.count == count()) {
                return Arc::clone(made);
            }
            let fresh = Made { count: count(), it: T::default() };
            self.0.compare_and_swap(&current, Some(Arc::new(fresh)));
            std::mem::forget(current); // P1: the parent's
        }
    }
}

impl<T> Deref for Made<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.it
    }
}

const NONE: i32 = -1;

/// The descriptors of every open [`LockFile`], in slots that are used again and never freed: a fork may look at any
/// time.
struct List {
    first: AtomicPtr<Slot>,
}

struct Slot {
    descriptor: AtomicI32,
    next: *const Slot,
}

impl List {
    fn each(&self, mut look: impl FnMut(&'static AtomicI32)) {
        self.find(|slot| {
            look(slot);
            false
        });
    }

    fn find(&self, mut is_it: impl FnMut(&'static AtomicI32) -> bool) -> Option<&'static AtomicI32> {
        let mut at: *const Slot = self.first.load(Ordering::SeqCst);
        // SAFETY: it is null, or a slot that `add` leaked before it stored the pointer; so is every `next`, which
        // never changes afterwards.
        while let Some(slot) = unsafe { at.as_ref::<'static>() } {
            if is_it(&slot.descriptor) {
                return Some(&slot.descriptor);
            }
            at = slot.next;
        }
        None
    }

    /// Lists a descriptor. The slot is its own until it is emptied.
    fn add(&self, descriptor: i32) -> &'static AtomicI32 {
        let take =
            |slot: &AtomicI32| slot.compare_exchange(NONE, descriptor, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if let Some(slot) = self.find(take) {
            return slot;
        }
        let slot = Box::into_raw(Box::new(Slot { descriptor: AtomicI32::new(descriptor), next: ptr::null() }));
        let mut first = self.first.load(Ordering::SeqCst);
        loop {
            // SAFETY: until it is in the list, the slot is this thread's own.
            unsafe { (*slot).next = first };
            match self.first.compare_exchange(first, slot, Ordering::SeqCst, Ordering::SeqCst) {
                // SAFETY: it is never freed, and from now on never changed but for the atomic in it.
                Ok(_) => return unsafe { &(*slot).descriptor },
                Err(other) => first = other,
            }
        }
    }
}

/// How often a lock file is opened anew because of forks under way, and how long they are given to end.
const MOST_OPENINGS: u32 = 100;
const FORK_WAIT: Duration = Duration::from_micros(500);

/// A file to lock (`flock`), whose descriptor no forked child keeps.
#[derive(Debug)]
pub struct LockFile {
    file: ManuallyDrop<File>,
    slot: &'static AtomicI32,
    count: u32,
}

impl LockFile {
    /// Opens the file, or makes it; `prepare` is given one that was just made.
    pub fn open(path: &Path, prepare: &dyn Fn(&File) -> io::Result<()>) -> io::Result<LockFile> {
        let mut openings = 0;
        loop {
            let forks = FORKS.at_rest();
            let lock = LockFile::open_listed(path, prepare)?;
            openings += 1;
            if forks.is_some() && forks == FORKS.at_rest() || openings == MOST_OPENINGS {
                return Ok(lock);
            }
            drop(lock);
            std::thread::sleep(FORK_WAIT);
        }
    }

    fn open_listed(path: &Path, prepare: &dyn Fn(&File) -> io::Result<()>) -> io::Result<LockFile> {
        let count = count();
        let file = open_or_make(path, prepare)?;
        let slot = LOCK_FILES.add(file.as_raw_fd());
        Ok(LockFile { file: ManuallyDrop::new(file), slot, count })
    }

    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Whether it is still the file of this name.
    pub fn is_at(&self, path: &Path) -> bool {
        let same = |here: &Metadata, there: &Metadata| (here.dev(), here.ino()) == (there.dev(), there.ino());
        let (here, there) = (self.file.metadata(), std::fs::symlink_metadata(path));
        here.is_ok_and(|here| there.is_ok_and(|there| same(&here, &there)))
    }

    /// Locks it against every other open of it; `false`: another has the lock. Never waits.
    pub fn try_lock(&self) -> io::Result<bool> {
        if self.count != count() {
            // A signal handler forked in the middle of this call, and this is the child.
            return Err(io::Error::other("this process was forked inside the call"));
        }
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.count != count() {
            return; // the child's copy was closed when it was forked; its number may be another file's by now
        }
        let _ = self.file.unlock();
        self.slot.store(NONE, Ordering::SeqCst);
        // SAFETY: it is dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}

fn open_or_make(path: &Path, prepare: &dyn Fn(&File) -> io::Result<()>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Refuses a pipe, which would make the caller wait, and a link to another file.
    options.write(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY);
    loop {
        let file = match options.create_new(false).open(path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => match options.create_new(true).open(path) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => continue,
                made => {
                    let made = made?;
                    // A file with the wrong group and mode would lock the other processes out.
                    prepare(&made).inspect_err(|_| drop(std::fs::remove_file(path)))?;
                    made
                }
            },
            opened => opened?,
        };
        return match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is no regular file")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::{Barrier, Mutex};

    #[test]
    fn p1_every_lock_file_is_listed_however_many_there_are() {
        let list = List { first: AtomicPtr::new(ptr::null_mut()) };
        let listed = || {
            let mut all = BTreeSet::new();
            list.each(|slot| _ = all.insert(slot.load(Ordering::SeqCst)));
            all
        };
        let (start, slots) = (Barrier::new(8), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (list, start, slots) = (&list, &start, &slots);
                scope.spawn(move || {
                    start.wait();
                    let mine: Vec<_> = (0..250).map(|n| list.add(thread * 250 + n)).collect();
                    slots.lock().unwrap().extend(mine);
                });
            }
        });
        assert_eq!(listed(), (0..2000).collect());
        // Slots that are empty again are used again.
        let mut slots = slots.into_inner().unwrap();
        slots.drain(..500).for_each(|slot| slot.store(NONE, Ordering::SeqCst));
        (0..500).for_each(|n| _ = list.add(10_000 + n));
        let mut count = 0;
        list.each(|_| count += 1);
        assert_eq!((count, listed().len()), (2000, 2000));
    }

    #[test]
    fn t2_any_number_of_lock_files_may_be_open_at_once() {
        let path = std::env::temp_dir().join(format!("tokenmgr-lock-files-{}", std::process::id()));
        let all: Vec<_> = (0..400).map(|_| LockFile::open(&path, &|_| Ok(())).expect("one more")).collect();
        assert!(all[0].try_lock().unwrap() && !all[399].try_lock().unwrap());
        drop(all);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn p1_forks_are_at_rest_only_when_all_that_began_have_ended() {
        let forks = Forks { begun: AtomicU64::new(0), ended: AtomicU64::new(0) };
        assert_eq!(forks.at_rest(), Some(0));
        forks.begun.fetch_add(2, Ordering::SeqCst);
        assert_eq!(forks.at_rest(), None);
        forks.ended.fetch_add(1, Ordering::SeqCst);
        assert_eq!(forks.at_rest(), None);
        forks.ended.fetch_add(1, Ordering::SeqCst);
        assert_eq!(forks.at_rest(), Some(2));
    }
}
