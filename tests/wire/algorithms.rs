//! Which keys and signatures of certificates are verified: real handshakes with nginx, whose certificates openssl made.

use crate::client::{fails, manager};
use crate::nginx::Nginx;
use serde_json::json;
use std::process::Command;
use support::folder::Folder;
use support::pki::Issued;
use tokenmgr::error::Status;

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const P521: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];
const ED448: &[&str] = &["-algorithm", "ED448"];
const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const SMALL_RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
const RSA_PSS: &[&str] = &["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"];

const SHA256: &[&str] = &["-sha256"];
const SHA384: &[&str] = &["-sha384"];
const SHA512: &[&str] = &["-sha512"];
const SHA1: &[&str] = &["-sha1"];
/// For keys that have one way to sign.
const OWN: &[&str] = &[];
const PSS: &[&str] = &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"];
const PSS_SHORT_SALT: &[&str] = &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"];

fn openssl(folder: &Folder, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder.path("")).output();
    let output = output.expect("the package openssl is installed: run scripts/setup test");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A server's certificate with such a key, from an authority with such a key, which signs it so. The authority's own
/// certificate is in ca.pem.
fn issue(folder: &Folder, server: &[&str], authority: &[&str], signature: &[&str]) -> Issued {
    for (kind, file) in [(authority, "ca.key"), (server, "server.key")] {
        openssl(folder, &[&["genpkey", "-out", file], kind].concat());
    }
    openssl(folder, &["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Wire authority", "-out", "ca.pem"]);
    openssl(folder, &["req", "-new", "-key", "server.key", "-subj", "/CN=server", "-out", "server.csr"]);
    folder.file("extensions", "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    let to = ["-days", "30", "-extfile", "extensions", "-out", "server.pem"];
    openssl(folder, &[&sign[..], &to, signature].concat());
    Issued { chain: folder.read("server.pem"), key: folder.read("server.key") }
}

/// Level 0, so that OpenSSL itself takes all of them.
fn serving(certificate: &Issued, version: &str) -> Nginx {
    let server = format!("ssl_protocols {version}; ssl_ciphers DEFAULT@SECLEVEL=0; location / {{ return 418; }}");
    Nginx::with_tls(certificate, "", &server)
}

#[test]
fn common_keys_and_signatures_are_verified() {
    for (name, server, authority, signature) in [
        ("P-256", P256, P256, SHA256),
        ("P-256, SHA-384", P256, P256, SHA384),
        ("P-384", P384, P384, SHA384),
        ("P-384, SHA-256", P384, P384, SHA256),
        ("Ed25519", ED25519, ED25519, OWN),
        ("RSA", RSA, RSA, SHA256),
        ("RSA, SHA-512", RSA, RSA, SHA512),
        ("P-256 of RSA", P256, RSA, SHA384),
        ("RSA, RSA-PSS", RSA, RSA, PSS),
    ] {
        let folder = Folder::new();
        let certificate = issue(&folder, server, authority, signature);
        for version in ["TLSv1.2", "TLSv1.3"] {
            println!("{name}, {version}");
            let nginx = serving(&certificate, version);
            let options = json!({"ca_file": folder.path("ca.pem"), "ca_only": true});
            let manager = manager(&format!("https://127.0.0.1:{}", nginx.port()), options);
            // The handshake is over; what nginx says then is its own affair.
            fails(manager.login(), Status::TM_BAD_RESPONSE, &["418"]);
        }
    }
}

#[test]
fn what_is_not_supported_in_a_certificate_is_named() {
    let advice = "ask for a certificate with a key of P-256, P-384, Ed25519 or RSA";
    for (server, authority, signature, what) in [
        (P256, P521, SHA512, "an ECDSA signature with SHA-512, the usual one of P-521 keys"),
        (P256, P521, SHA256, "a P-521 key"),
        (P256, P256, SHA512, "an ECDSA signature with SHA-512"),
        (P256, ED448, OWN, "an Ed448 signature"),
        (P256, RSA_PSS, PSS, "an RSA key that is for RSA-PSS only"),
        (P256, RSA, PSS_SHORT_SALT, "an RSA-PSS signature with unusual parameters"),
        (P256, RSA, SHA1, "an RSA signature with SHA-1"),
        (P256, SMALL_RSA, SHA256, "an RSA key of 1024 bits"),
        (SMALL_RSA, RSA, SHA256, "an RSA key of 1024 bits"),
    ] {
        let folder = Folder::new();
        let certificate = issue(&folder, server, authority, signature);
        for version in ["TLSv1.2", "TLSv1.3"] {
            println!("{what}, {version}");
            let nginx = serving(&certificate, version);
            let manager =
                manager(&format!("https://127.0.0.1:{}", nginx.port()), json!({"ca_file": folder.path("ca.pem")}));
            let error = fails(manager.login(), Status::TM_TLS, &[what, "not supported", advice]);
            assert!(!error.message().contains("not trusted"), "{}", error.message());
        }
    }
}

#[test]
fn a_server_whose_only_key_is_not_supported_ends_the_handshake() {
    // It has no signature that it could make for this client, so that its certificate is never seen.
    for (name, server) in [("P-521", P521), ("Ed448", ED448), ("RSA-PSS", RSA_PSS)] {
        let folder = Folder::new();
        let certificate = issue(&folder, server, P256, SHA256);
        for version in ["TLSv1.2", "TLSv1.3"] {
            println!("{name}, {version}");
            let nginx = serving(&certificate, version);
            let manager =
                manager(&format!("https://127.0.0.1:{}", nginx.port()), json!({"ca_file": folder.path("ca.pem")}));
            let says = ["ended the handshake", "its key must be P-256, P-384, Ed25519 or RSA", "not P-521"];
            fails(manager.login(), Status::TM_TLS, &says);
        }
    }
}

#[test]
fn a_client_key_that_is_not_supported_is_named() {
    let folder = Folder::new();
    for (kind, words) in [(P521, "a key that is not supported"), (ED448, "a key that is not supported")] {
        let client = issue(&folder, kind, P256, SHA256);
        let path = folder.file("client.pem", client.chain + &client.key);
        let made = crate::client::try_manager("https://api.example.com", json!({"client_cert_file": path}));
        fails(made, Status::TM_INVALID_OPTIONS, &["client_cert_file", &path, words, "use one of P-256"]);
    }
}
