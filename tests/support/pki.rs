//! Certificate authorities of a test's own, and what they issue.

use crate::api::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its chain, and its key, as PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Authority::named(&format!("Wire root {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Two of one name are two authorities all the same.
    pub fn named(name: &str) -> Authority {
        let (params, key) = (Authority::params(name), new_key());
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// Issues for the names that a test's servers go by.
    pub fn server(&self) -> Issued {
        self.issue(&["127.0.0.1", "localhost"])
    }

    pub fn issue(&self, names: &[&str]) -> Issued {
        self.sign(params(names))
    }

    /// One that was good last century only.
    pub fn expired(&self) -> Issued {
        let mut params = params(&["127.0.0.1"]);
        (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(1999, 12, 31));
        self.sign(params)
    }

    /// Issues by an authority in between, whose certificate the chain holds.
    pub fn server_by_intermediate(&self) -> Issued {
        let (params, key) = (Authority::params("Wire intermediate"), new_key());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        let issued = Authority { certificate, issuer: Issuer::new(params, key) };
        let server = issued.server();
        Issued { chain: server.chain + &issued.certificate, key: server.key }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = params(&[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn sign(&self, params: CertificateParams) -> Issued {
        let key = new_key();
        let chain = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Issued { chain, key: key.serialize_pem() }
    }
}

impl Issued {
    /// As the demo API takes it; with an authority, clients must show a certificate of that one.
    pub fn tls(&self, clients: Option<&Authority>) -> Tls {
        let client_ca = clients.map(|authority| authority.certificate.clone());
        Tls { certificates: self.chain.clone(), key: self.key.clone(), client_ca }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("names that a certificate can hold")
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
