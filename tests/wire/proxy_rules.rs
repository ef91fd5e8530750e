//! Which calls the environment's proxies get, and what is told of proxies that fail. In processes of their own.

use crate::child;
use crate::client::{PASSWORD, USERNAME};
use crate::scripted::{Scripted, Then, kept};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;

/// A name that no name server knows: only a proxy can reach what goes by it.
const NOWHERE: &str = "http://api.shop.invalid";

/// A proxy that is the API as well, whatever the host is called.
fn proxy() -> Scripted {
    Scripted::http(|_, line| {
        line.say(kept("200 OK", "{}"));
        Then::Stay
    })
}

fn ask(host: &str, environment: &[(&'static str, &str)], options: Value) -> Value {
    let environment = environment.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    ask_raw(host, environment, options).remove(0)
}

/// The outcomes of two calls; of one, where no manager came about.
fn ask_raw(host: &str, environment: Vec<(&'static str, OsString)>, mut options: Value) -> Vec<Value> {
    options["allow_insecure_http"] = true.into();
    let order = json!({
        "host": host, "username": USERNAME, "password": PASSWORD, "options": options,
        "urls": ["/api/v1/echo", "/api/v1/echo"],
    });
    child::ask(environment, order)
}

#[track_caller]
fn says(outcome: &Value, words: &[&str]) {
    let message = outcome["message"].as_str().or(outcome["error"]["message"].as_str()).unwrap_or_default();
    words.iter().for_each(|words| assert!(message.contains(words), "\"{words}\" is not in: {outcome}"));
}

#[test]
fn hosts_that_no_proxy_names_are_not_the_proxys() {
    for (host, excepted, is_excepted) in [
        (NOWHERE, "api.shop.invalid", true),
        (NOWHERE, "shop.invalid", true),
        (NOWHERE, ".shop.invalid", true),
        (NOWHERE, "invalid", true),
        (NOWHERE, "API.Shop.INVALID", true),
        (NOWHERE, "other.invalid, api.shop.invalid", true),
        (NOWHERE, "other.invalid,,api.shop.invalid,", true),
        (NOWHERE, " api.shop.invalid ", true),
        (NOWHERE, "*", true),
        (NOWHERE, " * ", true),
        ("http://shop.invalid", "shop.invalid", true),
        ("http://shop.invalid:8080", "shop.invalid", true),
        ("http://198.51.100.7", "198.51.100.7", true),
        ("http://198.51.100.7", "198.51.100.0/24", true),
        ("http://198.51.100.7", "10.0.0.0/8, 198.51.0.0/16", true),
        ("http://[2001:db8::7]", "2001:db8::7", true),
        ("http://[2001:db8::7]", "2001:db8::/32", true),
        (NOWHERE, "", false),
        (NOWHERE, "hop.invalid", false),
        (NOWHERE, "api.shop", false),
        (NOWHERE, "www.shop.invalid,other.invalid", false),
        ("http://shop.invalid", "api.shop.invalid", false),
        ("http://198.51.100.7", "198.51.101.0/24", false),
        ("http://198.51.100.7", "198.51.100.70", false),
        ("http://198.51.100.70", "198.51.100.7", false),
        ("http://[2001:db8::7]", "2001:db9::/32", false),
    ] {
        for variable in ["NO_PROXY", "no_proxy"] {
            let proxy = proxy();
            let url = proxy.url();
            // Nothing answers at such an address, if ever it is tried.
            let options = if is_excepted { json!({"connect_timeout_ms": 300}) } else { json!({}) };
            let outcome = ask(host, &[("HTTP_PROXY", &url), (variable, excepted)], options);
            let what = format!("{host} {variable}={excepted:?}: {outcome}");
            assert_eq!(outcome["http_status"] != 200, is_excepted, "{what}");
            assert_eq!(proxy.connections() == 0, is_excepted, "{what}");
        }
    }
}

#[test]
fn s1_loopback_is_never_the_environments_proxys() {
    for (listen, hosts) in [
        ("127.0.0.1:0", &["127.0.0.1", "localhost", "LOCALHOST"][..]),
        ("127.5.5.5:0", &["127.5.5.5"]),
        ("[::1]:0", &["[::1]"]),
    ] {
        let Ok(api) = DemoApi::start(Config { listen: listen.parse().unwrap(), ..Config::default() }) else {
            println!("skipped: nothing can listen on {listen} here");
            continue;
        };
        for host in hosts {
            for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
                let proxy = proxy();
                let outcome = ask(&format!("http://{host}:{}", api.port()), &[(variable, &proxy.url())], json!({}));
                assert_eq!(outcome["http_status"], 200, "{variable} {host}: {outcome}");
                assert_eq!(proxy.connections(), 0, "{variable} {host}");
            }
        }
    }
}

#[test]
fn s1_loopback_is_never_the_environments_proxys_over_tls() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    let tls = Some(authority.server().tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    for host in ["127.0.0.1", "localhost"] {
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"] {
            let proxy = proxy();
            let host = format!("https://{host}:{}", api.port());
            let outcome = ask(&host, &[(variable, &proxy.url())], json!({"ca_file": ca_file}));
            assert_eq!(outcome["http_status"], 200, "{variable} {host}: {outcome}");
            assert_eq!(proxy.connections(), 0, "{variable} {host}");
        }
    }
}

#[test]
fn the_environments_proxy_gets_everything_else() {
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = proxy();
        for value in [proxy.url(), proxy.url() + "/", proxy.address().to_string()] {
            let outcome = ask(NOWHERE, &[(variable, &value)], json!({}));
            assert_eq!(outcome["http_status"], 200, "{variable}={value}: {outcome}");
        }
        let requests = proxy.requests();
        assert!(requests.iter().all(|request| request.target().starts_with(NOWHERE)), "{requests:?}");
    }
    // Those of the other scheme do not count.
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let proxy = proxy();
        assert_ne!(ask(NOWHERE, &[(variable, &proxy.url())], json!({}))["http_status"], 200);
        assert_eq!(proxy.connections(), 0);
    }
}

