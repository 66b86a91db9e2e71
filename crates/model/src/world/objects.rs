//! The policy and routing objects that are in force, by kind.

use airtight_manifest::cilium::{CiliumCidrGroup, CiliumNetworkPolicy, ClusterNetworkPolicy};
use airtight_manifest::gateway_api::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TlsRoute,
};
use airtight_manifest::istio::{
    AuthorizationPolicy, DestinationRule, PeerAuthentication, RequestAuthentication, ServiceEntry,
};
use airtight_manifest::kgateway::{
    AgentgatewayBackend, AgentgatewayParameters, AgentgatewayPolicy, Backend, DirectResponse, GatewayParameters,
    TrafficPolicy,
};
use airtight_manifest::network::NetworkPolicy;
use airtight_manifest::{Object, ObjectRef, Resource, RuleRef};

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

impl Objects {
    /// The same without one object; it is told by kind, namespace and name.
    #[must_use]
    pub fn without(&self, object: &ObjectRef) -> Self {
        fn kept<T: Clone>(objects: &[Object<T>], removed: &ObjectRef) -> Vec<Object<T>> {
            objects.iter().filter(|object| *object.meta.object != *removed).cloned().collect()
        }
        Self {
            network_policies: kept(&self.network_policies, object),
            cilium_policies: kept(&self.cilium_policies, object),
            cilium_clusterwide_policies: kept(&self.cilium_clusterwide_policies, object),
            cidr_groups: kept(&self.cidr_groups, object),
            cluster_network_policies: kept(&self.cluster_network_policies, object),
            peer_authentications: kept(&self.peer_authentications, object),
            authorization_policies: kept(&self.authorization_policies, object),
            request_authentications: kept(&self.request_authentications, object),
            service_entries: kept(&self.service_entries, object),
            destination_rules: kept(&self.destination_rules, object),
            gateway_classes: kept(&self.gateway_classes, object),
            gateways: kept(&self.gateways, object),
            http_routes: kept(&self.http_routes, object),
            grpc_routes: kept(&self.grpc_routes, object),
            tls_routes: kept(&self.tls_routes, object),
            reference_grants: kept(&self.reference_grants, object),
            backend_tls_policies: kept(&self.backend_tls_policies, object),
            traffic_policies: kept(&self.traffic_policies, object),
            backends: kept(&self.backends, object),
            gateway_parameters: kept(&self.gateway_parameters, object),
            direct_responses: kept(&self.direct_responses, object),
            agentgateway_backends: kept(&self.agentgateway_backends, object),
            agentgateway_policies: kept(&self.agentgateway_policies, object),
            agentgateway_parameters: kept(&self.agentgateway_parameters, object),
            unmodelled: self.unmodelled.clone(),
        }
    }
    /// Puts a resource where it belongs; kinds that are no policy are left to the rest of the world.
    pub(super) fn insert(&mut self, resource: Resource) {
        match resource {
            Resource::NetworkPolicy(object) => self.network_policies.push(object),
            Resource::CiliumNetworkPolicy(object) => self.cilium_policies.push(object),
            Resource::CiliumClusterwideNetworkPolicy(object) => self.cilium_clusterwide_policies.push(object),
            Resource::CiliumCidrGroup(object) => self.cidr_groups.push(object),
            Resource::ClusterNetworkPolicy(object) => self.cluster_network_policies.push(object),
            Resource::PeerAuthentication(object) => self.peer_authentications.push(object),
            Resource::AuthorizationPolicy(object) => self.authorization_policies.push(object),
            Resource::RequestAuthentication(object) => self.request_authentications.push(object),
            Resource::ServiceEntry(object) => self.service_entries.push(object),
            Resource::DestinationRule(object) => self.destination_rules.push(object),
            Resource::GatewayClass(object) => self.gateway_classes.push(object),
            Resource::Gateway(object) => self.gateways.push(object),
            Resource::HttpRoute(object) => self.http_routes.push(object),
            Resource::GrpcRoute(object) => self.grpc_routes.push(object),
            Resource::TlsRoute(object) => self.tls_routes.push(object),
            Resource::ReferenceGrant(object) => self.reference_grants.push(object),
            Resource::BackendTlsPolicy(object) => self.backend_tls_policies.push(object),
            Resource::TrafficPolicy(object) => self.traffic_policies.push(object),
            Resource::Backend(object) => self.backends.push(object),
            Resource::GatewayParameters(object) => self.gateway_parameters.push(object),
            Resource::DirectResponse(object) => self.direct_responses.push(object),
            Resource::AgentgatewayBackend(object) => self.agentgateway_backends.push(object),
            Resource::AgentgatewayPolicy(object) => self.agentgateway_policies.push(object),
            Resource::AgentgatewayParameters(object) => self.agentgateway_parameters.push(object),
            Resource::Unmodelled(rule) => self.unmodelled.push(rule),
            Resource::Namespace(_)
            | Resource::Pod(_)
            | Resource::Service(_)
            | Resource::ServiceAccount(_)
            | Resource::Deployment(_)
            | Resource::StatefulSet(_)
            | Resource::DaemonSet(_)
            | Resource::ReplicaSet(_)
            | Resource::Job(_)
            | Resource::CronJob(_)
            | Resource::EndpointSlice(_)
            | Resource::ClusterPolicy(_)
            | Resource::Policy(_)
            | Resource::PolicyException(_)
            | Resource::CelPolicyException(_)
            | Resource::ValidatingPolicy(_)
            | Resource::GeneratingPolicy(_)
            | Resource::MutatingPolicy(_)
            | Resource::Inert(_) => {}
        }
    }
}
