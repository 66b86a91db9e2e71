//! Pods with everything that a policy can see of them.

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::{Labels, RuleRef};
use serde::{Deserialize, Serialize};

use super::Protocol;
use super::endpoint::NodeId;

/// Index of a pod in its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodId(pub u32);

/// A pod as it runs: written in a manifest, expanded from a workload, or created by a gateway controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Its index.
    pub id: PodId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name; for a pod of a workload the workload's name and an ordinal, such as `travel-api-0`.
    pub name: Arc<str>,
    /// Name of the workload (Deployment, Gateway, …) or of the pod itself: what a scenario writes.
    pub workload: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Service account.
    pub service_account: Arc<str>,
    /// The node it runs on.
    pub node: NodeId,
    /// Whether its node is known; otherwise the scheduler may put it on another as well.
    pub is_placed: bool,
    /// Whether Services send to it; one that was read from a cluster may have told otherwise.
    pub ready: bool,
    /// Its addresses; a host-network pod has its node's.
    pub addresses: Vec<IpAddr>,
    /// The name that a Service gives it; none if it has no `hostname` or no `subdomain`.
    pub dns_name: Option<DnsName>,
    /// Whom it asks for addresses.
    pub resolver: Resolver,
    /// Names that it looks up nowhere, with their addresses (`hostAliases`).
    pub host_aliases: Vec<(Arc<str>, IpAddr)>,
    /// Whether it shares its node's network namespace.
    pub host_network: bool,
    /// What its containers listen on.
    pub ports: Vec<ContainerPort>,
    /// Whether one of its containers says nothing of its ports, so that it may listen on others as well.
    pub lists_not_all_ports: bool,
    /// Its kubelet probes.
    pub probes: Vec<Probe>,
    /// How the mesh sees it.
    pub enrolment: Enrolment,
    /// What it is in the architecture.
    pub role: Role,
    /// Where it was written.
    pub origin: RuleRef,
}

/// Whom a pod asks for addresses (`dnsPolicy`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resolver {
    /// The cluster's own, which knows Services.
    Cluster,
    /// That of its node (`Default`).
    Node,
    /// Servers of its own (`None`).
    Own(Vec<IpAddr>),
}

/// What stands before the namespace in a pod's name (`HOSTNAME.SUBDOMAIN.NAMESPACE.svc.cluster.local`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName {
    /// `spec.hostname`.
    pub hostname: Arc<str>,
    /// `spec.subdomain`: the Service's name.
    pub subdomain: Arc<str>,
}

/// A port that a container listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// `hostPort`: the port of the node that leads to it.
    pub host: Option<u16>,
}

/// A kubelet probe over the network; `exec` probes are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Startup, readiness or liveness.
    pub kind: ProbeKind,
    /// The port that it dials.
    pub port: u16,
    /// The path of an HTTP probe; none for a TCP or gRPC one.
    pub path: Option<String>,
}

/// Which of the three probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// `startupProbe`.
    Startup,
    /// `readinessProbe`.
    Readiness,
    /// `livenessProbe`.
    Liveness,
}

/// How the mesh sees a pod (Istio `cni/pkg/util/enablement_selector.go`, `podutil.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Enrolment {
    /// Not in the mesh: sends and receives plaintext.
    None,
    /// Captured by ztunnel in both directions.
    Ambient,
    /// Captured by ztunnel for what it sends; what it receives on its own ports is left alone
    /// (`ambient.istio.io/bypass-inbound-capture: "true"`).
    AmbientOutbound,
    /// Speaks HBONE itself: an Istio waypoint, or a proxy that Istio configures directly.
    Native,
    /// Speaks HBONE itself for what it sends, and takes what it receives in clear text.
    NativeOutbound,
    /// Has an Istio sidecar.
    Sidecar,
}

impl Enrolment {
    /// Whether peers reach it over HBONE.
    #[must_use]
    pub fn accepts_hbone(self) -> bool {
        match self {
            Self::Ambient | Self::AmbientOutbound | Self::Native | Self::Sidecar => true,
            Self::None | Self::NativeOutbound => false,
        }
    }

    /// Whether ztunnel carries what it sends.
    #[must_use]
    pub fn sends_through_ztunnel(self) -> bool {
        match self {
            Self::Ambient | Self::AmbientOutbound => true,
            Self::None | Self::Native | Self::NativeOutbound | Self::Sidecar => false,
        }
    }
}

/// What a pod is in the architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// An ordinary workload.
    Workload,
    /// The proxy of a Gateway that takes traffic from clients; the key is the Gateway's namespace and name.
    Gateway(GatewayKey),
    /// The proxy of a Gateway that serves as waypoint.
    Waypoint(GatewayKey),
}

/// A Gateway by namespace and name.
pub type GatewayKey = (Arc<str>, Arc<str>);
