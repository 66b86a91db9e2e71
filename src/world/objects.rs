//! The policy and routing objects that are in force, by kind.

use crate::manifest::cilium::{CiliumCidrGroup, CiliumNetworkPolicy, ClusterNetworkPolicy};
use crate::manifest::gateway_api::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TlsRoute,
};
use crate::manifest::istio::{
    AuthorizationPolicy, DestinationRule, PeerAuthentication, RequestAuthentication, ServiceEntry,
};
use crate::manifest::kgateway::{
    AgentgatewayBackend, AgentgatewayParameters, AgentgatewayPolicy, Backend, DirectResponse, GatewayParameters,
    TrafficPolicy,
};
use crate::manifest::network::NetworkPolicy;
use crate::manifest::{Object, RuleRef};

/// Objects that policy modules compile; each vector in the order of loading.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "each field holds the objects of the kind of its name")]
pub struct Objects {
    pub network_policies: Vec<Object<NetworkPolicy>>,
    pub cilium_policies: Vec<Object<CiliumNetworkPolicy>>,
    pub cilium_clusterwide_policies: Vec<Object<CiliumNetworkPolicy>>,
    pub cidr_groups: Vec<Object<CiliumCidrGroup>>,
    pub cluster_network_policies: Vec<Object<ClusterNetworkPolicy>>,
    pub peer_authentications: Vec<Object<PeerAuthentication>>,
    pub authorization_policies: Vec<Object<AuthorizationPolicy>>,
    pub request_authentications: Vec<Object<RequestAuthentication>>,
    pub service_entries: Vec<Object<ServiceEntry>>,
    pub destination_rules: Vec<Object<DestinationRule>>,
    pub gateway_classes: Vec<Object<GatewayClass>>,
    pub gateways: Vec<Object<Gateway>>,
    pub http_routes: Vec<Object<HttpRoute>>,
    pub grpc_routes: Vec<Object<GrpcRoute>>,
    pub tls_routes: Vec<Object<TlsRoute>>,
    pub reference_grants: Vec<Object<ReferenceGrant>>,
    pub backend_tls_policies: Vec<Object<BackendTlsPolicy>>,
    pub traffic_policies: Vec<Object<TrafficPolicy>>,
    pub backends: Vec<Object<Backend>>,
    pub gateway_parameters: Vec<Object<GatewayParameters>>,
    pub direct_responses: Vec<Object<DirectResponse>>,
    pub agentgateway_backends: Vec<Object<AgentgatewayBackend>>,
    pub agentgateway_policies: Vec<Object<AgentgatewayPolicy>>,
    pub agentgateway_parameters: Vec<Object<AgentgatewayParameters>>,
    /// Objects of known kinds that bear on traffic and are not modelled.
    pub unmodelled: Vec<RuleRef>,
}
