//! CiliumNetworkPolicy, its rules and peers, and CiliumCIDRGroup.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::ports::{DnsRule, IcmpRule, PortDenyRule, PortRule};
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, all but `metadata` and `status`
/// (Cilium `pkg/k8s/apis/cilium.io/v2/cnp_types.go`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CiliumNetworkPolicy {
    /// One rule.
    pub spec: Option<Located<CiliumRule>>,
    /// Several independent rules.
    pub specs: Option<Vec<Located<CiliumRule>>>,
}

impl CiliumNetworkPolicy {
    /// `spec` and all of `specs`, each with its path in the object.
    pub fn rules(&self) -> impl Iterator<Item = (String, &Located<CiliumRule>)> {
        let one = self.spec.iter().map(|rule| ("spec".to_owned(), rule));
        let many = self.specs.iter().flatten().enumerate().map(|(index, rule)| (format!("specs[{index}]"), rule));
        one.chain(many)
    }
}

/// One rule: subjects, and what they may and may not do (Cilium `pkg/policy/api/rule.go`).
///
/// A list that is present and empty differs from one that is absent, hence the options.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CiliumRule {
    /// Free text.
    pub description: Option<Skipped>,
    /// What the subjects may reach.
    pub egress: Option<Vec<Located<EgressRule>>>,
    /// What the subjects may not reach.
    pub egress_deny: Option<Vec<Located<EgressDenyRule>>>,
    /// Whether the rule isolates its subjects.
    pub enable_default_deny: Option<DefaultDeny>,
    /// Subjects that are endpoints.
    pub endpoint_selector: Option<Located<LabelSelector>>,
    /// What may reach the subjects.
    pub ingress: Option<Vec<Located<IngressRule>>>,
    /// What may not reach the subjects.
    pub ingress_deny: Option<Vec<Located<IngressDenyRule>>>,
    /// Labels of the rule itself.
    pub labels: Option<Skipped>,
    /// Text for Hubble (1.18 and later).
    pub log: Option<Skipped>,
    /// Subjects that are nodes.
    pub node_selector: Option<Located<LabelSelector>>,
}

/// Whether a rule isolates its subjects, by direction; none means "if it has rules there".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct DefaultDeny {
    /// Egress.
    pub egress: Option<bool>,
    /// Ingress.
    pub ingress: Option<bool>,
}

/// One item of `ingress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressRule {
    /// Mutual authentication.
    pub authentication: Option<Located<Authentication>>,
    /// Peers by address.
    #[serde(rename = "fromCIDR")]
    pub from_cidr: Option<Vec<Located<String>>>,
    /// Peers by address, with exceptions and groups.
    #[serde(rename = "fromCIDRSet")]
    pub from_cidr_set: Option<Vec<Located<CidrRule>>>,
    /// Peers by label.
    pub from_endpoints: Option<Vec<Located<LabelSelector>>>,
    /// Peers by class.
    pub from_entities: Option<Vec<Located<Entity>>>,
    /// Peers in a cloud's security groups.
    pub from_groups: Option<Unmodelled>,
    /// Peers that are nodes, by label.
    pub from_nodes: Option<Vec<Located<LabelSelector>>>,
    /// Demands on every peer (before 1.19).
    pub from_requires: Option<Vec<Located<LabelSelector>>>,
    /// ICMP types.
    pub icmps: Option<Vec<IcmpRule>>,
    /// Ports and what is spoken on them.
    pub to_ports: Option<Vec<Located<PortRule>>>,
}

/// One item of `ingressDeny`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is that of `IngressRule`")]
pub struct IngressDenyRule {
    #[serde(rename = "fromCIDR")]
    pub from_cidr: Option<Vec<Located<String>>>,
    #[serde(rename = "fromCIDRSet")]
    pub from_cidr_set: Option<Vec<Located<CidrRule>>>,
    pub from_endpoints: Option<Vec<Located<LabelSelector>>>,
    pub from_entities: Option<Vec<Located<Entity>>>,
    pub from_groups: Option<Unmodelled>,
    pub from_nodes: Option<Vec<Located<LabelSelector>>>,
    pub from_requires: Option<Vec<Located<LabelSelector>>>,
    pub icmps: Option<Vec<IcmpRule>>,
    pub to_ports: Option<Vec<Located<PortDenyRule>>>,
}

