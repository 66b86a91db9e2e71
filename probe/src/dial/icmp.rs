//! ICMP errors behind a socket's error: only they tell a firewall's rejection from a RST.
//!
//! With `IP_RECVERR` the kernel queues the ICMP message beside the error (`ip(7)`); for TCP since Linux 5.9.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

use crate::wire::Icmp;

/// What an ICMP error says about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody listens on the port.
    PortUnreachable,
    /// A filter rejects.
    Prohibited,
    /// No way to the host or network, or the packet did not live long enough.
    Unreachable,
}

/// Type 3 of RFC 792 with the codes of RFC 1122 and RFC 1812; type 1 of RFC 4443.
pub(super) fn meaning(icmp: Icmp) -> Meaning {
    match (icmp.version, icmp.kind, icmp.code) {
        (4, 3, 3) | (6, 1, 4) => Meaning::PortUnreachable,
        (4, 3, 9 | 10 | 13) | (6, 1, 1 | 5 | 6) => Meaning::Prohibited,
        _ => Meaning::Unreachable,
    }
}

/// Asks the kernel to queue ICMP errors on a socket that goes to `to`, or to stop.
pub(super) fn watch(socket: &impl AsFd, to: SocketAddr, on: bool) -> nix::Result<()> {
    match to {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &on),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &on),
    }
}

/// The newest queued ICMP error; the queue is empty afterwards.
pub(super) fn take(socket: &impl AsFd) -> Option<Icmp> {
    let mut newest = None;
    while let Some(control) = next(socket) {
        newest = control.iter().find_map(of_control).or(newest);
    }
    newest
}

/// What came with the next queued error, which may be another than ICMP; none if the queue is empty.
fn next(socket: &impl AsFd) -> Option<Vec<ControlMessageOwned>> {
    let mut packet = [0; 512];
    let mut iov = [IoSliceMut::new(&mut packet)];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_fd().as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
    Some(message.cmsgs().ok()?.collect())
}

fn of_control(part: &ControlMessageOwned) -> Option<Icmp> {
    let (version, error, from) = match part {
        ControlMessageOwned::Ipv4RecvErr(error, from) => {
            (4, error, from.map(|from| IpAddr::V4(Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr)))))
        }
        ControlMessageOwned::Ipv6RecvErr(error, from) => {
            (6, error, from.map(|from| IpAddr::V6(Ipv6Addr::from(from.sin6_addr.s6_addr))))
        }
        _ => return None,
    };
    let by_icmp = matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
    by_icmp.then_some(Icmp { version, kind: error.ee_type, code: error.ee_code, from })
}
