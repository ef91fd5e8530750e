//! One operation's session with Redis: finding the server to connect to, and sending it commands.

use crate::net::drive::Pace;
use crate::net::idle::is_over;
use crate::store::redis::address::{Access, Server, Servers, listed};
use crate::store::redis::connection::Connection;
use crate::store::redis::error::RedisError;
use crate::store::redis::resp::{Command, Value};
use crate::store::redis::route::Route;
use crate::sys::clock::Tick;
use std::sync::Arc;
use std::time::Duration;

/// How often in a row a Cluster may redirect a command.
const MOST_REDIRECTIONS: u32 = 5;

/// A connection between two operations. Nothing drives it meanwhile.
#[derive(Debug)]
pub struct Idle {
    pub connection: Connection,
    pub since: Tick,
}

impl Idle {
    /// The connection, unless it is known to be unusable.
    pub fn into_usable(mut self) -> Option<Connection> {
        (!is_over(self.since, Tick::now()) && self.connection.is_usable()).then_some(self.connection)
    }
}

/// One operation's connection, and how it is made.
pub struct Session<'a> {
    connection: Option<Connection>,
    /// Whether the connection comes from an earlier operation, so that the server may have closed it since.
    is_kept: bool,
    pub route: Route<'a>,
    pace: Pace<'a>,
}

