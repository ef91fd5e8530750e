//! The TLS side of connections, from what the settings say.

use crate::error::{Error, Result, Status};
use crate::http::tls::files::Named;
use crate::http::tls::platform::Platform;
use crate::http::tls::settings::{OptionScope, TlsSettings};
use crate::http::tls::verifier::Verifier;
use crate::options::MinTls;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
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

/// How many TLS sessions are kept: those of 7 servers, which a table of 2 KB holds; rustls's 256 are 15 KB a manager.
const SESSIONS: usize = 7 * 8;

/// The protocols that are offered, the preferred one first.
#[cfg(feature = "http2")]
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
#[cfg(not(feature = "http2"))]
const ALPN: [&[u8]; 1] = [b"http/1.1"];

/// The files that the settings name, read, and what the environment says of authorities.
pub struct Material<'a> {
    pub scope: OptionScope,
    pub min_tls: MinTls,
    /// `None`: those of `authorities` are the only ones.
    pub platform: Option<Platform>,
    pub authorities: Option<Named<'a>>,
    pub certificate: Option<Named<'a>>,
    /// `None`: it is in the same file as the certificate.
    pub key: Option<Named<'a>>,
}

impl<'a> Material<'a> {
    pub fn read(settings: &'a TlsSettings) -> Result<Material<'a>> {
        let named = |name: &str, path: &'a Option<String>| {
            path.as_ref().map(|path| Named::read(settings.scope.option(name), path)).transpose()
        };
        let certificate = named("client_cert_file", &settings.client_cert_file)?;
        Ok(Material {
            scope: settings.scope,
            min_tls: settings.min_tls,
            platform: (!settings.ca_only).then(Platform::from_environment),
            authorities: named("ca_file", &settings.ca_file)?,
            key: if certificate.is_some() { named("client_key_file", &settings.client_key_file)? } else { None },
            certificate,
        })
    }
}

/// The TLS side of connections. `wanted` is set when a server asks for a client certificate.
pub fn client_config(material: Material<'_>, wanted: &Arc<AtomicBool>) -> Result<ClientConfig> {
    let Material { scope, min_tls, platform, authorities, certificate, key } = material;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match min_tls {
        MinTls::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinTls::V1_3 => &[&rustls::version::TLS13],
    };
    let algorithms = provider.signature_verification_algorithms;
    let mut extra = RootCertStore::empty();
    if let Some(authorities) = authorities {
        extra.add_parsable_certificates(authorities.certificates()?);
    }
    let verifier = Verifier::new(algorithms, extra, platform, scope);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|cause| Error::new(Status::TM_INVALID_OPTIONS, format!("the option min_tls cannot be met: {cause}")))?
        .dangerous() // rustls calls any verifier but its own so; ours verifies
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let key_file = key.as_ref().unwrap_or(&certificate);
            builder.with_client_auth_cert(certificate.certificates()?, key_file.key()?).map_err(|cause| match cause {
                rustls::Error::InconsistentKeys(_) => key_file.refusal(&format!(
                    "has a key that does not go with the certificate in {}; name the key that it was issued for",
                    certificate.path
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
