//! One accepted connection: TLS if the listener has it, then the protocol.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::http::Http;
use super::server::Stop;
use super::{amqp, postgres, raw, redis};
use crate::wire::{Identity, SeenTls};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is spoken on a connection.
#[derive(Debug, Clone)]
pub(super) enum Protocol {
    Http(Arc<Http>),
    Tcp(Arc<Identity>),
    Postgres(Arc<Identity>),
    Redis(Arc<Identity>),
    Amqp(Arc<Identity>),
    Mute,
    Reset,
}

/// Anything that carries bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection and what is known of it.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<SeenTls>,
}

/// Serves a connection until it ends or the server stops.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    protocol: Protocol,
    stop: &Stop,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Protocol::Reset = protocol {
        // Closing then sends a RST instead of a FIN.
        stream.set_zero_linger()?;
    }
    let connection = tokio::select! {
        connection = open(stream, peer, tls) => connection?,
        () = stop.wait() => return Ok(()),
    };
    if let Protocol::Http(http) = protocol {
        return http.serve(connection, stop).await;
    }
    tokio::select! {
        ended = speak(connection, protocol) => ended,
        () = stop.wait() => Ok(()),
    }
}

async fn open(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Connection> {
    let Some(acceptor) = tls else { return Ok(Connection { stream: Box::new(stream), peer, tls: None }) };
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let seen = SeenTls {
        server_name: session.server_name().map(str::to_owned),
        alpn: session.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
    };
    Ok(Connection { stream: Box::new(stream), peer, tls: Some(seen) })
}

async fn speak(connection: Connection, protocol: Protocol) -> io::Result<()> {
    match protocol {
        Protocol::Http(_) => Ok(()),
        Protocol::Tcp(identity) => raw::echo(connection, &identity).await,
        Protocol::Postgres(identity) => postgres::serve(connection, &identity).await,
        Protocol::Redis(identity) => redis::serve(connection, &identity).await,
        Protocol::Amqp(identity) => amqp::serve(connection, &identity).await,
        Protocol::Mute => raw::mute(connection).await,
        Protocol::Reset => raw::first_byte(connection).await,
    }
}
