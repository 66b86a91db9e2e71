//! Connecting over TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::ending::Ending;
use super::icmp;
use super::record::Record;
use crate::wire::{Phase, Tried};

/// Connects to one of `addresses`, all of which are tried at once: a name of which one address is denied is not denied.
pub(super) async fn connect_any(addresses: &[IpAddr], port: u16, record: &mut Record) -> Result<TcpStream, Ending> {
    record.enter(Phase::Connect);
    record.peer = addresses.first().map(|address| SocketAddr::new(*address, port));
    let mut attempts = JoinSet::new();
    for address in addresses {
        let to = SocketAddr::new(*address, port);
        let started = start(to);
        // Known from the SYN on: observers of a flow that never connects name its port.
        let local = started.as_ref().ok().and_then(|stream| stream.local_addr().ok());
        record.local = record.local.or(local);
        attempts.spawn(async move { (to, finish(to, started).await) });
    }
    let mut failed = Vec::new();
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok((to, Ok(stream))) => {
                record.peer = Some(to);
                record.local = stream.local_addr().ok();
                return Ok(stream);
            }
            Ok((to, Err(ending))) => {
                record.tried.push(Tried { address: to.ip(), outcome: ending.outcome.clone() });
                failed.push((to, ending));
            }
            Err(panic) => return Err(Ending::probe_error(format!("connecting panicked: {panic}"))),
        }
    }
    // The first address is the one that a simple client would have used.
    let first = failed.iter().position(|(to, _)| Some(*to) == record.peer).unwrap_or_default();
    if first >= failed.len() {
        return Err(Ending::probe_error("there is no address to connect to"));
    }
    let (to, ending) = failed.swap_remove(first);
    record.tried.retain(|tried| tried.address != to.ip());
    Err(ending)
}

/// Connects, so that the ICMP error behind a failure is still there to be read.
pub(super) async fn connect_to(to: SocketAddr) -> Result<TcpStream, Ending> {
    finish(to, start(to)).await
}

/// Waits until a connection stands.
async fn finish(to: SocketAddr, started: io::Result<TcpStream>) -> Result<TcpStream, Ending> {
    let stream = started.map_err(|error| Ending::of_socket(&error, None))?;
    let connected = loop {
        if let Err(error) = stream.writable().await {
            break Err(error);
        }
        match stream.try_io(Interest::WRITABLE, || state(&stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            end => break end,
        }
    };
    match connected {
        Ok(()) => settle(stream, to).map_err(|error| Ending::of_socket(&error, None)),
        Err(error) => Err(Ending::of_socket(&error, icmp::take(&stream))),
    }
}

/// A socket whose SYN is on its way. An error that `connect` itself returns is seen when the socket is asked.
fn start(to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    icmp::watch(&socket, to, true)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => TcpStream::from_std(socket.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the connection stands; `WouldBlock` while it is being made.
fn state(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        known => known.map(drop),
    }
}

/// On a connection that stands, an ICMP error may be passing; TCP knows best when to give up.
fn settle(stream: TcpStream, to: SocketAddr) -> io::Result<TcpStream> {
    icmp::watch(&stream, to, false)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
