//! The versions and options of the components: where two versions differ, the stack decides.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::kubernetes::Skipped;
use crate::{Diagnostic, Document, decode_object};

/// A pinned set of component versions and the options that change a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Name, such as `reference`.
    pub name: String,
    /// Component versions.
    pub versions: Versions,
    /// Options of Cilium that change verdicts.
    pub cilium: CiliumOptions,
    /// Options of Istio that change verdicts.
    pub istio: IstioOptions,
    /// Options of Kyverno that change verdicts.
    pub kyverno: KyvernoSettings,
}

/// A component that a cluster may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Cilium; another CNI enforces NetworkPolicies then.
    Cilium,
    /// Istio.
    Istio,
    /// Kyverno.
    Kyverno,
}

impl Component {
    /// The component that alone acts on the kinds of a group; none of a group that others serve as well.
    #[must_use]
    pub fn of_group(group: &str) -> Option<Self> {
        match group {
            "cilium.io" => Some(Self::Cilium),
            "security.istio.io" | "networking.istio.io" | "extensions.istio.io" | "telemetry.istio.io" => {
                Some(Self::Istio)
            }
            "kyverno.io" | "policies.kyverno.io" => Some(Self::Kyverno),
            _ => None,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cilium => "Cilium",
            Self::Istio => "Istio",
            Self::Kyverno => "Kyverno",
        })
    }
}

/// A `Stack` document, all but its name.
#[derive(Debug, Clone, Deserialize)]
struct StackDocument {
    spec: StackSpec,
}

#[derive(Debug, Clone, Deserialize)]
struct StackSpec {
    versions: Versions,
    #[serde(default)]
    cilium: CiliumOptions,
    #[serde(default)]
    istio: IstioOptions,
    #[serde(default)]
    kyverno: KyvernoSettings,
    /// How the versions are installed; no verdict depends on it.
    #[serde(default, rename = "provision")]
    _provision: Option<Skipped>,
}

impl Stack {
    /// Reads a `kind: Stack` document.
    ///
    /// # Errors
    /// Unknown fields and values of a wrong type, each with its place.
    pub fn read(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        let object = decode_object::<StackDocument>(document)?;
        let StackSpec { versions, cilium, istio, kyverno, .. } = StackDocument::clone(&object.body).spec;
        Ok(Self { name: object.meta.name().to_owned(), versions, cilium, istio, kyverno })
    }

    /// Whether a component is not installed: nobody acts on the objects of its kinds then.
    #[must_use]
    pub fn lacks(&self, component: Component) -> bool {
        match component {
            Component::Cilium => self.cilium.absent,
            Component::Istio => self.istio.absent,
            Component::Kyverno => self.kyverno.absent,
        }
    }
}

/// One version for each component; that of one that is not installed ([`Stack::lacks`]) counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Kubernetes.
    pub kubernetes: Version,
    /// Cilium.
    pub cilium: Version,
    /// Istio (istiod, istio-cni, ztunnel and waypoints alike).
    pub istio: Version,
    /// Gateway API CRD bundle.
    pub gateway_api: Version,
    /// Kgateway.
    pub kgateway: Version,
    /// Agentgateway as a product of its own (Kgateway 2.2 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agentgateway: Option<Version>,
    /// Kyverno.
    pub kyverno: Version,
}

/// Cilium's configuration as far as verdicts depend on it; the defaults are the chart's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CiliumOptions {
    /// Whether it is not installed.
    pub absent: bool,
    /// `policyEnforcementMode`.
    pub policy_enforcement_mode: EnforcementMode,
    /// `policyCIDRMatchMode` contains `nodes`.
    pub cidr_match_nodes: bool,
    /// `policyCIDRMatchMode` contains `pods` (1.20 and later).
    pub cidr_match_pods: bool,
    /// `policy-default-local-cluster`; none means the version's default.
    pub default_local_cluster: Option<bool>,
    /// `hostFirewall.enabled`.
    pub host_firewall: bool,
    /// `sctp.enabled`.
    pub sctp: bool,
    /// `l7Proxy`.
    pub l7_proxy: bool,
    /// `authentication.enabled`; none means the version's default.
    pub authentication: Option<bool>,
    /// `enable-non-default-deny-policies`.
    pub non_default_deny_policies: bool,
    /// `kubeProxyReplacement`.
    pub kube_proxy_replacement: bool,
    /// `routingMode: native`; a tunnel by default.
    pub native_routing: bool,
    /// `socketLB.hostNamespaceOnly`; Istio ambient needs it when the socket load balancer is on.
    pub socket_lb_host_namespace_only: bool,
    /// `k8sClusterNetworkPolicy.enabled` (1.20 and later).
    pub cluster_network_policy: bool,
    /// `policyAuditMode`.
    pub audit_mode: bool,
    /// `cluster.name`.
    pub cluster_name: String,
}

