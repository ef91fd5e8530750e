//! Connections: accepting them, TLS, and driving one until it ends or is made to.

use super::{
    Shared,
    serve::serve,
    wire::{Line, Socket, Wire},
};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

/// PEM texts.
pub struct Tls {
    pub certificates: String,
    pub key: String,
    /// With it, clients must show a certificate that it signed.
    pub client_ca: Option<String>,
}

impl Tls {
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let certificates = pem_certificates(&self.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(io::Error::other)?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring.clone()).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?;
        let config = match &self.client_ca {
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in pem_certificates(pem)? {
                    roots.add(certificate).map_err(io::Error::other)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring).build();
                config.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
            }
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_single_cert(certificates, key).map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }
}

fn pem_certificates(pem: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(io::Error::other)
}

/// Accepts for ever; an outage closes the port, and opens it again when its time is over.
pub(super) async fn accept(
    shared: Arc<Shared>,
    mut listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    mut outages: mpsc::UnboundedReceiver<Duration>,
) {
    let address = listener.local_addr().expect("it is bound");
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(connection(shared.clone(), stream, peer, acceptor.clone()));
                }
                // Out of descriptors, perhaps: connections that end give some back.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(outage) = outages.recv() => {
                drop(listener);
                shared.cut_connections();
                sleep(outage).await;
                listener = loop {
                    match TcpListener::bind(address).await {
                        Ok(listener) => break listener,
                        Err(_) => sleep(Duration::from_millis(10)).await,
                    }
                };
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, acceptor: Option<TlsAcceptor>) {
    let line = Arc::new(Line::default());
    shared.remember_connection(&line);
    let _open = Open(shared.clone(), line.clone());
    // Small answers go out at once; a socket that refuses is as good as closed and will say so itself.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return drive(shared, line, stream, peer.ip()).await;
    };
    tokio::select! {
        accepted = acceptor.accept(stream) => match accepted {
            Ok(stream) => drive(shared, line, stream, peer.ip()).await,
            Err(_) => shared.change(|state| state.counters.add("tls_failed")),
        },
        () = line.is_cut() => {}
    }
}

async fn drive<S: Socket + Send + 'static>(shared: Arc<Shared>, line: Arc<Line>, stream: S, peer: IpAddr) {
    let mut builder = Builder::new(TokioExecutor::new());
    // `serve` writes it, by the server's own clock.
    builder.http1().auto_date_header(false);
    builder.http2().auto_date_header(false);
    let service = service_fn(|request| serve(shared.clone(), line.clone(), peer, request));
    let io = TokioIo::new(Wire { stream, line: line.clone() });
    let mut http = pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        () = line.is_cut() => return,
        // How it ended is the client's to judge.
        _ = http.as_mut() => return,
        () = idle_for_too_long(&shared, &line) => http.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        () = line.is_cut() => {}
        _ = http => {}
    }
}

async fn idle_for_too_long(shared: &Shared, line: &Line) {
    loop {
        line.quiet.notified().await;
        while let Some(ms) = shared.idle_close_ms() {
            tokio::select! {
                () = sleep(Duration::from_millis(ms)) => match line.is_idle() {
                    true => return,
                    false => break,
                },
                () = line.quiet.notified() => {}
            }
        }
    }
}

/// An open connection, for the gauge.
struct Open(Arc<Shared>, Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        if !self.1.is_control() {
            self.0.change(|state| state.counters.drop_one("connections_current"));
        }
    }
}
