//! Where Redis is, and how to log in: the options, with their secrets read.

use crate::error::{Error, Result, Status};
use crate::http::origin::parse_url;
use crate::http::tls;
use crate::http::tls::Material;
use crate::net::connect::is_loopback;
use crate::options::SecretSource;
use crate::store::redis::options::RedisOptions;
use crate::sys::recent::Event;
use crate::sys::secret::Secret;
use rustls::ClientConfig;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// `sun_path` less its NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    Tcp {
        host: String,
        port: u16,
    },
    /// A socket in this machine's file system.
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Server::Tcp { host, port } => write!(f, "{host}:{port}"),
            Server::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Server {
    /// The node that a `MOVED` or `ASK` from `self` names: `host:port`, or `:port` for the same host.
    pub fn redirected(&self, node: &str) -> Option<Server> {
        let Server::Tcp { host: own, .. } = self else {
            return None;
        };
        let (host, port) = node.rsplit_once(':')?;
        let host = if host.is_empty() || host == "?" { own } else { host.trim_matches(['[', ']']) };
        Some(Server::Tcp { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// How to log in to a server.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub user: Option<Secret>,
    pub password: Option<Secret>,
    pub database: u16,
    pub tls: bool,
}

impl Access {
    /// User and password, if the server takes any.
    pub fn mark(&self, server: &Server) -> Option<Event> {
        let password = self.password.as_ref()?;
        let user = self.user.as_ref().map_or(&b""[..], Secret::as_bytes);
        Some(Event::of(&server.to_string(), &[user, password.as_bytes()]))
    }
}

/// Which servers there are.
#[derive(Clone, Debug)]
pub enum Servers {
    One(Server),
    /// Sentinels, which know the master.
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
    /// Whether `redis://` may go to other machines.
    pub allow_insecure: bool,
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
            let address = Address {
                servers: Servers::Sentinel { master: sentinel.master.clone(), nodes },
                access,
                allow_insecure: options.allow_insecure,
            };
            return address.checked("store.sentinel.nodes");
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
        if options.cluster && servers.iter().any(|server| matches!(server, Server::Unix(_))) {
            return Err(refusal("store.url", "names a socket, but the nodes of a Cluster are reached by TCP"));
        }
        let servers = match options.cluster {
            true => Servers::Cluster(servers),
            false => Servers::One(servers.swap_remove(0)),
        };
        Address { servers, access, allow_insecure: options.allow_insecure }.checked("store.url")
    }

    /// Refuses an address that connecting would refuse each time. Names are judged only when connecting, by what they
    /// stand for.
    fn checked(self, option: &str) -> Result<Address> {
        let leaves = |server: &Server| match server {
            Server::Tcp { host, .. } => host.parse().is_ok_and(|address| !is_loopback(&address)),
            Server::Unix(_) => false,
        };
        let is_readable = match &self.servers {
            Servers::One(server) => !self.access.tls && leaves(server),
            Servers::Cluster(nodes) => !self.access.tls && nodes.iter().any(leaves),
            Servers::Sentinel { nodes, .. } => nodes.iter().any(|(node, access)| !access.tls && leaves(node)),
        };
        match is_readable && !self.allow_insecure {
            true => Err(refusal(
                option,
                "is redis:// to another machine, where tokens would travel readable; use rediss://, or set store.allow_insecure",
            )),
            false => Ok(self),
        }
    }

    /// The secrets that log in: never shown, even where a server repeats them.
    pub fn secrets(&self) -> Vec<&Secret> {
        let sentinels = match &self.servers {
            Servers::Sentinel { nodes, .. } => &nodes[..],
            _ => &[],
        };
        let all = sentinels.iter().map(|(_, access)| access).chain([&self.access]);
        all.flat_map(|access| [&access.user, &access.password]).flatten().collect()
    }

    /// Where the record is, for messages.
    pub fn redacted(&self) -> Cow<'static, str> {
        match &self.servers {
            Servers::One(server) => server.to_string().into(),
            Servers::Sentinel { master, nodes } => {
                format!("{master}, of the Sentinels {}", listed(nodes.iter().map(|(node, _)| node))).into()
            }
            Servers::Cluster(nodes) => format!("the Cluster of {}", listed(nodes.iter())).into(),
        }
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
        let mut config = tls::client_config(Material::read(&options.tls_settings())?, &Arc::default())?;
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
    let url = parse_url(Url::options(), text.as_str()).map_err(|_| {
        refusal(option, "is no URL; give redis://user:password@host:port/0, with user and password percent-encoded")
    })?;
    match url.scheme() {
        "redis" | "rediss" => parse_tcp(&url, option, port),
        "unix" => parse_unix(&url, option),
        _ => Err(refusal(option, "has another scheme than redis://, rediss:// and unix://")),
    }
}

fn parse_tcp(url: &Url, option: &str, port: u16) -> Result<(Server, Access)> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refusal(option, "has a \"?\" or \"#\"; percent-encode it if it belongs to the password"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refusal(option, "names no host"))?;
    let access = Access {
        user: (!url.username().is_empty()).then(|| decoded(url.username(), option)).transpose()?,
        password: url.password().map(|password| decoded(password, option)).transpose()?,
        database: match url.path().trim_start_matches('/') {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| refusal(option, "has a path that is no database number; give none, or /0 to /65535"))?,
        },
        tls: url.scheme() == "rediss",
    };
    if access.user.is_some() && access.password.is_none() {
        return Err(refusal(option, "has a user without a password; a password alone is written :password@"));
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((Server::Tcp { host, port: url.port().unwrap_or(port) }, access))
}

/// `unix:///path/to/socket?db=2&user=NAME&pass=PASSWORD`, as other clients of Redis write it.
fn parse_unix(url: &Url, option: &str) -> Result<(Server, Access)> {
    if url.host_str().is_some_and(|host| !host.is_empty()) || url.path().len() < 2 {
        return Err(refusal(option, "names no socket; give its whole path, unix:///path/to/socket"));
    }
    if url.fragment().is_some() {
        return Err(refusal(option, "has a \"#\"; percent-encode it if it belongs to the path or the password"));
    }
    let path = decoded(url.path(), option)?;
    if path.as_bytes().len() > LONGEST_SOCKET_PATH {
        return Err(refusal(option, "names a socket whose path is longer than the 107 bytes that the kernel allows"));
    }
    let mut access = Access::default();
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("db", number)) => {
                access.database =
                    number.parse().map_err(|_| refusal(option, "has a db that is no database number, 0 to 65535"))?;
            }
            Some(("user", user)) => access.user = Some(decoded(user, option)?),
            Some(("pass", password)) => access.password = Some(decoded(password, option)?),
            _ => return Err(refusal(option, "has a \"?\" with something else than db, user and pass behind it")),
        }
    }
    if access.user.is_some() && access.password.is_none() {
        return Err(refusal(option, "has a user without a password; write user=NAME&pass=PASSWORD"));
    }
    Ok((Server::Unix(PathBuf::from(path.as_str())), access))
}

