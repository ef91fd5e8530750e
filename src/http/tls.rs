//! TLS 1.2 and 1.3 by rustls on ring, always verified; the platform's roots, read when first needed.

use crate::error::{Error, Result, Status};
use crate::options::{MinTls, Options};
use base64::Engine;
use once_cell::sync::OnceCell;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shows the client's certificate, if there is one, and remembers whether a server asked for it.
#[derive(Debug)]
pub struct ClientCertificate {
    inner: Arc<dyn ResolvesClientCert>,
    wanted: Arc<AtomicBool>,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.wanted.store(true, Ordering::Relaxed);
        self.inner.resolve(issuers, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

/// Whose connections are meant: messages name the options by which those are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Api,
    Store,
}

impl Side {
    /// An option's full name.
    pub fn option(self, name: &str) -> String {
        match self {
            Side::Api => name.to_owned(),
            Side::Store => format!("store.{name}"),
        }
    }
}

/// The TLS side of every lane. Files named in the options are read here, and closed. `wanted` is set when a
/// server asks for a client certificate.
pub fn client_config(options: &Options, side: Side, wanted: &Arc<AtomicBool>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match options.min_tls {
        MinTls::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinTls::V1_3 => &[&rustls::version::TLS13],
    };
    let verifier = LazyRoots {
        provider: Arc::clone(&provider),
        extra: match &options.ca_file {
            Some(path) => read_certificates(&side.option("ca_file"), path)?,
            None => Vec::new(),
        },
        platform: !options.ca_only,
        side,
        verifiers: Default::default(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|cause| Error::new(Status::TM_INVALID_OPTIONS, format!("the option min_tls can not be met: {cause}")))?
        .dangerous() // the name of the door to any verifier of one's own; ours verifies
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.client_cert_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let chain = read_certificates(&side.option("client_cert_file"), path)?;
            let (key_option, key_path) = match &options.client_key_file {
                Some(key_path) => (side.option("client_key_file"), key_path),
                None => (side.option("client_cert_file"), path),
            };
            let key = PrivateKeyDer::from_pem_file(key_path)
                .map_err(|cause| unreadable(&key_option, key_path, "private key", &cause))?;
            builder.with_client_auth_cert(chain, key).map_err(|cause| {
                Error::new(
                    Status::TM_INVALID_OPTIONS,
                    format!(
                        "the key in {key_path}, which the option {key_option} names, does not go with the certificate in {path} ({cause}); name the key that it was issued for"
                    ),
                )
            })?
        }
    };
    let inner = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(ClientCertificate { inner, wanted: Arc::clone(wanted) });
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_certificates(option: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|cause| unreadable(option, path, "certificate", &cause))?;
    if let Some(cause) = certificates.iter().find_map(|one| RootCertStore::empty().add(one.clone()).err()) {
        return Err(Error::new(
            Status::TM_INVALID_OPTIONS,
            format!(
                "the file {path} that the option {option} names holds what is no certificate ({cause}); it takes a PEM file"
            ),
        ));
    }
    if certificates.is_empty() {
        return Err(Error::new(
            Status::TM_INVALID_OPTIONS,
            format!("the file {path} that the option {option} names holds no certificate; it takes a PEM file"),
        ));
    }
    Ok(certificates)
}

fn unreadable(option: &str, path: &str, what: &str, cause: &rustls::pki_types::pem::Error) -> Error {
    Error::new(
        Status::TM_INVALID_OPTIONS,
        format!("the file {path} that the option {option} names gave no {what} ({cause}); it takes a PEM file"),
    )
}

/// The authorities that are trusted, in the order in which they are asked. Each place is read when none before it knew
/// a server's authority: a manager that is never used, only speaks to loopback, or finds in ca_file what it needs does
/// not pay for the platform's, and a machine without any can still call `http://`.
#[derive(Debug)]
struct LazyRoots {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    platform: bool,
    side: Side,
    verifiers: [OnceCell<Option<Arc<WebPkiServerVerifier>>>; PLACES.len()],
}

/// Where authorities may be, from the cheapest to the most expensive.
const PLACES: [fn(&LazyRoots) -> Vec<CertificateDer<'static>>; 3] = [
    |roots| roots.extra.clone(),
    |roots| if roots.platform { platform_roots() } else { Vec::new() },
    |roots| if roots.platform { roots_of_ssl_cert_dir() } else { Vec::new() },
];

impl LazyRoots {
    /// The verifiers of the places that hold any authorities.
    fn verifiers(&self) -> impl Iterator<Item = &Arc<WebPkiServerVerifier>> {
        PLACES.iter().zip(&self.verifiers).filter_map(|(certificates, verifier)| {
            let make = || {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(self));
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build().ok()
            };
            verifier.get_or_init(make).as_ref()
        })
    }
}

fn no_roots(side: Side) -> String {
    format!(
        "this machine has no certificate authorities to trust; install the package ca-certificates, or set {}",
        side.option("ca_file")
    )
}

