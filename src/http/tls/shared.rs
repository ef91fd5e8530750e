//! What managers with the same settings of TLS and the same host share in one process: authorities, sessions, and what the
//! server asked for. So a manager for each user of an API costs little, and their handshakes are resumed as one's are.

use crate::error::Result;
use crate::http::tls::config::{Material, client_config};
use crate::http::tls::settings::TlsSettings;
use crate::sys::fork::PerProcess;
use ring::digest::{Context, SHA256};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};

/// The TLS side of connections to one host.
pub struct Shared {
    pub config: Arc<ClientConfig>,
    /// For a proxy that itself speaks TLS: verified like the server, but without the client's certificate, which is meant for
    /// the server only.
    pub for_proxies: Arc<ClientConfig>,
    /// Whether a server asked for a client certificate, and none has answered since.
    pub certificate_wanted: Arc<AtomicBool>,
}

/// Names of settings and host, and what the managers that have both share. std's lock, held for this only; a forked child has a
/// list of its own.
type List = Mutex<Vec<(Name, Weak<Shared>)>>;
type Name = [u8; 32];

static LIST: PerProcess<List> = PerProcess::new();

impl Shared {
    /// The one for these settings and this host: another manager's, or a new one. It is never one that was made with other
    /// authorities or another client certificate, even where the files have the same names.
    pub fn of(settings: &TlsSettings, host: &str) -> Result<Arc<Shared>> {
        let material = Material::read(settings)?;
        let (name, list) = (material.name(host), LIST.get());
        let mut list = list.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(shared) = list.iter().find(|(other, _)| *other == name).and_then(|(_, shared)| shared.upgrade()) {
            return Ok(shared);
        }
        let shared = Arc::new(Shared::new(material)?);
        // Entries that no manager uses are removed when the list is full, not each time: there may be thousands.
        if list.len() == list.capacity() {
            list.retain(|(_, shared)| shared.strong_count() > 0);
        }
        list.push((name, Arc::downgrade(&shared)));
        Ok(shared)
    }

    fn new(material: Material<'_>) -> Result<Shared> {
        let certificate_wanted = Arc::default();
        let config = client_config(material, &certificate_wanted)?;
        let mut for_proxies = config.clone();
        for_proxies.client_auth_cert_resolver = Arc::new(NoCertificate);
        for_proxies.alpn_protocols.clear();
        Ok(Shared { config: Arc::new(config), for_proxies: Arc::new(for_proxies), certificate_wanted })
    }
}

impl Material<'_> {
    /// A digest that identifies them. A digest, because a private key is among them.
    fn name(&self, host: &str) -> Name {
        let Material { scope, min_tls, platform, authorities, certificate, key } = self;
        let mut digest = Context::new(&SHA256);
        let mut take = |bytes: &[u8]| {
            digest.update(&bytes.len().to_le_bytes());
            digest.update(bytes);
        };
        take(format!("{scope:?} {min_tls:?} {platform:?}").as_bytes());
        take(host.as_bytes());
        for file in [authorities, certificate, key] {
            take(&[u8::from(file.is_some())]);
            take(file.as_ref().map_or(&[], |file| &file.pem));
        }
        take(&[0; 64]); // So that no piece of the key stays in the digest's buffer.
        let mut name = Name::default();
        name.copy_from_slice(digest.finish().as_ref());
        name
    }
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
