//! Document → typed resource: which kinds exist, which of them the engine models.

use super::cilium::{CiliumCidrGroup, CiliumNetworkPolicy, ClusterNetworkPolicy};
use super::decode::{DecodeError, decode};
use super::diagnostic::Diagnostic;
use super::gateway_api::{BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TlsRoute};
use super::istio::{AuthorizationPolicy, DestinationRule, PeerAuthentication, RequestAuthentication, ServiceEntry};
use super::kgateway::{
    AgentgatewayBackend, AgentgatewayParameters, AgentgatewayPolicy, Backend, DirectResponse, GatewayParameters,
    TrafficPolicy,
};
use super::kinds::{self, INERT};
use super::kubernetes::{
    CronJob, DaemonSet, Deployment, EndpointSlice, Endpoints, Job, Namespace, Pod, ReplicaSet, Service, ServiceAccount,
    StatefulSet,
};
use super::kyverno::{
    CelPolicyException, ClusterPolicy, GeneratingPolicy, MutatingPolicy, PolicyException, ValidatingPolicy,
};
use super::network::NetworkPolicy;
use super::node::{Node, NodeValue};
use super::object::{Meta, Object, ObjectRef, RuleRef, decode_object, generated_name, wrong_value};
use super::touches::Touches;
use super::yaml::Document;

macro_rules! resources {
    ($($variant:ident($body:ty) = $kind:literal in $group:literal, $scope:ident, $enforcer:ident, [$($version:literal),+];)*) => {
        /// A typed object of a kind that the engine models.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the kind of its name")]
        pub enum Resource {
            $($variant(Object<$body>),)*
            /// An object of a known kind without bearing on traffic (ConfigMap, Role, …).
            Inert(ObjectRef),
            /// An object of a known kind that bears on traffic and is not modelled.
            Unmodelled(RuleRef),
        }

        impl Resource {
            /// Metadata, of every kind but the inert and the unmodelled ones.
            #[must_use]
            pub fn meta(&self) -> Option<&Meta> {
                match self {
                    $(Self::$variant(object) => Some(&object.meta),)*
                    Self::Inert(_) | Self::Unmodelled(_) => None,
                }
            }

            /// Metadata to change, of every kind but the inert and the unmodelled ones.
            pub fn meta_mut(&mut self) -> Option<&mut Meta> {
                match self {
                    $(Self::$variant(object) => Some(std::sync::Arc::make_mut(&mut object.meta)),)*
                    Self::Inert(_) | Self::Unmodelled(_) => None,
                }
            }

            /// Which object it is.
            #[must_use]
            pub fn object(&self) -> &ObjectRef {
                match self {
                    $(Self::$variant(object) => &object.meta.object,)*
                    Self::Inert(object) => object,
                    Self::Unmodelled(rule) => &rule.object,
                }
            }

            /// Who acts on it; nobody known on the inert and the unmodelled ones.
            ///
            /// An AuthorizationPolicy with a target is the waypoint's, whatever its kind's are.
            #[must_use]
            pub fn enforcer(&self) -> Option<Enforcer> {
                match self {
                    Self::AuthorizationPolicy(policy) if policy.body.spec.targets().next().is_some() => {
                        Some(Enforcer::Waypoint)
                    }
                    $(Self::$variant(_) => Some(Enforcer::$enforcer),)*
                    Self::Inert(_) | Self::Unmodelled(_) => None,
                }
            }
        }

        pub(super) const MODELLED: &[KindInfo] = &[
            $(KindInfo { kind: $kind, group: $group, scope: Scope::$scope, enforcer: Enforcer::$enforcer, versions: &[$($version),+] },)*
        ];

        fn decode_modelled(kind: &str, group: &str, document: &Document) -> Option<Result<Resource, Vec<Diagnostic>>> {
            match (kind, group) {
                $(($kind, $group) => Some(decode_object::<$body>(document).map(Resource::$variant)),)*
                _ => None,
            }
        }
    };
}

