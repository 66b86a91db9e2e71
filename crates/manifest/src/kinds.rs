//! Which kinds there are: those that airtight reads, those of the same groups that it does not, and those of others.

use std::collections::BTreeSet;

use super::diagnostic::Diagnostic;
use super::node::Node;
use super::resource::{KindInfo, MODELLED};
use super::touches::Touches;
use super::yaml::Document;

/// Kinds without bearing on traffic: `(kind, group)`.
pub(super) const INERT: &[(&str, &str)] = &[
    ("ConfigMap", ""),
    ("Secret", ""),
    ("PersistentVolumeClaim", ""),
    ("PersistentVolume", ""),
    ("ResourceQuota", ""),
    ("LimitRange", ""),
    ("Event", ""),
    ("Role", "rbac.authorization.k8s.io"),
    ("RoleBinding", "rbac.authorization.k8s.io"),
    ("ClusterRole", "rbac.authorization.k8s.io"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io"),
    ("PodDisruptionBudget", "policy"),
    ("HorizontalPodAutoscaler", "autoscaling"),
    ("PriorityClass", "scheduling.k8s.io"),
    ("StorageClass", "storage.k8s.io"),
    ("CustomResourceDefinition", "apiextensions.k8s.io"),
    ("ServiceMonitor", "monitoring.coreos.com"),
    ("PodMonitor", "monitoring.coreos.com"),
    ("PrometheusRule", "monitoring.coreos.com"),
    ("Certificate", "cert-manager.io"),
    ("Issuer", "cert-manager.io"),
    ("ClusterIssuer", "cert-manager.io"),
    ("Telemetry", "telemetry.istio.io"),
];

/// Kinds that bear on traffic and are not modelled: `(kind, group, which flows they can touch)`.
pub(super) const UNMODELLED: &[(&str, &str, Touches)] = &[
    ("EnvoyFilter", "networking.istio.io", Touches::IstioProxies),
    ("WasmPlugin", "extensions.istio.io", Touches::IstioProxies),
    ("TrafficExtension", "extensions.istio.io", Touches::IstioProxies),
    ("ProxyConfig", "networking.istio.io", Touches::IstioProxies),
    ("VirtualService", "networking.istio.io", Touches::MeshRoutes),
    ("Gateway", "networking.istio.io", Touches::SelectedPods),
    ("Sidecar", "networking.istio.io", Touches::Nothing),
    ("WorkloadGroup", "networking.istio.io", Touches::Nothing),
    ("WorkloadEntry", "networking.istio.io", Touches::MeshEndpoints),
    ("CiliumEnvoyConfig", "cilium.io", Touches::RedirectedServices),
    ("CiliumClusterwideEnvoyConfig", "cilium.io", Touches::RedirectedServices),
    ("CiliumLocalRedirectPolicy", "cilium.io", Touches::RedirectedFrontend),
    ("CiliumEgressGatewayPolicy", "cilium.io", Touches::LeavingPods),
    ("CiliumNodeConfig", "cilium.io", Touches::Everything),
    ("AdminNetworkPolicy", "policy.networking.k8s.io", Touches::SubjectPods),
    ("BaselineAdminNetworkPolicy", "policy.networking.k8s.io", Touches::SubjectPods),
    ("Ingress", "networking.k8s.io", Touches::UsersOutside),
    ("TCPRoute", "gateway.networking.k8s.io", Touches::ParentGateways),
    ("UDPRoute", "gateway.networking.k8s.io", Touches::ParentGateways),
    ("ListenerSet", "gateway.networking.k8s.io", Touches::ParentGateways),
    ("HTTPListenerPolicy", "gateway.kgateway.dev", Touches::TargetGateways),
    ("ListenerPolicy", "gateway.kgateway.dev", Touches::TargetGateways),
    ("GatewayExtension", "gateway.kgateway.dev", Touches::KgatewayProxies),
    ("BackendConfigPolicy", "gateway.kgateway.dev", Touches::KgatewayProxies),
    ("InferencePool", "inference.networking.k8s.io", Touches::Gateways),
    ("InferencePool", "inference.networking.x-k8s.io", Touches::Gateways),
    ("InferenceModel", "inference.networking.x-k8s.io", Touches::Gateways),
    ("InferenceObjective", "inference.networking.x-k8s.io", Touches::Gateways),
    ("CleanupPolicy", "kyverno.io", Touches::MatchedObjects),
    ("ClusterCleanupPolicy", "kyverno.io", Touches::MatchedObjects),
    ("DeletingPolicy", "policies.kyverno.io", Touches::MatchedObjects),
    ("NamespacedDeletingPolicy", "policies.kyverno.io", Touches::MatchedObjects),
    ("ImageValidatingPolicy", "policies.kyverno.io", Touches::MatchedObjects),
    ("NamespacedImageValidatingPolicy", "policies.kyverno.io", Touches::MatchedObjects),
    ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io", Touches::MatchedObjects),
    ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io", Touches::MatchedObjects),
    ("MutatingAdmissionPolicy", "admissionregistration.k8s.io", Touches::MatchedObjects),
    ("MutatingAdmissionPolicyBinding", "admissionregistration.k8s.io", Touches::MatchedObjects),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io", Touches::MatchedObjects),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io", Touches::MatchedObjects),
];

