//! What the verifier says beyond rustls's own errors. Those carry it.

use crate::http::tls::algorithms::unsupported_rsa_name;
use crate::http::tls::settings::OptionScope;
use rustls::{CertificateError, OtherError};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a server is not trusted.
#[derive(Debug)]
pub enum Refusal {
    /// There is no authority at all.
    NoAuthorities(OptionScope),
    /// A certificate uses what ring does not verify.
    Unsupported(String),
    /// The signature over the handshake is not one of the key in the server's certificate.
    KeyNotProven,
}

impl Refusal {
    /// For an RSA key of that many bits, if that is the reason.
    pub fn of_rsa_key(bits: usize) -> Option<Refusal> {
        unsupported_rsa_name(bits).map(Refusal::Unsupported)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoAuthorities(scope) => write!(
                f,
                "this machine has no certificate authorities to trust; install the package ca-certificates, or set {}",
                scope.option("ca_file")
            ),
            Refusal::Unsupported(what) => write!(
                f,
                "the server's certificate or one of its authorities has {what}, which is not supported; ask for a certificate with a key of P-256, P-384, Ed25519 or RSA with 2048 to 8192 bits, from an authority with such a key, signed with SHA-256 or SHA-384"
            ),
            Refusal::KeyNotProven => f.write_str(
                "the server did not prove that it has the key of its certificate; give it the key that the certificate was issued for",
            ),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// Authorities that could not be read. That is a fault of this process or its machine, and says nothing about the
/// server. It is not remembered: the next handshake reads again.
#[derive(Debug)]
pub struct Unreadable {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
    pub(super) scope: OptionScope,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unreadable { path, cause, scope } = self;
        let advice = match cause.raw_os_error() {
            Some(libc::EMFILE) => "close some of this process's files, or raise its limit of open files".to_owned(),
            Some(libc::ENFILE) => "close some of this machine's files, or raise its limit of open files".to_owned(),
            Some(libc::ENOMEM) => "free some of this machine's memory".to_owned(),
            _ => format!("let this process read them, or set {}", scope.option("ca_file")),
        };
        write!(f, "the certificate authorities in {} could not be read ({cause}); {advice}", path.display())
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<Unreadable> for rustls::Error {
    fn from(failure: Unreadable) -> rustls::Error {
        rustls::Error::Other(OtherError(Arc::new(failure)))
    }
}