resources! {
    Namespace(Namespace) = "Namespace" in "", Cluster, Cluster, ["v1"];
    Pod(Pod) = "Pod" in "", Namespaced, Cluster, ["v1"];
    Service(Service) = "Service" in "", Namespaced, Cluster, ["v1"];
    ServiceAccount(ServiceAccount) = "ServiceAccount" in "", Namespaced, Cluster, ["v1"];
    Deployment(Deployment) = "Deployment" in "apps", Namespaced, Cluster, ["v1"];
    StatefulSet(StatefulSet) = "StatefulSet" in "apps", Namespaced, Cluster, ["v1"];
    DaemonSet(DaemonSet) = "DaemonSet" in "apps", Namespaced, Cluster, ["v1"];
    ReplicaSet(ReplicaSet) = "ReplicaSet" in "apps", Namespaced, Cluster, ["v1"];
    Job(Job) = "Job" in "batch", Namespaced, Cluster, ["v1"];
    CronJob(CronJob) = "CronJob" in "batch", Namespaced, Cluster, ["v1"];
    EndpointSlice(EndpointSlice) = "EndpointSlice" in "discovery.k8s.io", Namespaced, Cluster, ["v1"];
    Endpoints(Endpoints) = "Endpoints" in "", Namespaced, Cluster, ["v1"];
    NetworkPolicy(NetworkPolicy) = "NetworkPolicy" in "networking.k8s.io", Namespaced, Cni, ["v1"];
    CiliumNetworkPolicy(CiliumNetworkPolicy) = "CiliumNetworkPolicy" in "cilium.io", Namespaced, Cni, ["v2"];
    CiliumClusterwideNetworkPolicy(CiliumNetworkPolicy) = "CiliumClusterwideNetworkPolicy" in "cilium.io", Cluster, Cni, ["v2"];
    CiliumCidrGroup(CiliumCidrGroup) = "CiliumCIDRGroup" in "cilium.io", Cluster, Cni, ["v2", "v2alpha1"];
    ClusterNetworkPolicy(ClusterNetworkPolicy) = "ClusterNetworkPolicy" in "policy.networking.k8s.io", Cluster, Cni, ["v1alpha2"];
    PeerAuthentication(PeerAuthentication) = "PeerAuthentication" in "security.istio.io", Namespaced, Ztunnel, ["v1", "v1beta1"];
    AuthorizationPolicy(AuthorizationPolicy) = "AuthorizationPolicy" in "security.istio.io", Namespaced, Ztunnel, ["v1", "v1beta1"];
    RequestAuthentication(RequestAuthentication) = "RequestAuthentication" in "security.istio.io", Namespaced, Waypoint, ["v1", "v1beta1"];
    ServiceEntry(ServiceEntry) = "ServiceEntry" in "networking.istio.io", Namespaced, Waypoint, ["v1", "v1beta1", "v1alpha3"];
    DestinationRule(DestinationRule) = "DestinationRule" in "networking.istio.io", Namespaced, Waypoint, ["v1", "v1beta1", "v1alpha3"];
    GatewayClass(GatewayClass) = "GatewayClass" in "gateway.networking.k8s.io", Cluster, ProxyController, ["v1", "v1beta1"];
    Gateway(Gateway) = "Gateway" in "gateway.networking.k8s.io", Namespaced, ProxyController, ["v1", "v1beta1"];
    HttpRoute(HttpRoute) = "HTTPRoute" in "gateway.networking.k8s.io", Namespaced, Gateway, ["v1", "v1beta1"];
    GrpcRoute(GrpcRoute) = "GRPCRoute" in "gateway.networking.k8s.io", Namespaced, Gateway, ["v1"];
    TlsRoute(TlsRoute) = "TLSRoute" in "gateway.networking.k8s.io", Namespaced, Gateway, ["v1", "v1alpha2", "v1alpha3"];
    ReferenceGrant(ReferenceGrant) = "ReferenceGrant" in "gateway.networking.k8s.io", Namespaced, Gateway, ["v1", "v1beta1"];
    BackendTlsPolicy(BackendTlsPolicy) = "BackendTLSPolicy" in "gateway.networking.k8s.io", Namespaced, Gateway, ["v1", "v1alpha3"];
    TrafficPolicy(TrafficPolicy) = "TrafficPolicy" in "gateway.kgateway.dev", Namespaced, Gateway, ["v1alpha1"];
    Backend(Backend) = "Backend" in "gateway.kgateway.dev", Namespaced, Gateway, ["v1alpha1"];
    GatewayParameters(GatewayParameters) = "GatewayParameters" in "gateway.kgateway.dev", Namespaced, ProxyController, ["v1alpha1"];
    DirectResponse(DirectResponse) = "DirectResponse" in "gateway.kgateway.dev", Namespaced, Gateway, ["v1alpha1"];
    AgentgatewayBackend(AgentgatewayBackend) = "AgentgatewayBackend" in "agentgateway.dev", Namespaced, Gateway, ["v1alpha1"];
    AgentgatewayPolicy(AgentgatewayPolicy) = "AgentgatewayPolicy" in "agentgateway.dev", Namespaced, Gateway, ["v1alpha1"];
    AgentgatewayParameters(AgentgatewayParameters) = "AgentgatewayParameters" in "agentgateway.dev", Namespaced, ProxyController, ["v1alpha1"];
    ClusterPolicy(ClusterPolicy) = "ClusterPolicy" in "kyverno.io", Cluster, Admission, ["v1", "v2beta1"];
    Policy(ClusterPolicy) = "Policy" in "kyverno.io", Namespaced, Admission, ["v1", "v2beta1"];
    PolicyException(PolicyException) = "PolicyException" in "kyverno.io", Namespaced, Admission, ["v2", "v2beta1"];
    CelPolicyException(CelPolicyException) = "PolicyException" in "policies.kyverno.io", Namespaced, Admission, ["v1", "v1beta1", "v1alpha1"];
    ValidatingPolicy(ValidatingPolicy) = "ValidatingPolicy" in "policies.kyverno.io", Cluster, Admission, ["v1", "v1beta1", "v1alpha1"];
    GeneratingPolicy(GeneratingPolicy) = "GeneratingPolicy" in "policies.kyverno.io", Cluster, Admission, ["v1", "v1beta1", "v1alpha1"];
    MutatingPolicy(MutatingPolicy) = "MutatingPolicy" in "policies.kyverno.io", Cluster, Admission, ["v1", "v1beta1", "v1alpha1"];
}

