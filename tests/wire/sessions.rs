//! TLS sessions of managers in one process: those of one host with equal settings resume each other's, no others do.

use crate::client::manager;
use crate::recorder::reply;
use crate::torn::{read_request, server_config};
use rustls::{HandshakeKind, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use support::folder::Folder;
use support::pki::{Authority, Issued};
use tokenmgr::Manager;

/// Grants a pair over each connection, and says how that began.
struct Server {
    host: String,
    kinds: Mutex<Receiver<HandshakeKind>>,
}

impl Server {
    fn start(certificate: &Issued) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let host = format!("https://{}", listener.local_addr().expect("it is bound"));
        let (config, (tell, kinds)) = (Arc::new(server_config(certificate)), channel());
        // Its thread ends with the process: it waits for a connection of a test's own.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a configuration that works");
                let mut tls = StreamOwned::new(connection, stream);
                if read_request(&mut tls).is_empty() {
                    continue;
                }
                tell.send(tls.conn.handshake_kind().expect("a handshake")).expect("the test waits for it");
                let pair = json!({"access_token": "access", "refresh_token": "refresh"});
                let _ = tls.write_all(reply("200 OK", "", &pair.to_string()).as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        Server { host, kinds: Mutex::new(kinds) }
    }

    fn is_resumed(&self, manager: &Manager) -> bool {
        manager.login().expect("a login");
        self.kinds.lock().expect("one thread").recv().expect("a connection") == HandshakeKind::Resumed
    }
}

#[test]
fn equal_managers_resume_each_others_sessions_and_no_others_do() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let client = authority.issue(&["shop"]);
    let ca = folder.file("ca.pem", &authority.certificate);
    let certificate = folder.file("client.pem", client.chain + &client.key);
    let (server, other) = (Server::start(&authority.server()), Server::start(&authority.server()));
    let new = |host: &str, more: Value| {
        let mut options = json!({"ca_file": ca});
        options.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        manager(host, options)
    };
    let first = new(&server.host, json!({}));
    assert!(!server.is_resumed(&first));
    assert!(server.is_resumed(&first) && server.is_resumed(&new(&server.host, json!({"timeout_ms": 9000}))));
    for more in [json!({"ca_only": true}), json!({"min_tls": "1.3"}), json!({"client_cert_file": certificate})] {
        let unequal = new(&server.host, more.clone());
        assert!(!server.is_resumed(&unequal), "{more}");
        assert!(server.is_resumed(&unequal), "{more}");
    }
    assert!(!other.is_resumed(&new(&other.host, json!({}))));
    // With the last of them the sessions go.
    drop(first);
    assert!(!server.is_resumed(&new(&server.host, json!({}))));
}