#[test]
fn an_empty_variable_names_no_proxy() {
    let proxy = proxy();
    let outcome = ask(NOWHERE, &[("HTTP_PROXY", ""), ("ALL_PROXY", &proxy.url())], json!({}));
    assert_eq!(outcome["http_status"], 200, "{outcome}");
    let outcome = ask(NOWHERE, &[("HTTP_PROXY", ""), ("http_proxy", ""), ("ALL_PROXY", "")], json!({}));
    says(&outcome, &["could not find the host"]);
}

#[test]
fn s2_a_variable_that_names_no_proxy_is_told_at_once_and_not_shown() {
    let of_http = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|variable| (variable, NOWHERE));
    let of_https = ["HTTPS_PROXY", "https_proxy"].map(|variable| (variable, "https://api.shop.invalid"));
    let values: [&[u8]; 7] = [
        b"ftp://user:hunter2@127.0.0.1:1",
        b"http://user:hunter2@",
        b"http://user:hunter2@127.0.0.1:port",
        b"http://user:hunter2@127.0.0.1:99999",
        b"socks4://user:hunter2@127.0.0.1:1",
        b"http://user:hunter2 @127.0.0.1 :1",
        b"http://user:hunter2\xff@127.0.0.1:1",
    ];
    for (variable, host) in of_http.into_iter().chain(of_https) {
        for value in values {
            let shown = String::from_utf8_lossy(value);
            let mut outcomes = ask_raw(host, vec![(variable, OsStr::from_bytes(value).to_owned())], json!({}));
            assert_eq!(outcomes.len(), 1, "{variable}={shown}: a manager was made");
            let outcome = outcomes.remove(0);
            assert_eq!(outcome["status"], "TM_INVALID_OPTIONS", "{variable}={shown}: {outcome}");
            says(&outcome, &[variable]);
            assert!(!outcome.to_string().contains("hunter2"), "{outcome}");
        }
    }
}