/// What is known of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// Kind.
    pub kind: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// Who acts on its objects.
    pub enforcer: Enforcer,
    /// Versions that the engine reads.
    pub versions: &'static [&'static str],
}

/// Whether a kind's objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// Once for the cluster.
    Cluster,
}

/// Who acts on the objects of a kind. What treats kinds differently asks for this first, so that a new kind has its
/// place everywhere once it has a line in the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcer {
    /// The cluster itself: they are what exists, and no policy.
    Cluster,
    /// Kyverno: they decide which objects exist, and how they look.
    Admission,
    /// The CNI, on the way of a packet.
    Cni,
    /// ztunnel, on the way of a connection.
    Ztunnel,
    /// Waypoints, on the way of a request inside the mesh.
    Waypoint,
    /// Gateways (and waypoints, for routes that name a Service), on the way of a request.
    Gateway,
    /// The controllers that make proxies: they decide which gateways and waypoints run, and how.
    ProxyController,
}

impl Enforcer {
    /// Who acts on objects of this one's kind, if that is a modelled one.
    #[must_use]
    pub fn of(object: &ObjectRef) -> Option<Self> {
        kind_info(&object.kind).map(|info| info.enforcer)
    }

    /// Whether what it acts on decides about flows, and not about which objects or proxies there are.
    #[must_use]
    pub fn judges_flows(self) -> bool {
        match self {
            Self::Cni | Self::Ztunnel | Self::Waypoint | Self::Gateway => true,
            Self::Cluster | Self::Admission | Self::ProxyController => false,
        }
    }
}

/// Kinds that bear on traffic only by some of their fields: `(kind, group, the fields of spec that do not)`.
const PARTLY_INERT: &[(&str, &str, &[&str])] =
    &[("HTTPListenerPolicy", "gateway.kgateway.dev", &["targetRefs", "targetSelectors", "accessLog", "tracing"])];

/// Decodes one document.
///
/// # Errors
/// Every finding for which the API server would refuse the object (code `unknown-field` or
/// `invalid-value`), or why it cannot be an object of a known kind (`not-an-object`, `unknown-kind`,
/// `unknown-version`, `missing-name`).
pub fn decode_resource(document: &Document) -> Result<Resource, Vec<Diagnostic>> {
    let head = Head::read(document).map_err(|finding| vec![finding])?;
    if let Some(info) = modelled(head.kind, head.group) {
        check_version(document, info, &head).map_err(|finding| vec![finding])?;
    }
    if let Some(result) = decode_modelled(head.kind, head.group, document) {
        return result;
    }
    let object = ObjectRef::new(head.kind, head.namespace, &head.name);
    if INERT.contains(&(head.kind, head.group)) || is_inert(&head, document) {
        return Ok(Resource::Inert(object));
    }
    if kinds::touches(head.kind, head.group).is_some() {
        let at = document.location(document.root.at);
        return Ok(Resource::Unmodelled(RuleRef { object: object.into(), rule: None, at }));
    }
    Err(vec![kinds::unknown_kind(document, head.kind, head.group)])
}

