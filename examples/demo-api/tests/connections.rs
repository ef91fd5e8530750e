//! Connections: kept alive, closed, cut, counted, encrypted. And the API's calls as such.

use super::*;
use crate::api::Tls;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::{Version, body::Bytes};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::sync::Arc;

/// Reads one answer with a Content-Length, leaving the connection open.
fn read_one(stream: &mut impl Read) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.extend(byte);
    }
    let mut reply = Reply::parse(&bytes)?;
    let length = reply.header("content-length").expect("a length");
    reply.body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut reply.body)?;
    Ok(reply)
}

#[test]
fn a_connection_is_kept_alive_and_counted_once() {
    let api = start();
    let mut stream = connect(&api);
    for _ in 0..3 {
        stream.write_all(request("GET /api/v1/products", "", "").as_bytes()).expect("sent");
        let reply = read_one(&mut stream).expect("an answer");
        assert_eq!((reply.status, reply.header("connection")), (401, None));
    }
    call(&api, "GET /control/counters", None, "");
    assert_eq!((api.counter("connections"), api.counter("connections_current")), (1, 1));
    assert_eq!((api.counter("requests_h1"), api.counter("api_401")), (3, 3));
    drop(stream);
    assert!(api.wait_until_at_most("connections_current", 0, PATIENCE));
    assert_eq!(api.counter("connections"), 1);
}

#[test]
fn an_idle_connection_is_closed_unannounced() {
    let api = start();
    for ms in [0, 5] {
        api.control(json!({"idle_close_ms": ms}));
        let mut stream = connect(&api);
        stream.write_all(request("GET /api/v1/products", "", "").as_bytes()).expect("sent");
        let reply = read_one(&mut stream).expect("an answer");
        assert_eq!(reply.header("connection"), None);
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
    }
    api.control(json!({"idle_close_ms": null, "announce_close": true}));
    let mut stream = connect(&api);
    stream.write_all(request("GET /api/v1/products", "", "").as_bytes()).expect("sent");
    let reply = read_one(&mut stream).expect("an answer");
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(stream.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn connections_are_cut_and_the_port_closes_for_a_while() {
    let api = start();
    let mut stream = connect(&api);
    assert!(api.wait_until("connections", 1, PATIENCE));
    let reply = call(&api, "POST /control", None, r#"{"cut_connections":true}"#);
    assert_eq!(reply.status, 200);
    let error = stream.read(&mut [0]).expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let pair = login(&api).data();
    let refused = || TcpStream::connect(("127.0.0.1", api.port())).is_err();
    let outage = |ms: u64| {
        let arrived = api.counter("connections");
        let mut stream = connect(&api);
        assert!(api.wait_until("connections", arrived + 1, PATIENCE));
        api.control(json!({"outage_ms": ms}));
        let error = stream.read(&mut [0]).expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    };
    outage(50);
    while refused() {}
    assert_eq!(products(&api, &pair), 200, "it remembers");
    outage(3_600_000);
    assert!(refused());
}

#[test]
fn the_calls_of_the_api_answer() {
    let api = start();
    let pair = login(&api).data();
    let token = pair["access_token"].as_str().expect("a token");
    let get = |path: &str| call(&api, &format!("GET /api/v1/{path}"), Some(token), "");
    assert!(get("products").data().as_array().is_some_and(|all| !all.is_empty()));
    assert!(get("categories").data().is_array());
    assert_eq!(get("status/404").status, 404);
    assert_eq!(get("status/204").body, b"");
    assert_eq!(get("nowhere").status, 404);
    let redirect = get("redirect?to=http%3A%2F%2Fexample.test%2F&status=307");
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("http://example.test/")));

    let pattern: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
    let blob = get("blob?bytes=200000");
    assert_eq!(blob.header("content-length"), Some("200000"));
    assert_eq!(blob.body, pattern);
    let mut plain = Vec::new();
    let packed = get("blob?bytes=200000&gzip=1");
    GzDecoder::new(&packed.body[..]).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, pattern);

    let echo = call(&api, "PUT /api/v1/echo?a=1&a=%C3%A9", Some(token), "hello").data();
    assert_eq!((&echo["method"], &echo["body"]), (&json!("PUT"), &json!("hello")));
    assert_eq!(echo["query"], json!([["a", "1"], ["a", "é"]]));
    assert_eq!(echo["headers"]["host"], json!(["x"]));
    assert!(!echo.to_string().contains(token));
}