impl<'a> Session<'a> {
    pub fn new(kept: Option<Connection>, route: Route<'a>, pace: Pace<'a>) -> Session<'a> {
        if let Some(connection) = &kept {
            pace.call.add_socket(connection.socket());
        }
        Session { is_kept: kept.is_some(), connection: kept, route, pace }
    }

    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// The server that it is connected to, for messages.
    pub fn server(&self) -> Option<&Server> {
        self.connection.as_ref().map(|connection| &connection.server)
    }

    pub fn disconnect(&mut self) {
        self.connection = None;
        self.is_kept = false;
    }

    /// The connection, to be kept for the next operation.
    pub fn into_connection(self) -> Option<Connection> {
        self.connection.inspect(|connection| self.pace.call.remove_socket(connection.socket()))
    }

    /// Sends one command to where its key is. A server that answers `MOVED` or `ASK` has not run it: so to send it to
    /// the node that it names is not to send it twice.
    pub fn ask(&mut self, command: &Command<'_>) -> Result<Value, RedisError> {
        self.ask_within(command, self.route.limit)
    }

    /// The same, within a time of its own.
    pub fn ask_within(&mut self, command: &Command<'_>, limit: Duration) -> Result<Value, RedisError> {
        for _ in 0..MOST_REDIRECTIONS {
            let (connection, route, pace) = self.connected()?;
            let (server, refusal) = match connection.ask(command, limit, route, pace) {
                Err(RedisError::Refused { server, refusal }) if matches!(&*refusal.code, "MOVED" | "ASK") => {
                    (server, refusal)
                }
                other => return other,
            };
            let node = refusal.detail.split(' ').nth(1).and_then(|node| server.redirected(node));
            let (Servers::Cluster(_), Some(node)) = (&route.address.servers, node) else {
                return Err(RedisError::Refused { server, refusal });
            };
            if refusal.code == "ASK" {
                return self.ask_there(&node, command, limit);
            }
            self.disconnect();
            self.connection = Some(self.open(&node)?);
            self.route.known_nodes.put_first(node);
        }
        Err(RedisError::Unreached(
            "the nodes of the Cluster send each other's requests round; see CLUSTER NODES".to_owned(),
        ))
    }

    /// The key is on its way to that node; until the slot is, only this one command goes there: the next is answered
    /// MOVED.
    fn ask_there(&mut self, node: &Server, command: &Command<'_>, limit: Duration) -> Result<Value, RedisError> {
        let there = self.open(node)?;
        let there = self.connection.insert(there);
        there.ask(&Command::new("ASKING"), self.route.limit, &self.route, &mut self.pace)?;
        there.ask(command, limit, &self.route, &mut self.pace)
    }

    /// The connection as it is, or a new one.
    fn connected(&mut self) -> Result<(&mut Connection, &Route<'a>, &mut Pace<'a>), RedisError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        Ok((self.connection.insert(connection), &self.route, &mut self.pace))
    }

    fn open(&mut self, server: &Server) -> Result<Connection, RedisError> {
        Connection::open(server, &self.route.address.access, &self.route, &mut self.pace)
    }

    fn connect(&mut self) -> Result<Connection, RedisError> {
        let address = Arc::clone(&self.route.address);
        match &address.servers {
            Servers::One(server) => self.open(server),
            Servers::Sentinel { master, nodes } => {
                let server = self.ask_sentinels(master, nodes)?;
                self.open(&server)
            }
            Servers::Cluster(nodes) => self.connect_to_any(nodes),
        }
    }

    /// A Cluster's node, whichever answers first: it knows where the key is.
    fn connect_to_any(&mut self, nodes: &[Server]) -> Result<Connection, RedisError> {
        let mut candidates = self.route.known_nodes.all();
        let others: Vec<Server> = nodes.iter().filter(|node| !candidates.contains(node)).cloned().collect();
        candidates.extend(others);
        let mut last = None;
        for node in &candidates {
            match self.open(node).and_then(|connection| self.meet(connection)) {
                Ok(connection) => return Ok(connection),
                Err(RedisError::Ended(error)) => return Err(RedisError::Ended(error)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| RedisError::Unreached("the option store.url names no node".to_owned())))
    }

    /// Asks for the other nodes, for when those in the options are gone. Where the ACL user may not ask, nothing is learnt.
    fn meet(&mut self, mut connection: Connection) -> Result<Connection, RedisError> {
        let slots = Command::new("CLUSTER").arg("SLOTS");
        match connection.ask(&slots, self.route.limit, &self.route, &mut self.pace) {
            Ok(Value::Array(ranges)) => {
                self.route.known_nodes.add(ranges.into_iter().flat_map(|range| nodes_in(range, &connection.server)));
            }
            Ok(_) | Err(RedisError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(connection)
    }

    /// Which server the Sentinels call the master: the answer of the first that knows one counts.
    fn ask_sentinels(&mut self, master: &str, nodes: &[(Server, Access)]) -> Result<Server, RedisError> {
        let mut last = None;
        let question = Command::new("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        for (node, access) in nodes {
            let opened = Connection::open(node, access, &self.route, &mut self.pace);
            let answer =
                opened.and_then(|mut sentinel| sentinel.ask(&question, self.route.limit, &self.route, &mut self.pace));
            match answer {
                Ok(Value::Array(parts)) => match server_in(&parts) {
                    Some(server) => return Ok(server),
                    None => last = Some(RedisError::Senseless(node.clone())),
                },
                Ok(Value::Nil) => {
                    last = Some(RedisError::Unreached(format!(
                        "the Sentinel at {node} watches nothing of the name in store.sentinel.master; correct that"
                    )));
                }
                Ok(_) => last = Some(RedisError::Senseless(node.clone())),
                Err(RedisError::Ended(error)) => return Err(RedisError::Ended(error)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            RedisError::Unreached(format!("no Sentinel of {} answers", listed(nodes.iter().map(|(node, _)| node))))
        }))
    }
}

/// The server in a Sentinel's answer: host and port.
fn server_in(parts: &[Value]) -> Option<Server> {
    let [Value::Bulk(host), Value::Bulk(port)] = parts else {
        return None;
    };
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Server::Tcp { host: String::from_utf8_lossy(host).into_owned(), port })
}

/// The nodes of one range in the answer to CLUSTER SLOTS: `first, last, [host, port, …]…`.
fn nodes_in(range: Value, from: &Server) -> Vec<Server> {
    let Value::Array(parts) = range else {
        return Vec::new();
    };
    let node = |part: Value| match part {
        Value::Array(node) => match &node[..] {
            [Value::Bulk(host), Value::Int(port), ..] => {
                from.redirected(&format!("{}:{port}", String::from_utf8_lossy(host)))
            }
            [Value::Nil, Value::Int(port), ..] => from.redirected(&format!(":{port}")),
            _ => None,
        },
        _ => None,
    };
    parts.into_iter().skip(2).filter_map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_range_are_found_in_either_form() {
        let from = Server::Tcp { host: "10.0.0.1".to_owned(), port: 7000 };
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec().into());
        let node = |host: Value, port: i64| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let range = Value::Array(vec![
            Value::Int(0),
            Value::Int(100),
            node(bulk("10.0.0.2"), 7001),
            node(Value::Nil, 7002),
            node(bulk(""), 7003),
            node(bulk("10.0.0.3"), 70_000),
            Value::Nil,
        ]);
        let found: Vec<String> = nodes_in(range, &from).iter().map(Server::to_string).collect();
        assert_eq!(found, ["10.0.0.2:7001", "10.0.0.1:7002", "10.0.0.1:7003"]);
    }
}