/// `policyEnforcementMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnforcementMode {
    /// An endpoint is isolated in a direction once a rule selects it there.
    #[default]
    Default,
    /// Every endpoint is isolated in both directions.
    Always,
    /// Nothing is enforced.
    Never,
}

impl Default for CiliumOptions {
    fn default() -> Self {
        Self {
            absent: false,
            policy_enforcement_mode: EnforcementMode::Default,
            cidr_match_nodes: false,
            cidr_match_pods: false,
            default_local_cluster: None,
            host_firewall: false,
            sctp: false,
            l7_proxy: true,
            authentication: None,
            non_default_deny_policies: true,
            kube_proxy_replacement: false,
            native_routing: false,
            socket_lb_host_namespace_only: true,
            cluster_network_policy: false,
            audit_mode: false,
            cluster_name: "default".to_owned(),
        }
    }
}

/// Istio's configuration as far as verdicts depend on it; the defaults are the charts'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IstioOptions {
    /// Whether it is not installed.
    pub absent: bool,
    /// `revision`: istiod leaves objects alone whose label `istio.io/rev` names another.
    pub revision: String,
    /// `meshConfig.rootNamespace`.
    pub root_namespace: String,
    /// `meshConfig.trustDomain`.
    pub trust_domain: String,
    /// `meshConfig.trustDomainAliases`.
    pub trust_domain_aliases: Vec<String>,
    /// `meshConfig.pathNormalization.normalization`.
    pub path_normalization: PathNormalization,
    /// `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`.
    pub auto_allow_waypoint_policy: bool,
    /// `global.nativeNftables` (1.28 and later): narrows the probe exemption to the kubelet.
    pub native_nftables: bool,
    /// `AMBIENT_DNS_CAPTURE` (on by default since 1.25).
    pub dns_capture: bool,
    /// `excludeNamespaces` of the istio-cni chart: its agent takes in no pod there (1.30 and later).
    pub exclude_namespaces: Vec<String>,
}

/// Kyverno's configuration as far as verdicts depend on it; the defaults are the chart's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KyvernoSettings {
    /// Whether it is not installed.
    pub absent: bool,
    /// Where PolicyExceptions count (`features.policyExceptions`): none if they are off, `*` for every namespace.
    pub exception_namespace: Option<String>,
    /// `features.protectManagedResources.enabled`.
    pub protect_managed_resources: bool,
}

/// `meshConfig.pathNormalization.normalization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PathNormalization {
    /// No normalization.
    None,
    /// RFC 3986 dot segments and case of escapes.
    #[default]
    Base,
    /// `Base`, and runs of slashes merged.
    MergeSlashes,
    /// `MergeSlashes`, and `%2f`, `%5c` decoded first.
    DecodeAndMergeSlashes,
}

impl Default for IstioOptions {
    fn default() -> Self {
        Self {
            absent: false,
            revision: "default".to_owned(),
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            path_normalization: PathNormalization::Base,
            auto_allow_waypoint_policy: false,
            native_nftables: false,
            dns_capture: true,
            exclude_namespaces: vec!["kube-system".to_owned()],
        }
    }
}

/// Whether a version is at least `major.minor`, patch and pre-release aside.
///
/// ```
/// use airtight_manifest::stack::at_least;
/// assert!(at_least(&"1.19.0-rc.1".parse().unwrap(), 1, 19));
/// ```
#[must_use]
pub fn at_least(version: &Version, major: u64, minor: u64) -> bool {
    (version.major, version.minor) >= (major, minor)
}
