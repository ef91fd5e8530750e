use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;

type Environment<'a> = &'a [(&'a str, &'a str)];

fn proxies(option: Option<&str>, environment: Environment<'_>) -> Result<Proxies> {
    let variables: HashMap<&str, &str> = environment.iter().copied().collect();
    Proxies::new(option, &|name| variables.get(name).map(OsString::from))
}

/// Which proxy a URL goes through.
#[track_caller]
fn route(option: Option<&str>, environment: Environment<'_>, url: &str) -> Option<String> {
    let proxies = proxies(option, environment).unwrap();
    proxies.of(&Url::parse(url).unwrap()).map(Proxy::redacted)
}

/// Whether a URL goes past both the environment's and the option's proxy; `None` where they differ.
#[track_caller]
fn goes_past(no_proxy: &str, url: &str) -> Option<bool> {
    let environment = [("all_proxy", "http://p.example"), ("no_proxy", no_proxy)];
    let by_environment = route(None, &environment, url).is_none();
    let by_option = route(Some("http://p.example"), &environment[1..], url).is_none();
    (by_environment == by_option).then_some(by_option)
}

fn the_proxy(option: &str) -> Proxy {
    proxies(Some(option), &[]).unwrap().https.unwrap()
}

#[test]
fn the_option_is_a_proxys_url() {
    for (url, redacted) in [
        ("http://proxy.example", "http://proxy.example:80"),
        ("http://proxy.example:80", "http://proxy.example:80"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("http://proxy.example/any/path?and#more", "http://proxy.example:80"),
        ("HTTP://PROXY.Example:", "http://proxy.example:80"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("https://proxy.example:80", "https://proxy.example:80"),
        ("socks5://proxy.example", "socks5://proxy.example:1080"),
        ("socks5://proxy.example:443", "socks5://proxy.example:443"),
        ("Socks5h://proxy.example:65535", "socks5h://proxy.example:65535"),
        ("http://my_proxy:1", "http://my_proxy:1"),
        ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
        ("http://[FD00::0:1]:3128", "http://[fd00::1]:3128"),
        ("socks5h://[::1]", "socks5h://[::1]:1080"),
        ("http://u:p@proxy.example:3128", "http://proxy.example:3128"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example:80"),
    ] {
        for target in ["http://api.example", "https://api.example"] {
            assert_eq!(route(Some(url), &[], target).as_deref(), Some(redacted), "{url}");
        }
    }
    assert!(matches!(the_proxy("socks5://10.0.0.1").host, Host::Ipv4(_)));
    assert!(matches!(the_proxy("http://[::1]").host, Host::Ipv6(_)));
    assert_eq!(route(Some("http://p.example"), &[], "ftp://api.example"), None);
}

/// Values that are no proxy's URL, and what is said of them.
const UNREADABLE: [(&str, &str); 27] = [
    ("socks://hunter2.example", "its scheme is none of http, https, socks5 and socks5h"),
    ("socks4://hunter2.example:1080", "its scheme is none of http, https, socks5 and socks5h"),
    ("ftp://hunter2.example", "its scheme is none of http, https, socks5 and socks5h"),
    ("://hunter2.example", "its scheme is none of http, https, socks5 and socks5h"),
    ("http://", "it has no host"),
    ("http:///", "it has no host"),
    ("http://:3128", "it has no host"),
    ("http://hunter2:hunter2@", "it has no host"),
    ("http://hunter2:hunter2@:3128", "it has no host"),
    ("http://hunter2.example:0", "its port is not a number from 1 to 65535"),
    ("http://hunter2.example:65536", "its port is not a number from 1 to 65535"),
    ("http://hunter2.example:-1", "its port is not a number from 1 to 65535"),
    ("http://hunter2.example:hunter2", "its port is not a number from 1 to 65535"),
    ("http://hunter2<.example", "its host is no host name or address in ASCII"),
    ("http://[::hunter2]", "its host is no host name or address in ASCII"),
    ("http://fd00::1", "it has more than one port; an IPv6 address has to be in brackets"),
    ("http://hunter2%2f.example", "its host is no host name or address in ASCII"),
    ("http://hunter2%2eexample", "its host is no host name or address in ASCII"),
    ("http://%41é.example", "its host is no host name or address in ASCII"),
    ("http://HUNTER2é.example", "its host is no host name or address in ASCII"),
    ("http://hunter2 .example", "it holds a blank or a control character"),
    ("http://hunter2.example\n", "it holds a blank or a control character"),
    ("\thttp://hunter2.example", "it holds a blank or a control character"),
    ("http://hunter2\u{7f}:x@p.example", "it holds a blank or a control character"),
    ("http://u:hun/ter2@p.example", "its username or password holds a /, ? or #, which has to be percent-encoded"),
    ("http://hunter2:#x@p.example", "its username or password holds a /, ? or #, which has to be percent-encoded"),
    ("http://u:hunter2%ff@p.example", "its username or password is not UTF-8 or holds a NUL"),
];

#[test]
fn s2_an_option_that_is_no_proxys_url_is_refused_and_not_repeated() {
    let without_scheme =
        [("", "it has no scheme"), ("hunter2.example:3128", "it has no scheme"), ("None", "it has no")];
    let nul = ("http://u:hunter2%00@p.example", "its username or password is not UTF-8 or holds a NUL");
    for (value, why) in UNREADABLE.into_iter().chain(without_scheme).chain([nul]) {
        // Also where nothing would go through it.
        for environment in [&[][..], &[("NO_PROXY", "*")]] {
            let error = proxies(Some(value), environment).unwrap_err();
            assert_eq!(error.status(), Status::TM_INVALID_OPTIONS, "{value}");
            let begins = format!("the option proxy is not a proxy's URL: {why}");
            assert!(error.message().starts_with(&begins), "{value}: {error}");
            assert!(error.message().contains("socks5h") && error.message().contains("\"none\""), "{error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn s2_a_variable_that_is_no_proxys_url_is_refused_by_its_name() {
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    for name in names {
        for (value, why) in UNREADABLE {
            let error = proxies(None, &[(name, value)]).unwrap_err();
            assert_eq!(error.status(), Status::TM_INVALID_OPTIONS, "{value}");
            let begins = format!("the environment variable {name} is not a proxy's URL: {why}");
            assert!(error.message().starts_with(&begins), "{value}: {error}");
            assert!(error.message().contains("http://[user:password@]host:port"), "{error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
    let no_text = |name: &str| (name == "all_proxy").then(|| OsString::from_vec(b"http://\xff.example".to_vec()));
    let error = Proxies::new(None, &no_text).unwrap_err();
    assert!(error.message().starts_with("the environment variable all_proxy is not a proxy's URL: it is not UTF-8"));
}

#[test]
fn a_variable_that_is_not_used_is_not_read() {
    let bad = "socks4://hunter2.example";
    let good = "http://p.example";
    let unused: [(Option<&str>, Environment<'_>); 7] = [
        (Some("none"), &[("all_proxy", bad)]),
        (Some(good), &[("all_proxy", bad), ("http_proxy", bad)]),
        (None, &[("all_proxy", bad), ("NO_PROXY", "*")]),
        (None, &[("http_proxy", good), ("HTTP_PROXY", bad)]),
        (None, &[("http_proxy", good), ("https_proxy", good), ("all_proxy", bad), ("ALL_PROXY", bad)]),
        (None, &[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", bad)]),
        (None, &[("ftp_proxy", bad), ("Http_Proxy", bad)]),
    ];
    for (option, environment) in unused {
        assert!(proxies(option, environment).is_ok(), "{option:?} {environment:?}");
    }
    assert!(proxies(None, &[("http_proxy", good), ("all_proxy", bad)]).is_err(), "it is used for https");
}

#[test]
fn the_environments_variables_have_an_order() {
    let all = [
        ("http_proxy", "http://http-lower"),
        ("HTTP_PROXY", "http://http-upper"),
        ("https_proxy", "http://https-lower"),
        ("HTTPS_PROXY", "http://https-upper"),
        ("all_proxy", "http://all-lower"),
        ("ALL_PROXY", "http://all-upper"),
    ];
    let without = |empty: &[&str]| {
        let left = all.map(|(name, value)| (name, if empty.contains(&name) { "" } else { value }));
        let go = |url| route(None, &left, url).map(|redacted| redacted["http://".len()..].replace(":80", ""));
        (go("http://api.example").unwrap_or_default(), go("https://api.example").unwrap_or_default())
    };
    let is = |http: &str, https: &str| (http.to_owned(), https.to_owned());
    assert_eq!(without(&[]), is("http-lower", "https-lower"));
    assert_eq!(without(&["http_proxy", "https_proxy"]), is("http-upper", "https-upper"));
    let specific = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];
    assert_eq!(without(&specific), is("all-lower", "all-lower"));
    assert_eq!(without(&[&specific[..], &["all_proxy"]].concat()), is("all-upper", "all-upper"));
    assert_eq!(without(&[&specific[..], &["all_proxy", "ALL_PROXY"]].concat()), is("", ""));
    assert_eq!(without(&["https_proxy", "HTTPS_PROXY"]), is("http-lower", "all-lower"));
}

#[test]
fn s1_a_clients_header_sets_no_proxy_of_a_cgi_program() {
    let cgi = ("REQUEST_METHOD", "GET");
    let upper = ("HTTP_PROXY", "http://evil.example");
    assert_eq!(route(None, &[cgi, upper], "http://api.example"), None);
    assert_eq!(route(None, &[("REQUEST_METHOD", ""), upper], "http://api.example"), None);
    assert!(route(None, &[upper], "http://api.example").is_some());
    for (name, url) in [("http_proxy", "http"), ("HTTPS_PROXY", "https"), ("ALL_PROXY", "http"), ("all_proxy", "https")]
    {
        let redacted = route(None, &[cgi, upper, (name, "http://p.example")], &format!("{url}://api.example"));
        assert_eq!(redacted.as_deref(), Some("http://p.example:80"), "{name}");
    }
}

#[test]
fn a_variables_value_needs_no_scheme() {
    for (value, redacted) in [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example", "http://proxy.example:80"),
        ("u:p@proxy.example:3128", "http://proxy.example:3128"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("socks5h://proxy.example", "socks5h://proxy.example:1080"),
    ] {
        assert_eq!(route(None, &[("https_proxy", value)], "https://api.example").as_deref(), Some(redacted), "{value}");
    }
}

#[test]
fn none_is_none() {
    let environment = [("all_proxy", "http://p.example")];
    assert_eq!(route(Some("none"), &environment, "https://api.example"), None);
    assert!(Proxies::none().of(&Url::parse("https://api.example").unwrap()).is_none());
    assert!(Proxies::none().secrets().is_empty());
}

#[test]
fn no_proxy_lists_what_goes_past() {
    let yes = [
        ("*", "https://api.example"),
        ("a.example,*", "https://api.example"),
        ("*", "https://10.0.0.1"),
        ("api.example", "https://api.example"),
        ("api.example", "https://v1.api.example"),
        ("api.example", "https://v2.v1.api.example"),
        ("API.Example.", "https://api.example"),
        ("api.example", "https://API.example./x"),
        ("x.example,api.example", "https://api.example"),
        (" x.example , api.example ", "https://api.example"),
        ("x.example api.example", "https://api.example"),
        ("x.example\tapi.example\n", "https://api.example"),
        (",,api.example,", "https://api.example"),
        (".api.example", "https://api.example"),
        (".api.example", "https://v1.api.example"),
        ("*.api.example", "https://v1.api.example"),
        ("*.api.example", "https://v2.v1.api.example"),
        ("example", "https://api.example"),
        ("api.example:443", "https://api.example"),
        ("api.example:8443", "https://v1.api.example:8443"),
        (".api.example:80", "http://api.example"),
        ("*.api.example:80", "http://v1.api.example"),
        ("10.0.0.1", "http://10.0.0.1:8080"),
        ("10.0.0.1:80", "http://10.0.0.1"),
        ("10.0.0.1", "http://[::ffff:10.0.0.1]"),
        ("::ffff:10.0.0.1", "http://10.0.0.1"),
        ("fd00::1", "https://[fd00::1]"),
        ("[fd00::1]", "https://[fd00::1]"),
        ("FD00:0::1", "https://[fd00::1]"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("10.0.0.0/8", "https://10.255.255.255"),
        ("10.1.2.3/8", "https://10.9.9.9"),
        ("10.0.0.1/32", "https://10.0.0.1"),
        ("0.0.0.0/0", "https://203.0.113.7"),
        ("192.168.0.0/23", "https://192.168.1.9"),
        ("fd00::/8", "https://[fdff::1]"),
        ("fd00::1/128", "https://[fd00::1]"),
        ("::/0", "https://[2001:db8::1]"),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]"),
        // What cannot be read spoils nothing.
        ("10.0.0.0/33,http://x,[::1,:80,.,api.example", "https://api.example"),
    ];
    for (no_proxy, url) in yes {
        assert_eq!(goes_past(no_proxy, url), Some(true), "{no_proxy} {url}");
    }
}

#[test]
fn what_no_proxy_does_not_list_goes_through() {
    let no = [
        ("", "https://api.example"),
        (",", "https://api.example"),
        ("pi.example", "https://api.example"),
        ("api.example", "https://api.example.com"),
        ("api.example", "https://example"),
        ("v1.api.example", "https://api.example"),
        (".pi.example", "https://api.example"),
        ("*.api.example", "https://api.example"),
        ("*.pi.example", "https://api.example"),
        ("*example", "https://api.example"),
        ("a*.example", "https://api.example"),
        ("**", "https://api.example"),
        ("*:443", "https://api.example"),
        ("api.example:80", "https://api.example"),
        ("api.example:443", "https://api.example:8443"),
        ("api.example:", "https://api.example"),
        ("api.example:+443", "https://api.example"),
        ("api.example:65979", "https://api.example"),
        ("https://api.example", "https://api.example"),
        ("10.0.0.1", "https://10.0.0.10"),
        ("10.0.0.1:80", "https://10.0.0.1"),
        ("0.0.1", "https://10.0.0.1"),
        (".1", "https://10.0.0.1"),
        ("fd00::1", "https://[fd00::2]"),
        ("[fd00::1]:8080", "https://[fd00::1]"),
        ("10.0.0.0/8", "https://11.0.0.0"),
        ("10.0.0.0/9", "https://10.128.0.0"),
        ("10.0.0.0/+8", "https://10.0.0.1"),
        ("10.0.0.0/", "https://10.0.0.1"),
        ("10.0.0.0/33", "https://10.0.0.0"),
        ("10.0.0.0/8:443", "https://10.0.0.1"),
        ("10.0.0.0/8", "https://10.example"),
        ("fd00::/129", "https://[fd00::]"),
        ("fd00::/8", "https://[fc00::1]"),
        ("0.0.0.0/0", "https://[2001:db8::1]"),
        ("::/0", "https://203.0.113.7"),
    ];
    for (no_proxy, url) in no {
        assert_eq!(goes_past(no_proxy, url), Some(false), "{no_proxy} {url}");
    }
}

#[test]
fn the_lower_case_no_proxy_comes_first_and_an_empty_one_does_not_count() {
    let proxy = Some("http://p.example");
    let go = |lower, upper| route(proxy, &[("no_proxy", lower), ("NO_PROXY", upper)], "https://api.example").is_none();
    assert!(go("api.example", "x.example"));
    assert!(!go("x.example", "api.example"));
    assert!(go("", "api.example"));
    assert!(!go("", ""));
}

#[test]
fn loopback_goes_past_the_environments_proxy_but_not_past_the_options() {
    for (host, is_loopback) in [
        ("localhost", true),
        ("LOCALHOST.", true),
        ("api.localhost", true),
        ("127.0.0.1", true),
        ("127.255.0.9", true),
        ("[::1]", true),
        ("[::ffff:127.0.0.1]", true),
        ("notlocalhost", false),
        ("localhost.example", false),
        ("126.0.0.1", false),
        ("[::2]", false),
        ("[::ffff:10.0.0.1]", false),
        ("0.0.0.0", false),
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:8080");
            let environment = [("all_proxy", "http://p.example")];
            assert_eq!(route(None, &environment, &url).is_none(), is_loopback, "{url}");
            assert!(route(Some("http://p.example"), &[], &url).is_some(), "{url}");
        }
    }
    assert_eq!(goes_past("localhost,127.0.0.0/8", "http://localhost"), Some(true));
    assert_eq!(goes_past("localhost,127.0.0.0/8", "http://127.0.0.1"), Some(true));
}

#[test]
fn credentials_are_decoded() {
    let login = |url: &str| {
        let proxy = the_proxy(url);
        proxy.login().map(|(username, password)| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(username), text(password), proxy.basic().map(|value| value.to_str().unwrap().to_owned()))
        })
    };
    let basic = |joined: &str| Some(format!("Basic {}", STANDARD.encode(joined)));
    for (user_info, username, password) in [
        ("user:word", "user", "word"),
        ("us%65r:w%3Ard%40%2F%25", "user", "w:rd@/%"),
        ("user:w:rd", "user", "w:rd"),
        ("user:p@ss", "user", "p@ss"),
        ("user:a&b=c+d;e", "user", "a&b=c+d;e"),
        ("user:100%", "user", "100%"),
        ("user:gr%C3%BC%C3%9Fe", "user", "grüße"),
        ("user:grüße", "user", "grüße"),
        ("user", "user", ""),
        ("user:", "user", ""),
        (":word", "", "word"),
    ] {
        let expected = |basic| Some((username.to_owned(), password.to_owned(), basic));
        let joined = format!("{username}:{password}");
        assert_eq!(login(&format!("http://{user_info}@p.example:1")), expected(basic(&joined)), "{user_info}");
        assert_eq!(login(&format!("https://{user_info}@p.example")), expected(basic(&joined)), "{user_info}");
        assert_eq!(login(&format!("socks5h://{user_info}@p.example")), expected(None), "{user_info}");
    }
    assert_eq!(login("http://p.example"), None);
    assert_eq!(login("http://:@p.example"), None);
    assert!(the_proxy("http://u:p@p.example").basic().unwrap().is_sensitive());
    let long = "x".repeat(256);
    assert!(proxies(Some(&format!("http://u:{long}@p.example")), &[]).is_ok());
    for user_info in [format!("u:{long}"), format!("{long}:p")] {
        let error = proxies(Some(&format!("socks5://{user_info}@p.example")), &[]).unwrap_err();
        assert!(error.message().contains("longer than the 255 bytes"), "{error}");
        assert!(!error.message().contains(&long), "{error}");
    }
    assert!(login(&format!("socks5://{0}:{0}@p.example", &long[1..])).is_some());
}

#[test]
fn s2_every_form_of_a_password_is_known_and_none_is_shown() {
    let url = "http://wire:s3cr%2ft:%25@p@proxy.example";
    let forms = ["s3cr/t:%@p", "s3cr%2ft:%25@p", "s3cr%2ft%3A%25%40p"];
    let basic = STANDARD_NO_PAD.encode("wire:s3cr/t:%@p");
    let all = [("http_proxy", url), ("https_proxy", "u:other@p.example"), ("all_proxy", "http://u:unused@p.example")];
    for proxies in [proxies(Some(url), &[]).unwrap(), proxies(None, &all).unwrap()] {
        let secrets = proxies.secrets();
        for form in forms.into_iter().chain([basic.as_str()]) {
            assert!(secrets.iter().any(|secret| secret.as_str() == form), "{form}");
        }
        let redacted = proxies.of(&Url::parse("http://api.example").unwrap()).unwrap().redacted();
        for text in [format!("{proxies:?}"), format!("{:?}", proxies.http), redacted] {
            let hidden = secrets.iter().all(|secret| !text.contains(secret.as_str()));
            assert!(hidden && !text.contains("wire"), "{text}");
        }
    }
    let secrets = proxies(None, &all).unwrap().secrets();
    assert!(secrets.iter().any(|secret| secret.as_str() == "other"));
    assert!(secrets.iter().all(|secret| secret.as_str() != "unused"));
    let token = proxies(Some("http://t%6fken@p.example"), &[]).unwrap().secrets();
    let token: Vec<&str> = token.iter().map(Secret::as_str).collect();
    assert_eq!(token, [STANDARD_NO_PAD.encode("token:").as_str(), "t%6fken", "token"]);
    assert!(proxies(Some("http://p.example"), &[]).unwrap().secrets().is_empty());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_repeating_it(
        scheme in "(|http://|https://|socks5://|://|socks5h://)",
        text in "(\\PC|[@:/?#%.\\[\\]A-Z]|xn--){0,20}",
        no_proxy in "(\\PC|[*.,:/\\[\\]0-9]){0,20}",
    ) {
        let value = format!("{scheme}{text}s3cretly{text}");
        let environment = [("all_proxy", value.as_str()), ("no_proxy", &no_proxy)];
        for (option, environment) in [(Some(value.as_str()), &environment[1..]), (None, &environment[..])] {
            match proxies(option, environment) {
                Ok(proxies) => {
                    for url in ["http://api.example", "https://10.0.0.1:8080", "https://[fd00::1]"] {
                        proxies.of(&Url::parse(url).unwrap()).map(|proxy| (proxy.redacted(), proxy.basic()));
                    }
                    proxies.secrets();
                }
                Err(error) => prop_assert!(!error.message().contains("s3cretly")),
            }
        }
    }
}
