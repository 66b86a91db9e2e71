//! Flows: what is attempted.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::policy::Request;
use crate::world::Protocol;

/// One attempted communication.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Flow {
    /// Who attempts it.
    pub from: Source,
    /// What it aims at.
    pub to: Destination,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port that the client dials; none for ICMP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The HTTP request; none for a bare connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Whether the client speaks TLS itself, and with which server name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerName>,
}

/// The server name that a TLS client asks for.
pub type ServerName = String;

/// Who attempts a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A workload, by namespace and name.
    Workload(String, String),
    /// A user on the Internet.
    Outside,
    /// A process on a node, by the node's name.
    Node(String),
    /// The kubelet of the destination pod's node, probing it.
    Kubelet,
}

/// What a flow aims at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// A Service's virtual address, by namespace and name (its name is resolved first).
    Service(String, String),
    /// A pod's own address, by namespace and name of the workload.
    Pod(String, String),
    /// A name outside the cluster (resolved first).
    Host(String),
    /// A literal address (nothing is resolved).
    Address(IpAddr),
    /// A Gateway's address, by namespace and name, as a user outside reaches it.
    Gateway(String, String),
    /// A node, by name.
    Node(String),
    /// Only a name resolution, of this name.
    Name(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(namespace, name) => write!(f, "{namespace}/{name}"),
            Self::Outside => f.write_str("outside"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Kubelet => f.write_str("kubelet"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(namespace, name) => write!(f, "{namespace}/{name}"),
            Self::Pod(namespace, name) => write!(f, "pod {namespace}/{name}"),
            Self::Host(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
            Self::Gateway(namespace, name) => write!(f, "gateway {namespace}/{name}"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Name(name) => write!(f, "name {name}"),
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from, self.to)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if self.protocol != Protocol::Tcp {
            write!(f, "/{}", self.protocol)?;
        }
        match &self.request {
            Some(request) => write!(f, " {} {}", request.method, request.path),
            None => Ok(()),
        }
    }
}
