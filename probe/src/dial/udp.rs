//! Datagrams: only an echo shows that one arrived, or an answer to a question.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::ending::Ending;
use super::exchange::words;
use super::record::Record;
use super::{icmp, question};
use crate::wire::{BodyEnd, Outcome, Phase, Say};

/// A datagram is lost now and then: it is sent so often within a flow's time.
const TRIES: u32 = 3;

/// A socket that sends to `to` and hears nobody else, and whose errors tell of ICMP.
pub(super) async fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    icmp::watch(&socket, to, true)?;
    socket.connect(to).await?;
    Ok(socket)
}

/// Sends and waits for the echo. An answer without the echo is a probe error: it neither shows that the datagram
/// arrived nor that it did not.
pub(super) async fn speak(to: SocketAddr, say: &Say, id: &str, record: &mut Record) -> Result<Outcome, Ending> {
    record.enter(Phase::Request);
    record.peer = Some(to);
    let words = match say {
        Say::Dns => question::ask(id),
        Say::Nonce | Say::Nothing | Say::Postgres | Say::Redis | Say::Amqp | Say::Bytes(_) => words(say, id),
    };
    if words.is_empty() {
        return Err(Ending::probe_error("a UDP flow must say something: its echo is what shows that it arrived"));
    }
    let socket = open(to).await.map_err(|error| Ending::of_socket(&error, None))?;
    record.local = socket.local_addr().ok();
    let between = record.deadline.saturating_duration_since(Instant::now()) / TRIES;
    let heard = exchange(&socket, &words, between, record).await;
    heard.map_err(|error| Ending::of_socket(&error, icmp::take(&socket)))?;
    record.end = Some(BodyEnd::Complete);
    if *say == Say::Dns {
        return question::judge(&record.body, id);
    }
    if record.body.windows(words.len()).any(|window| window == words) {
        return Ok(Outcome::Connected);
    }
    Err(Ending::probe_error("a datagram came back that holds no echo"))
}

/// Sends again and again until something comes back, into the record.
async fn exchange(socket: &UdpSocket, words: &[u8], between: Duration, record: &mut Record) -> io::Result<()> {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    loop {
        socket.send(words).await?;
        record.enter(Phase::Response);
        if let Ok(count) = timeout(between, socket.recv(&mut datagram)).await {
            record.body.extend_from_slice(&datagram[..count?]);
            return Ok(());
        }
    }
}
