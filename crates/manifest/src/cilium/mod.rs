//! Cilium's policy kinds and the upstream ClusterNetworkPolicy that it implements.

mod cluster_network_policy;
mod network_policy;
mod ports;
mod schema;
mod section;

pub use cluster_network_policy::{
    ClusterAction, ClusterEgressPeer, ClusterEgressRule, ClusterIngressPeer, ClusterIngressRule, ClusterNetworkPolicy,
    ClusterNetworkPolicySpec, ClusterPort, ClusterPortRange, ClusterProtocol, ClusterSubject, ClusterTier,
    ClusterTransport, NamespacedPods,
};
pub use network_policy::{
    Authentication, AuthenticationMode, CidrRule, CiliumCidrGroup, CiliumCidrGroupSpec, CiliumNetworkPolicy,
    CiliumRule, DefaultDeny, EgressDenyRule, EgressRule, Entity, IngressDenyRule, IngressRule, ServiceName,
    ServicePeer, ServiceSelector,
};
pub use ports::{
    DnsRule, HeaderMatch, HttpRule, IcmpFamily, IcmpField, IcmpRule, L7Rules, MismatchAction, PortDenyRule,
    PortProtocol, PortProtocolName, PortRule, SecretRef,
};
pub use schema::{cidr_group_findings, cluster_network_policy_findings, crd_findings};
pub use section::{Direction, PortItem, Section};
