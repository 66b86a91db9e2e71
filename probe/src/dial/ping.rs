//! Echo requests: a ping socket, for which nobody needs a privilege (`icmp(7)`, `ping_group_range`).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::ending::Ending;
use super::icmp;
use super::record::Record;
use crate::wire::{BodyEnd, Outcome, Phase};

/// A packet is lost now and then: it is sent so often within a flow's time.
const TRIES: u32 = 3;

/// Type, code, checksum, identifier and sequence number (RFC 792, RFC 4443); the kernel fills in the middle ones.
const HEADER: usize = 8;

/// Sends echo requests until a reply to one comes back.
pub(super) async fn speak(to: IpAddr, id: &str, record: &mut Record) -> Result<Outcome, Ending> {
    record.enter(Phase::Request);
    let peer = SocketAddr::new(to, 0);
    record.peer = Some(peer);
    let socket = open(peer).map_err(|error| not_opened(&error))?;
    let words = format!("airtight {} {id}", super::record::unix_us()).into_bytes();
    let between = record.deadline.saturating_duration_since(Instant::now()) / TRIES;
    let heard = exchange(&socket, peer, &words, between, record).await;
    heard.map_err(|error| Ending::of_socket(&error, icmp::take(&socket)))?;
    record.end = Some(BodyEnd::Complete);
    Ok(Outcome::Connected)
}

/// A socket that pings `to` and hears nobody else, and whose errors tell of ICMP.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let (family, protocol) = match to {
        SocketAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        SocketAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, protocol)?;
    icmp::watch(&socket, to, true)?;
    let socket = StdSocket::from(socket);
    socket.connect(to)?;
    UdpSocket::from_std(socket)
}

fn not_opened(error: &io::Error) -> Ending {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => Ending::probe_error(
            "this host lets no group of the probe's ping: the sysctl net.ipv4.ping_group_range says which may",
        ),
        Some(_) | None => Ending::of_socket(error, None),
    }
}

/// Sends again and again until the reply comes back, into the record.
async fn exchange(
    socket: &UdpSocket,
    to: SocketAddr,
    words: &[u8],
    between: Duration,
    record: &mut Record,
) -> io::Result<()> {
    let mut packet = vec![0; HEADER + words.len() + 64];
    for sequence in 1_u16.. {
        socket.send(&request(to, sequence, words)).await?;
        record.enter(Phase::Response);
        let until = Instant::now() + between;
        while let Ok(count) = timeout(until.saturating_duration_since(Instant::now()), socket.recv(&mut packet)).await {
            let reply = &packet[..count?];
            if is_reply(to, reply, words) {
                record.body.extend_from_slice(&reply[HEADER..]);
                return Ok(());
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn request(to: SocketAddr, sequence: u16, words: &[u8]) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let [high, low] = sequence.to_be_bytes();
    [&[kind, 0, 0, 0, 0, 0, high, low][..], words].concat()
}

fn is_reply(to: SocketAddr, packet: &[u8], words: &[u8]) -> bool {
    let kind = if to.is_ipv4() { 0 } else { 129 };
    packet.len() >= HEADER && packet[0] == kind && &packet[HEADER..] == words
}
