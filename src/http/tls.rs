//! TLS 1.2 and 1.3 by rustls on ring, always verified; the platform's roots, read when first needed.

use crate::error::{Error, Result, Status};
use crate::options::{MinTls, Options};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use once_cell::sync::OnceCell;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
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
        verifier: OnceCell::new(),
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

/// A verifier that reads the platform's roots at the first handshake: a manager that is never used, or only
/// speaks to loopback, does not pay for them, and a machine without any can still call `http://`.
#[derive(Debug)]
struct LazyRoots {
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
    platform: bool,
    side: Side,
    verifier: OnceCell<Arc<WebPkiServerVerifier>>,
}

impl LazyRoots {
    fn verifier(&self) -> std::result::Result<&Arc<WebPkiServerVerifier>, rustls::Error> {
        self.verifier.get_or_try_init(|| {
            let mut roots = RootCertStore::empty();
            if self.platform {
                roots.add_parsable_certificates(platform_roots());
            }
            for certificate in &self.extra {
                roots.add(certificate.clone())?;
            }
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                .build()
                .map_err(|_| rustls::Error::General(no_roots(self.side)))
        })
    }
}

fn no_roots(side: Side) -> String {
    format!(
        "this machine has no certificate authorities to trust; install the package ca-certificates, or set {}",
        side.option("ca_file")
    )
}

/// The bundle file if there is one: one file instead of the hundreds in the directory beside it. Whoever sets
/// `SSL_CERT_FILE` or `SSL_CERT_DIR` means these and nothing else.
fn platform_roots() -> Vec<CertificateDer<'static>> {
    let from_file = |file: PathBuf| certificates_in(&std::fs::read_to_string(file).unwrap_or_default());
    let from_directory = |dir: &PathBuf| rustls_native_certs::load_certs_from_paths(None, Some(dir)).certs;
    let (file, directories) = (std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR"));
    if file.is_some() || directories.is_some() {
        let mut roots = file.map(|file| from_file(file.into())).unwrap_or_default();
        let directories: Vec<PathBuf> = directories.iter().flat_map(std::env::split_paths).collect();
        roots.extend(directories.iter().flat_map(from_directory));
        return roots;
    }
    let places = openssl_probe::probe();
    let roots = places.cert_file.map(from_file).unwrap_or_default();
    match roots.is_empty() {
        true => places.cert_dir.iter().flat_map(from_directory).collect(),
        false => roots,
    }
}

/// The certificates in a PEM bundle (RFC 7468); what is damaged is passed over. Ours, because the PEM readers at
/// hand decode so carefully (in constant time, as keys need it) that this was half of a cold https call.
fn certificates_in(bundle: &str) -> Vec<CertificateDer<'static>> {
    let decode = |block: &str| {
        let (base64, _) = block.split_once("-----END CERTIFICATE-----")?;
        let base64: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(base64).ok().map(CertificateDer::from)
    };
    bundle.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(decode).collect()
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
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
        let bundle =
            [block("AAEC\r\nAwQF"), block("not base64!"), block("/w=="), "-----BEGIN CERTIFICATE-----\nAA".into()]
                .concat();
        let found: Vec<Vec<u8>> = certificates_in(&bundle).iter().map(|der| der.to_vec()).collect();
        assert_eq!(found, [vec![0, 1, 2, 3, 4, 5], vec![255]]);
        assert!(certificates_in("").is_empty());
    }
}