/// One item of `egress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressRule {
    /// Mutual authentication.
    pub authentication: Option<Located<Authentication>>,
    /// ICMP types.
    pub icmps: Option<Vec<IcmpRule>>,
    /// Peers by address.
    #[serde(rename = "toCIDR")]
    pub to_cidr: Option<Vec<Located<String>>>,
    /// Peers by address, with exceptions and groups.
    #[serde(rename = "toCIDRSet")]
    pub to_cidr_set: Option<Vec<Located<CidrRule>>>,
    /// Peers by label.
    pub to_endpoints: Option<Vec<Located<LabelSelector>>>,
    /// Peers by class.
    pub to_entities: Option<Vec<Located<Entity>>>,
    /// Peers by the name that led to their address.
    #[serde(rename = "toFQDNs")]
    pub to_fqdns: Option<Vec<Located<DnsRule>>>,
    /// Peers in a cloud's security groups.
    pub to_groups: Option<Unmodelled>,
    /// Peers that are nodes, by label.
    pub to_nodes: Option<Vec<Located<LabelSelector>>>,
    /// Ports and what is spoken on them.
    pub to_ports: Option<Vec<Located<PortRule>>>,
    /// Demands on every peer (before 1.19).
    pub to_requires: Option<Vec<Located<LabelSelector>>>,
    /// Peers behind Services.
    pub to_services: Option<Vec<Located<ServicePeer>>>,
}

/// One item of `egressDeny`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each field is that of `EgressRule`")]
pub struct EgressDenyRule {
    pub icmps: Option<Vec<IcmpRule>>,
    #[serde(rename = "toCIDR")]
    pub to_cidr: Option<Vec<Located<String>>>,
    #[serde(rename = "toCIDRSet")]
    pub to_cidr_set: Option<Vec<Located<CidrRule>>>,
    pub to_endpoints: Option<Vec<Located<LabelSelector>>>,
    pub to_entities: Option<Vec<Located<Entity>>>,
    pub to_groups: Option<Unmodelled>,
    pub to_nodes: Option<Vec<Located<LabelSelector>>>,
    pub to_ports: Option<Vec<Located<PortDenyRule>>>,
    pub to_requires: Option<Vec<Located<LabelSelector>>>,
    pub to_services: Option<Vec<Located<ServicePeer>>>,
}

/// `authentication`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Authentication {
    /// What is demanded.
    pub mode: AuthenticationMode,
}

/// What a rule demands of the peers' identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticationMode {
    /// Nothing.
    Disabled,
    /// A handshake out of band, with SPIFFE identities.
    Required,
    /// A handshake that always fails.
    TestAlwaysFail,
}

/// A prefix with exceptions, or a group of prefixes; exactly one of the three sources.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CidrRule {
    /// A prefix.
    pub cidr: Option<String>,
    /// The name of a CiliumCIDRGroup.
    pub cidr_group_ref: Option<String>,
    /// CiliumCIDRGroups by label.
    pub cidr_group_selector: Option<LabelSelector>,
    /// Prefixes left out.
    pub except: Option<Vec<String>>,
}

/// A class of peers without labels of their own (Cilium `pkg/policy/api/entity.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entity {
    /// Everything.
    All,
    /// Everything outside the cluster.
    World,
    /// Everything in the cluster: managed pods, nodes, health, ingress, init and unmanaged endpoints.
    Cluster,
    /// The same in every cluster of the mesh (1.20 and later).
    ClusterMesh,
    /// The local node and its host-network pods.
    Host,
    /// Endpoints without labels yet.
    Init,
    /// Cilium's own gateway and ingress proxies.
    Ingress,
    /// Pods that Cilium does not manage.
    Unmanaged,
    /// All other nodes and their host-network pods.
    RemoteNode,
    /// Cilium's health endpoints.
    Health,
    /// Nothing.
    None,
    /// The API server.
    KubeApiserver,
}

/// Peers behind a Service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePeer {
    /// A Service by name.
    pub k8s_service: Option<ServiceName>,
    /// Services by label.
    pub k8s_service_selector: Option<ServiceSelector>,
}

/// A Service by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceName {
    /// Its namespace; any if absent.
    pub namespace: Option<String>,
    /// Its name.
    pub service_name: Option<String>,
}

/// Services by label.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServiceSelector {
    /// Their namespace; any if absent.
    pub namespace: Option<String>,
    /// Their labels.
    pub selector: LabelSelector,
}

/// CiliumCIDRGroup, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CiliumCidrGroup {
    /// `spec`.
    pub spec: CiliumCidrGroupSpec,
}

/// Prefixes outside the cluster.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CiliumCidrGroupSpec {
    /// The prefixes.
    #[serde(rename = "externalCIDRs")]
    pub external_cidrs: Vec<Located<String>>,
}
