//! Which certificate authorities are trusted, and with which certificate this machine shows itself.

use super::page::Page;
use super::{Options, file};
use crate::report;
use reqwest::blocking::ClientBuilder;
use reqwest::{Certificate, Identity};
use serde_json::Value;
use std::env;
use std::path::Path;

/// Gives the client what the options name, and says what there is.
pub fn apply(page: &mut Page, options: &Options, client: ClientBuilder) -> ClientBuilder {
    let only = options.get("ca_only").and_then(Value::as_bool).unwrap_or_default();
    // The client would wait for a file that is none.
    let only = only || !platform(page);
    let certificates = read(page, options, "ca_file", Certificate::from_pem_bundle).unwrap_or_default();
    let client = match only {
        true => client.tls_certs_only(certificates),
        false => client.tls_certs_merge(certificates),
    };
    match identity(page, options) {
        Some(identity) => client.identity(identity),
        None => client,
    }
}

/// Whether the platform's can be looked for.
fn platform(page: &mut Page) -> bool {
    let set = |name: &str| Some(env::var_os(name).filter(|value| !value.is_empty())?.to_string_lossy().into_owned());
    let named =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(|name| Some(format!("${name}, {}", set(name)?)));
    let named: Vec<String> = named.collect();
    let whose = if named.is_empty() { "this machine's own".to_owned() } else { named.join(" and ") };
    let file = env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty());
    if let Some(Err(error)) = file.map(|path| file::open(Path::new(&path))) {
        page.bad("authorities", &format!("cannot read {whose}: {}", report::reason(&error)));
        return false;
    }
    let found = rustls_native_certs::load_native_certs();
    match (found.certs.len(), found.errors.first()) {
        (0, Some(error)) => page.bad("authorities", &format!("none from {whose}: {error}")),
        (0, None) => page.bad("authorities", &format!("none from {whose}; install ca-certificates")),
        (count, _) => page.good("authorities", &format!("{count} from {whose}")),
    }
    true
}

fn identity(page: &mut Page, options: &Options) -> Option<Identity> {
    let mut pem = read(page, options, "client_cert_file", |pem| Ok(pem.to_vec()))?;
    pem.extend(read(page, options, "client_key_file", |pem| Ok(pem.to_vec()))?);
    Identity::from_pem(&pem).map_err(|error| page.bad("client_cert_file", &error.to_string())).ok()
}

/// What a file holds that an option names.
fn read<T>(page: &mut Page, options: &Options, name: &str, parse: fn(&[u8]) -> reqwest::Result<T>) -> Option<T> {
    let path = options.get(name)?.as_str()?;
    let bytes = match file::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            page.bad(name, &format!("cannot read {path}: {}", report::reason(&error)));
            return None;
        }
    };
    // The parser passes over what is no PEM, and so over a file that holds nothing else.
    match parse(&bytes).ok().filter(|_| bytes.windows(10).any(|window| window == b"-----BEGIN")) {
        Some(parsed) => {
            page.good(name, path);
            Some(parsed)
        }
        None => {
            page.bad(name, &format!("{path} holds no PEM that can be used"));
            None
        }
    }
}
