//! Binding every listener, serving until told to stop, and stopping without cutting answers short.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, Protocol};
use super::http::Http;
use super::tls::Authority;
use super::udp;
use crate::wire::{Bound, Certificate, Identity, Listener, Ready, Serving, Speak};

/// How long what is under way may take once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How long accepting rests when it fails, as it does when there are no more file descriptors.
const REST: Duration = Duration::from_millis(50);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("the configuration has no listener; name one, or run `airtight-probe pause`")]
    NoListener,
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate or key is no good.
    #[error("the certificate of {address} cannot be used: {why}")]
    Certificate {
        /// The listener's address.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// An issuer's key is no good.
    #[error("the issuer's key cannot be used: {0}")]
    IssuerKey(String),
    /// A status that HTTP does not have.
    #[error("{0} is no HTTP status; write one from 200 to 599")]
    Status(u16),
    /// TLS over datagrams.
    #[error("{0} speaks UDP, which has no TLS here; leave `tls` out")]
    TlsOverUdp(SocketAddr),
}

/// A server whose listeners are bound.
pub struct Server {
    listeners: Vec<Listening>,
    ready: Ready,
}

enum Listening {
    Tcp { socket: TcpListener, tls: Option<TlsAcceptor>, protocol: Protocol },
    Udp { socket: UdpSocket, identity: Arc<Identity> },
}

impl Server {
    /// Binds every listener of `serving`.
    ///
    /// # Errors
    /// When there is none, one cannot be bound, or its certificate, key or status is no good.
    pub async fn bind(serving: &Serving) -> Result<Self, ServeError> {
        if serving.listeners.is_empty() {
            return Err(ServeError::NoListener);
        }
        let identity = Arc::new(serving.identity.clone());
        let mut authority = Authority::default();
        let mut server = Self { listeners: Vec::new(), ready: Ready { ready: Vec::new() } };
        for listener in &serving.listeners {
            let (listening, bound) = bind(listener, &identity, &mut authority).await?;
            server.listeners.push(listening);
            server.ready.ready.push(bound);
        }
        Ok(server)
    }

    /// What it listens on.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Serves until `stop` is ready. Then nothing more is accepted, HTTP requests that are under way are answered,
    /// and all else is closed.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, told) = watch::channel(false);
        let mut listeners = JoinSet::new();
        for listener in self.listeners {
            let halt = Stop(told.clone());
            listeners.spawn(async move {
                match listener {
                    Listening::Tcp { socket, tls, protocol } => accept(socket, tls, protocol, halt).await,
                    Listening::Udp { socket, identity } => tokio::select! {
                        () = udp::echo(&socket, &identity) => {}
                        () = halt.wait() => {}
                    },
                }
            });
        }
        stop.await;
        // Only fails if nobody waits.
        let _ = stopping.send(true);
        while listeners.join_next().await.is_some() {}
    }
}

/// Tells that the server stops.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Ready once the server stops.
    pub(super) async fn wait(&self) {
        // The sender goes only after it has said so.
        let _ = self.0.clone().wait_for(|stopped| *stopped).await;
    }
}

async fn bind(
    listener: &Listener,
    identity: &Arc<Identity>,
    authority: &mut Authority,
) -> Result<(Listening, Bound), ServeError> {
    let address = listener.bind;
    let failed = |source| ServeError::Bind { address, source };
    if listener.speak == Speak::Udp {
        if listener.tls.is_some() {
            return Err(ServeError::TlsOverUdp(address));
        }
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        return Ok((Listening::Udp { socket, identity: Arc::clone(identity) }, Bound { address, ca: None }));
    }
    let protocol = protocol(&listener.speak, identity)?;
    let tls = acceptor(listener, authority)?;
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let ca = match listener.tls {
        Some(Certificate::Own(_)) => authority.pem(),
        Some(Certificate::Files { .. }) | None => None,
    };
    Ok((Listening::Tcp { socket, tls, protocol }, Bound { address, ca }))
}

/// What accepts a listener's TLS; none if it has none. Only for HTTP there is a choice of protocols.
fn acceptor(listener: &Listener, authority: &mut Authority) -> Result<Option<TlsAcceptor>, ServeError> {
    let Some(certificate) = &listener.tls else { return Ok(None) };
    let protocols: &[&str] = match listener.speak {
        Speak::Http(_) => &["h2", "http/1.1"],
        Speak::Tcp | Speak::Udp | Speak::Postgres | Speak::Redis | Speak::Amqp | Speak::Mute | Speak::Reset => &[],
    };
    let failed = |why| ServeError::Certificate { address: listener.bind, why };
    authority.acceptor(certificate, protocols).map(Some).map_err(failed)
}

fn protocol(speak: &Speak, identity: &Arc<Identity>) -> Result<Protocol, ServeError> {
    Ok(match speak {
        Speak::Http(settings) => Protocol::Http(Arc::new(Http::new(settings, Arc::clone(identity))?)),
        // Datagrams were bound before.
        Speak::Tcp | Speak::Udp => Protocol::Tcp(Arc::clone(identity)),
        Speak::Postgres => Protocol::Postgres(Arc::clone(identity)),
        Speak::Redis => Protocol::Redis(Arc::clone(identity)),
        Speak::Amqp => Protocol::Amqp(Arc::clone(identity)),
        Speak::Mute => Protocol::Mute,
        Speak::Reset => Protocol::Reset,
    })
}

/// Accepts connections until the server stops, then waits a little for those that are open.
async fn accept(socket: TcpListener, tls: Option<TlsAcceptor>, protocol: Protocol, stop: Stop) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.wait() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(serve(stream, peer, tls.clone(), protocol.clone(), stop.clone()));
            }
            Err(_) => sleep(REST).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(socket);
    let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

/// A client that goes away in the middle is its own affair.
async fn serve(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, protocol: Protocol, stop: Stop) {
    let _ = connection::serve(stream, peer, tls, protocol, &stop).await;
}
