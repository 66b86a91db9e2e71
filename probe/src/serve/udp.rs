//! Datagrams: who answers, a line break, and the echo.

use tokio::net::UdpSocket;

use super::mark;
use crate::wire::{Identity, Seen};

/// Echoes datagrams for ever. One that is an echo itself is dropped, so that two stand-ins never talk to each other.
pub(super) async fn echo(socket: &UdpSocket, identity: &Identity) {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    loop {
        // An error here is about a datagram that was sent before (ICMP); the next one is received all the same.
        let Ok((count, peer)) = socket.recv_from(&mut datagram).await else { continue };
        let said = &datagram[..count];
        if said.starts_with(br#"{"airtight":"#) {
            continue;
        }
        let seen = Seen { identity: identity.clone(), peer: peer.to_string(), request: None, tls: None };
        let mut answer = mark::text(&seen).into_bytes();
        answer.push(b'\n');
        answer.extend_from_slice(said);
        // A datagram that cannot be sent is lost, as datagrams are.
        let _ = socket.send_to(&answer, peer).await;
    }
}