#[test]
fn a_variable_that_is_not_used_may_say_anything() {
    let proxy = proxy();
    let (url, wrong) = (proxy.url(), "ftp://127.0.0.1:1");
    for (options, environment) in [
        (json!({"proxy": url}), [("HTTP_PROXY", wrong), ("ALL_PROXY", wrong)]),
        (json!({}), [("HTTP_PROXY", url.as_str()), ("REQUESTS_PROXY", wrong)]),
    ] {
        let outcome = ask(NOWHERE, &environment, options);
        assert_eq!(outcome["http_status"], 200, "{outcome}");
    }
}

/// The demo API with TLS under a name that only a proxy knows, and a proxy that answers CONNECT thus before it carries
/// bytes to and fro.
fn through_a_tunnel(answer: impl Fn() -> String + Send + Sync + 'static) -> (Value, u64) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    let tls = Some(authority.issue(&["api.shop.invalid"]).tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    let to = (std::net::Ipv4Addr::LOCALHOST, api.port()).into();
    let proxy = Scripted::http(move |request, line| {
        assert_eq!(request.method(), "CONNECT");
        let answer = answer();
        line.say(&answer);
        if answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
            line.tunnel(to);
        }
        Then::Close
    });
    let outcome = ask("https://api.shop.invalid", &[("HTTPS_PROXY", &proxy.url())], json!({"ca_file": ca_file}));
    (outcome, api.counter("connections"))
}

#[test]
fn a_proxy_may_say_a_lot_before_it_opens_a_tunnel() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\nProxy-Agent: shop/1.0\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX-Policy: {}\r\n\r\n", "y".repeat(8192)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Policy: 0123456789 0123456789 0123456789\r\n".repeat(180)),
    ] {
        let length = answer.len();
        let (outcome, _) = through_a_tunnel(move || answer.clone());
        assert_eq!(outcome["http_status"], 200, "{length} bytes: {outcome}");
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_told_of_with_what_to_do() {
    let (outcome, connections) = through_a_tunnel(|| {
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
            .to_owned()
    });
    assert_eq!((&outcome["status"], connections), (&json!("TM_NETWORK"), 0), "{outcome}");
    says(&outcome, &["proxy", "407", "user", "password", "URL"]);
    // Without a tunnel, the answer to a call is the proxy's own.
    let proxy = Scripted::http(|_, line| {
        line.say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        Then::Stay
    });
    let order = json!({"host": NOWHERE, "username": USERNAME, "password": PASSWORD, "urls": ["/x"],
        "options": {"proxy": proxy.url().replace("http://", "http://u:wrong-secret@"), "allow_insecure_http": true}});
    let outcome = ask_through(&proxy, order);
    says(&outcome, &["proxy", "407", "user", "password", "URL"]);
    assert!(!outcome.to_string().contains("wrong-secret"), "{outcome}");
}

/// The proxy grants logins like an API does: the call behind it is what it refuses.
fn ask_through(proxy: &Scripted, order: Value) -> Value {
    let outcome = child::ask(Vec::<(&str, String)>::new(), order).remove(0);
    assert!(proxy.connections() > 0);
    outcome
}

#[test]
fn r4_a_proxys_own_403_is_told_to_be_the_proxys() {
    let (outcome, connections) =
        through_a_tunnel(|| "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nby policy".to_owned());
    assert_eq!((&outcome["status"], connections), (&json!("TM_NETWORK"), 0), "{outcome}");
    says(&outcome, &["proxy", "403"]);
    assert!(!outcome.to_string().contains("whitelist"), "{outcome}");
}

#[test]
fn other_refusals_of_a_tunnel_tell_their_status() {
    for status in ["401 Unauthorized", "404 Not Found", "429 Too Many Requests", "502 Bad Gateway", "503 Busy"] {
        let answer = move || format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let (outcome, connections) = through_a_tunnel(answer);
        assert_eq!((&outcome["status"], connections), (&json!("TM_NETWORK"), 0), "{outcome}");
        says(&outcome, &["proxy", &status[..3]]);
    }
}
