//! A connection to one server, made and used within the time that each step may take. It never sends anything twice.

use super::address::{Access, Server};
use super::trouble::Trouble;
use crate::http::tls::{self, Side};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, Value, cmd};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// TCP or TLS. Boxed: the client library's code for a connection is not needed twice.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What connections are made with.
#[derive(Debug)]
pub struct Dialing<'a> {
    pub tls: Option<&'a Arc<ClientConfig>>,
    /// The most that connecting may take, and each command.
    pub limit: Duration,
}

/// A connection that is logged in and has its database selected.
pub struct Link {
    pub server: Server,
    connection: MultiplexedConnection,
    limit: Duration,
    /// Moves the bytes, whenever the lane's runtime runs.
    driver: JoinHandle<()>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[link to {}]", self.server)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    pub async fn open(server: &Server, access: &Access, dialing: &Dialing<'_>) -> Result<Link, Trouble> {
        match timeout(dialing.limit, Link::connect(server, access, dialing)).await {
            Ok(opened) => opened,
            Err(_) => Err(Trouble::Unreached(format!(
                "{server} could not be connected to within {} ms; see whether it runs and can be reached from here",
                dialing.limit.as_millis()
            ))),
        }
    }

    async fn connect(server: &Server, access: &Access, dialing: &Dialing<'_>) -> Result<Link, Trouble> {
        let stream = reach(server).await?;
        if !access.tls {
            return Link::greet(server, access, dialing, Box::new(stream)).await;
        }
        let unreached = |why: String| Trouble::Unreached(format!("no TLS with {server}: {why}"));
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| unreached("its host is no name that a certificate can have; correct it".to_owned()))?;
        let config = dialing.tls.ok_or_else(|| unreached("it was not prepared".to_owned()))?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let stream = stream.map_err(|cause| {
            unreached(tls::explain(&cause, Side::Store).unwrap_or_else(|| format!("{cause}; see its log")))
        })?;
        Link::greet(server, access, dialing, Box::new(stream)).await
    }

    async fn greet(
        server: &Server,
        access: &Access,
        dialing: &Dialing<'_>,
        stream: Box<dyn Stream>,
    ) -> Result<Link, Trouble> {
        // Logging in and choosing the database is done here, so that the server's own words come through; time is
        // kept here, too.
        let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let made = MultiplexedConnection::new_with_config(&nothing, stream, config).await;
        let (connection, driver) = made.map_err(|error| Trouble::of(&error, server))?;
        let driver = tokio::spawn(driver);
        let mut link = Link { server: server.clone(), connection, limit: dialing.limit, driver };
        if let Some(password) = &access.password {
            let mut login = cmd("AUTH");
            login.arg(access.user.as_ref().map(|user| user.as_bytes())).arg(password.as_bytes());
            link.ask(&login).await?;
        }
        if access.database != 0 {
            link.ask(cmd("SELECT").arg(access.database)).await?;
        }
        Ok(link)
    }

    /// Sends one command and waits for its answer.
    pub async fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        match timeout(self.limit, command.query_async::<Value>(&mut self.connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Trouble::of(&error, &self.server)),
            Err(_) => Err(Trouble::timed_out("answer", &self.server, self.limit)),
        }
    }

    /// The same, within a time of its own: the server itself waits for up to `patience`.
    pub async fn wait(&mut self, command: &Cmd, patience: Duration) -> Result<Value, Trouble> {
        let limit = self.limit;
        self.limit += patience;
        let answer = self.ask(command).await;
        self.limit = limit;
        answer
    }

    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }
}

/// A TCP connection to the first of the host's addresses that takes one.
async fn reach(server: &Server) -> Result<TcpStream, Trouble> {
    let unreached = |cause: std::io::Error| {
        Trouble::Unreached(format!(
            "{server} could not be connected to ({cause}); see whether it runs and can be reached from here"
        ))
    };
    let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(unreached)?;
    let mut last = std::io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(unreached)?;
                return Ok(stream);
            }
            Err(cause) => last = cause,
        }
    }
    Err(unreached(last))
}