#[test]
fn an_order_is_placed_once_per_idempotency_key() {
    let api = start();
    let pair = login(&api).data();
    let token = pair["access_token"].as_str().expect("a token");
    let order = |key: &str| {
        let headers = format!("Connection: close\r\nAuthorization: Bearer {token}\r\n{key}");
        let mut stream = connect(&api);
        let request = request("POST /api/v1/orders", &headers, r#"{"product":1}"#);
        stream.write_all(request.as_bytes()).expect("sent");
        read_one(&mut stream).expect("an answer").data()
    };
    let numbers = ["", "", "Idempotency-Key: k\r\n", "Idempotency-Key: k\r\n"].map(order);
    let ids = numbers.each_ref().map(|o| o["order_id"].as_u64().expect("a number"));
    assert_eq!(ids, [1, 2, 3, 3]);
    assert_eq!((&numbers[3]["replayed"], &numbers[3]["order"]), (&json!(true), &json!({"product": 1})));
    assert_eq!((api.counter("orders_created"), api.counter("orders_replayed")), (3, 1));
}

struct Pki {
    ca: String,
    certificate: String,
    key: String,
}

fn pki() -> Pki {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_string()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &ca).expect("a certificate");
    Pki { ca: ca.pem(), certificate: leaf.pem(), key: key.serialize_pem() }
}

fn start_tls(pki: &Pki, client_ca: Option<String>) -> DemoApi {
    let (certificates, key) = (pki.certificate.clone(), pki.key.clone());
    let tls = Some(Tls { certificates, key, client_ca });
    DemoApi::start(Config { tls, ..Config::default() }).expect("a free port")
}

fn client(pki: &Pki, with_certificate: bool, alpn: &str) -> Arc<ClientConfig> {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&pki.ca)).expect("a root");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots);
    let mut config = match with_certificate {
        false => config.with_no_client_auth(),
        true => {
            let key = PrivateKeyDer::from_pem_slice(pki.key.as_bytes()).expect("PEM");
            config.with_client_auth_cert(vec![certificate(&pki.certificate)], key).expect("a key")
        }
    };
    config.alpn_protocols = vec![alpn.into()];
    Arc::new(config)
}

#[test]
fn https_speaks_http_1_and_knows_client_certificates() {
    let pki = pki();
    let api = start_tls(&pki, Some(pki.ca.clone()));
    assert!(api.url().starts_with("https://"));
    let exchange = |with_certificate, fault: Value| {
        api.control(json!({"faults": fault}));
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(client(&pki, with_certificate, "http/1.1"), name);
        let mut stream = StreamOwned::new(client.expect("a client"), connect(&api));
        stream.write_all(request("GET /api/v1/products", "", "").as_bytes())?;
        read_one(&mut stream)
    };
    assert_eq!(exchange(true, json!([])).expect("an answer").status, 401);
    assert!(exchange(false, json!([])).is_err());
    assert!(api.wait_until("tls_failed", 1, PATIENCE));
    let lost = exchange(true, json!({"route": "*", "do": "reset"})).err().expect("no answer");
    assert_eq!(lost.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn https_speaks_http_2() {
    let pki = pki();
    let api = start_tls(&pki, None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let tcp = tokio::net::TcpStream::connect(("127.0.0.1", api.port())).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = tokio_rustls::TlsConnector::from(client(&pki, false, "h2"));
        let tls = connector.connect(name, tcp).await.expect("a handshake");
        let io = TokioIo::new(tls);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = hyper::Request::get("https://localhost/api/v1/products");
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let reply = sender.send_request(request.clone()).await.expect("an answer");
        assert_eq!((reply.status().as_u16(), reply.version()), (401, Version::HTTP_2));
        assert!(reply.headers().contains_key("date"));
        reply.into_body().collect().await.expect("a body");

        api.control(json!({"faults": {"route": "*", "do": "truncate"}}));
        let reply = sender.send_request(request).await.expect("a head");
        assert!(reply.into_body().collect().await.is_err());
    });
    assert_eq!(api.counter("requests_h2"), 2);
}