/// The kind by which a snapshot says that it could not read the objects of another, which is not modelled for that
/// reason.
const GAP: (&str, &str, Touches) = ("Unread", "airtight.dev", Touches::Unread);

/// Kinds of the groups above that exist and that airtight does not read, so that none of them is taken for a slip of
/// the pen: `(group, kinds)`.
const UNREAD: &[(&str, &[&str])] = &[
    (
        "",
        &["Binding", "ComponentStatus", "Node", "PodTemplate", "ReplicationController", "Config", "Eviction", "Scale"],
    ),
    ("apps", &["ControllerRevision"]),
    ("autoscaling", &["Scale"]),
    ("policy", &["PodSecurityPolicy", "Eviction"]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR", "ClusterCIDR"]),
    ("scheduling.k8s.io", &["PodGroup", "Workload"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "CSIStorageCapacity", "VolumeAttachment", "VolumeAttributesClass"]),
    ("apiextensions.k8s.io", &["ConversionReview"]),
    (
        "monitoring.coreos.com",
        &[
            "Alertmanager",
            "AlertmanagerConfig",
            "Probe",
            "Prometheus",
            "PrometheusAgent",
            "ScrapeConfig",
            "ThanosRuler",
        ],
    ),
    ("cert-manager.io", &["CertificateRequest"]),
    (
        "cilium.io",
        &[
            "CiliumBGPAdvertisement",
            "CiliumBGPClusterConfig",
            "CiliumBGPNodeConfig",
            "CiliumBGPNodeConfigOverride",
            "CiliumBGPPeerConfig",
            "CiliumBGPPeeringPolicy",
            "CiliumEndpoint",
            "CiliumEndpointSlice",
            "CiliumExternalWorkload",
            "CiliumGatewayClassConfig",
            "CiliumIdentity",
            "CiliumL2AnnouncementPolicy",
            "CiliumLoadBalancerIPPool",
            "CiliumNode",
            "CiliumPodIPPool",
            "CiliumVTEPConfig",
            "TracingPolicy",
            "TracingPolicyNamespaced",
            "PodInfo",
        ],
    ),
    ("gateway.networking.k8s.io", &["BackendLBPolicy", "BackendTrafficPolicy"]),
    ("inference.networking.k8s.io", &["InferencePoolImport"]),
    ("inference.networking.x-k8s.io", &["InferenceModelRewrite", "InferencePoolImport"]),
    (
        "kyverno.io",
        &[
            "AdmissionReport",
            "BackgroundScanReport",
            "ClusterAdmissionReport",
            "ClusterBackgroundScanReport",
            "GenerateRequest",
            "GlobalContextEntry",
            "UpdateRequest",
        ],
    ),
    ("airtight.dev", &["Environment", "Scenario", "Stack"]),
];

/// Groups of the API server that are gone; their kinds live elsewhere now.
const GONE: &[&str] = &["extensions"];

/// How a kind is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// It is modelled.
    Modelled(&'static KindInfo),
    /// It is not, and leaves open the flows that it can touch.
    Touching(Touches),
    /// It bears on no traffic.
    Inert,
}

/// How a kind is read; none if it is not.
#[must_use]
pub fn reads(kind: &str, group: &str) -> Option<Reads> {
    kinds_read().find(|known| (known.0, known.1) == (kind, group)).map(|known| known.2)
}

/// Every kind that is read, with its group, and how.
pub fn kinds_read() -> impl Iterator<Item = (&'static str, &'static str, Reads)> {
    let modelled = MODELLED.iter().map(|info| (info.kind, info.group, Reads::Modelled(info)));
    let open = UNMODELLED.iter().map(|(kind, group, touches)| (*kind, *group, Reads::Touching(*touches)));
    modelled.chain(open).chain(INERT.iter().map(|(kind, group)| (*kind, *group, Reads::Inert)))
}

/// Whether the name of a kind that is not read says that it decides who may reach whom, or what may exist.
#[must_use]
pub fn is_policy_of_others(kind: &str, group: &str) -> bool {
    let named = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
    !named.is_read() && named.sounds_like_a_policy()
}

/// A kind with its group, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKind {
    pub(super) group: String,
    pub(super) kind: String,
}

