//! What `dial` writes: one answer a line.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Identity, Outcome, Payload, SeenRequest};

/// What came of one flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The flow's id; none if the line was no flow and named none.
    #[serde(default)]
    pub id: Option<String>,
    /// The line of the input that it answers, from 1.
    pub line: u64,
    /// What the client saw.
    pub outcome: Outcome,
    /// The phase in which the flow ended.
    pub phase: Phase,
    /// One sentence about how it ended; empty if the outcome says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The operating system's error by its name, such as `ECONNREFUSED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// For a refused flow: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The ICMP error that ended the flow, if one arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Icmp>,
    /// When the flow started, in microseconds since 1970 (UTC).
    pub started_unix_us: u64,
    /// How long each phase took.
    pub timing: Timing,
    /// The DNS queries that were made, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Lookup>,
    /// The addresses that the name resolved to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Addresses of the name that were tried in vain before the one that the outcome is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The client's own address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// The address and port that was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// The address and port that was wanted through a tunnel of the mesh: then `peer` is the tunnel's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<SocketAddr>,
    /// The TLS session, once the handshake was through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSeen>,
    /// What came back; none if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Which probe answered, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<Identity>,
    /// The HTTP request as it reached that probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<SeenRequest>,
}

/// The parts of a flow, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading the line and preparing the flow.
    Read,
    /// Resolving the name.
    Dns,
    /// Connecting.
    Connect,
    /// Shaking hands.
    Tls,
    /// Opening a tunnel of the mesh.
    Tunnel,
    /// Sending.
    Request,
    /// Waiting for the answer and reading it.
    Response,
}

/// How long each phase took, in microseconds; none if the flow did not come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Resolving the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// Connecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// Shaking hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// Opening a tunnel of the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_us: Option<u64>,
    /// Sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_us: Option<u64>,
    /// Waiting for the answer and reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_us: Option<u64>,
    /// All of it.
    pub total_us: u64,
}

/// How a flow was refused. Only `reset` means that a host lives there on which nobody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A RST to the SYN: nobody listens, or a firewall that resets.
    Reset,
    /// ICMP port unreachable: over UDP nobody listens; over TCP a firewall that rejects.
    PortUnreachable,
    /// ICMP administratively prohibited: a firewall that rejects.
    Prohibited,
}

/// An ICMP error as it arrived (RFC 792, RFC 4443).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Icmp {
    /// The version of IP, 4 or 6: types and codes differ.
    pub version: u8,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Who sent it, if the kernel tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
}

/// One DNS query and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// The server that was asked.
    pub server: SocketAddr,
    /// The name that was asked for, absolute.
    pub name: String,
    /// `A` or `AAAA`.
    pub record: String,
    /// How it was asked.
    pub transport: Transport,
    /// The response code in capitals (`NOERROR`, `NXDOMAIN`, `REFUSED`, …), `TIMEOUT`, or the error's name (`ECONNREFUSED`).
    pub result: String,
    /// How many addresses the answer holds.
    pub addresses: usize,
    /// How long it took, in microseconds.
    pub us: u64,
}

/// How a DNS query was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// By a datagram.
    Udp,
    /// By a connection.
    Tcp,
}

/// An address of a name that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// The address.
    pub address: IpAddr,
    /// How it ended.
    pub outcome: Outcome,
}

/// A TLS session as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsSeen {
    /// `TLSv1_2` or `TLSv1_3`.
    pub version: String,
    /// The protocol that ALPN chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Headers of an HTTP response, in order, names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body's beginning, or what came back over TCP or UDP.
    pub body: Payload,
    /// How the body ended.
    pub end: BodyEnd,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyEnd {
    /// It is whole.
    Complete,
    /// There may be more: the flow's limit was reached, or the exchange had shown what it was for.
    Limit,
    /// The connection ended before it did.
    Cut,
    /// The deadline came first.
    Deadline,
}
