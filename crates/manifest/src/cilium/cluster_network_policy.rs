//! ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2, `clusternetworkpolicy_types.go`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use crate::kubernetes::Skipped;
use crate::located::Located;

/// ClusterNetworkPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterNetworkPolicy {
    /// `spec`.
    pub spec: ClusterNetworkPolicySpec,
}

/// Who is bound, and by what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterNetworkPolicySpec {
    /// Before or after the namespaced policies.
    pub tier: ClusterTier,
    /// 0 to 1000; the lowest is looked at first.
    pub priority: i32,
    /// Who is bound.
    pub subject: ClusterSubject,
    /// Rules in order of precedence.
    pub ingress: Option<Vec<Located<ClusterIngressRule>>>,
    /// Rules in order of precedence.
    pub egress: Option<Vec<Located<ClusterEgressRule>>>,
}

/// Where a policy stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum ClusterTier {
    /// Before every namespaced policy.
    Admin,
    /// After every namespaced policy.
    Baseline,
}

/// Who is bound; exactly one of the two.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterSubject {
    /// All pods of these namespaces.
    pub namespaces: Option<LabelSelector>,
    /// These pods.
    pub pods: Option<NamespacedPods>,
}

/// Pods by their labels and their namespace's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedPods {
    /// Namespaces.
    #[serde(default)]
    pub namespace_selector: LabelSelector,
    /// Pods in them.
    pub pod_selector: LabelSelector,
}

/// What a rule does with the traffic it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum ClusterAction {
    /// Lets it through.
    Accept,
    /// Drops it.
    Deny,
    /// Leaves it to the next tier.
    Pass,
}

/// One item of `ingress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterIngressRule {
    /// Free text.
    pub name: Option<Skipped>,
    /// What to do.
    pub action: ClusterAction,
    /// Peers.
    pub from: Vec<Located<ClusterIngressPeer>>,
    /// Protocols and ports; all if absent.
    pub protocols: Option<Vec<ClusterProtocol>>,
}

/// One item of `egress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterEgressRule {
    /// Free text.
    pub name: Option<Skipped>,
    /// What to do.
    pub action: ClusterAction,
    /// Peers.
    pub to: Vec<Located<ClusterEgressPeer>>,
    /// Protocols and ports; all if absent.
    pub protocols: Option<Vec<ClusterProtocol>>,
}

/// A peer of an ingress rule; exactly one of its fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterIngressPeer {
    /// All pods of these namespaces.
    pub namespaces: Option<LabelSelector>,
    /// These pods.
    pub pods: Option<NamespacedPods>,
}

/// A peer of an egress rule; exactly one of its fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterEgressPeer {
    /// All pods of these namespaces.
    pub namespaces: Option<LabelSelector>,
    /// These pods.
    pub pods: Option<NamespacedPods>,
    /// Nodes.
    pub nodes: Option<LabelSelector>,
    /// Prefixes.
    pub networks: Option<Vec<String>>,
    /// Domain names; `*.` stands for one or more labels.
    pub domain_names: Option<Vec<String>>,
}

/// A protocol and its ports; exactly one of its fields.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterProtocol {
    /// TCP.
    pub tcp: Option<ClusterTransport>,
    /// UDP.
    pub udp: Option<ClusterTransport>,
    /// SCTP.
    pub sctp: Option<ClusterTransport>,
    /// A container port by name, of any protocol.
    pub destination_named_port: Option<String>,
}

/// Ports of one protocol; all if absent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTransport {
    /// The port or range.
    pub destination_port: Option<ClusterPort>,
}

/// A port or a range of ports; exactly one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterPort {
    /// The port.
    pub number: Option<i32>,
    /// The range.
    pub range: Option<ClusterPortRange>,
}

/// A range of ports, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ClusterPortRange {
    /// First.
    pub start: i32,
    /// Last.
    pub end: i32,
}