impl std::fmt::Display for GroupKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{} ({})", self.kind, self.group) }
    }
}

impl GroupKind {
    /// Kind and group of a document that names both.
    pub(super) fn of(document: &Document) -> Option<Self> {
        let text = |key: &str| document.root.get(key).and_then(Node::as_str);
        let (api_version, kind) = (text("apiVersion")?, text("kind")?);
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Some(Self { group: group.to_owned(), kind: kind.to_owned() })
    }

    /// Whether airtight reads its objects.
    pub(super) fn is_read(&self) -> bool {
        read().any(|known| known == (&self.kind, &self.group))
    }

    /// What was probably meant, if it is not a kind of its own.
    pub(super) fn meant(&self) -> Option<String> {
        if unread().any(|known| known == (&self.kind, &self.group)) {
            return None;
        }
        let group_is_ours = GONE.contains(&&*self.group) || groups().any(|group| group == self.group);
        if group_is_ours {
            return self.meant_in_a_group_of_ours();
        }
        let alike = |group: &str| is_near(group, &self.group) || is_same_family(group, &self.group);
        let near = read().find(|(kind, group)| *kind == self.kind && alike(group));
        near.map(|(_, group)| format!("did you mean group `{group}`?"))
    }

    fn meant_in_a_group_of_ours(&self) -> Option<String> {
        if let Some((kind, group)) = read().find(|(kind, _)| *kind == self.kind) {
            return Some(format!("{kind} belongs to group `{group}`"));
        }
        let own = read().chain(unread()).filter(|(_, group)| *group == self.group);
        let likeliest = own.chain(read()).filter(|(kind, _)| is_near(kind, &self.kind));
        let (kind, group) = likeliest.min_by_key(|(kind, group)| (distance(kind, &self.kind), *group != self.group))?;
        Some(if group == self.group {
            format!("did you mean `{kind}`?")
        } else {
            format!("did you mean `{kind}` of group `{group}`?")
        })
    }

    /// Whether its name says that it decides who may reach whom, or what may exist.
    pub(super) fn sounds_like_a_policy(&self) -> bool {
        const ADMITTING: &[&str] = &["templates.gatekeeper.sh", "constraints.gatekeeper.sh"];
        ADMITTING.contains(&&*self.group)
            || ["NetworkPolicy", "AuthorizationPolicy", "NetworkSet", "MeshTrafficPermission", "ServiceIntentions"]
                .iter()
                .any(|word| self.kind.ends_with(word))
    }
}

/// By what rule the objects of a kind that is not modelled touch flows; none for any other kind.
pub(super) fn touches(kind: &str, group: &str) -> Option<Touches> {
    UNMODELLED.iter().chain([&GAP]).find(|known| (known.0, known.1) == (kind, group)).map(|known| known.2)
}

/// Kinds that airtight reads, as `(kind, group)`.
fn read() -> impl Iterator<Item = (&'static str, &'static str)> {
    let modelled = MODELLED.iter().map(|info| (info.kind, info.group));
    let open = UNMODELLED.iter().chain([&GAP]).map(|(kind, group, _)| (*kind, *group));
    modelled.chain(INERT.iter().copied()).chain(open)
}

fn unread() -> impl Iterator<Item = (&'static str, &'static str)> {
    UNREAD.iter().flat_map(|(group, kinds)| kinds.iter().map(move |kind| (*kind, *group)))
}

