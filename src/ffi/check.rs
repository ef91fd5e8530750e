//! Trying a dialect.

use crate::ffi::boundary::{fallible, handle};
use crate::ffi::error::tm_error;
use crate::ffi::manager::tm_manager;
use crate::ffi::strings::{optional_string, owned_string};
use std::ffi::c_char;
use std::ptr::null_mut;

/// Tries the dialect (the option auth) on the live server, step by step: the login, an API call, the refresh, the call again,
/// the call with a token that is wrong by one character, the logout. It works on tokens of its own: those that the
/// manager holds or stores are neither used nor changed. It logs in once, and not at all while logins are suspended or
/// paused; the outcome counts as that of any other login: a refusal suspends logins. If the manager holds or stores another
/// token, it does not log out, because that may end every token of the account.
///
/// The report is `{"ok": true, "steps": [{"name": "login", "ok": true, "skipped": "why", "sent": {"method", "url", "headers",
/// "body"}, "redirected": ["302 to /login"], "answered": {"status", "headers", "body"}, "understood": [{"what", "from", "value"}], "problem": "one sentence",
/// "change": "auth.answer.access_token"}]}`; what has no value is left out. The names are `login` (of several steps `login 1`,
/// `login 2`), `call`, `refresh`, `call with refreshed token`, `dead token` and `logout`. A `problem` of a step that is `ok` is
/// something that works and could be better. `change` is the member of the options to change. Secrets are replaced by
/// `***`, or by their kind and length.
///
/// @param tm the manager
/// @param path the API call to try, with GET; as for tm_request(). NULL: none, and the steps that need it are skipped
/// @param err NULL, or where an error goes: #TM_INVALID_ARGUMENT, #TM_URL_NOT_ALLOWED; what goes wrong later is in the
///        report
/// @return an owned string for tm_string_free(), or NULL
/// @par Threads and forks any thread; blocks for `timeout_ms` at the most
/// @since 0.1, interface 3
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tm_check(tm: *mut tm_manager, path: *const c_char, err: *mut *mut tm_error) -> *mut c_char {
    // SAFETY: the header asks for NULL or a live manager, NULL or a NUL-terminated string, and a NULL or writable `err`.
    unsafe {
        fallible(err, null_mut(), || {
            let tm = handle(tm, "tm")?;
            let path = optional_string(path, "path")?;
            Ok(owned_string(tm.manager.check(path)?))
        })
    }
}
