//! T3: TLS that fails once the request is out. What became of the request is unknown then, and a refresh
//! token that was in it is spent.

use crate::client::manager;
use crate::recorder::reply;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use support::folder::Folder;
use support::pki::{Authority, Issued};

/// What the server does to the connection instead of answering a refresh.
#[derive(Clone, Copy)]
enum Tear {
    /// A fatal alert, as of a server that takes every record for a bad one.
    Alert,
    /// Bytes that are no TLS record.
    Garbage,
    /// A record that cannot be decrypted.
    Undecipherable,
}

/// Answers logins with a new pair each, and tears at refreshes. Keeps the refresh tokens that arrived.
fn tearing(certificate: &Issued, tear: Tear) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(server_config(certificate));
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&arrived);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(connection, stream);
            let request = read_request(&mut tls);
            match request.split_once("refresh_token\":\"") {
                None => {
                    let pair = json!({"access_token": format!("access-{number}"), "refresh_token": format!("refresh-{number}")});
                    let reply = reply("200 OK", "", &pair.to_string());
                    // Whoever asked may have left.
                    let _ = tls.write_all(reply.as_bytes());
                }
                Some((_, token)) => {
                    seen.lock().unwrap().push(token.trim_end_matches("\"}").to_owned());
                    spoil(tls, tear);
                }
            }
        }
    });
    (port, arrived)
}

fn spoil(mut tls: StreamOwned<ServerConnection, TcpStream>, tear: Tear) {
    let bytes: &[u8] = match tear {
        Tear::Alert => &[21, 3, 3, 0, 2, 2, 20],
        Tear::Garbage => b"HTTP/1.1 400 Bad Request\r\n\r\n",
        Tear::Undecipherable => {
            &[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
        }
    };
    tls.sock.write_all(bytes).unwrap();
    // Until the client has read it, and leaves.
    let _ = tls.sock.read_to_end(&mut Vec::new());
}

pub fn server_config(certificate: &Issued) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

pub fn read_request(tls: &mut impl Read) -> String {
    let mut text = String::new();
    let mut block = [0; 4096];
    while !text.ends_with('}') {
        match tls.read(&mut block) {
            Ok(read) if read > 0 => text += &String::from_utf8_lossy(&block[..read]),
            _ => break,
        }
    }
    text
}

/// Refreshes until a token would be sent twice, if ever one is.
fn a_token_is_sent_once(tear: Tear) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (port, arrived) = tearing(&authority.server(), tear);
    let options = json!({"ca_file": folder.file("ca.pem", &authority.certificate)});
    let manager = manager(&format!("https://127.0.0.1:{port}"), options);
    manager.login().unwrap();
    for _ in 0..3 {
        manager.refresh().expect("a login, where the refresh was lost");
    }
    let mut arrived = arrived.lock().unwrap().clone();
    let count = arrived.len();
    arrived.dedup();
    assert_eq!((count, arrived.len()), (3, 3), "{arrived:?}");
}

#[test]
fn t3_a_refresh_token_is_spent_if_an_alert_comes_in_place_of_an_answer() {
    a_token_is_sent_once(Tear::Alert);
}

#[test]
fn t3_a_refresh_token_is_spent_if_garbage_comes_in_place_of_an_answer() {
    a_token_is_sent_once(Tear::Garbage);
}

#[test]
fn t3_a_refresh_token_is_spent_if_an_answer_can_not_be_decrypted() {
    a_token_is_sent_once(Tear::Undecipherable);
}
