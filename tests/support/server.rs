//! A server that keeps what arrives and answers what a test says, many requests at a time, over http and https.

use crate::pki::{Authority, Issued};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A header in a request's or an answer's head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The request line and the headers, as they were sent.
    pub head: String,
    pub body: String,
    /// Whether the client showed a certificate.
    pub showed_certificate: bool,
}

impl Arrived {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// "POST /auth/login"
    pub fn line(&self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// What follows the scheme in `Authorization`.
    pub fn credentials(&self, scheme: &str) -> Option<&str> {
        self.header("authorization")?.strip_prefix(scheme)?.strip_prefix(' ')
    }

    pub fn bearer(&self) -> &str {
        self.credentials("Bearer").unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_bytes()).unwrap_or(Value::Null)
    }

    /// The values of a field of the body, as a form.
    pub fn fields(&self, name: &str) -> Vec<String> {
        values(&self.body, name)
    }

    pub fn field(&self, name: &str) -> String {
        self.fields(name).join(" | ")
    }

    pub fn query(&self, name: &str) -> String {
        values(self.target().split_once('?').map_or("", |(_, query)| query), name).join(" | ")
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> &str {
        let pairs = self.header("cookie").unwrap_or_default().split("; ").filter_map(|pair| pair.split_once('='));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next().unwrap_or_default()
    }
}

fn values(pairs: &str, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(pairs.as_bytes());
    pairs.filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: &str) -> Answer {
        Answer { status, headers: format!("Content-Type: {content_type}\r\n"), body: body.to_owned() }
    }

    pub fn json(status: u16, body: Value) -> Answer {
        Answer::new(status, "application/json", &body.to_string())
    }

    pub fn empty(status: u16) -> Answer {
        Answer { status, headers: String::new(), body: String::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

pub struct Server {
    address: SocketAddr,
    is_https: bool,
    seen: Arc<Mutex<Vec<Arrived>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(&Arrived) -> Answer + Send + Sync + 'static) -> Server {
        Server::begin(None, answer)
    }

    /// Over https. It asks for a certificate of `clients`, and takes those who show none too.
    pub fn with_tls(
        certificate: &Issued,
        clients: &Authority,
        answer: impl Fn(&Arrived) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::begin(Some(Arc::new(tls(certificate, clients))), answer)
    }

    fn begin(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&Arrived) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (seen, is_over, is_https) =
            (Arc::<Mutex<Vec<Arrived>>>::default(), Arc::<AtomicBool>::default(), tls.is_some());
        let (noted, over, answer) = (Arc::clone(&seen), Arc::clone(&is_over), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.set_nodelay(true);
                let (noted, answer, tls) = (Arc::clone(&noted), Arc::clone(&answer), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, |_| false, &noted, &*answer),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a configuration that works");
                        let shows =
                            |tls: &StreamOwned<ServerConnection, TcpStream>| tls.conn.peer_certificates().is_some();
                        serve(StreamOwned::new(connection, stream), shows, &noted, &*answer);
                    }
                });
            }
        });
        Server { address, is_https, seen, is_over }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.address)
    }

    pub fn requests(&self) -> Vec<Arrived> {
        self.seen.lock().expect("no panic under the lock").clone()
    }

    /// "POST /auth/login", one for each request so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Arrived::line).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|known| *known == line).count()
    }

    /// The last request with this line.
    #[track_caller]
    pub fn last(&self, line: &str) -> Arrived {
        let mut all = self.requests();
        all.retain(|request| request.line() == line);
        all.pop().unwrap_or_else(|| panic!("no {line} in {:?}", self.lines()))
    }

    /// All that was sent to it, as one text.
    pub fn heard(&self) -> String {
        self.requests().iter().map(|request| format!("{}{}\n", request.head, request.body)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn tls(certificate: &Issued, clients: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(clients.certificate.as_bytes()).expect("PEM")).expect("an authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().expect("a verifier");
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("a key");
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    versions.with_client_cert_verifier(verifier).with_single_cert(chain, key).expect("they belong together")
}

fn serve<S: Read + Write>(
    mut stream: S,
    shows: impl Fn(&S) -> bool,
    seen: &Mutex<Vec<Arrived>>,
    answer: &dyn Fn(&Arrived) -> Answer,
) {
    let mut ahead = Vec::new();
    while let Some(mut request) = read(&mut stream, &mut ahead) {
        request.showed_certificate = shows(&stream);
        let Answer { status, headers, body } = answer(&request);
        seen.lock().expect("no panic under the lock").push(request);
        let reply = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
        // Whoever asked may have left.
        let _ = stream.write_all(reply.as_bytes()).and_then(|()| stream.flush());
    }
}

fn read(stream: &mut impl Read, ahead: &mut Vec<u8>) -> Option<Arrived> {
    loop {
        if let Some(end) = ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&ahead[..end + 4]).into_owned();
            let mut request = Arrived { head, body: String::new(), showed_certificate: false };
            let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            if ahead.len() >= end + 4 + length {
                request.body = String::from_utf8_lossy(&ahead[end + 4..end + 4 + length]).into_owned();
                ahead.drain(..end + 4 + length);
                return Some(request);
            }
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(read) if read > 0 => ahead.extend_from_slice(&block[..read]),
            _ => return None,
        }
    }
}