/// The platform's bundle; or its directories, if that gives none: they hold the same in hundreds of files. Whoever sets
/// `SSL_CERT_FILE` or `SSL_CERT_DIR` means these and nothing else.
fn platform_roots() -> Vec<CertificateDer<'static>> {
    let (bundle, directories) = match (std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR")) {
        (None, None) => {
            let found = openssl_probe::probe();
            (found.cert_file, found.cert_dir)
        }
        (file, _) => (file.map(PathBuf::from), Vec::new()),
    };
    let roots = match bundle.map(File::open) {
        Some(Ok(file)) => certificates_in(BufReader::with_capacity(1 << 16, file)),
        _ => Vec::new(),
    };
    if roots.is_empty() { roots_in(&directories) } else { roots }
}

fn roots_of_ssl_cert_dir() -> Vec<CertificateDer<'static>> {
    let directories: Vec<PathBuf> = std::env::var_os("SSL_CERT_DIR").iter().flat_map(std::env::split_paths).collect();
    roots_in(&directories)
}

fn roots_in(directories: &[PathBuf]) -> Vec<CertificateDer<'static>> {
    directories.iter().flat_map(|one| rustls_native_certs::load_certs_from_paths(None, Some(one)).certs).collect()
}

/// The certificates in a PEM bundle (RFC 7468); what is damaged is passed over. Ours, because the PEM readers at
/// hand decode so carefully (in constant time, as keys need it) that this was half of a cold https call.
fn certificates_in(mut bundle: impl BufRead) -> Vec<CertificateDer<'static>> {
    let decoder = decoder();
    let mut certificates = Vec::new();
    // The lines of the block that is being read.
    let mut block: Option<Vec<u8>> = None;
    let mut line = Vec::new();
    while bundle.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        match (line.trim_ascii(), &mut block) {
            (b"-----BEGIN CERTIFICATE-----", _) => block = Some(Vec::with_capacity(2048)),
            (b"-----END CERTIFICATE-----", _) => {
                let decoded = block.take().and_then(|base64| decoder.decode(base64).ok());
                certificates.extend(decoded.map(CertificateDer::from));
            }
            (text, Some(block)) => block.extend_from_slice(text),
            (_, None) => {}
        }
        line.clear();
    }
    certificates
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn decoder() -> impl Engine {
    base64::engine::Simd::standard(base64::engine::general_purpose::PAD)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn decoder() -> impl Engine {
    base64::engine::general_purpose::STANDARD
}

impl ServerCertVerifier for LazyRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let mut refused = None;
        for verifier in self.verifiers() {
            match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Ok(verified) => return Ok(verified),
                // Whoever knew the authority knows best what is wrong.
                Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) if refused.is_some() => {}
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| rustls::Error::General(no_roots(self.side))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// If TLS is why something failed: what is wrong, and what to do about it.
pub fn explain(error: &(dyn std::error::Error + 'static), side: Side) -> Option<String> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(advice(tls, side));
        }
        // The Redis client's errors are kept in one of these, which hides itself.
        if let Some(shared) = inner.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
            cause = Some(&**shared);
            continue;
        }
        // An io::Error hides what it carries from source().
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && let Some(carried) = io.get_ref()
        {
            if let Some(tls) = carried.downcast_ref::<rustls::Error>() {
                return Some(advice(tls, side));
            }
            cause = Some(carried);
            continue;
        }
        cause = inner.source();
    }
    None
}

fn advice(error: &rustls::Error, side: Side) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!(
                "the server's certificate is from an authority that is not trusted here; name the authority's file in {} if it should be",
                side.option("ca_file")
            )
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another name; check the host".to_owned(),
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired; check this machine's clock, or tell the server's owner".to_owned()
        }
        Tls::InvalidCertificate(CertificateError::Other(cause)) if cause.to_string().contains("CaUsedAsEndEntity") => {
            "the server presents an authority's certificate as its own; give it one of its own, without CA:TRUE"
                .to_owned()
        }
        Tls::InvalidMessage(_) => {
            "the server does not speak TLS on this port; check the port, or use http:// if it is on this machine"
                .to_owned()
        }
        Tls::AlertReceived(alert) => {
            // What speaks to a store takes any version from 1.2 on.
            let version = if side == Side::Api { "min_tls, and " } else { "" };
            let certificate = side.option("client_cert_file");
            format!(
                "the server ended the handshake ({alert:?}); check {version}{certificate} if it asks for a client certificate"
            )
        }
        other => format!("{other}; check the server's certificate and this machine's clock"),
    }
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
        let found: Vec<Vec<u8>> = certificates_in(bundle.as_bytes()).iter().map(|der| der.to_vec()).collect();
        assert_eq!(found, [long, vec![0, 1, 2, 3, 4, 5], vec![255]]);
        assert!(certificates_in(&b""[..]).is_empty());
    }
}
