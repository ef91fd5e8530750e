//! Where an issuer's endpoints are: which documents to ask for, and what they say (RFC 8414, OpenID Connect Discovery).

use crate::auth::address::is_callable;
use crate::auth::json::Document;
pub use crate::auth::values::Discovered;
use crate::error::{Error, Status};
use serde_json::Value;

/// How long a document holds.
pub const READ_EVERY_SECONDS: u64 = 3600;

/// The documents to ask for, one after another until one is answered 200. All are on the issuer's own origin; a redirect
/// from there is not followed.
pub fn documents(issuer: &str) -> [String; 2] {
    let issuer = issuer.trim_end_matches('/');
    let scheme = issuer.find("://").map_or(0, |at| at + 3);
    let (origin, path) = issuer.split_at(issuer[scheme..].find('/').map_or(issuer.len(), |at| scheme + at));
    [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{issuer}/.well-known/openid-configuration"),
    ]
}

/// Reads a document. Its endpoints may be at other origins: it is the issuer that names them. `mutual_tls`: those are meant at
/// which clients show a certificate (RFC 8705, 5), where it has some of their own for that.
pub fn read(issuer: &str, body: &[u8], allow_insecure: bool, mutual_tls: bool) -> Result<Discovered, Error> {
    let refuse = |why: &str| {
        Error::new(
            Status::TM_BAD_RESPONSE,
            format!("what the issuer in auth.issuer says of itself {why}; check auth.issuer, or give auth.token_url"),
        )
    };
    let document = Document::new(body);
    let json = document.json().filter(|json| json.is_object()).ok_or_else(|| refuse("is no JSON object"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    // RFC 8414, 3.3: else anybody could pass their server off as this issuer.
    if text("issuer").map(|said| said.trim_end_matches('/')) != Some(issuer.trim_end_matches('/')) {
        return Err(refuse("names another issuer"));
    }
    let aliases = json.get("mtls_endpoint_aliases").filter(|_| mutual_tls);
    let alias = |name: &str| aliases.and_then(|aliases| aliases.get(name)).and_then(Value::as_str);
    let endpoint = |name: &str| match alias(name).or_else(|| text(name)) {
        None => Ok(None),
        Some(url) if is_callable(url, allow_insecure) => Ok(Some(url.to_owned())),
        Some(_) => Err(refuse(&format!("has a {name} that is no https:// URL"))),
    };
    Ok(Discovered {
        token_endpoint: endpoint("token_endpoint")?.ok_or_else(|| refuse("has no token_endpoint"))?,
        revocation_endpoint: endpoint("revocation_endpoint")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_where_the_two_standards_put_them() {
        let [oauth, openid] = documents("https://id.example.com/realms/shop/");
        assert_eq!(oauth, "https://id.example.com/.well-known/oauth-authorization-server/realms/shop");
        assert_eq!(openid, "https://id.example.com/realms/shop/.well-known/openid-configuration");
        let [oauth, openid] = documents("https://id.example.com");
        assert_eq!(oauth, "https://id.example.com/.well-known/oauth-authorization-server");
        assert_eq!(openid, "https://id.example.com/.well-known/openid-configuration");
    }

    #[test]
    fn a_document_is_checked_before_anything_goes_where_it_says() {
        let issuer = "https://id.example.com/a";
        let good = br#"{"issuer":"https://id.example.com/a","token_endpoint":"https://tokens.example.com/t","revocation_endpoint":"https://id.example.com/r","x":NaN}"#;
        let found = read(issuer, good, false, true).unwrap();
        assert_eq!(found.token_endpoint, "https://tokens.example.com/t");
        assert_eq!(found.revocation_endpoint.as_deref(), Some("https://id.example.com/r"));
        for (body, why) in [
            ("<html>", "no JSON object"),
            (r#"{"issuer":"https://evil.example.com","token_endpoint":"https://x/t"}"#, "another issuer"),
            (r#"{"token_endpoint":"https://x/t"}"#, "another issuer"),
            (r#"{"issuer":"https://id.example.com/a"}"#, "no token_endpoint"),
            (r#"{"issuer":"https://id.example.com/a/","token_endpoint":"http://x/t"}"#, "no https:// URL"),
            (r#"{"issuer":"https://id.example.com/a","token_endpoint":"https://u@x/t"}"#, "no https:// URL"),
            (
                r#"{"issuer":"https://id.example.com/a","token_endpoint":"https://x/t","revocation_endpoint":"/r"}"#,
                "revocation_endpoint that is no",
            ),
        ] {
            let error = read(issuer, body.as_bytes(), false, true).unwrap_err();
            assert_eq!(error.status(), Status::TM_BAD_RESPONSE);
            assert!(error.message().contains(why), "{body}: {error}");
        }
        let local = br#"{"issuer":"http://localhost:1","token_endpoint":"http://127.0.0.1:1/t"}"#;
        assert!(read("http://localhost:1", local, false, false).is_ok());
    }

    #[test]
    fn who_shows_a_certificate_goes_where_one_is_asked_for() {
        let issuer = "https://id.example.com";
        let body = br#"{"issuer":"https://id.example.com","token_endpoint":"https://id.example.com/t","revocation_endpoint":"https://id.example.com/r",
            "mtls_endpoint_aliases":{"token_endpoint":"https://mtls.example.com/t"}}"#;
        for (mutual_tls, token_endpoint) in [(false, "https://id.example.com/t"), (true, "https://mtls.example.com/t")]
        {
            let found = read(issuer, body, false, mutual_tls).unwrap();
            assert_eq!(found.token_endpoint, token_endpoint);
            assert_eq!(found.revocation_endpoint.as_deref(), Some("https://id.example.com/r"));
        }
        let plain = br#"{"issuer":"https://id.example.com","token_endpoint":"https://x/t","mtls_endpoint_aliases":{"token_endpoint":"http://x/t"}}"#;
        assert!(read(issuer, plain, false, true).is_err());
        assert!(read(issuer, plain, false, false).is_ok());
    }
}
