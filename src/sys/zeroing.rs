//! S2: memory that is freed while this library handles secrets is zeroed first, also the dependencies'. They read and write
//! through buffers of their own, which no code of ours can reach.
//!
//! Zeroing everything would double the cost of a warm request: its largest blocks hold the API's answer, which is no secret
//! of ours. So it is done while a [`SecretWork`] lasts: logins, refreshes, stores, logouts, and the end of a
//! connection or a manager.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads handle secrets. One counter for the process: a thread-local one costs more to read, and that other threads
/// zero meanwhile does no harm. Neither does a call that never returns (`longjmp`), or a fork in the middle of one, after
/// which everything is zeroed.
static SECRET_WORK: AtomicUsize = AtomicUsize::new(0);

/// While one exists, memory that is freed is zeroed.
#[derive(Debug)]
pub struct SecretWork(());

impl SecretWork {
    #[must_use]
    pub fn begin() -> SecretWork {
        SECRET_WORK.fetch_add(1, Ordering::Relaxed);
        SecretWork(())
    }
}

impl Drop for SecretWork {
    fn drop(&mut self) {
        SECRET_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A value whose memory is zeroed when it is dropped.
#[derive(Debug)]
pub struct Wiped<T>(ManuallyDrop<T>);

impl<T> Wiped<T> {
    pub fn new(value: T) -> Wiped<T> {
        Wiped(ManuallyDrop::new(value))
    }

    pub fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once, as `this` is never dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<T> Drop for Wiped<T> {
    fn drop(&mut self) {
        let _work = SecretWork::begin();
        // SAFETY: dropped once, here; nobody uses it after `drop`.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// A block up to this size is moved by us, never by the system, which would leave its old bytes out of reach. rustls keeps
/// what it decrypted last in a block that it moves to make room. Larger ones only while secrets are handled.
const ALWAYS_MOVED: usize = 4096;

// SAFETY: every block is the system allocator's, and given back to it with the layout that it was asked for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller makes the same promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller makes the same promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    /// Not inlined: in every place that frees memory it would take 30 KB.
    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if SECRET_WORK.load(Ordering::Relaxed) > 0 {
            // SAFETY: the block is the caller's until it is given back, and as large as its layout says.
            unsafe { wipe(block, layout.size()) };
        }
        // SAFETY: the caller makes the same promise.
        unsafe { System.dealloc(block, layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.size() > ALWAYS_MOVED && SECRET_WORK.load(Ordering::Relaxed) == 0 {
            // SAFETY: the caller makes the same promise.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that `size` is valid with this alignment, and that the block is as large as its
        // layout says; the new one is at least as large as what is copied into it.
        unsafe {
            let moved = System.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                wipe(block, layout.size());
                System.dealloc(block, layout);
            }
            moved
        }
    }
}

/// # Safety
/// `block` is valid for writes of `size` bytes.
#[inline(never)]
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller of this function vouches for it.
    unsafe { std::ptr::write_bytes(block, 0, size) };
    // The compiler may leave out writes to memory that is about to be freed, but not to memory that escapes.
    std::hint::black_box(block);
}
