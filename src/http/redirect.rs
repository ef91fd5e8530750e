//! S1: which redirects are followed. Pure.

use crate::http::origin::{Origins, parse_url};
use http::{HeaderMap, Method, header};
use url::Url;

/// How many redirects one call follows.
pub const MOST: usize = 5;

/// Where to go next, if this answer is a redirect that may be followed: GET and HEAD only (another
/// method could do its work twice, or become another one), and only to origins that may see the token.
/// Everything else is handed back to the caller as it is.
pub fn next(method: &Method, status: u16, headers: &HeaderMap, from: &Url, origins: &Origins) -> Option<Url> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) || !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    parse_url(Url::options().base_url(Some(from)), location).ok().filter(|to| origins.allows(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(method: Method, status: u16, location: &str) -> Option<String> {
        let origins = Origins::new("https://a.example/base", &["https://b.example".into()], false).unwrap();
        let from = Url::parse("https://a.example/base/x/y").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, location.parse().unwrap());
        next(&method, status, &headers, &from, &origins).map(String::from)
    }

    #[test]
    fn s1_get_and_head_follow_within_the_allowed_origins() {
        assert_eq!(go(Method::GET, 302, "z").as_deref(), Some("https://a.example/base/x/z"));
        assert_eq!(go(Method::HEAD, 308, "/z").as_deref(), Some("https://a.example/z"));
        assert_eq!(go(Method::GET, 303, "https://b.example/z").as_deref(), Some("https://b.example/z"));
    }

    #[test]
    fn s1_everything_else_is_handed_back() {
        assert_eq!(go(Method::POST, 307, "/z"), None);
        assert_eq!(go(Method::GET, 304, "/z"), None);
        for elsewhere in [
            "https://evil.example/",
            "//evil.example/",
            "http://a.example/",
            "https://u:p@a.example/",
            "file:///etc/passwd",
            "https://A%C3%A9.example/",
            "//%C3%A9A.example/",
            "\\\\%C3%A9A.example/",
            "https:%C3%A9A.example/",
        ] {
            assert_eq!(go(Method::GET, 302, elsewhere), None, "{elsewhere}");
        }
    }
}
