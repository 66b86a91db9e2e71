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
use airtight_manifest::{Meta, Object, ObjectRef, Resource, RuleRef};

macro_rules! objects {
    ($($field:ident: $variant:ident($body:ty);)*) => {
        /// Objects that policy modules compile; each vector in the order of loading.
        #[derive(Debug, Clone, Default)]
        #[expect(missing_docs, reason = "each field holds the objects of the kind of its name")]
        pub struct Objects {
            $(pub $field: Vec<Object<$body>>,)*
            /// Objects of known kinds that bear on traffic and are not modelled.
            pub unmodelled: Vec<RuleRef>,
        }

        impl Objects {
            /// Metadata of every object of a modelled kind, kind by kind.
            pub fn metas(&self) -> impl Iterator<Item = &Meta> {
                std::iter::empty()$(.chain(self.$field.iter().map(|object| object.meta.as_ref())))*
            }

            /// The same without one object; it is told by kind, namespace and name.
            #[must_use]
            pub fn without(&self, object: &ObjectRef) -> Self {
                Self { $($field: kept(&self.$field, object),)* unmodelled: self.unmodelled.clone() }
            }

            /// Puts a resource in the place of the object of its kind and name, if there is one.
            pub(super) fn replace(&mut self, resource: &Resource) {
                $(if let Resource::$variant(object) = resource {
                    put(&mut self.$field, object);
                })*
            }

            /// Puts a resource where it belongs; kinds that are no policy are left to the rest of the world.
            pub(super) fn insert(&mut self, resource: Resource) {
                match resource {
                    $(Resource::$variant(object) => self.$field.push(object),)*
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
                    | Resource::Endpoints(_)
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
    };
}

objects! {
    network_policies: NetworkPolicy(NetworkPolicy);
    cilium_policies: CiliumNetworkPolicy(CiliumNetworkPolicy);
    cilium_clusterwide_policies: CiliumClusterwideNetworkPolicy(CiliumNetworkPolicy);
    cidr_groups: CiliumCidrGroup(CiliumCidrGroup);
    cluster_network_policies: ClusterNetworkPolicy(ClusterNetworkPolicy);
    peer_authentications: PeerAuthentication(PeerAuthentication);
    authorization_policies: AuthorizationPolicy(AuthorizationPolicy);
    request_authentications: RequestAuthentication(RequestAuthentication);
    service_entries: ServiceEntry(ServiceEntry);
    destination_rules: DestinationRule(DestinationRule);
    gateway_classes: GatewayClass(GatewayClass);
    gateways: Gateway(Gateway);
    http_routes: HttpRoute(HttpRoute);
    grpc_routes: GrpcRoute(GrpcRoute);
    tls_routes: TlsRoute(TlsRoute);
    reference_grants: ReferenceGrant(ReferenceGrant);
    backend_tls_policies: BackendTlsPolicy(BackendTlsPolicy);
    traffic_policies: TrafficPolicy(TrafficPolicy);
    backends: Backend(Backend);
    gateway_parameters: GatewayParameters(GatewayParameters);
    direct_responses: DirectResponse(DirectResponse);
    agentgateway_backends: AgentgatewayBackend(AgentgatewayBackend);
    agentgateway_policies: AgentgatewayPolicy(AgentgatewayPolicy);
    agentgateway_parameters: AgentgatewayParameters(AgentgatewayParameters);
}

/// Kinds that no version of Cilium implements: nobody reads them (cilium/cilium#23380).
pub(crate) const WITHOUT_EFFECT: [&str; 2] = ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"];

fn kept<T: Clone>(objects: &[Object<T>], removed: &ObjectRef) -> Vec<Object<T>> {
    objects.iter().filter(|object| *object.meta.object != *removed).cloned().collect()
}

fn put<T: Clone>(objects: &mut [Object<T>], changed: &Object<T>) {
    if let Some(place) = objects.iter_mut().find(|object| object.meta.object == changed.meta.object) {
        *place = changed.clone();
    }
}
