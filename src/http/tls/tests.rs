//! The verifier against what webpki says when it is given all authorities: real chains, of every shape that servers send.

use crate::client::options::Options;
use crate::http::tls::Shared;
use crate::http::tls::explain::{explain, local_failure};
use crate::http::tls::platform::{Platform, Wanted};
use crate::http::tls::settings::{OptionScope, TlsSettings};
use crate::http::tls::verifier::Verifier;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use webpki::anchor_from_trusted_cert;

type Der = CertificateDer<'static>;
type Verdict = Result<(), rustls::Error>;

/// An authority; its certificate is the one that it signed itself.
struct Authority {
    params: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
    certificate: Der,
    pem: String,
}

impl Authority {
    fn named(name: &str) -> Authority {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        Authority { issuer: Issuer::new(params.clone(), key), params, certificate, pem }
    }

    /// Another certificate for it, which this one signed.
    fn signed_by(&self, other: &Authority) -> Der {
        self.params.signed_by(self.issuer.key(), &other.issuer).unwrap().der().clone()
    }

    fn expired_signed_by(&self, other: &Authority) -> Der {
        let mut params = self.params.clone();
        (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(1999, 12, 31));
        params.signed_by(self.issuer.key(), &other.issuer).unwrap().der().clone()
    }

    fn server(&self) -> Der {
        self.issue(server_params())
    }

