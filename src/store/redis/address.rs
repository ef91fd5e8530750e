//! Where Redis is, and how to get in: what the options say, with their secrets read.

use crate::error::{Error, Result, Status};
use crate::http::tls::{self, Side};
use crate::options::{Options, RedisOptions, SecretSource};
use crate::secret::Secret;
use rustls::ClientConfig;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use url::Url;

/// A server's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Server {
    /// The node that a `MOVED` or `ASK` from `self` names: `host:port`, or `:port` for the same host.
    pub fn redirected(&self, node: &str) -> Option<Server> {
        let (host, port) = node.rsplit_once(':')?;
        let host = if host.is_empty() || host == "?" { &self.host } else { host.trim_matches(['[', ']']) };
        Some(Server { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// How a server lets one in.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub user: Option<Secret>,
    pub password: Option<Secret>,
    pub database: u16,
    pub tls: bool,
}

/// Which servers there are.
#[derive(Clone, Debug)]
pub enum Servers {
    One(Server),
    /// Sentinels, which know the one.
    Sentinel {
        master: String,
        nodes: Vec<(Server, Access)>,
    },
    /// Some nodes of a Cluster, which know the others.
    Cluster(Vec<Server>),
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Address {
    pub servers: Servers,
    pub access: Access,
}

impl Address {
    pub fn read(options: &RedisOptions) -> Result<Address> {
        let mut access = Access {
            user: options.username.as_deref().and_then(Secret::new),
            password: options.password.as_ref().map(|source| source.read("store.password")).transpose()?,
            database: options.database.0 as u16,
            tls: options.tls,
        };
        if let Some(sentinel) = &options.sentinel {
            let node = |source: &SecretSource| parse(source, "store.sentinel.nodes", 26379);
            let nodes = sentinel.nodes.0.iter().map(node).collect::<Result<_>>()?;
            return Ok(Address { servers: Servers::Sentinel { master: sentinel.master.clone(), nodes }, access });
        }
        let mut servers = Vec::new();
        for (at, source) in options.url.0.iter().enumerate() {
            let (server, found) = parse(source, "store.url", 6379)?;
            if at > 0 && found.tls != access.tls {
                return Err(refusal("store.url", "mixes redis:// and rediss://; the nodes of a Cluster speak one"));
            }
            access.tls = found.tls;
            if found.password.is_some() {
                (access.user, access.password) = (found.user, found.password);
            }
            if found.database != 0 {
                access.database = found.database;
            }
            servers.push(server);
        }
        if options.cluster && access.database != 0 {
            return Err(refusal("store.url", "names a database, but a Cluster has one only; leave the number out"));
        }
        let servers = match options.cluster {
            true => Servers::Cluster(servers),
            false => Servers::One(servers.swap_remove(0)),
        };
        Ok(Address { servers, access })
    }

    /// What gets one in: never to be shown, even by a server that repeats it.
    pub fn secrets(&self) -> Vec<&Secret> {
        let sentinels = match &self.servers {
            Servers::Sentinel { nodes, .. } => &nodes[..],
            _ => &[],
        };
        let all = sentinels.iter().map(|(_, access)| access).chain([&self.access]);
        all.flat_map(|access| [&access.user, &access.password]).flatten().collect()
    }

    fn speaks_tls(&self) -> bool {
        let sentinels = matches!(&self.servers, Servers::Sentinel { nodes, .. } if nodes.iter().any(|(_, at)| at.tls));
        self.access.tls || sentinels
    }

    /// The TLS side of connections, as the options have it; nothing where none is spoken.
    pub fn tls(&self, options: &RedisOptions) -> Result<Option<Arc<ClientConfig>>> {
        if !self.speaks_tls() {
            return Ok(None);
        }
        let same = Options {
            ca_file: options.ca_file.clone(),
            ca_only: options.ca_only,
            client_cert_file: options.client_cert_file.clone(),
            client_key_file: options.client_key_file.clone(),
            ..Options::default()
        };
        let mut config = tls::client_config(&same, Side::Store, &Arc::new(AtomicBool::new(false)))?;
        config.alpn_protocols.clear();
        Ok(Some(Arc::new(config)))
    }
}

fn refusal(option: &str, why: &str) -> Error {
    Error::new(Status::TM_INVALID_OPTIONS, format!("the option {option} {why}"))
}

/// Reads one URL. Messages never quote it: it may hold a password.
fn parse(source: &SecretSource, option: &str, port: u16) -> Result<(Server, Access)> {
    let text = source.read(option)?;
    let url = Url::parse(text.as_str()).map_err(|_| {
        refusal(option, "is no URL; give redis://user:password@host:port/0, with user and password percent-encoded")
    })?;
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(refusal(option, "has another scheme than redis:// and rediss://")),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refusal(option, "has a \"?\" or \"#\"; percent-encode it if it belongs to the password"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refusal(option, "names no host"))?;
    let decoded = |text: &str| {
        let bytes = percent_decode(text.as_bytes()).ok_or_else(|| refusal(option, "has a \"%\" without two digits"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| refusal(option, "holds what is no UTF-8 text"))?;
        Secret::new(text).ok_or_else(|| refusal(option, "holds a NUL character"))
    };
    let database = match url.path().trim_start_matches('/') {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| refusal(option, "has a path that is no database number; give none, or /0 to /65535"))?,
    };
    let access = Access {
        user: (!url.username().is_empty()).then(|| decoded(url.username())).transpose()?,
        password: url.password().map(decoded).transpose()?,
        database,
        tls,
    };
    if access.user.is_some() && access.password.is_none() {
        return Err(refusal(option, "has a user without a password; a password alone is written :password@"));
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((Server { host, port: url.port().unwrap_or(port) }, access))
}

fn percent_decode(text: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(bytes)
}

/// For a list of servers in a message.
pub fn listed<'a>(servers: impl Iterator<Item = &'a Server>) -> Cow<'static, str> {
    servers.map(Server::to_string).collect::<Vec<_>>().join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(Server, Access)> {
        parse(&SecretSource::Given(Secret::new(url).unwrap()), "store.url", 6379)
    }

    #[test]
    fn a_url_gives_user_and_password_with_any_characters() {
        let (server, access) = read("rediss://us%40er:p%3A%2F%3F%23%5B%5D%40%25%C3%A9%20w@example.org:7000/3").unwrap();
        assert_eq!(server.to_string(), "example.org:7000");
        assert_eq!(access.user.unwrap().as_str(), "us@er");
        assert_eq!(access.password.unwrap().as_str(), "p:/?#[]@%é w");
        assert!(access.tls && access.database == 3);
        let (server, access) = read("redis://:secret@[::1]").unwrap();
        assert_eq!(server.to_string(), "[::1]:6379");
        assert!(access.user.is_none() && access.password.unwrap().as_str() == "secret");
    }

    #[test]
    fn s2_a_wrong_url_is_refused_without_being_shown() {
        for wrong in [
            "hunter2",
            "http://u:hunter2@host",
            "redis://u:hunter2@host/x",
            "redis://u:hunter2@host/70000",
            "redis://u:hunter2@host?db=1",
            "redis://u:hun#ter2@host",
            "redis://u:hunter2%zz@host",
            "redis://u:hunter2%ff@host",
            "redis://u:hunter2%00@host",
            "redis://hunter2@host",
            "redis:///0",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.message().starts_with("the option store.url "), "{wrong}: {error}");
            assert!(!error.message().contains("hun"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_redirection_names_a_node_or_only_its_port() {
        let here = Server { host: "10.0.0.1".to_owned(), port: 1 };
        let node = |text| here.redirected(text).map(|server| server.to_string());
        assert_eq!(node("10.0.0.2:7001").as_deref(), Some("10.0.0.2:7001"));
        assert_eq!(node("::1:7001").as_deref(), Some("[::1]:7001"));
        assert_eq!(node(":7001").as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(node("?:7001").as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(node("nonsense"), None);
    }
}
