//! Forward proxies: by option and by environment, with a username and a password, and when they fail.
//! In processes of their own, for whoever runs the tests may have a proxy too.

use crate::child;
use crate::client::{PASSWORD, USERNAME, demo};
use crate::recorder::{Recorder, reply};
use crate::tinyproxy::{self, Tinyproxy};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;
use support::program::free_port;
use support::server::header;

/// A password with everything that a URL has to encode, and how it does.
const ODD_PASSWORD: &str = "s3cr/t:%@proxy";
const ODD_USER_INFO: &str = "wire:s3cr%2Ft%3A%25%40proxy";

/// The demo API with TLS, and the options to trust it.
struct Secure {
    api: DemoApi,
    ca_file: String,
    _folder: Folder,
}

impl Secure {
    fn new() -> Secure {
        let (authority, folder) = (Authority::new(), Folder::new());
        let tls = Some(authority.server().tls(None));
        let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
        Secure { api, ca_file: folder.file("ca.pem", &authority.certificate), _folder: folder }
    }
}

fn ask(host: &str, environment: &[(&'static str, &str)], options: Value) -> Value {
    let order = json!({"host": host, "username": USERNAME, "password": PASSWORD, "options": options});
    child::ask_echo(environment.iter().copied(), order)
}

/// The call went well; whether an HTTP proxy passed it on.
#[track_caller]
fn came_by_proxy(outcome: &Value) -> bool {
    assert_eq!(outcome["http_status"], 200, "{outcome}");
    says_no_password(outcome);
    let body: Value = serde_json::from_str(outcome["body"].as_str().unwrap()).unwrap();
    assert!(body["data"]["headers"].get("proxy-authorization").is_none(), "the API is told the proxy's password");
    body["data"]["headers"]["via"][0].as_str().is_some_and(|via| via.contains("tinyproxy"))
}

/// How the call failed, in a way that tells where to look.
#[track_caller]
fn failed(outcome: &Value, status: &str, says: &[&str]) {
    says_no_password(outcome);
    child::failed(outcome, status, says);
}

#[track_caller]
fn says_no_password(outcome: &Value) {
    let all = outcome.to_string();
    let [basic, odd_basic] = [tinyproxy::PASSWORD, ODD_PASSWORD].map(basic);
    for secret in [tinyproxy::PASSWORD, ODD_PASSWORD, ODD_USER_INFO, &basic, &odd_basic, "wrong-secret", PASSWORD] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

/// What `Proxy-Authorization: Basic` says of the proxy's user with this password.
fn basic(password: &str) -> String {
    STANDARD.encode(format!("{}:{password}", tinyproxy::USERNAME))
}

#[test]
fn the_option_sends_http_through_the_proxy() {
    let (api, proxy) = (demo(), Tinyproxy::start());
    let outcome = ask(&api.url(), &[], json!({"proxy": proxy.url()}));
    assert!(came_by_proxy(&outcome));
    proxy.wait_until_asked(&format!("POST {}/auth/login", api.url()));
}

#[test]
fn the_option_sends_https_through_a_tunnel() {
    let (secure, proxy) = (Secure::new(), Tinyproxy::start());
    let outcome = ask(&secure.api.url(), &[], json!({"proxy": proxy.url(), "ca_file": secure.ca_file}));
    assert!(!came_by_proxy(&outcome), "the proxy cannot have seen into it");
    proxy.wait_until_asked(&format!("CONNECT 127.0.0.1:{}", secure.api.port()));
    assert_eq!(secure.api.counter("requests_h2"), 2);
}

#[test]
fn s1_the_proxy_of_a_tunnel_gets_its_own_password_and_nothing_else() {
    let proxy = Recorder::start(|_| reply("502 Bad Gateway", "", ""));
    let url = proxy.url().replace("http://", &format!("http://{}@", ODD_USER_INFO));
    let outcome = ask("https://api.example.com", &[], json!({"proxy": url, "headers": {"X-Api-Key": "header-secret"}}));
    failed(&outcome, "TM_NETWORK", &["proxy"]);
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert!(request.starts_with("CONNECT api.example.com:443 HTTP/1.1\r\n"), "{request}");
        let basic = format!("Basic {}", basic(ODD_PASSWORD));
        assert_eq!(header(&request, "proxy-authorization"), Some(basic.as_str()));
        assert_eq!(header(&request, "authorization"), None);
        assert!(!request.contains("header-secret") && !request.contains(PASSWORD), "{request}");
    }
}

#[test]
fn no_proxy_is_obeyed_for_both() {
    let (api, proxy) = (demo(), Tinyproxy::start());
    let url = proxy.url();
    let by_name = format!("http://localhost:{}", api.port());
    for (host, excepted) in [
        (api.url(), "127.0.0.1"),
        (api.url(), "example.com,127.0.0.0/8"),
        (by_name.clone(), "localhost"),
        (by_name, "*"),
        (api.url(), "*"),
    ] {
        let outcome = ask(&host, &[("HTTP_PROXY", &url), ("NO_PROXY", excepted)], json!({}));
        assert!(!came_by_proxy(&outcome), "{host} {excepted}");
        let outcome = ask(&host, &[("NO_PROXY", excepted)], json!({"proxy": url}));
        assert!(!came_by_proxy(&outcome), "{host} {excepted}, with the option");
    }
    assert!(!proxy.was_asked());
    assert!(came_by_proxy(&ask(&api.url(), &[("NO_PROXY", "example.com")], json!({"proxy": url}))));
}

#[test]
fn none_means_none_whatever_the_environment_says() {
    let (api, secure, proxy) = (demo(), Secure::new(), Tinyproxy::start());
    let url = proxy.url();
    let environment = [("HTTP_PROXY", url.as_str()), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url)];
    assert!(!came_by_proxy(&ask(&api.url(), &environment, json!({"proxy": "none"}))));
    came_by_proxy(&ask(&secure.api.url(), &environment, json!({"proxy": "none", "ca_file": secure.ca_file})));
    assert!(!proxy.was_asked());
}

#[test]
fn the_option_comes_before_the_environment() {
    let (api, proxy, other) = (demo(), Tinyproxy::start(), Tinyproxy::start());
    let outcome = ask(&api.url(), &[("HTTP_PROXY", &other.url())], json!({"proxy": proxy.url()}));
    assert!(came_by_proxy(&outcome));
    assert!(!other.was_asked());
}

#[test]
fn s2_a_proxy_that_refuses_its_password_is_named_as_the_one_who_did() {
    let (api, secure, proxy) = (demo(), Secure::new(), Tinyproxy::start());
    for user_info in ["wire:wrong-secret", "wire-and-nothing"] {
        let url = proxy.url_with(user_info);
        let tunnel = ask(&secure.api.url(), &[], json!({"proxy": url, "ca_file": secure.ca_file}));
        failed(&tunnel, "TM_NETWORK", &["proxy"]);
        // Whether its 407 comes through is chance: it does not wait for the request to end.
        let plain = ask(&api.url(), &[], json!({"proxy": url}));
        says_no_password(&plain);
        assert!(["TM_BAD_RESPONSE", "TM_NETWORK"].contains(&plain["status"].as_str().unwrap()), "{plain}");
    }
    assert_eq!((api.counter("login_arrivals"), secure.api.counter("connections")), (0, 0));
}

#[test]
fn a_proxys_407_is_not_taken_for_the_apis_own_answer() {
    let proxy = Recorder::start(|_| {
        let headers = "Proxy-Authenticate: Basic realm=\"x\"\r\n";
        reply("407 Proxy Authentication Required", headers, "<html>Who are you?</html>")
    });
    let outcome = ask(&demo().url(), &[], json!({"proxy": proxy.url()}));
    failed(&outcome, "TM_BAD_RESPONSE", &["407", "proxy"]);
}

#[test]
fn s2_a_proxy_that_is_down_is_named_without_its_password() {
    let (api, secure) = (demo(), Secure::new());
    let url = format!("http://{}@127.0.0.1:{}", ODD_USER_INFO, free_port());
    let plain = ask(&api.url(), &[], json!({"proxy": url}));
    failed(&plain, "TM_NETWORK", &["refused", "check the host, the port and the proxy"]);
    let options = json!({"proxy": url, "ca_file": secure.ca_file});
    failed(&ask(&secure.api.url(), &[], options), "TM_NETWORK", &["refused", "proxy"]);
    // The environment's is not for this machine's own addresses.
    let environment = [("HTTP_PROXY", url.as_str()), ("HTTPS_PROXY", &url)];
    for host in ["http://api.example.com", "https://api.example.com"] {
        let outcome = ask(host, &environment, json!({"allow_insecure_http": true}));
        failed(&outcome, "TM_NETWORK", &["refused", "proxy"]);
    }
}

/// A proxy that takes the beginning of a request, answers with this or not at all, and resets the connection.
fn resetting(answers: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // Its thread ends with the process: it waits for a connection of a test's own.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            if !answers.is_empty() {
                let _ = stream.write_all(answers.as_bytes());
                let _ = stream.read(&mut [0]);
            }
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    });
    format!("http://{ODD_USER_INFO}@127.0.0.1:{port}")
}

