//! S1: where a token may go. The host that the manager was made for, and the origins allowed beside it.

use crate::error::{Error, Result, Status};
use crate::net::resolve::is_this_machine;
use bytes::Bytes;
use http::HeaderValue;
use std::borrow::Cow;
use std::sync::Arc;
use url::{Host, Url};

/// One origin: where a connection leads to.
#[derive(Debug)]
pub struct Origin {
    /// Its root.
    pub url: Url,
    pub is_https: bool,
    pub host: Host,
    pub port: u16,
    /// What the header `Host` says.
    pub authority: HeaderValue,
}

impl Origin {
    /// `None`: the URL has none that HTTP could be spoken to.
    pub fn of(url: &Url) -> Option<Origin> {
        let host = url.host()?.to_owned();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        Some(Origin {
            is_https: url.scheme() == "https",
            port: url.port_or_known_default()?,
            // Shared from the first, so that a forked child that clones it leaves its parent's copy as it is.
            authority: HeaderValue::from_maybe_shared(Bytes::from_owner(authority)).ok()?,
            url: url.join("/").ok()?,
            host,
        })
    }

    pub fn is_of(&self, url: &Url) -> bool {
        same_origin(&self.url, url)
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Origin) -> bool {
        (self.is_https, self.port) == (other.is_https, other.port) && self.host == other.host
    }
}

/// The host as given to `tm_new`, `scheme://authority[/prefix]`, and everything else that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Origins {
    /// As messages show it, and its path: without a trailing slash, so that a path can be appended.
    redacted: String,
    prefix: String,
    host: Url,
    allowed: Vec<Url>,
    /// Those of both, the host's first.
    origins: Vec<Arc<Origin>>,
}

impl Origins {
    pub fn new(host: &str, allowed: &[String], allow_insecure: bool) -> Result<Origins> {
        let url = origin(host, "the host", Status::TM_INVALID_ARGUMENT, allow_insecure)?;
        let allowed = allowed
            .iter()
            .map(|text| {
                let url = origin(text, "an origin in allowed_origins", Status::TM_INVALID_OPTIONS, allow_insecure)?;
                match url.path() {
                    "/" => Ok(url),
                    _ => Err(Error::new(
                        Status::TM_INVALID_OPTIONS,
                        "an origin in allowed_origins has a path; give it as https://host[:port]",
                    )),
                }
            })
            .collect::<Result<Vec<Url>>>()?;
        Ok(Origins::at(url, allowed))
    }

    /// One server and nothing beside it; `what` names it in messages.
    pub fn of_one(url: &str, what: &str, allow_insecure: bool) -> Result<Origins> {
        Ok(Origins::at(origin(url, what, Status::TM_INVALID_OPTIONS, allow_insecure)?, Vec::new()))
    }

    fn at(host: Url, allowed: Vec<Url>) -> Origins {
        Origins {
            redacted: host.as_str().trim_end_matches('/').to_owned(),
            prefix: host.path().trim_end_matches('/').to_owned(),
            origins: std::iter::once(&host).chain(&allowed).filter_map(Origin::of).map(Arc::new).collect(),
            host,
            allowed,
        }
    }

    /// The host as messages show it: it never holds user-info.
    pub fn host(&self) -> &str {
        &self.redacted
    }

    /// The URL that a call goes to. `url` is absolute, or a path that starts with one "/".
    pub fn resolve(&self, url: &str) -> Result<Url> {
        let resolved = if let Some(path) = url.strip_prefix('/') {
            if path.starts_with(['/', '\\']) {
                return Err(Error::invalid_argument(
                    "the URL begins with two slashes; pass a path that starts with one \"/\", or an absolute URL",
                ));
            }
            let path = match self.prefix.as_str() {
                "" => Cow::Borrowed(url),
                prefix => Cow::Owned(format!("{prefix}{url}")),
            };
            // Relative to the host, which is parsed already; `check` makes sure that the result is still there.
            parse(Url::options().base_url(Some(&self.host)), &path)?
        } else {
            parse(Url::options(), url)?
        };
        self.check(&resolved)?;
        Ok(resolved)
    }

    /// The path of a call's URL as calls give it: below the host's own.
    pub fn path_of<'u>(&self, url: &'u Url) -> &'u str {
        let path = url.path();
        match path.strip_prefix(self.prefix.as_str()) {
            Some(below) if below.starts_with('/') && same_origin(url, &self.host) => below,
            _ => path,
        }
    }

    /// The origin of a URL that is one of these.
    pub fn find(&self, url: &Url) -> Option<&Arc<Origin>> {
        self.origins.iter().find(|origin| origin.is_of(url))
    }

    /// Whether the token may go there.
    pub fn allows(&self, url: &Url) -> bool {
        has_no_user_info(url)
            && (same_origin(url, &self.host) || self.allowed.iter().any(|allowed| same_origin(url, allowed)))
    }

    fn check(&self, url: &Url) -> Result<()> {
        if self.allows(url) {
            return Ok(());
        }
        let redacted = url.origin().ascii_serialization();
        let why = if has_no_user_info(url) {
            format!(
                "{redacted} is neither the host's origin nor in allowed_origins; nothing was sent to it. Add it to allowed_origins if it may see the token"
            )
        } else {
            format!("the URL for {redacted} holds a username or password; nothing was sent. Take it out of the URL")
        };
        Err(Error::new(Status::TM_URL_NOT_ALLOWED, why))
    }
}

