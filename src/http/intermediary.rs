//! Refusals that come from an intermediary (RFC 9110, section 3.7) and not from the API: a proxy, or a gateway in front of the
//! API that was called in the wrong way, such as plain HTTP on its TLS port. Pure.

use http::{HeaderMap, HeaderName, header};

/// What is known of how an answer was got.
#[derive(Clone, Debug)]
pub struct Way {
    pub is_https: bool,
    /// A proxy saw the request, and may have answered it itself.
    pub is_forwarded: bool,
    /// The server asked for a client certificate, and there was none.
    pub certificate_wanted: bool,
    /// The option that names one.
    pub certificate_option: String,
}

/// Which intermediary refused, and what to do about it; `None`: it was the API, as far as can be seen. A 401 always counts as
/// the API's: a wrong password that was taken for something else would be sent again and again (R5).
pub fn explain(status: u16, headers: &HeaderMap, body: &[u8], way: &Way) -> Option<String> {
    const LARGEST: usize = 64 << 10;
    if !matches!(status, 400 | 403 | 404 | 495 | 496 | 500..) || body.len() > LARGEST || is_json(body) {
        return None;
    }
    let page = String::from_utf8_lossy(body).to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| page.contains(phrase));
    // nginx, Go, Apache, HAProxy, Jetty.
    let plain = ["plain http request was sent to https port", "http request to an https server", "speaking plain http"];
    if !way.is_https && status == 400 && says(&plain) {
        return Some("its port speaks TLS; use https://".to_owned());
    }
    let certificate = ["ssl certificate", "client certificate"];
    if way.is_https && status < 500 && (says(&certificate) || (status != 404 && way.certificate_wanted)) {
        return Some(format!("it asks for a client certificate; check {}", way.certificate_option));
    }
    if way.is_forwarded && is_proxys_own(headers) {
        return Some("that is the proxy's own answer; check what the proxy allows, or the option proxy".to_owned());
    }
    None
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok()
}

/// A proxy names itself as the server, or says that the error is its own.
fn is_proxys_own(headers: &HeaderMap) -> bool {
    const SERVERS: [&str; 5] = ["tinyproxy", "squid", "privoxy", "mitmproxy", "traffic"];
    const OWN: [HeaderName; 2] =
        [HeaderName::from_static("x-squid-error"), HeaderName::from_static("proxy-authenticate")];
    let server = headers.get(header::SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let server = server.to_ascii_lowercase();
    SERVERS.iter().any(|name| server.starts_with(name)) || OWN.iter().any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(is_https: bool, is_forwarded: bool, certificate_wanted: bool) -> Way {
        Way { is_https, is_forwarded, certificate_wanted, certificate_option: "client_cert_file".to_owned() }
    }

    fn says(status: u16, server: &str, body: &str, way: &Way) -> String {
        let headers = HeaderMap::from_iter([(header::SERVER, server.parse().unwrap())]);
        explain(status, &headers, body.as_bytes(), way).unwrap_or_default()
    }

    #[test]
    fn a_page_about_certificates_tls_or_by_a_proxy_is_told_from_the_apis_own_words() {
        let nginx = "<html><title>400 No required SSL certificate was sent</title></html>";
        assert!(says(400, "nginx", nginx, &way(true, false, false)).contains("client_cert_file"));
        assert!(says(403, "x", "", &way(true, false, true)).contains("client_cert_file"));
        let plain = "<h1>The plain HTTP request was sent to HTTPS port</h1>";
        assert!(says(400, "nginx", plain, &way(false, false, false)).contains("use https://"));
        let forwarded = &way(false, true, false);
        assert!(says(403, "tinyproxy/1.11", "<html>", forwarded).contains("the proxy's own"));
        assert_eq!(says(403, "nginx", "<html>", forwarded), "");
        assert_eq!(says(403, "tinyproxy/1.11", "<html>", &way(true, false, false)), "");
        // A server may ask everybody for a certificate that only some need.
        assert_eq!(says(401, "nginx", "", &way(true, false, true)), "");
        // What is JSON is the API's.
        let json = r#"{"error":"no SSL certificate"}"#;
        assert_eq!(says(400, "nginx", json, &way(true, false, true)), "");
    }
}