    fn issue(&self, params: CertificateParams) -> Der {
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn server_params() -> CertificateParams {
    CertificateParams::new(vec!["api.example.com".to_owned()]).unwrap()
}

fn expired_params() -> CertificateParams {
    let mut params = server_params();
    (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(1999, 12, 31));
    params
}

/// A directory of a test's own, gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tokenmgr-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("certificates")).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As with `SSL_CERT_FILE` and `SSL_CERT_DIR` of it.
    fn platform(&self) -> Platform {
        Platform::Named { file: Some(self.path("bundle.pem")), directories: vec![self.path("certificates")] }
    }

    fn bundle(&self, authorities: &[&Authority]) {
        std::fs::write(self.path("bundle.pem"), pem(authorities)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// With comments and damaged entries between them, as bundles have them.
fn pem(authorities: &[&Authority]) -> String {
    let damaged = [
        "# A comment\n-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIBATCBpwIUXw==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
    ];
    let entries = authorities.iter().enumerate().map(|(at, one)| format!("{}\n{}", damaged[at % 3], one.pem));
    entries.collect()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn verifier(extra: &[&Authority], platform: Option<Platform>) -> Verifier {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(extra.iter().map(|one| one.certificate.clone()));
    Verifier::new(provider().signature_verification_algorithms, roots, platform, OptionScope::Manager)
}

fn verify(verifier: &dyn ServerCertVerifier, chain: &[Der]) -> Verdict {
    let name = ServerName::try_from("api.example.com").unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now).map(|_| ())
}

/// What webpki says when it has all authorities of a place, for each place in turn.
fn with_all_authorities(places: &[Vec<&Authority>], chain: &[Der]) -> Verdict {
    let mut verdict = None;
    for place in places.iter().filter(|place| !place.is_empty()) {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(place.iter().map(|one| one.certificate.clone()));
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        match verify(&*webpki, chain) {
            Ok(()) => return Ok(()),
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) if verdict.is_some() => {}
            Err(error) => verdict = Some(error),
        }
    }
    Err(verdict.unwrap())
}

#[test]
fn s1_a_chain_is_trusted_exactly_when_it_is_with_all_authorities() {
    let [root, other, old, unknown] = ["Root", "Other root", "Old root", "Unknown"].map(Authority::named);
    let [twin, double] = ["Twin", "Twin"].map(Authority::named);
    let [middle, lower] = ["Middle", "Lower"].map(Authority::named);
    let many: Vec<Authority> = (0..60).map(|number| Authority::named(&format!("Other {number}"))).collect();
    let garbage = Der::from(vec![0x30, 0x03, 0x02, 0x01, 0x01]);
    let long = |last: &Authority| {
        let many = many.iter().map(|one| one.certificate.clone());
        [middle.server()].into_iter().chain(many).chain([middle.signed_by(last)]).collect::<Vec<Der>>()
    };
    let with_name = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let chains: Vec<(&str, Vec<Der>)> = vec![
        ("of a root", vec![root.server()]),
        ("with its root sent along", vec![root.server(), root.certificate.clone()]),
        ("over an intermediate", vec![middle.server(), middle.signed_by(&root)]),
        ("over two, in the wrong order", vec![lower.server(), middle.signed_by(&root), lower.signed_by(&middle)]),
        ("without its intermediate", vec![middle.server()]),
        ("of one of two authorities of one name", vec![twin.server()]),
        ("of the other", vec![double.server()]),
        ("over one of two of one name", vec![middle.server(), middle.signed_by(&double)]),
        ("cross-signed", vec![root.server(), root.signed_by(&old)]),
        ("cross-signed by an unknown one", vec![root.server(), root.signed_by(&unknown)]),
        ("cross-signed, which has expired", vec![root.server(), root.expired_signed_by(&old)]),
        ("with a second path", vec![middle.server(), middle.signed_by(&unknown), middle.signed_by(&other)]),
        ("with garbage", vec![middle.server(), garbage.clone(), middle.signed_by(&root), garbage.clone()]),
        ("with many intermediates", long(&other)),
        ("with many intermediates to nowhere", long(&unknown)),
        ("of an unknown authority", vec![unknown.server(), unknown.certificate.clone()]),
        ("that has expired", vec![root.issue(expired_params()), root.certificate.clone()]),
        ("for another name", vec![root.issue(with_name("other.example.com"))]),
        ("whose end is an authority's", vec![root.issue(authority_params("An end")), root.certificate.clone()]),
        ("that is garbage", vec![garbage]),
    ];
    let places: Vec<(&str, [Vec<&Authority>; 3])> = vec![
        ("the bundle alone", [vec![], vec![&other, &root, &old], vec![]]),
        ("the old root in the bundle", [vec![], vec![&old, &other], vec![]]),
        ("twins", [vec![], vec![&twin, &root, &double], vec![]]),
        ("one twin in each place", [vec![&twin], vec![&double], vec![&root]]),
        ("the right twin last", [vec![&double], vec![&double, &other], vec![&twin, &old]]),
        ("ca_file and the bundle", [vec![&root], vec![&old], vec![]]),
        ("only ca_file", [vec![&root, &double], vec![], vec![]]),
        ("only the directory", [vec![], vec![], vec![&root, &twin, &other]]),
        ("none that matter", [vec![], vec![&other], vec![]]),
    ];
    let mut trusted = 0;
    for (shape, chain) in &chains {
        for (where_from, places) in &places {
            let folder = Folder::new();
            folder.bundle(&places[1]);
            for (at, authority) in places[2].iter().enumerate() {
                std::fs::write(folder.path(&format!("certificates/{at}.0")), &authority.pem).unwrap();
            }
            let verifier = verifier(&places[0], Some(folder.platform()));
            let expected = with_all_authorities(places, chain);
            // The second time with what is remembered of the first.
            for time in ["first", "second"] {
                let verdict = verify(&verifier, chain);
                assert_eq!(format!("{verdict:?}"), format!("{expected:?}"), "{shape}; {where_from}; the {time} time");
            }
            trusted += usize::from(expected.is_ok());
        }
    }
    assert!(trusted > 40, "{trusted}");
}

#[test]
fn what_vouched_for_a_server_is_all_that_is_remembered() {
    let (folder, middle) = (Folder::new(), Authority::named("Middle"));
    let roots: Vec<Authority> = (0..20).map(|number| Authority::named(&format!("Root {number}"))).collect();
    folder.bundle(&roots.iter().collect::<Vec<_>>());
    let verifier = verifier(&[], Some(folder.platform()));
    // Its chain names all of them.
    let chain: Vec<Der> =
        [middle.server()].into_iter().chain(roots.iter().map(|root| middle.signed_by(root))).collect();
    verify(&verifier, &chain).unwrap();
    std::fs::remove_file(folder.path("bundle.pem")).unwrap();
    verify(&verifier, &chain).unwrap();
    assert!(verify(&verifier, &[roots[7].server()]).is_err());
    assert_eq!(format!("{verifier:?}").matches("(1 roots)").count(), 1, "{verifier:?}");

    // However many servers there are, what is kept has a limit.
    folder.bundle(&roots.iter().collect::<Vec<_>>());
    for root in roots.iter().chain(&roots) {
        verify(&verifier, &[root.server()]).unwrap();
    }
    assert_eq!(format!("{verifier:?}").matches("(8 roots)").count(), 1, "{verifier:?}");
}

#[test]
fn that_there_are_no_authorities_is_not_remembered() {
    let (folder, root) = (Folder::new(), Authority::named("Root"));
    let verifier = verifier(&[], Some(folder.platform()));
    let error = verify(&verifier, &[root.server()]).unwrap_err();
    let message = explain(&error, OptionScope::Manager).unwrap();
    assert!(message.starts_with("this machine has no certificate authorities to trust; install"), "{message}");
    assert!(local_failure(&error).is_none());
    folder.bundle(&[&root]);
    verify(&verifier, &[root.server()]).unwrap();
}

#[test]
fn what_cannot_be_read_is_a_fault_of_this_process_and_is_not_remembered() {
    let (root, other) = (Authority::named("Root"), Authority::named("Other"));
    for name in ["bundle.pem", "certificates", "certificates/0a1b2c3d.0"] {
        let folder = Folder::new();
        let path = folder.path(name);
        if name == "certificates" {
            std::fs::remove_dir(&path).unwrap();
        }
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let verifier = verifier(&[&other], Some(folder.platform()));
        let error = verify(&verifier, &[root.server()]).unwrap_err();
        let failure = local_failure(&error).unwrap();
        assert_eq!((&failure.path, failure.cause.raw_os_error()), (&path, Some(libc::ELOOP)));
        let message = explain(&std::io::Error::other(error), OptionScope::Manager).unwrap();
        for words in [path.to_str().unwrap(), "Too many levels of symbolic links", "or set ca_file"] {
            assert!(message.contains(words), "{words} is not in: {message}");
        }
        // A server whose authority is known needs nothing else, and a bad certificate is a bad certificate.
        verify(&verifier, &[other.server()]).unwrap();
        let expired = verify(&verifier, &[root.issue(expired_params())]).unwrap_err();
        assert!(local_failure(&expired).is_none(), "{expired}");

        std::fs::remove_file(&path).unwrap();
        match name {
            "certificates" => {
                std::fs::create_dir(&path).unwrap();
                std::fs::write(path.join("0a1b2c3d.0"), &root.pem).unwrap();
            }
            _ => std::fs::write(&path, &root.pem).unwrap(),
        }
        verify(&verifier, &[root.server()]).unwrap();
    }
}

#[test]
fn without_the_platform_only_ca_file_is_asked() {
    let (root, other) = (Authority::named("Root"), Authority::named("Other"));
    let only = verifier(&[&root], None);
    verify(&only, &[root.server()]).unwrap();
    let error = verify(&only, &[other.server()]).unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn an_authority_in_many_files_is_one() {
    let (folder, root, other) = (Folder::new(), Authority::named("Root"), Authority::named("Other"));
    for name in ["one.0", "two.0"] {
        std::fs::write(folder.path("certificates").join(name), pem(&[&root, &other, &root])).unwrap();
    }
    let named = RootCertStore::from_iter([anchor_from_trusted_cert(&root.certificate).unwrap().to_owned()]);
    let found = folder.platform().search_directories(&Wanted::new(vec![&named.roots[0].subject]));
    assert_eq!(found.anchors.roots, named.roots);
    assert!(found.any);
    let none = folder.platform().search_directories(&Wanted::new(vec![b"nobody"]));
    assert!(none.any && none.anchors.is_empty());
}

fn settings(options: &serde_json::Value, scope: OptionScope) -> TlsSettings {
    let options: Options = serde_json::from_slice(options.to_string().as_bytes()).unwrap();
    TlsSettings { scope, ..options.http().tls }
}

fn shared(options: &serde_json::Value, scope: OptionScope, host: &str) -> Arc<Shared> {
    Shared::of(&settings(options, scope), host).unwrap()
}

fn pem_of_client(authority: &Authority) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = server_params().signed_by(&key, &authority.issuer).unwrap();
    certificate.pem() + &key.serialize_pem()
}

#[test]
fn equal_settings_are_shared_whatever_the_files_are_called() {
    let (folder, authority) = (Folder::new(), Authority::named("An authority"));
    let client = pem_of_client(&authority);
    let with = |number: u32| {
        let [ca, certificate] = ["ca", "client"].map(|name| folder.path(&format!("{name}-{number}.pem")));
        std::fs::write(&ca, &authority.pem).unwrap();
        std::fs::write(&certificate, &client).unwrap();
        json!({"ca_file": ca, "client_cert_file": certificate, "timeout_ms": 1000 + number})
    };
    let of = |number| shared(&with(number), OptionScope::Manager, "https://api.example.com");
    let first = of(1);
    assert!(Arc::ptr_eq(&first, &of(2)) && Arc::ptr_eq(&first, &of(1)));
    first.certificate_wanted.store(true, Ordering::Relaxed);
    drop(first);
    // Nobody had it any more.
    assert!(!of(1).certificate_wanted.load(Ordering::Relaxed));
}

#[test]
fn s1_unequal_settings_and_other_hosts_share_nothing() {
    let (folder, authority) = (Folder::new(), Authority::named("An authority"));
    let file = |name: &str, content: &str| {
        std::fs::write(folder.path(name), content).unwrap();
        folder.path(name)
    };
    let (ca, client) = (file("ca.pem", &authority.pem), file("client.pem", &pem_of_client(&authority)));
    let other = file("other.pem", &pem_of_client(&authority));
    let mut all: Vec<_> = [
        json!({}),
        json!({"min_tls": "1.3"}),
        json!({"ca_file": ca}),
        json!({"ca_file": ca, "ca_only": true}),
        json!({"client_cert_file": client}),
        json!({"client_cert_file": other}),
        json!({"client_cert_file": client, "client_key_file": client}),
        json!({"client_cert_file": ca, "client_key_file": client}),
    ]
    .iter()
    .filter_map(|options| Shared::of(&settings(options, OptionScope::Manager), "a").ok())
    .collect();
    assert_eq!(all.len(), 7, "the last has a key for another certificate");
    all.extend([shared(&json!({}), OptionScope::Store, "a"), shared(&json!({}), OptionScope::Manager, "b")]);
    // The same name, another authority.
    let renewed = Authority::named("Another authority");
    file("ca.pem", &renewed.pem);
    all.push(shared(&json!({"ca_file": ca}), OptionScope::Manager, "a"));
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            assert!(!Arc::ptr_eq(one, other) && !Arc::ptr_eq(&one.config, &other.config));
        }
    }
}