fn parse(options: url::ParseOptions<'_>, url: &str) -> Result<Url> {
    parse_url(options, url).map_err(|cause| {
        Error::invalid_argument(format!(
            "the URL is not valid ({cause}); pass a path that starts with one \"/\", or an absolute http(s) URL"
        ))
    })
}

/// Whether HTTP clients may find different hosts in a URL. By WHATWG's rules, which `url` follows, a backslash ends the host, and
/// tabs and line ends are left out; by RFC 3986 they do neither: in `http://ours\@theirs/` the host is `theirs`.
pub fn is_ambiguous(url: &str) -> bool {
    if url.starts_with('/') {
        return false; // a path on our host
    }
    let authority = url.find("//").map_or(0, |at| at + "//".len());
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |length| authority + length);
    url[..end].contains('\\') || url.bytes().any(|byte| byte <= b' ' || byte == 0x7f)
}

/// An absolute URL of a dialect, which has checked where it leads.
pub fn parse_absolute(text: &str) -> Result<Url> {
    parse_url(Url::options(), text).ok().filter(|url| url.has_host() && has_no_user_info(url)).ok_or_else(|| {
        Error::new(Status::TM_URL_NOT_ALLOWED, "a URL of the option auth is not valid; nothing was sent to it")
    })
}

/// Parses a URL or a reference, which may name another host. Hosts outside ASCII are refused here: `url` would refuse them too, but the
/// tables that it asks about them are not in this library, and what stands in for them asserts that it is never asked.
pub fn parse_url(options: url::ParseOptions<'_>, text: &str) -> std::result::Result<Url, url::ParseError> {
    match text.is_ascii() && !text.contains('%') || has_ascii_host(text) {
        true => options.parse(text),
        false => Err(url::ParseError::IdnaError),
    }
}

/// Whether the host in a URL or a reference, if there is one, is ASCII also once it is decoded. What stands where a URL
/// parser may find a host counts as one.
fn has_ascii_host(text: &str) -> bool {
    let is_ignored = |c: char| matches!(c, '\t' | '\n' | '\r');
    let text = text.trim_start_matches(|c: char| c <= ' ').replace(is_ignored, "").replace('\\', "/");
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let (scheme, after_scheme) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
        _ if text.starts_with("//") => ("", text.as_str()),
        _ => return true,
    };
    let authority = after_scheme.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
    let host = match scheme.eq_ignore_ascii_case("file") {
        true => authority, // it has no user-info, so all of it is the host
        false => authority.rsplit('@').next().unwrap_or_default(),
    };
    percent_encoding::percent_decode_str(host).all(|byte| byte.is_ascii())
}

/// Parses `scheme://authority[/prefix]`; `what` names it in messages. The text itself is never shown: it may
/// hold user-info.
fn origin(text: &str, what: &str, status: Status, allow_insecure: bool) -> Result<Url> {
    let refuse = |why: &str| Err(Error::new(status, format!("{what} {why}; give it as https://host[:port][/prefix]")));
    let Ok(url) = parse_url(Url::options(), text) else {
        return refuse("is not a valid URL");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refuse("is not an http or https URL");
    }
    if !has_no_user_info(&url) {
        return refuse("holds a username or password, which belong into the other arguments");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("has a query or a fragment");
    }
    if url.scheme() == "http" && !allow_insecure && !is_loopback(&url) {
        return Err(Error::new(
            Status::TM_URL_NOT_ALLOWED,
            format!(
                "{what} is http:// and not on this machine, so passwords and tokens would travel readable; use https://, or set allow_insecure_http"
            ),
        ));
    }
    Ok(url)
}

