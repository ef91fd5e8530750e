//! The handshake with a SOCKS5 proxy: RFC 1928, with the username and password of RFC 1929.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// What the proxy is to connect to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    Address(SocketAddr),
    /// A host name, which the proxy looks up, and a port.
    Name(&'a str, u16),
}

/// Why the proxy made no connection.
#[derive(Debug)]
pub enum SocksFault {
    /// The connection to the proxy failed.
    Io(io::Error),
    /// The proxy closed its connection in the middle of the handshake.
    Closed,
    /// What is at the proxy's address does not speak SOCKS5.
    NotSocks,
    /// The proxy takes none of the ways to log in that it was offered.
    NoMethod { with_credentials: bool },
    /// The proxy refused the username or the password.
    WrongCredentials,
    /// The proxy's reply to the request: what is not 0.
    Refused(u8),
    /// A name, user or password is longer than SOCKS5 can carry.
    TooLong(&'static str),
}

impl fmt::Display for SocksFault {
    /// A phrase for use inside a sentence that names the proxy and the target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocksFault::Io(error) => return write!(f, "the connection to the proxy failed: {error}"),
            SocksFault::Closed => "the proxy closed the connection during the SOCKS5 handshake",
            SocksFault::NotSocks => {
                "the proxy did not answer as a SOCKS5 server; check the scheme and the port of its URL"
            }
            SocksFault::NoMethod { with_credentials: false } => {
                "the proxy wants a username and password; put them into its URL"
            }
            SocksFault::NoMethod { with_credentials: true } => {
                "the proxy takes neither a username and password nor a client without them"
            }
            SocksFault::WrongCredentials => "the proxy refused the username or the password in its URL",
            SocksFault::Refused(1) => "the proxy reported a general failure",
            SocksFault::Refused(2) => "the proxy's rules do not allow it",
            SocksFault::Refused(3) => "the proxy could not reach the network",
            SocksFault::Refused(4) => "the proxy could not reach the host",
            SocksFault::Refused(5) => "the host refused the proxy's connection",
            SocksFault::Refused(6) => "the proxy could not reach the host before the TTL expired",
            SocksFault::Refused(7) => "the proxy does not support the command CONNECT",
            SocksFault::Refused(8) => "the proxy does not support this type of address",
            SocksFault::Refused(code) => return write!(f, "the proxy refused with the unknown code {code}"),
            SocksFault::TooLong(what) => {
                return write!(f, "{what} is longer than the 255 bytes that SOCKS5 has room for");
            }
        })
    }
}

impl std::error::Error for SocksFault {}

impl From<io::Error> for SocksFault {
    fn from(error: io::Error) -> SocksFault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => SocksFault::Closed,
            _ => SocksFault::Io(error),
        }
    }
}

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

/// Has the proxy at the other end of `stream` connect to `target`. From then on the stream is a connection to the
/// target: not one byte more is read than the handshake has.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: Target<'_>,
    auth: Option<(&[u8], &[u8])>,
) -> Result<(), SocksFault> {
    // Made first, so that what cannot be sent is reported before anything is sent.
    let request = request(target)?;
    let login = auth.map(login).transpose()?;

    // The way without a login is offered beside it, as curl does: the proxy may well not want it from this client.
    let methods: &[u8] = if login.is_some() { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
    send(stream, methods).await?;
    let [version, method] = receive(stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => {}
        (VERSION, PASSWORD, Some(login)) => {
            send(stream, &login).await?;
            // The version is that of the login, 1, but some servers repeat SOCKS's.
            let [_, status] = receive(stream).await?;
            if status != 0 {
                return Err(SocksFault::WrongCredentials);
            }
        }
        (VERSION, PASSWORD, None) => return Err(SocksFault::NoMethod { with_credentials: false }),
        (VERSION, NO_METHOD, login) => return Err(SocksFault::NoMethod { with_credentials: login.is_some() }),
        _ => return Err(SocksFault::NotSocks),
    }

    send(stream, &request).await?;
    let [version, code] = receive(stream).await?;
    match (version, code) {
        (VERSION, 0) => {}
        // Not all servers send the rest then.
        (VERSION, code) => return Err(SocksFault::Refused(code)),
        _ => return Err(SocksFault::NotSocks),
    }
    // The address that the proxy connected from: of no interest, but it has to be read.
    let [_reserved, kind] = receive(stream).await?;
    let length = match kind {
        1 => 4,
        3 => usize::from(receive::<1, S>(stream).await?[0]),
        4 => 16,
        _ => return Err(SocksFault::NotSocks),
    };
    stream.read_exact(&mut [0; 255 + 2][..length + 2]).await?;
    Ok(())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), SocksFault> {
    stream.write_all(bytes).await?;
    Ok(stream.flush().await?)
}

async fn receive<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> Result<[u8; N], SocksFault> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The request to connect: version, command, a reserved byte, the type of the address, the address, the port.
fn request(target: Target<'_>) -> Result<Vec<u8>, SocksFault> {
    let mut request = vec![VERSION, 1, 0];
    let port = match target {
        Target::Address(address) => {
            match address.ip() {
                IpAddr::V4(ip) => {
                    request.push(1);
                    request.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    request.push(4);
                    request.extend_from_slice(&ip.octets());
                }
            }
            address.port()
        }
        Target::Name(name, port) => {
            request.push(3);
            extend_with_length(&mut request, name.as_bytes(), "the host's name")?;
            port
        }
    };
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

fn login((username, password): (&[u8], &[u8])) -> Result<Zeroizing<Vec<u8>>, SocksFault> {
    // With capacity for all of it, so that no copy of the password is left behind.
    let mut login = Zeroizing::new(Vec::with_capacity(1 + 2 * (1 + 255)));
    login.push(1);
    extend_with_length(&mut login, username, "the proxy's username")?;
    extend_with_length(&mut login, password, "the proxy's password")?;
    Ok(login)
}

fn extend_with_length(message: &mut Vec<u8>, bytes: &[u8], what: &'static str) -> Result<(), SocksFault> {
    message.push(u8::try_from(bytes.len()).map_err(|_| SocksFault::TooLong(what))?);
    message.extend_from_slice(bytes);
    Ok(())
}
