//! Verifies servers' certificates, as webpki does, and finds the authorities for that when they are needed.

use crate::http::tls::algorithms::{element, rsa_bits};
use crate::http::tls::platform::{Found, Platform, Wanted};
use crate::http::tls::refusal::{Refusal, Unreadable};
use crate::http::tls::settings::OptionScope;
use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

type Result<T> = std::result::Result<T, rustls::Error>;

const UNKNOWN_ISSUER: rustls::Error = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);

/// The most of the platform's authorities that are remembered. The servers of one manager rarely have two.
const MOST_REMEMBERED: usize = 8;

/// The authorities that are trusted. Those of ca_file are read already; the platform's are read when a server needs them,
/// and only those that vouched for a server are remembered. A manager that is never used, only speaks to loopback,
/// or finds in ca_file what it needs does not pay for the platform's, and a machine without any can still call
/// `http://`. No lock is held while they are read, so that a forked child never waits for one.
#[derive(Debug)]
pub struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    extra: RootCertStore,
    platform: Option<Platform>,
    remembered: ArcSwap<RootCertStore>,
    scope: OptionScope,
}

impl Verifier {
    /// `extra` are the authorities of ca_file; `platform` is none where these are the only ones.
    pub fn new(
        algorithms: WebPkiSupportedAlgorithms,
        extra: RootCertStore,
        platform: Option<Platform>,
        scope: OptionScope,
    ) -> Verifier {
        Verifier { algorithms, extra, platform, remembered: ArcSwap::from_pointee(RootCertStore::empty()), scope }
    }

    /// Whether the chain leads to an authority that is trusted.
    fn verify(&self, chain: &Chain<'_>) -> Result<()> {
        let remembered = self.remembered.load();
        let mut verdict = UNKNOWN_ISSUER;
        let mut any = false;
        for known in [&self.extra, &remembered].into_iter().filter(|known| !known.is_empty()) {
            match chain.anchor_among(known) {
                Ok(_) => return Ok(()),
                Err(error) => verdict = weightier(verdict, error),
            }
            any = true;
        }
        let Some(platform) = &self.platform else {
            return Err(if any { verdict } else { Refusal::NoAuthorities(self.scope).into() });
        };
        chain.check_end_entity()?;

        let intermediates = chain.parsed_intermediates();
        let wanted = Wanted::new(chain.issuers(&intermediates));
        let mut failure = None;
        for search in [Platform::search_bundle, Platform::search_directories] {
            let found: Found = search(platform, &wanted);
            any |= found.any;
            failure = failure.or(found.failure);
            match chain.anchor_among(&found.anchors) {
                Ok(anchor) => {
                    self.remember(anchor);
                    return Ok(());
                }
                Err(error) => verdict = weightier(verdict, error),
            }
        }
        Err(match failure {
            // The authority that was needed may be among those that could not be read.
            Some((path, cause)) => Unreadable { path, cause, scope: self.scope }.into(),
            None if any => verdict,
            None => Refusal::NoAuthorities(self.scope).into(),
        })
    }

    fn remember(&self, anchor: &TrustAnchor<'_>) {
        self.remembered.rcu(|known| {
            let mut roots = known.roots.clone();
            if !roots.contains(anchor) {
                roots.truncate(MOST_REMEMBERED - 1);
                roots.insert(0, anchor.to_owned());
            }
            RootCertStore { roots }
        });
    }
}

/// Of the refusals by two sets of authorities: the later one, unless that set has no authority of the name. The set that has
/// it gives the better reason.
fn weightier(earlier: rustls::Error, later: rustls::Error) -> rustls::Error {
    if later == UNKNOWN_ISSUER { earlier } else { later }
}

/// What a server presented.
struct Chain<'a> {
    end_entity: EndEntityCert<'a>,
    /// The same, as rustls has it.
    parsed: ParsedCertificate<'a>,
    intermediates: &'a [CertificateDer<'a>],
    now: UnixTime,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<'a> Chain<'a> {
    /// The anchor that the chain leads to.
    fn anchor_among<'b>(&'b self, anchors: &'b RootCertStore) -> Result<&'b TrustAnchor<'b>> {
        let verified = self.end_entity.verify_for_usage(
            self.algorithms.all,
            &anchors.roots,
            self.intermediates,
            self.now,
            KeyUsage::server_auth(),
            None,
            None,
        );
        match verified {
            Ok(path) => Ok(path.anchor()),
            Err(_) => Err(self.refusal(anchors, self.intermediates)),
        }
    }

    /// What is wrong with it: rustls says the same as webpki, in terms that a TLS alert can be made of.
    fn refusal(&self, anchors: &RootCertStore, intermediates: &[CertificateDer<'_>]) -> rustls::Error {
        let verified = verify_server_cert_signed_by_trust_anchor(
            &self.parsed,
            anchors,
            intermediates,
            self.now,
            self.algorithms.all,
        );
        match verified.err().unwrap_or(UNKNOWN_ISSUER) {
            error @ rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
                self.unsupported_key(anchors).map_or(error, rustls::Error::from)
            }
            error => error,
        }
    }

    /// The RSA key in it, or of an authority for it, that is too small or too large to be used.
    fn unsupported_key(&self, anchors: &RootCertStore) -> Option<Refusal> {
        let intermediates = self.parsed_intermediates();
        let issuers = self.issuers(&intermediates);
        let of_anchors = anchors.roots.iter().filter(|anchor| issuers.contains(&anchor.subject.as_ref()));
        of_anchors
            .filter_map(|anchor| rsa_bits(&anchor.subject_public_key_info))
            .chain(intermediates.iter().filter_map(|one| key_bits(one)))
            .find_map(Refusal::of_rsa_key)
    }

    /// Whether the server's own certificate is good, so that only an authority for it is missing.
    fn check_end_entity(&self) -> Result<()> {
        match self.refusal(&RootCertStore::empty(), &[]) {
            error if error == UNKNOWN_ISSUER => Ok(()),
            error => Err(error),
        }
    }

    /// What cannot be parsed is left out: webpki never takes it as a part of a path.
    fn parsed_intermediates(&self) -> Vec<EndEntityCert<'a>> {
        self.intermediates.iter().filter_map(|one| EndEntityCert::try_from(one).ok()).collect()
    }

    /// The names that an authority must have to be the end of any path.
    fn issuers<'b>(&'b self, intermediates: &'b [EndEntityCert<'_>]) -> Vec<&'b [u8]> {
        intermediates.iter().chain([&self.end_entity]).map(|certificate| certificate.issuer()).collect()
    }
}

fn key_bits(certificate: &webpki::Cert<'_>) -> Option<usize> {
    let with_header = certificate.subject_public_key_info();
    let (_, key, _) = element(&with_header)?;
    rsa_bits(key)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let end_entity = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let chain = Chain { end_entity, parsed, intermediates, now, algorithms: self.algorithms };
        self.verify(&chain)?;
        verify_server_name(&chain.parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
            .map_err(|error| of_handshake(error, certificate))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
            .map_err(|error| of_handshake(error, certificate))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What a bad signature of the handshake means: it says nothing about the authority.
fn of_handshake(error: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
    if error != rustls::Error::InvalidCertificate(CertificateError::BadSignature) {
        return error;
    }
    let bits = EndEntityCert::try_from(certificate).ok().and_then(|parsed| key_bits(&parsed));
    bits.and_then(Refusal::of_rsa_key).unwrap_or(Refusal::KeyNotProven).into()
}