/// What is percent-encoded in a URL.
fn decoded(text: &str, option: &str) -> Result<Secret> {
    let bytes = percent_decode(text.as_bytes()).ok_or_else(|| refusal(option, "has a \"%\" without two digits"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| refusal(option, "holds what is no UTF-8 text"))?;
    Secret::new(text).ok_or_else(|| refusal(option, "holds a NUL character"))
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
    fn a_socket_is_named_by_its_path() {
        let (server, access) = read("unix:///run/re%20dis.sock?db=2&user=us%40er&pass=p%26%3D+w").unwrap();
        assert_eq!(server, Server::Unix("/run/re dis.sock".into()));
        assert_eq!(access.user.unwrap().as_str(), "us@er");
        assert_eq!(access.password.unwrap().as_str(), "p&=+w");
        assert!(!access.tls && access.database == 2);
        let (server, access) = read("unix:///s").unwrap();
        assert_eq!(server.to_string(), "/s");
        assert!(access.user.is_none() && access.password.is_none() && access.database == 0);
        let of_length = |length: usize| format!("unix:///{}", "x".repeat(length - 1));
        assert!(read(&of_length(107)).is_ok() && read(&of_length(108)).is_err());
    }

    #[test]
    fn s1_plain_redis_goes_to_this_machine_only() {
        let judge = |json: &str| {
            let options: RedisOptions = serde_json::from_str(json).unwrap();
            Address::read(&options).map(|_| ()).map_err(|error| error.message().to_owned())
        };
        for good in [
            r#"{"url": "redis://127.0.0.1"}"#,
            r#"{"url": "redis://[::1]"}"#,
            r#"{"url": "redis://name-that-is-looked-up-later"}"#,
            r#"{"url": "rediss://192.0.2.1"}"#,
            r#"{"url": "redis://192.0.2.1", "allow_insecure": true}"#,
            r#"{"url": "unix:///run/redis.sock"}"#,
            r#"{"sentinel": {"master": "m", "nodes": ["redis://127.0.0.1", "rediss://192.0.2.1"]}}"#,
        ] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
        for bad in [
            r#"{"url": "redis://192.0.2.1"}"#,
            r#"{"url": "redis://[2001:db8::1]:7000"}"#,
            r#"{"url": ["redis://127.0.0.1", "redis://192.0.2.1"], "cluster": true}"#,
            r#"{"sentinel": {"master": "m", "nodes": ["redis://127.0.0.1", "redis://192.0.2.1"]}}"#,
        ] {
            assert!(judge(bad).is_err_and(|why| why.contains("store.allow_insecure")), "{bad}");
        }
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
            "unix://hunter2",
            "unix://hunter2/run/redis.sock",
            "unix:///",
            "unix:///run/redis.sock?db=hunter2",
            "unix:///run/redis.sock?user=hunter2",
            "unix:///run/redis.sock?password=hunter2",
            "unix:///run/redis.sock?pass=hunter2%00",
            "unix:///run/redis.sock?hunter2",
            "unix:///run/redis.sock#hunter2",
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.message().starts_with("the option store.url "), "{wrong}: {error}");
            assert!(!error.message().contains("hun"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_redirection_names_a_node_or_only_its_port() {
        let here = Server::Tcp { host: "10.0.0.1".to_owned(), port: 1 };
        let node = |text| here.redirected(text).map(|server| server.to_string());
        assert_eq!(node("10.0.0.2:7001").as_deref(), Some("10.0.0.2:7001"));
        assert_eq!(node("::1:7001").as_deref(), Some("[::1]:7001"));
        assert_eq!(node(":7001").as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(node("?:7001").as_deref(), Some("10.0.0.1:7001"));
        assert_eq!(node("nonsense"), None);
    }
}
