//! The platform's certificate authorities: where they are, and which of them a server's chain asks for.

use crate::sys::files::open_regular;
use base64::Engine;
use memchr::memmem::Finder;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use webpki::anchor_from_trusted_cert;

/// Where Linux distributions keep the bundle of all authorities. The first that exists is read.
const BUNDLES: [&str; 8] = [
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL 7 and later
    "/etc/pki/tls/certs/ca-bundle.crt",                  // RHEL 6
    "/etc/ssl/ca-bundle.pem",                            // openSUSE
    "/etc/pki/tls/cacert.pem",                           // OpenELEC
    "/etc/ssl/cert.pem",                                 // Alpine
    "/opt/etc/ssl/certs/ca-certificates.crt",            // Entware
    "/etc/ssl/certs/cacert.pem",                         // OpenHarmony
];

/// Where they keep the same in hundreds of files. All that exist are read.
const DIRECTORIES: [&str; 3] = ["/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/security/certificates"];

/// A chain that names more issuers than this gets all authorities: to look for each name would take longer.
const MOST_NAMES: usize = 16;

/// Where the authorities are.
#[derive(Debug)]
pub enum Platform {
    /// Where the distribution has them.
    Usual,
    /// Where `SSL_CERT_FILE` and `SSL_CERT_DIR` say, and nowhere else.
    Named { file: Option<PathBuf>, directories: Vec<PathBuf> },
}

impl Platform {
    /// As the environment has it now. It is not read again: another thread may change it at any time.
    pub fn from_environment() -> Platform {
        Platform::from_variables(std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR"))
    }

    fn from_variables(file: Option<OsString>, directories: Option<OsString>) -> Platform {
        match (file, directories) {
            (None, None) => Platform::Usual,
            (file, directories) => Platform::Named {
                file: file.map(PathBuf::from),
                directories: directories.iter().flat_map(std::env::split_paths).collect(),
            },
        }
    }

    /// What the bundle has. If that is nothing, what the directories have, where no variable names others.
    pub fn search_bundle(&self, wanted: &Wanted<'_>) -> Found {
        let mut found = Found::default();
        match self {
            Platform::Named { file, .. } => {
                if let Some(file) = file {
                    found.search_file(file, wanted);
                }
            }
            Platform::Usual => {
                let _ = BUNDLES.iter().find(|path| found.search_file(Path::new(path), wanted));
                if !found.any {
                    found.search_directories(&DIRECTORIES, wanted);
                }
            }
        }
        found
    }

    /// What the directories have that `SSL_CERT_DIR` names.
    pub fn search_directories(&self, wanted: &Wanted<'_>) -> Found {
        let mut found = Found::default();
        if let Platform::Named { directories, .. } = self {
            found.search_directories(directories, wanted);
        }
        found
    }
}

/// The names of the issuers in a server's chain. Only authorities of these names can vouch for it.
pub struct Wanted<'a>(Vec<Finder<'a>>);

impl<'a> Wanted<'a> {
    /// Names are the content of the DER that they are in.
    pub fn new(mut names: Vec<&'a [u8]>) -> Wanted<'a> {
        names.sort_unstable();
        names.dedup();
        if names.len() > MOST_NAMES {
            names = vec![b""];
        }
        Wanted(names.into_iter().map(Finder::new).collect())
    }

    /// Whether it may be a certificate of one of them: all that are have the name in them. Others may as well, and are
    /// told apart when a chain is verified.
    fn may_be(&self, certificate: &[u8]) -> bool {
        self.0.iter().any(|name| name.find(certificate).is_some())
    }
}

/// What was found in one place.
#[derive(Debug)]
pub struct Found {
    /// The authorities that are wanted.
    pub anchors: RootCertStore,
    /// Whether there are any authorities, wanted or not.
    pub any: bool,
    /// What could not be read, if something could not.
    pub failure: Option<(PathBuf, io::Error)>,
}

impl Default for Found {
    fn default() -> Found {
        Found { anchors: RootCertStore::empty(), any: false, failure: None }
    }
}

impl Found {
    /// Takes what is wanted from a file, and says whether that file exists.
    fn search_file(&mut self, path: &Path, wanted: &Wanted<'_>) -> bool {
        match open_regular(path, 0) {
            Ok(file) => self.search_opened(path, file, wanted),
            Err(cause) if is_missing(&cause) => return false,
            // An empty file, such as /dev/null.
            Err(cause) if cause.kind() == ErrorKind::InvalidInput => {}
            Err(cause) => self.note(path, cause),
        }
        true
    }

