//! What std does not offer: signals, a file's close, whether it may be written to, where the library was loaded from.

use super::abi;
use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signal that has come, or 0.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(number: c_int) {
    CAUGHT.store(number, Ordering::Relaxed);
}

/// For a signal whose cause a system call tells, too.
extern "C" fn pass_over(_: c_int) {}

/// Has a write over the limit on a file's size (`ulimit -f`) fail, and not end the process. By a handler, which a program that
/// `exec` runs does not inherit.
pub fn survive_file_limit() {
    catch(libc::SIGXFSZ, pass_over, 0);
}

pub fn caught_signal() -> Option<i32> {
    Some(CAUGHT.load(Ordering::Relaxed)).filter(|&number| number != 0)
}

/// Has SIGINT, SIGTERM and SIGHUP end the calls of the library, which frees what it holds; the second one does not ask.
pub fn catch_signals() {
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        catch(number, remember, libc::SA_RESETHAND);
    }
}

/// Not where it is ignored: that is nohup, or a script that has its reasons.
fn catch(number: c_int, handler: extern "C" fn(c_int), flags: c_int) {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction fills what it is given, and reads what it has filled; the handlers store into an atomic at the most.
    unsafe {
        if libc::sigaction(number, ptr::null(), action.as_mut_ptr()) != 0 {
            return;
        }
        let mut action = action.assume_init();
        if action.sa_sigaction == libc::SIG_IGN {
            return;
        }
        libc::sigemptyset(&mut action.sa_mask);
        action.sa_sigaction = handler as usize;
        action.sa_flags = flags;
        libc::sigaction(number, &action, ptr::null_mut());
    }
}

/// Where a signal ended the call, the process has to die of that signal, or a shell's loop around it would go on.
pub fn die_if_signalled() {
    if let Some(number) = caught_signal() {
        // SAFETY: nothing is shared; the process ends here.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
    }
}

/// Closes a file, and says if what was written to it did not arrive.
pub fn close(file: File) -> io::Result<()> {
    // SAFETY: the descriptor is ours, and nobody uses it after this.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether this user may write to a file, or in a folder.
pub fn may_write(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path lives during the call.
    match unsafe { libc::access(path.as_ptr(), libc::W_OK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The file that the library's code comes from.
pub fn library_path() -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: dladdr fills what it is given where it returns non-zero; the name lives as long as the library is loaded.
    unsafe {
        if libc::dladdr(abi::tm_version as *const c_void, found.as_mut_ptr()) == 0 {
            return None;
        }
        let name = found.assume_init().dli_fname;
        (!name.is_null()).then(|| PathBuf::from(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())))
    }
}
