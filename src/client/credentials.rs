//! The username and the password: from the arguments, or from `TOKENMGR_*` variables, or from files that such
//! variables name.

use crate::auth::Values;
use crate::error::{Error, Result};
use crate::sys::files;
use crate::sys::secret::{Secret, hex, process_key};
use crate::token::fingerprint::FingerprintKey;
use once_cell::sync::OnceCell;
use ring::{hmac, pbkdf2};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// A username, and a password unless tokens come from elsewhere.
#[derive(Debug)]
pub struct Credentials {
    pub username: String,
    pub password: Option<Secret>,
    /// Set when someone gave these credentials anew: the next login is tried whatever was refused before.
    lifting_suspension: AtomicBool,
    /// One for each kind of [`FingerprintKey`]. A client has one store, so none is asked for under two keys.
    fingerprints: [OnceCell<String>; 3],
}

/// As slow as a login itself: whoever reads the store must not be able to guess a password from a fingerprint.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();

impl Credentials {
    /// Credentials as given. An empty password counts as none: no API takes one.
    pub fn new(username: &str, password: Option<&str>) -> Result<Credentials> {
        let password = match password.filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => {
                Some(Secret::new(text).ok_or_else(|| Error::invalid_argument("the password holds a NUL character"))?)
            }
        };
        if username.contains('\0') {
            return Err(Error::invalid_argument("the username holds a NUL character; pass it without"));
        }
        if username.is_empty() && password.is_some() {
            return Err(Error::invalid_argument(
                "there is a password but no username; pass one, or set TOKENMGR_USERNAME",
            ));
        }
        Ok(Credentials {
            username: username.to_owned(),
            password,
            lifting_suspension: AtomicBool::new(false),
            fingerprints: Default::default(),
        })
    }

    /// R5: what a record calls these credentials. The slow hash is made only when a suspension has to be noted
    /// or looked up.
    pub fn fingerprint(&self, client_id: &str, key: FingerprintKey<'_>) -> &str {
        let text = || {
            let password = self.password.as_ref().map_or(&b""[..], Secret::as_bytes);
            Zeroizing::new([self.username.as_bytes(), &[0], password].concat())
        };
        let keyed = |key: &hmac::Key| hex(hmac::sign(key, &text()).as_ref());
        let [in_process, in_open, sealed] = &self.fingerprints;
        match key {
            FingerprintKey::Process => in_process.get_or_init(|| keyed(process_key())),
            FingerprintKey::Sealed(key) => sealed.get_or_init(|| keyed(key)),
            FingerprintKey::Open => in_open.get_or_init(|| {
                let mut hash = [0; 32];
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, client_id.as_bytes(), &text(), &mut hash);
                hex(&hash)
            }),
        }
    }

    /// What a dialect's templates are filled with.
    pub fn values(&self) -> Values<'_> {
        Values {
            username: Some(self.username.as_str()).filter(|name| !name.is_empty()),
            password: self.password.as_ref(),
            ..Values::default()
        }
    }

    /// The same for a forked child: a thread of the parent may have been making a fingerprint, which in the child nobody
    /// would ever finish (P1).
    pub fn after_fork(&self) -> Credentials {
        let copy =
            |made: &OnceCell<String>| made.get().map_or_else(OnceCell::new, |made| OnceCell::with_value(made.clone()));
        Credentials {
            username: self.username.clone(),
            password: self.password.clone(),
            lifting_suspension: AtomicBool::new(self.lifts_suspension()),
            fingerprints: self.fingerprints.each_ref().map(copy),
        }
    }

    /// The same credentials, given anew by the user: lifts a suspended login.
    pub fn lifting_suspension(self) -> Credentials {
        self.lifting_suspension.store(true, Ordering::Relaxed);
        self
    }

    pub fn lifts_suspension(&self) -> bool {
        self.lifting_suspension.load(Ordering::Relaxed)
    }

    /// From the next refusal on, suspensions count again.
    pub fn end_lift(&self) {
        self.lifting_suspension.store(false, Ordering::Relaxed);
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.username == other.username && self.password == other.password
    }
}

/// A setting from the environment: `TOKENMGR_{name}`, else what the file `TOKENMGR_{name}_FILE` holds,
/// without the byte-order mark and the line end that editors put there.
pub fn from_environment(name: &str) -> Result<Option<Zeroizing<String>>> {
    let variable = format!("TOKENMGR_{name}");
    if let Some(value) = read_variable(&variable)? {
        return Ok(Some(value));
    }
    let file_variable = format!("{variable}_FILE");
    let Some(path) = read_variable(&file_variable)? else {
        return Ok(None);
    };
    let secret = files::read_credential(Path::new(path.as_str())).map_err(|cause| {
        Error::invalid_argument(format!(
            "the file {} that {file_variable} names could not be read ({cause}); check its path and permissions",
            path.as_str()
        ))
    })?;
    Ok(Some(secret))
}

/// A variable that is set and not empty.
fn read_variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(Zeroizing::new(value))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::invalid_argument(format!("the environment variable {name} is not UTF-8 text")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_debug_shows_no_password() {
        let credentials = Credentials::new("shop", Some("hunter2")).unwrap();
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    #[test]
    fn p1_a_child_waits_for_no_fingerprint_that_its_parent_was_making() {
        let parent = std::sync::Arc::new(Credentials::new("shop", Some("hunter2")).unwrap());
        let (began, begun) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let making = std::sync::Arc::clone(&parent);
        let thread = std::thread::spawn(move || {
            making.fingerprints[0].get_or_init(|| {
                began.send(()).unwrap();
                ended.recv().unwrap();
                "the parent's".to_owned()
            });
        });
        begun.recv().unwrap();
        // Were the cell shared, this would wait for the parent's thread, which a child does not have.
        assert_ne!(parent.after_fork().fingerprint("shop", FingerprintKey::Process), "the parent's");
        end.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(
            parent.after_fork().fingerprint("shop", FingerprintKey::Process),
            "the parent's",
            "what was made is kept"
        );
    }

    #[test]
    fn an_empty_password_is_none_and_a_password_needs_a_name() {
        assert!(Credentials::new("shop", Some("")).unwrap().password.is_none());
        assert!(Credentials::new("", None).unwrap().password.is_none());
        assert!(Credentials::new("sh\0op", Some("x")).unwrap_err().message().contains("NUL"));
        assert!(Credentials::new("", Some("x")).unwrap_err().message().contains("TOKENMGR_USERNAME"));
    }
}
