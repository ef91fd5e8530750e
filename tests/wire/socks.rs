//! SOCKS5 proxies (RFC 1928, RFC 1929), by option and by environment. In processes of their own, because the
//! environment that the tests are run in may name a proxy, too.

use crate::child::{self, went_well};
use crate::client::{PASSWORD, USERNAME, demo};
use crate::scripted::Line;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::Authority;

/// A name that no name server knows: only a proxy can reach what goes by it.
const NOWHERE: &str = "api.shop.invalid";
const NO_AUTHENTICATION: u8 = 0;
const BY_PASSWORD: u8 = 2;

/// What a client asked of a proxy.
#[derive(Clone, Debug, Default)]
struct ProxyRequest {
    methods: Vec<u8>,
    login: Option<(String, String)>,
    /// `name api.example.com:443` or `address 127.0.0.1:443`.
    target: Option<String>,
}

/// How a proxy deals with everyone.
#[derive(Clone, Copy)]
enum Deal {
    Open,
    /// Wants this password.
    Password(&'static str),
    /// Takes no method of authentication that it is offered.
    NoMethod,
    /// Refuses every connection with this code.
    Refuse(u8),
    /// Takes the greeting, and says nothing.
    Silent,
}

struct Socks {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<ProxyRequest>>>,
}

impl Socks {
    /// Connects everyone with `to`, whatever is asked for.
    fn start(deal: Deal, to: u16) -> Socks {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<ProxyRequest>>>::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || {
                    let number = {
                        let mut all = seen.lock().unwrap();
                        all.push(ProxyRequest::default());
                        all.len() - 1
                    };
                    let note = |change: &dyn Fn(&mut ProxyRequest)| change(&mut seen.lock().unwrap()[number]);
                    // How it ended is the client's to judge.
                    let _ = serve(stream, deal, (Ipv4Addr::LOCALHOST, to).into(), &note);
                });
            }
        });
        Socks { address, asked }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    fn asked(&self) -> Vec<ProxyRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// What everyone asked for, without what came twice.
    fn targets(&self) -> Vec<String> {
        let mut targets: Vec<String> = self.asked().into_iter().filter_map(|asked| asked.target).collect();
        targets.dedup();
        targets
    }
}

/// Writes down what is asked, as it comes.
type Note<'a> = &'a dyn Fn(&dyn Fn(&mut ProxyRequest));

fn take<const LENGTH: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_text(stream: &mut TcpStream) -> std::io::Result<String> {
    let [length] = take(stream)?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn serve(mut stream: TcpStream, deal: Deal, to: SocketAddr, note: Note<'_>) -> std::io::Result<()> {
    let [version, count] = take(&mut stream)?;
    assert_eq!(version, 5, "SOCKS5");
    let mut methods = vec![0; count.into()];
    stream.read_exact(&mut methods)?;
    note(&|asked| asked.methods.clone_from(&methods));
    match deal {
        Deal::Silent => return stream.read_to_end(&mut Vec::new()).map(drop),
        Deal::Password(password) if methods.contains(&BY_PASSWORD) => {
            stream.write_all(&[5, BY_PASSWORD])?;
            assert_eq!(take::<1>(&mut stream)?, [1], "RFC 1929");
            let login = (take_text(&mut stream)?, take_text(&mut stream)?);
            let is_right = login.1 == password;
            note(&|asked| asked.login = Some(login.clone()));
            stream.write_all(&[1, u8::from(!is_right)])?;
            if !is_right {
                return Ok(());
            }
        }
        Deal::Open | Deal::Refuse(_) if methods.contains(&NO_AUTHENTICATION) => {
            stream.write_all(&[5, NO_AUTHENTICATION])?;
        }
        _ => return stream.write_all(&[5, 0xff]),
    }
    let [version, command, _, kind] = take(&mut stream)?;
    assert_eq!((version, command), (5, 1), "CONNECT");
    let host = match kind {
        1 => format!("address {}", Ipv4Addr::from(take::<4>(&mut stream)?)),
        3 => format!("name {}", take_text(&mut stream)?),
        4 => format!("address {}", Ipv6Addr::from(take::<16>(&mut stream)?)),
        other => panic!("no such kind of address: {other}"),
    };
    let target = format!("{host}:{}", u16::from_be_bytes(take(&mut stream)?));
    note(&|asked| asked.target = Some(target.clone()));
    let code = if let Deal::Refuse(code) = deal { code } else { 0 };
    stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])?;
    if code == 0 {
        Line::plain(stream).tunnel(to);
    }
    Ok(())
}

