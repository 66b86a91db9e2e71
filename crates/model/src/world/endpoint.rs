//! Everything that can be one end of a hop.

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::Labels;
use serde::{Deserialize, Serialize};

use super::pod::PodId;

/// Index of a node in its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// Index of an external host in its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostId(pub u32);

/// A cluster node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Node {
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    #[serde(default)]
    pub labels: Labels,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether the API server runs here.
    #[serde(default)]
    pub control_plane: bool,
}

/// A host outside the cluster that answers: an LLM provider, the metadata service, an exfiltration target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Host {
    /// Names that resolve to it; the first is how reports call it.
    pub names: Vec<Arc<str>>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// TCP ports that it listens on in clear text.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// TCP ports that it listens on with TLS.
    #[serde(default)]
    pub tls_ports: Vec<u16>,
    /// What its stand-in on a live testbed answers; to the model all hosts are alike.
    #[serde(default, skip_serializing_if = "StandsFor::is_plain")]
    pub stands_for: StandsFor,
}

/// What a host outside the cluster is, so that its stand-in answers in the right shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StandsFor {
    /// Any host: it answers with what reached it.
    #[default]
    Any,
    /// An LLM provider.
    Llm,
    /// A cloud's metadata service.
    Metadata,
    /// A token issuer, whose name is its first name.
    Issuer,
}

impl StandsFor {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_plain(&self) -> bool {
        *self == Self::Any
    }
}

/// One end of a hop, as a checkpoint sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod with a network namespace of its own.
    Pod(PodId),
    /// A host-network pod: to the network it is its node.
    HostNetworkPod(PodId),
    /// A process on a node (the kubelet, a node agent).
    Node(NodeId),
    /// The kubelet's probes of an ambient pod, which arrive from 169.254.7.127 (or its IPv6 twin).
    ProbeAddress(NodeId),
    /// An address outside the cluster that belongs to a known host.
    Host(HostId, IpAddr),
    /// Any other address outside the cluster.
    Address(IpAddr),
}