#[test]
fn a_proxy_that_resets_the_connection_is_named() {
    let (api, secure) = (demo(), Secure::new());
    for (host, answers, says) in [
        (api.url(), "", &["POST http://", "lost its connection before an answer came"][..]),
        (secure.api.url(), "", &["POST https://", "was not let through by the proxy"]),
        (secure.api.url(), "HTTP/1.1 200 OK\r\n\r\n", &["POST https://", "in the TLS handshake"]),
    ] {
        let proxy = resetting(answers);
        let named = format!("the proxy http://{}", proxy.split_once('@').expect("user-info").1);
        let outcome = ask(&host, &[], json!({"proxy": proxy, "ca_file": secure.ca_file}));
        failed(&outcome, "TM_NETWORK", &[&["/auth/login", named.as_str()], says].concat());
    }
    assert_eq!((api.counter("login_arrivals"), secure.api.counter("login_arrivals")), (0, 0));
}

#[test]
fn tls_with_the_proxy_itself_is_told_from_the_servers() {
    let secure = Secure::new();
    let proxy = resetting("HTTP/1.1 400 Bad Request\r\n\r\n").replace("http://", "https://");
    let named = format!("with the proxy https://{}", proxy.split_once('@').expect("user-info").1);
    let outcome = ask(&secure.api.url(), &[], json!({"proxy": proxy, "ca_file": secure.ca_file}));
    failed(&outcome, "TM_TLS", &[&named, "does not speak TLS"]);
}

#[test]
fn s2_a_proxy_that_repeats_its_password_is_not_quoted() {
    let proxy = Recorder::start(|request| {
        let basic = header(request, "proxy-authorization").unwrap_or_default();
        let words = format!("{basic} {ODD_PASSWORD} {ODD_USER_INFO}");
        reply("502 Bad Gateway", "", &json!({"error": {"code": words, "message": words}}).to_string())
    });
    let api = demo();
    let url = proxy.url().replace("http://", &format!("http://{}@", ODD_USER_INFO));
    failed(&ask(&api.url(), &[], json!({"proxy": url})), "TM_SERVER_ERROR", &["502"]);
    failed(&ask("https://api.example.com", &[], json!({"proxy": url})), "TM_NETWORK", &["proxy"]);
}