    fn search_directories(&mut self, directories: &[impl AsRef<Path>], wanted: &Wanted<'_>) {
        for directory in directories {
            let directory = directory.as_ref();
            if let Err(cause) = self.search_directory(directory, wanted)
                && !is_missing(&cause)
            {
                self.note(directory, cause);
            }
        }
    }

    fn search_directory(&mut self, directory: &Path, wanted: &Wanted<'_>) -> io::Result<()> {
        // Most files have several names there.
        let mut seen = HashSet::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            match open_regular(&path, 0).and_then(|file| Ok((file.metadata()?, file))) {
                Ok((metadata, file)) if seen.insert((metadata.dev(), metadata.ino())) => {
                    self.search_opened(&path, file, wanted);
                }
                Ok(_) => {}
                Err(cause) if is_missing(&cause) || cause.kind() == ErrorKind::InvalidInput => {}
                Err(cause) => self.note(&path, cause),
            }
        }
        Ok(())
    }

    fn search_opened(&mut self, path: &Path, file: File, wanted: &Wanted<'_>) {
        let bundle = BufReader::with_capacity(1 << 14, file);
        if let Err(cause) = certificates_in(bundle, |certificate| self.take(certificate, wanted)) {
            self.note(path, cause);
        }
    }

    fn take(&mut self, certificate: &[u8], wanted: &Wanted<'_>) {
        let is_wanted = wanted.may_be(certificate);
        if self.any && !is_wanted {
            return;
        }
        if let Ok(anchor) = anchor_from_trusted_cert(&CertificateDer::from(certificate)) {
            self.any = true;
            if is_wanted && !self.anchors.roots.contains(&anchor) {
                self.anchors.roots.push(anchor.to_owned());
            }
        }
    }

    /// Keeps the first error: the others often follow from it.
    fn note(&mut self, path: &Path, cause: io::Error) {
        self.failure.get_or_insert_with(|| (path.to_owned(), cause));
    }
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Calls `take` with each certificate in a PEM bundle (RFC 7468); what is damaged is passed over. Our own, because other
/// PEM readers decode in constant time, as keys need it, which took half of a cold https call.
fn certificates_in(bundle: impl BufRead, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let decoder = decoder();
    let (mut block, mut certificate) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    let mut in_block = false;
    for_each_line(bundle, |line| match line.trim_ascii() {
        b"-----BEGIN CERTIFICATE-----" => {
            block.clear();
            in_block = true;
        }
        b"-----END CERTIFICATE-----" if in_block => {
            certificate.clear();
            if decoder.decode_vec(&block, &mut certificate).is_ok() {
                take(&certificate);
            }
            in_block = false;
        }
        text if in_block => block.extend_from_slice(text),
        _ => {}
    })
}

/// As `BufRead::read_until`, but with a faster search, and no copy of a line that the buffer holds whole.
fn for_each_line(mut text: impl BufRead, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    // The beginning of a line whose end was not in the buffer.
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let buffer = match text.fill_buf() {
            Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        let length = buffer.len();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', buffer) {
            if begun.is_empty() {
                take(&buffer[start..end]);
            } else {
                begun.extend_from_slice(&buffer[start..end]);
                take(&begun);
                begun.clear();
            }
            start = end + 1;
        }
        begun.extend_from_slice(&buffer[start..]);
        text.consume(length);
        if length == 0 {
            take(&begun);
            return Ok(());
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn decoder() -> impl Engine {
    base64::engine::Simd::standard(base64::engine::general_purpose::PAD)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn decoder() -> impl Engine {
    base64::engine::general_purpose::STANDARD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_gives_its_certificates_and_passes_over_what_is_damaged() {
        let block =
            |text: &str| format!("# a comment\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let long: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let text = base64::engine::general_purpose::STANDARD.encode(&long);
        let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        let bundle = [
            block(&lines.join("\n")),
            block("AAEC\r\n AwQF \n"),
            block("not base64!"),
            "-----BEGIN CERTIFICATE-----\nAAEC\n".into(),
            block("/w=="),
            "AAEC\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAA".into(),
        ]
        .concat();
        let found = |bundle: &[u8]| {
            let mut found = Vec::new();
            certificates_in(bundle, |der| found.push(der.to_vec())).unwrap();
            found
        };
        assert_eq!(found(bundle.as_bytes()), [long, vec![0, 1, 2, 3, 4, 5], vec![255]]);
        assert!(found(b"").is_empty());
    }
}