fn has_no_user_info(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether a URL names this machine. Where its connections lead is checked again when they are made.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => is_this_machine(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new("https://api.example.com/base/", &["https://files.example.com:8443".into()], false).unwrap()
    }

    fn status(result: Result<impl std::fmt::Debug>) -> Status {
        result.unwrap_err().status()
    }

    #[test]
    fn a_path_is_appended_to_the_prefix() {
        assert_eq!(origins().resolve("/api/v1?x=1").unwrap().as_str(), "https://api.example.com/base/api/v1?x=1");
        assert_eq!(origins().resolve("/").unwrap().as_str(), "https://api.example.com/base/");
        assert_eq!(origins().host(), "https://api.example.com/base");
    }

    #[test]
    fn s1_a_url_of_which_clients_make_different_hosts_is_ambiguous() {
        for (url, is) in [
            ("http://ours:9\\@theirs/", true),
            ("http:\\\\ours/", true),
            ("http:\\\\ours?//x", true),
            ("http://ours\t.theirs/", true),
            ("http://ours/a b", true),
            (" http://ours/", true),
            ("http://ours/a\\b", false),
            ("http://ours?a\\b", false),
            ("http://ours/a%5Cb%20c", false),
            ("/a\\b", false),
            ("", false),
        ] {
            assert_eq!(is_ambiguous(url), is, "{url:?}");
        }
    }

    #[test]
    fn a_calls_path_is_below_the_prefix() {
        for (url, path) in [
            ("/api/v1?x=1", "/api/v1"),
            ("/", "/"),
            ("/base/x", "/base/x"),
            ("https://api.example.com/base/api/v1", "/api/v1"),
            ("https://api.example.com/base", "/base"),
            ("https://api.example.com/basement", "/basement"),
            ("https://files.example.com:8443/base/x", "/base/x"),
        ] {
            assert_eq!(origins().path_of(&origins().resolve(url).unwrap()), path, "{url}");
        }
        let plain = Origins::new("https://api.example.com", &[], false).unwrap();
        assert_eq!(plain.path_of(&plain.resolve("/a%20b/c?x=1").unwrap()), "/a%20b/c");
    }

    #[test]
    fn s1_the_token_goes_to_the_hosts_origin_and_to_allowed_ones_only() {
        for good in ["https://api.example.com/x", "HTTPS://API.example.com:443/x", "https://files.example.com:8443/x"] {
            assert!(origins().resolve(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com/x",
            "https://api.example.com:444/x",
            "https://api.example.com.evil.com/x",
            "https://files.example.com/x",
            "https://user:pw@api.example.com/x",
            "https://api.example.com@evil.com/",
            "ftp://api.example.com/x",
            "file:///etc/passwd",
        ] {
            assert_eq!(status(origins().resolve(bad)), Status::TM_URL_NOT_ALLOWED, "{bad}");
        }
        let message = origins().resolve("https://user:hunter2@evil.com/x").unwrap_err().message().to_owned();
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn what_is_no_url_is_an_invalid_argument() {
        for bad in ["", "x", "//evil.com/x", "/\\evil.com", "api/v1", "https://", "http://[::1"] {
            assert_eq!(status(origins().resolve(bad)), Status::TM_INVALID_ARGUMENT, "{bad}");
        }
    }

    #[test]
    fn s1_http_is_for_loopback_unless_asked_for() {
        for good in
            ["http://localhost:8080", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]:1", "http://api.localhost"]
        {
            assert!(Origins::new(good, &[], false).is_ok(), "{good}");
        }
        for bad in ["http://example.com", "http://10.0.0.1", "http://localhost.example.com", "http://[::2]"] {
            assert_eq!(status(Origins::new(bad, &[], false)), Status::TM_URL_NOT_ALLOWED, "{bad}");
            assert!(Origins::new(bad, &[], true).is_ok());
        }
    }

    #[test]
    fn a_host_outside_ascii_is_refused_before_anything_is_asked_about_it() {
        let hosts = ["Aé.example", "éA.example", "%C3%A9A.example", "user@éA", "é", "x%ffA"];
        for host in hosts {
            for start in ["https://", " HTTPS:\\\\", "https:", "https:/", "ht\ttps://", "https:///"] {
                let url = format!("{start}{host}/x");
                assert_eq!(status(Origins::new(&url, &[], false)), Status::TM_INVALID_ARGUMENT, "{url}");
                assert_eq!(status(origins().resolve(&url)), Status::TM_INVALID_ARGUMENT, "{url}");
            }
        }
        // A file's URL has no user-info.
        assert_eq!(status(Origins::new("file://éA@example.com/x", &[], false)), Status::TM_INVALID_ARGUMENT);
        for good in
            ["/Aé", "/x?é=Aé", "/é:A", "/a@éA", "https://api.example.com/éA", "https://api.example.com/%C3%A9?é#é"]
        {
            assert!(origins().resolve(good).is_ok(), "{good}");
        }
        assert!(Origins::new("https://ex%61mple.com/é", &[], false).is_ok());
    }

    #[test]
    fn a_host_is_a_scheme_an_authority_and_a_prefix() {
        for bad in ["", "api.example.com", "ftp://x", "https://u@x", "https://x?q", "https://x#f", "https:///"] {
            assert_eq!(status(Origins::new(bad, &[], false)), Status::TM_INVALID_ARGUMENT, "{bad}");
        }
        assert_eq!(status(Origins::new("https://x", &["https://y/path".into()], false)), Status::TM_INVALID_OPTIONS);
    }
}
