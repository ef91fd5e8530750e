//! Whether a frame is still on the stack: a callback that was left by `longjmp` runs none of our code on its way out.
//!
//! The mark is a word in the frame that invokes the callback. Where it and the caller are both on the stack that the
//! thread began with, the frame has certainly gone if it lies deeper than the caller, or if the unwinder, which walks
//! the frames from here, finds another function's in its place, or if the word has been written over, as by a later mark in
//! the same place. A frame on another stack (a fiber's, a context of `makecontext`) may be continued at any time, unless that
//! stack is unmapped.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A word in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    address: usize,
    word: usize,
}

/// Calls `work` with a mark in this function's frame.
#[inline(never)]
pub fn with_mark(work: &mut dyn FnMut(Mark)) {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    // Steps of the golden ratio: no two are equal, and none is a value that a stack usually holds.
    let word = LAST.fetch_add(0x9e37_79b9_7f4a_7c15_u64 as usize, Ordering::Relaxed);
    let mark = black_box(word);
    let place = black_box(&mark);
    work(Mark { address: ptr::from_ref(place).expose_provenance(), word });
    black_box(place); // so that the compiler keeps the word and the frame
}

/// Whether the frame of a mark that this thread made has certainly been left.
pub fn has_left(mark: Mark) -> bool {
    let here = black_box(0_u8);
    let here = ptr::from_ref(&here).addr();
    match own_stack() {
        Some(own) if own.contains(&here) && own.contains(&mark.address) => {
            mark.address < here || is_another_frames(mark.address) == Some(true) || is_written_over(mark)
        }
        _ => !is_mapped(mark.address),
    }
}

/// Whether the mark's word has been written over. It must lie between this frame and the beginning of this thread's stack.
fn is_written_over(mark: Mark) -> bool {
    // SAFETY: so it is mapped. Whatever a frame there keeps in it, it is read as the bytes that it has.
    unsafe { ptr::with_exposed_provenance::<usize>(mark.address).read_volatile() != mark.word }
}

/// The stack that this thread began with; `None`: that cannot be found out now.
fn own_stack() -> Option<Range<usize>> {
    thread_local! {
        static KNOWN: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }
    if KNOWN.get() == (0, 0) {
        let mut attributes = MaybeUninit::uninit();
        let (mut lowest, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the attributes are initialised by the first call, if it succeeds, read by the second and destroyed by
        // the third; the places that are written to are locals.
        let is_known = unsafe {
            libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) == 0 && {
                let refused = libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size);
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
                refused == 0
            }
        };
        if !is_known {
            return None;
        }
        KNOWN.set((lowest.addr(), lowest.addr() + size));
    }
    let (lowest, end) = KNOWN.get();
    Some(lowest..end)
}

fn is_mapped(address: usize) -> bool {
    // SAFETY: sysconf takes any name; mincore is given a page that need not be mapped, and room for its one byte.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let mut resident = 0;
        let start = ptr::without_provenance_mut(address & !(page - 1));
        libc::mincore(start, 1, &mut resident) == 0 || *libc::__errno_location() != libc::ENOMEM
    }
}

/// What an unwinder knows of the frame that it has come to.
type Context = *mut c_void;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: extern "C" fn(Context, *mut c_void) -> c_int, search: *mut c_void) -> c_int;
    fn _Unwind_GetCFA(context: Context) -> usize;
    fn _Unwind_GetRegionStart(context: Context) -> usize;
}

struct Search {
    address: usize,
    /// The function whose frame was visited last.
    function: usize,
    is_anothers: Option<bool>,
}

/// Whether another function's frame than [`with_mark`]'s is where that one was. `None`: the unwinder does not come so far;
/// code that was compiled at run time often has no tables for it.
fn is_another_frames(address: usize) -> Option<bool> {
    let mut search = Search { address, function: 0, is_anothers: None };
    // SAFETY: the search outlives the walk, which passes it to `visit` only.
    unsafe { _Unwind_Backtrace(visit, ptr::from_mut(&mut search).cast()) };
    search.is_anothers
}

extern "C" fn visit(context: Context, search: *mut c_void) -> c_int {
    const GO_ON: c_int = 0; // _URC_NO_REASON
    const STOP: c_int = 5; // _URC_END_OF_STACK
    // SAFETY: it is the search of `is_another_frames`, which this walk borrows.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the unwinder hands over a context that is valid for the call. A frame begins at its own address here and
    // ends at that of the next.
    let (start, function) = unsafe { (_Unwind_GetCFA(context), _Unwind_GetRegionStart(context)) };
    if start > search.address {
        search.is_anothers = Some(search.function != with_mark as fn(&mut dyn FnMut(Mark)) as usize);
        return STOP;
    }
    search.function = function;
    GO_ON
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `work` so much deeper, and leaves what is above as it is.
    #[inline(never)]
    fn deeper<T>(room: usize, work: impl FnOnce() -> T) -> T {
        if room > 0 {
            let filler = black_box([MaybeUninit::<u8>::uninit(); 4096]);
            let output = deeper(room - 1, work);
            black_box(&filler);
            return output;
        }
        work()
    }

    #[test]
    fn a_frame_is_there_while_its_callback_runs_however_deep() {
        with_mark(&mut |mark| {
            assert!(!has_left(mark));
            assert!(!deeper(20, || has_left(mark)));
            with_mark(&mut |_| assert!(!has_left(mark)));
        });
    }

    #[test]
    fn a_frame_that_was_left_is_recognised_from_above_and_from_below() {
        let mut left = None;
        deeper(3, || with_mark(&mut |mark| left = Some(mark)));
        let left = left.unwrap();
        assert!(has_left(left));
        // The words that it left behind may be untouched.
        assert!(deeper(40, || has_left(left)));
        assert!(deeper(3, || {
            let mut seen = false;
            with_mark(&mut |_| seen = has_left(left));
            seen
        }));
    }

    #[test]
    fn a_frame_that_a_later_mark_took_the_place_of_has_been_left() {
        let mut marks: [Option<Mark>; 2] = [None; 2];
        for _ in 0..2 {
            with_mark(&mut |mark| {
                marks.rotate_left(1);
                marks[1] = Some(mark);
                let [Some(left), Some(_)] = marks else { return };
                assert_eq!(left.address, mark.address, "the second frame is where the first one was");
                assert!(has_left(left));
            });
        }
    }

    #[test]
    fn a_frame_on_another_threads_stack_may_be_gone_back_to() {
        let (mark, thread) = (std::sync::Barrier::new(2), std::sync::Mutex::new(None));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                with_mark(&mut |here| {
                    *thread.lock().unwrap() = Some(here);
                    mark.wait();
                    mark.wait();
                });
            });
            mark.wait();
            assert!(!has_left(thread.lock().unwrap().unwrap()));
            mark.wait();
        });
    }
}