fn groups() -> impl Iterator<Item = &'static str> {
    read().chain(unread()).map(|(_, group)| group)
}

fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.to_lowercase(), &b.to_lowercase())
}

/// Whether one word is a slip of the pen for the other: a letter in four, one at least and three at most.
fn is_near(meant: &str, written: &str) -> bool {
    distance(meant, written) <= (meant.chars().count() / 4).clamp(1, 3)
}

/// Domains in which a project gives each of its kinds to one group alone.
const FAMILIES: &[&str] = &["k8s.io", "istio.io", "cilium.io", "kyverno.io"];

/// Whether a group that does not exist says in other words, or in another order, what one of ours does, or is of the same
/// project, which has no second kind of the name.
fn is_same_family(ours: &str, written: &str) -> bool {
    let written = written.replace("kubernetes.io", "k8s.io");
    let words = |group: &str| -> BTreeSet<String> { group.split('.').map(str::to_lowercase).collect() };
    let of = |group: &str, family: &str| {
        group.strip_suffix(family).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    words(ours) == words(&written) || FAMILIES.iter().any(|family| of(ours, family) && of(&written, family))
}

/// The error for a document of a kind that airtight does not read.
pub(super) fn unknown_kind(document: &Document, kind: &str, group: &str) -> Diagnostic {
    let at = document.root.get("kind").map_or(document.root.at, |node| node.at);
    let shown = if group.is_empty() { "the core group".to_owned() } else { format!("group `{group}`") };
    let finding = Diagnostic::error("unknown-kind", format!("airtight does not know kind `{kind}` of {shown}"))
        .at(document.location(at));
    let unknown = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
    finding.hint(
        unknown.meant().unwrap_or_else(|| {
            "leave it out, or put manifests that airtight shall not read in another folder".to_owned()
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(kind: &str, group: &str) -> Option<String> {
        GroupKind { group: group.to_owned(), kind: kind.to_owned() }.meant()
    }

    #[test]
    fn a_slip_in_a_group_of_ours_is_told_from_a_kind_of_others() {
        for (kind, group, hint) in [
            ("NetworkPolice", "networking.k8s.io", "did you mean `NetworkPolicy`?"),
            ("networkpolicy", "networking.k8s.io", "did you mean `NetworkPolicy`?"),
            ("NetworkPolicies", "networking.k8s.io", "did you mean `NetworkPolicy`?"),
            ("CiliumNetworkPolicyy", "cilium.io", "did you mean `CiliumNetworkPolicy`?"),
            ("NetworkPolicy", "networking.k8s.oi", "did you mean group `networking.k8s.io`?"),
            ("CiliumNetworkPolicy", "cillium.io", "did you mean group `cilium.io`?"),
            ("NetworkPolicy", "networking.kubernetes.io", "did you mean group `networking.k8s.io`?"),
            ("NetworkPolicy", "networkpolicies.k8s.io", "did you mean group `networking.k8s.io`?"),
            ("AuthorizationPolicy", "istio.security.io", "did you mean group `security.istio.io`?"),
            ("PeerAuthentication", "authentication.istio.io", "did you mean group `security.istio.io`?"),
            ("NetworkPolicy", "apps", "NetworkPolicy belongs to group `networking.k8s.io`"),
            ("NetworkPolicy", "extensions", "NetworkPolicy belongs to group `networking.k8s.io`"),
            ("Deploymnt", "apps", "did you mean `Deployment`?"),
            ("Pods", "", "did you mean `Pod`?"),
        ] {
            assert_eq!(meant(kind, group).as_deref(), Some(hint), "{kind} {group}");
        }
        for (kind, group) in [
            ("HelmRelease", "helm.toolkit.fluxcd.io"),
            ("Service", "serving.knative.dev"),
            ("NetworkPolicy", "crd.projectcalico.org"),
            ("XListenerSet", "gateway.networking.x-k8s.io"),
            ("Node", ""),
            ("CiliumEndpoint", "cilium.io"),
            ("CiliumSomethingNew", "cilium.io"),
            ("IngressClass", "networking.k8s.io"),
            ("Lease", "coordination.k8s.io"),
            ("Kustomization", "kustomize.toolkit.fluxcd.io"),
        ] {
            assert_eq!(meant(kind, group), None, "{kind} {group}");
        }
    }
}