fn ask(host: &str, environment: &[(&'static str, &str)], options: Value) -> Value {
    let order = json!({"host": host, "username": USERNAME, "password": PASSWORD, "options": options});
    child::ask_echo(environment.iter().copied(), order)
}

#[track_caller]
fn failed(outcome: &Value, status: &str, says: &[&str]) {
    child::failed(outcome, status, says);
    for secret in ["s3cr/t:%@proxy", "s3cr%2Ft%3A%25%40proxy", PASSWORD] {
        assert!(!outcome.to_string().contains(secret), "{secret} is in {outcome}");
    }
}

#[test]
fn socks5_is_asked_for_an_address_and_socks5h_for_a_name() {
    let api = demo();
    let by_name = format!("http://localhost:{}", api.port());
    for (scheme, host, target) in [
        ("socks5", api.url(), format!("address 127.0.0.1:{}", api.port())),
        ("socks5h", api.url(), format!("address 127.0.0.1:{}", api.port())),
        ("socks5h", by_name.clone(), format!("name localhost:{}", api.port())),
        ("socks5h", format!("http://{NOWHERE}"), format!("name {NOWHERE}:80")),
    ] {
        let proxy = Socks::start(Deal::Open, api.port());
        went_well(&ask(&host, &[], json!({"proxy": proxy.url(scheme), "allow_insecure_http": true})));
        assert_eq!(proxy.targets(), [target], "{scheme} {host}");
        assert!(proxy.asked().iter().all(|asked| asked.login.is_none()));
    }
    let proxy = Socks::start(Deal::Open, api.port());
    went_well(&ask(&by_name, &[], json!({"proxy": proxy.url("socks5")})));
    let targets = proxy.targets();
    assert!(targets.iter().all(|target| target.starts_with("address ")), "{targets:?}");
    // A name that has to be looked up here is looked up here, and not found.
    let outcome =
        ask(&format!("http://{NOWHERE}"), &[], json!({"proxy": proxy.url("socks5"), "allow_insecure_http": true}));
    failed(&outcome, "TM_NETWORK", &[NOWHERE]);
    assert_eq!(proxy.targets(), targets);
}

#[test]
fn https_goes_through_a_socks_proxy() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let tls = Some(authority.issue(&[NOWHERE]).tls(None));
    let api = DemoApi::start(Config { tls, ..Config::default() }).expect("a free port");
    let ca_file = folder.file("ca.pem", &authority.certificate);
    let proxy = Socks::start(Deal::Open, api.port());
    went_well(&ask(&format!("https://{NOWHERE}"), &[], json!({"proxy": proxy.url("socks5h"), "ca_file": ca_file})));
    assert_eq!(proxy.targets(), [format!("name {NOWHERE}:443")]);
    assert_eq!(api.counter("requests_h2"), 2);
}

#[test]
fn the_environment_may_name_a_socks_proxy() {
    let api = demo();
    for variable in ["ALL_PROXY", "all_proxy", "http_proxy", "HTTP_PROXY"] {
        let proxy = Socks::start(Deal::Open, api.port());
        let environment = [(variable, &*proxy.url("socks5h"))];
        went_well(&ask(&format!("http://{NOWHERE}"), &environment, json!({"allow_insecure_http": true})));
        assert_eq!(proxy.targets(), [format!("name {NOWHERE}:80")], "{variable}");
    }
}

#[test]
fn a_username_and_a_password_in_its_url_are_for_the_proxy() {
    let api = demo();
    let proxy = Socks::start(Deal::Password("s3cr/t:%@proxy"), api.port());
    let url = proxy.url("socks5").replace("://", "://wire%40shop:s3cr%2Ft%3A%25%40proxy@");
    went_well(&ask(&api.url(), &[], json!({"proxy": url})));
    let login = Some(("wire@shop".to_owned(), "s3cr/t:%@proxy".to_owned()));
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.login == login && asked.methods.contains(&BY_PASSWORD)), "{asked:?}");
}

#[test]
fn s2_a_proxy_that_refuses_the_password_or_wants_one_is_named() {
    let api = demo();
    let proxy = Socks::start(Deal::Password("another"), api.port());
    let url = proxy.url("socks5").replace("://", "://wire:s3cr%2Ft%3A%25%40proxy@");
    failed(&ask(&api.url(), &[], json!({"proxy": url})), "TM_NETWORK", &["proxy", "password"]);
    failed(&ask(&api.url(), &[], json!({"proxy": proxy.url("socks5")})), "TM_NETWORK", &["proxy", "password", "URL"]);
    let proxy = Socks::start(Deal::NoMethod, api.port());
    failed(&ask(&api.url(), &[], json!({"proxy": url.replace("another", "x")})), "TM_NETWORK", &["proxy"]);
    failed(&ask(&api.url(), &[], json!({"proxy": proxy.url("socks5")})), "TM_NETWORK", &["proxy"]);
    assert_eq!(api.counter("connections"), 0);
}

#[test]
fn a_proxy_that_connects_nobody_is_named() {
    let api = demo();
    // General failure, not allowed, network and host unreachable, refused, and a code that no one has heard of.
    for code in [1, 2, 3, 4, 5, 99] {
        let proxy = Socks::start(Deal::Refuse(code), api.port());
        failed(&ask(&api.url(), &[], json!({"proxy": proxy.url("socks5")})), "TM_NETWORK", &["proxy"]);
    }
    assert_eq!(api.counter("connections"), 0);
}

/// Answers a greeting of SOCKS as web servers do, and closes.
fn web_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn what_is_no_socks_proxy_is_not_waited_for() {
    let api = demo();
    let url = web_server().replace("http://", "socks5://");
    failed(&ask(&api.url(), &[], json!({"proxy": url})), "TM_NETWORK", &["proxy"]);
    let down = format!("socks5://127.0.0.1:{}", support::program::free_port());
    failed(&ask(&api.url(), &[], json!({"proxy": down})), "TM_NETWORK", &["refused", "proxy"]);
    let silent = Socks::start(Deal::Silent, api.port());
    let options = json!({"proxy": silent.url("socks5"), "connect_timeout_ms": 300});
    failed(&ask(&api.url(), &[], options), "TM_TIMEOUT", &["connect_timeout_ms"]);
}
