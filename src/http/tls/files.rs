//! Files of certificates and keys: opened so that nothing but a regular file is ever waited for.

use crate::error::{Error, Result, Status};
use crate::sys::files;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use zeroize::Zeroizing;

/// The largest file that an option may name: a bundle of all public authorities has a quarter of it.
const LARGEST: u64 = 1 << 20;

/// A PEM file that an option names.
pub struct Named<'a> {
    option: String,
    pub path: &'a str,
    pub pem: Zeroizing<Vec<u8>>,
}

impl<'a> Named<'a> {
    /// Reads it whole.
    pub fn read(option: String, path: &'a str) -> Result<Named<'a>> {
        match files::open_regular(Path::new(path), 0).and_then(|file| files::read(file, LARGEST)) {
            Ok(pem) => Ok(Named { option, path, pem }),
            Err(cause) => Err(Error::new(
                Status::TM_INVALID_OPTIONS,
                format!(
                    "the file {path} that the option {option} names could not be read ({cause}); it takes the path of a PEM file"
                ),
            )),
        }
    }

    /// Its certificates, each of which can be parsed; there is one at least.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.pem)
            .collect::<std::result::Result<_, _>>()
            .map_err(|cause| self.holds_no("certificate", &cause))?;
        if certificates.is_empty() {
            return Err(self.refusal("holds no certificate; it takes a PEM file"));
        }
        let unparsable = certificates.iter().find_map(|one| RootCertStore::empty().add(one.clone()).err());
        match unparsable {
            Some(cause) => Err(self.refusal(&format!("holds what is no certificate ({cause}); it takes a PEM file"))),
            None => Ok(certificates),
        }
    }

    /// Its first private key, as PKCS#8, PKCS#1 or SEC1.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.pem).map_err(|cause| self.holds_no("private key", &cause))
    }

    /// The error for what is wrong with it.
    pub fn refusal(&self, what: &str) -> Error {
        let Named { option, path, .. } = self;
        Error::new(Status::TM_INVALID_OPTIONS, format!("the file {path} that the option {option} names {what}"))
    }

    fn holds_no(&self, what: &str, cause: &pem::Error) -> Error {
        let encrypted = what == "private key" && memchr::memmem::find(&self.pem, b"ENCRYPTED").is_some();
        let kind = if encrypted { "PEM file with a key that is not encrypted" } else { "PEM file" };
        self.refusal(&format!("gave no {what} ({cause}); it takes a {kind}"))
    }
}