/// By what rule the objects of a document's kind touch flows, if it is one that is not modelled.
#[must_use]
pub fn touches(document: &Document) -> Option<Touches> {
    let head = Head::read(document).ok()?;
    kinds::touches(head.kind, head.group)
}

/// Whether an object uses no field of its kind that bears on traffic.
fn is_inert(head: &Head<'_>, document: &Document) -> bool {
    let known = PARTLY_INERT.iter().find(|(kind, group, _)| (*kind, *group) == (head.kind, head.group));
    let Some((_, _, inert)) = known else { return false };
    let spec = document.root.get("spec").map(Node::to_json);
    let fields = spec.as_ref().and_then(|spec| spec.as_object());
    fields.is_some_and(|fields| fields.keys().all(|field| inert.contains(&field.as_str())))
}

/// What is known of a modelled kind.
#[must_use]
pub fn kind_info(kind: &str) -> Option<&'static KindInfo> {
    MODELLED.iter().find(|info| info.kind == kind)
}

/// The same of a kind by its group as well.
pub(super) fn modelled(kind: &str, group: &str) -> Option<&'static KindInfo> {
    MODELLED.iter().find(|info| info.kind == kind && info.group == group)
}

struct Head<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: String,
}

impl<'a> Head<'a> {
    fn read(document: &'a Document) -> Result<Self, Diagnostic> {
        let root = &document.root;
        let text = |key: &str| root.get(key).and_then(Node::as_str);
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return Err(Diagnostic::error("not-an-object", "this document has no `apiVersion` and `kind`")
                .at(document.location(root.at))
                .hint("every manifest names its API, such as `apiVersion: v1` and `kind: Namespace`"));
        };
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let metadata = root.get("metadata");
        let field = |key: &str| metadata.and_then(|node| node.get(key)).and_then(Node::as_str);
        for key in ["name", "namespace"] {
            let written = metadata.and_then(|node| node.get(key)).filter(|node| node.as_str().is_none());
            let Some(written) = written.filter(|node| node.value != NodeValue::Null) else { continue };
            if let Err(error) = decode::<String>(written) {
                return Err(wrong_value(document, &DecodeError { path: format!("metadata.{key}"), ..error }));
            }
        }
        let named = field("name").map(str::to_owned);
        let Some(name) = named.or_else(|| Some(generated_name(document, field("generateName")?))) else {
            let at = metadata.map_or(root.at, |node| node.at);
            return Err(Diagnostic::error("missing-name", format!("this {kind} has no `metadata.name`"))
                .at(document.location(at))
                .hint("name it: an object is known by its kind, namespace and name"));
        };
        Ok(Self { group, version, kind, namespace: field("namespace"), name })
    }
}

fn check_version(document: &Document, info: &KindInfo, head: &Head<'_>) -> Result<(), Diagnostic> {
    if info.versions.contains(&head.version) {
        return Ok(());
    }
    let at = document.root.get("apiVersion").map_or(document.root.at, |node| node.at);
    Err(Diagnostic::error(
        "unknown-version",
        format!("{} has no version `{}` that airtight knows", head.kind, head.version),
    )
    .at(document.location(at))
    .hint(format!("known versions: {}", info.versions.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::yaml;

    fn read(spec: &str) -> Resource {
        let head = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: HTTPListenerPolicy\nmetadata: {name: a}\n";
        let documents = yaml::parse(&Arc::from("a.yaml"), &format!("{head}spec: {spec}\n")).unwrap();
        decode_resource(&documents[0]).unwrap()
    }

    #[test]
    fn a_listener_policy_that_only_logs_has_no_bearing() {
        assert!(matches!(read("{targetRefs: [], accessLog: [{fileSink: {path: /dev/stdout}}]}"), Resource::Inert(_)));
        for spec in ["{accessLog: [], xffNumTrustedHops: 2}", "{healthCheck: {}}", "[]", ""] {
            assert!(matches!(read(spec), Resource::Unmodelled(_)), "{spec}");
        }
    }
}
