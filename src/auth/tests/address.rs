use super::*;

#[test]
fn s1_https_to_named_hosts_and_http_to_this_machine() {
    for (url, is_allowed) in [
        ("https://a.example.com/x", true),
        ("https://a_b.example.com:8443", true),
        ("https://[::1]:8443/x", true),
        ("https://[2001:db8::1]/x", true),
        ("http://localhost/x", true),
        ("http://api.localhost.:80/x", true),
        ("http://127.9.9.9/x", true),
        ("http://[::ffff:127.0.0.1]/x", true),
        ("http://0x7f.1/x", false),
        ("http://127.0.0.1.example.com/x", false),
        ("http://[::2]/x", false),
        ("https://", false),
        ("https://:443/", false),
        ("https://a:/x", false),
        ("https://a:+1/x", false),
        ("https://a@b/x", false),
        ("https://a b/x", false),
        ("https://[::1/x", false),
        ("/x", false),
        ("file:///x", false),
    ] {
        assert_eq!(is_callable(url, false), is_allowed, "{url}");
    }
    assert!(is_callable("http://a.example.com/x", true));
}
