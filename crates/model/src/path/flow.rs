//! Flows: what is attempted.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::policy::Request;
use crate::world::{ApiRequest, ApiUser, Change, Protocol, Unmet};

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
    /// Requests to the API server that were made, accepted and followed up before, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ApiRequest>,
}

impl Flow {
    /// Whether the client gets an HTTP status: it sends a request, or talks to the API server.
    #[must_use]
    pub fn speaks_http(&self) -> bool {
        self.request.is_some() || self.attempt().is_some()
    }

    /// Whether it means nothing without a port.
    pub(super) fn needs_port(&self) -> bool {
        self.protocol != Protocol::Icmp && !matches!(self.to, Destination::Name(_) | Destination::Object(_))
    }

    /// The change that is attempted, if this is an attempt to change an object.
    #[must_use]
    pub fn attempt(&self) -> Option<&Change> {
        match &self.to {
            Destination::Object(change) => Some(change),
            Destination::Service(..)
            | Destination::Pod(..)
            | Destination::Host(_)
            | Destination::Address(_)
            | Destination::Gateway(..)
            | Destination::Node(_)
            | Destination::Name(_) => None,
        }
    }
}

/// A flow that does not fit the world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// No such workload.
    #[error("there is no workload {0}/{1}")]
    UnknownWorkload(String, String),
    /// No such Service.
    #[error("there is no Service {0}/{1}")]
    UnknownService(String, String),
    /// No such Gateway, or no controller made a proxy for it.
    #[error("there is no Gateway {0}/{1} with a proxy")]
    UnknownGateway(String, String),
    /// No such node.
    #[error("there is no node {0}")]
    UnknownNode(String),
    /// The kubelet probes pods only.
    #[error("the kubelet probes pods; the destination must be one")]
    KubeletProbesPods,
    /// A TCP or UDP flow without a port.
    #[error("this flow needs a port")]
    NoPort,
    /// Users attempt to change objects, and only they do.
    #[error("users change objects, and workloads do not: {0} cannot aim at {1}")]
    NotAnAttempt(String, String),
    /// What was to happen before the flow did not.
    #[error(transparent)]
    Unmet(#[from] Unmet),
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
    /// Somebody who sends requests to the API server.
    User(ApiUser),
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
    /// An object at the API server, and what shall become of it.
    Object(Change),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(namespace, name) => write!(f, "{namespace}/{name}"),
            Self::Outside => f.write_str("outside"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Kubelet => f.write_str("kubelet"),
            Self::User(user) => write!(f, "{user}"),
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
            Self::Object(change) => write!(f, "{change}"),
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
        if let Some(request) = &self.request {
            write!(f, " {} {}", request.method, request.path)?;
        }
        for (index, request) in self.after.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { ", after " } else { ", " }, request.change)?;
        }
        Ok(())
    }
}
