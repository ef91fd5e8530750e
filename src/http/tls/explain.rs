//! Messages for errors of TLS: what is wrong, and what to do about it.

use crate::http::tls::algorithms::{signature_name, unsupported_key_name};
use crate::http::tls::refusal::{Refusal, Unreadable};
use crate::http::tls::settings::OptionScope;
use rustls::{AlertDescription, CertificateError, OtherError};
use std::error::Error;
use std::sync::Arc;

/// If TLS is why something failed: what is wrong, and what to do about it.
pub fn explain(error: &(dyn Error + 'static), scope: OptionScope) -> Option<String> {
    if let Some(failure) = local_failure(error) {
        return Some(failure.to_string());
    }
    cause_in_tls(error).map(|cause| advice(cause, scope))
}

/// If a handshake failed because this process could not read the authorities: what it could not read, and why. The
/// server is not to blame, and another try may work.
pub fn local_failure<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Unreadable> {
    match cause_in_tls(error)? {
        rustls::Error::Other(OtherError(carried)) => carried.downcast_ref(),
        _ => None,
    }
}

/// rustls's error, within whatever it is wrapped in.
fn cause_in_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref() {
            return Some(tls);
        }
        // The Redis client's errors are kept in one of these, which hides itself.
        if let Some(shared) = inner.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            cause = Some(&**shared);
            continue;
        }
        // An io::Error does not give what it carries as its source().
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && let Some(carried) = io.get_ref()
        {
            cause = Some(carried);
            continue;
        }
        cause = inner.source();
    }
    None
}

fn advice(error: &rustls::Error, scope: OptionScope) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(wrong) => of_certificate(wrong, scope),
        Tls::InvalidMessage(_) => {
            let plain = if scope == OptionScope::Manager { "http://" } else { "a URL without TLS" };
            format!(
                "the server does not speak TLS on this port; check the port, or use {plain} if it is on this machine"
            )
        }
        Tls::AlertReceived(alert) => {
            // Connections to a store take any version from 1.2 on.
            let version = if scope == OptionScope::Manager { "min_tls, and " } else { "" };
            let certificate = scope.option("client_cert_file");
            let key = match alert {
                AlertDescription::HandshakeFailure => {
                    ", and the server's own: its key must be P-256, P-384, Ed25519 or RSA (not P-521, and not for RSA-PSS only)"
                }
                _ => "",
            };
            format!(
                "the server ended the handshake ({alert:?}); check {version}{certificate} if it asks for a client certificate{key}"
            )
        }
        other => format!("{other}; check the server's certificate and this machine's clock"),
    }
}

fn of_certificate(wrong: &CertificateError, scope: OptionScope) -> String {
    use CertificateError as Wrong;
    match wrong {
        Wrong::UnknownIssuer | Wrong::BadSignature => format!(
            "the server's certificate is from an authority that is not trusted here; name the authority's file in {} if it should be",
            scope.option("ca_file")
        ),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "the server's certificate is for another name; check the host".to_owned()
        }
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            "the server's certificate has expired; check this machine's clock, or tell the server's owner".to_owned()
        }
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; check this machine's clock, or tell the server's owner"
                .to_owned()
        }
        Wrong::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => {
            Refusal::Unsupported(signature_name(signature_algorithm_id)).to_string()
        }
        Wrong::UnsupportedSignatureAlgorithmForPublicKeyContext { public_key_algorithm_id, .. } => {
            let name = unsupported_key_name(public_key_algorithm_id);
            Refusal::Unsupported(name.unwrap_or_else(|| "a signature of another kind than its issuer's key".to_owned()))
                .to_string()
        }
        Wrong::Other(OtherError(carried)) if carried.is::<Refusal>() => carried.to_string(),
        Wrong::Other(OtherError(carried)) if carried.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) => {
            "the server presents an authority's certificate as its own; give it one of its own, without CA:TRUE"
                .to_owned()
        }
        other => format!("invalid peer certificate: {other}; check the server's certificate and this machine's clock"),
    }
}
