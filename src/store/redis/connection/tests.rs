use super::*;
use crate::call::Call;
use crate::call::hooks::Hooks;
use crate::store::redis::address::Address;
use crate::store::redis::route::KnownNodes;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::channel;
use std::thread;

const SOON: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects to a server that sends these pieces, each when told to, and does something with the connection.
fn with_connection(
    pieces: &'static [&str],
    work: impl FnOnce(&mut dyn FnMut(Duration) -> Result<Value, RedisError>, &dyn Fn()),
) -> bool {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel::<()>();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        for piece in pieces {
            if told.recv().is_err() {
                break;
            }
            let _ = client.write_all(piece.as_bytes()); // the other side may have gone
        }
        // Until the other side has closed it.
        while client.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
    });
    let options = serde_json::from_str(&format!(r#"{{"url": "redis://127.0.0.1:{port}"}}"#)).unwrap();
    let (address, known_nodes) = (Arc::new(Address::read(&options).unwrap()), KnownNodes::default());
    let until = Instant::now() + PATIENCE;
    let route = Route { address: Arc::clone(&address), tls: None, limit: PATIENCE, until, known_nodes: &known_nodes };
    let call = Call::begin(Arc::new(Hooks::default()), PATIENCE);
    let mut pace = Pace::new(&call, until, None);
    let named = Server::Tcp { host: "127.0.0.1".to_owned(), port };
    let mut connection = Connection::open(&named, &address.access, &route, &mut pace).unwrap();
    work(&mut |limit| connection.ask(&Command::new("PING"), limit, &route, &mut pace), &|| tell.send(()).unwrap());
    let is_usable = connection.is_usable();
    drop((connection, tell));
    server.join().unwrap();
    is_usable
}

#[test]
fn one_answer_to_each_command_leaves_it_usable() {
    let is_usable = with_connection(&["+P", "ONG\r\n", ":1\r\n"], |ask, tell| {
        tell();
        tell();
        assert_eq!(ask(PATIENCE).unwrap(), Value::Simple(b"PONG".to_vec()));
        tell();
        assert_eq!(ask(PATIENCE).unwrap(), Value::Int(1));
    });
    assert!(is_usable);
}

#[test]
fn an_answer_that_came_too_late_is_never_anothers() {
    let is_usable = with_connection(&["+late\r\n", "+next\r\n"], |ask, tell| {
        assert!(matches!(ask(SOON), Err(RedisError::Lost { timed_out: true, .. })));
        tell();
        tell();
        assert!(matches!(ask(PATIENCE), Err(RedisError::Lost { timed_out: false, .. })));
    });
    assert!(!is_usable);
}

#[test]
fn what_nobody_asked_for_makes_it_unusable() {
    let is_usable = with_connection(&["+PONG\r\n+unasked\r\n"], |ask, tell| {
        tell();
        assert!(matches!(ask(PATIENCE), Err(RedisError::Senseless(_))));
    });
    assert!(!is_usable);
}

#[test]
fn a_connection_that_was_closed_is_seen_to_be() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = Arc::new(Socket::connect(listener.local_addr().unwrap()).unwrap());
    let (client, _) = listener.accept().unwrap();
    while !socket.connected().unwrap() {
        Socket::wait(&[&socket], PATIENCE).unwrap();
    }
    let mut connection = Connection {
        server: Server::Tcp { host: "127.0.0.1".to_owned(), port: 1 },
        stream: Stream::new(Layers::Plain(SocketStream(Arc::clone(&socket)))),
        socket,
        alarm: Alarm::new(),
        owes_answer: false,
        has_answered: false,
    };
    assert!(connection.is_usable());
    drop(client);
    Socket::wait(&[&connection.socket], PATIENCE).unwrap();
    assert!(!connection.is_usable());
}
