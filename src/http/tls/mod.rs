//! TLS 1.2 and 1.3 by rustls on ring, always verified; the platform's authorities are read when first needed.

mod algorithms;
mod explain;
mod files;
mod platform;
mod refusal;
pub mod settings;
#[cfg(test)]
mod tests;
mod verifier;

pub use explain::explain;
#[allow(unused_imports)] // For callers that tell the process's own trouble from the server's.
pub use explain::local_failure;
#[allow(unused_imports)]
pub use refusal::Unreadable;

use crate::error::{Error, Result, Status};
use crate::options::MinTls;
use files::Named;
use platform::Platform;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use settings::TlsSettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use verifier::Verifier;

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

/// How many TLS sessions are kept: those of 7 servers, which a table of 2 KB holds; rustls's 256 are 15 KB a manager.
const SESSIONS: usize = 7 * 8;

/// The protocols that are offered, the preferred one first.
#[cfg(feature = "http2")]
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
#[cfg(not(feature = "http2"))]
const ALPN: [&[u8]; 1] = [b"http/1.1"];

/// The TLS side of every connection. Files named in the settings are read here, and closed; the variables of the
/// environment that say where authorities are, too. `wanted` is set when a server asks for a client certificate.
pub fn client_config(settings: &TlsSettings, wanted: &Arc<AtomicBool>) -> Result<ClientConfig> {
    let scope = settings.scope;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match settings.min_tls {
        MinTls::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinTls::V1_3 => &[&rustls::version::TLS13],
    };
    let platform = (!settings.ca_only).then(Platform::from_environment);
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Verifier::new(algorithms, extra_authorities(settings)?, platform, scope);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|cause| Error::new(Status::TM_INVALID_OPTIONS, format!("the option min_tls cannot be met: {cause}")))?
        .dangerous() // rustls's word for any verifier but its own; ours verifies
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.client_cert_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let certificates = Named::read(scope.option("client_cert_file"), path)?;
            let chain = certificates.certificates()?;
            let key_file = match &settings.client_key_file {
                Some(key_path) => Named::read(scope.option("client_key_file"), key_path)?,
                None => certificates,
            };
            builder.with_client_auth_cert(chain, key_file.key()?).map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(_) => key_file.refusal(&format!(
                    "has a key that does not go with the certificate in {path}; name the key that it was issued for"
                )),
                cause => key_file.refusal(&format!(
                    "has a key that is not supported ({cause}); use one of P-256, P-384, Ed25519 or RSA with 2048 to 4096 bits"
                )),
            })?
        }
    };
    let inner = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(ClientCertificate { inner, wanted: Arc::clone(wanted) });
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// The authorities of ca_file.
fn extra_authorities(settings: &TlsSettings) -> Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        authorities.add_parsable_certificates(Named::read(settings.scope.option("ca_file"), path)?.certificates()?);
    }
    Ok(authorities)
}
