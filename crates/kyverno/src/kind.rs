//! Kinds as Kyverno's policies name them, and what the API server knows of kinds.

use std::sync::LazyLock;

use airtight_manifest::{Scope, kind_info, re2};
use regex::Regex;

use super::wildcard;

static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(r"^(v\d+((alpha|beta)\d+)?|\*)$").ok());

/// Cluster-scoped kinds that have no typed form here.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "Node"),
    ("", "PersistentVolume"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("storage.k8s.io", "StorageClass"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("cert-manager.io", "ClusterIssuer"),
    ("apiregistration.k8s.io", "APIService"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("kyverno.io", "ClusterCleanupPolicy"),
    ("policies.kyverno.io", "ImageValidatingPolicy"),
    ("policies.kyverno.io", "DeletingPolicy"),
    ("kyverno.io", "GlobalContextEntry"),
    ("cilium.io", "CiliumClusterwideEnvoyConfig"),
    ("cilium.io", "CiliumEgressGatewayPolicy"),
    ("cilium.io", "CiliumLoadBalancerIPPool"),
    ("cilium.io", "CiliumNode"),
    ("cilium.io", "CiliumIdentity"),
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("wgpolicyk8s.io", "ClusterPolicyReport"),
    ("reports.kyverno.io", "ClusterEphemeralReport"),
];

/// Plural names that do not follow the rules of English nouns.
const PLURALS: &[(&str, &str)] = &[
    ("Endpoints", "endpoints"),
    ("EndpointSlice", "endpointslices"),
    ("NetworkPolicy", "networkpolicies"),
    ("PriorityClass", "priorityclasses"),
];

/// Group and version of an `apiVersion`.
pub(super) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

/// Plural name of a kind, as resources are named in URLs.
pub(super) fn plural(kind: &str) -> String {
    if let Some((_, plural)) = PLURALS.iter().find(|(name, _)| *name == kind) {
        return (*plural).to_owned();
    }
    let name = kind.to_lowercase();
    if let Some(stem) = name.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    if name.ends_with(['s', 'x']) || name.ends_with("ch") || name.ends_with("sh") {
        return format!("{name}es");
    }
    format!("{name}s")
}

/// Whether objects of a kind live in namespaces; a kind that is not known does. `*` stands for any group.
pub(super) fn is_namespaced(group: &str, kind: &str) -> bool {
    let fits = |known: &str| group == "*" || group == known;
    if CLUSTER_SCOPED.iter().any(|(known, name)| fits(known) && *name == kind) {
        return false;
    }
    kind_info(kind).filter(|info| fits(info.group)).is_none_or(|info| info.scope == Scope::Namespaced)
}

/// A kind of `match.resources.kinds`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KindPattern<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    pub(super) subresource: &'a str,
}

impl<'a> KindPattern<'a> {
    /// Reads `Kind`, `version/Kind`, `group/version/Kind`, each with an optional `/subresource` or `.subresource`
    /// (Kyverno `pkg/utils/kube/kind.go`, `ParseKindSelector`).
    pub(super) fn parse(text: &'a str) -> Self {
        let mut parts: Vec<&str> = text.split('/').collect();
        if let Some(last) = parts.pop() {
            parts.extend(last.split('.'));
        }
        let any = |kind, subresource| Self { group: "*", version: "*", kind, subresource };
        match parts[..] {
            [kind] => any(kind, ""),
            ["*", "*"] => any("*", "*"),
            ["*", sub] if sub == sub.to_lowercase() => any("*", sub),
            [version, kind] if is_version(version) => Self { group: "*", version, kind, subresource: "" },
            [kind, subresource] => any(kind, subresource),
            [version, kind, subresource] if is_version(version) => Self { group: "*", version, kind, subresource },
            [group, version, kind] => Self { group, version, kind, subresource: "" },
            [group, version, kind, subresource] => Self { group, version, kind, subresource },
            _ => Self { group: "", version: "", kind: "", subresource: "" },
        }
    }

    /// Whether an object itself (no subresource) is of this kind.
    pub(super) fn matches(&self, group: &str, version: &str, kind: &str) -> bool {
        wildcard::matches(self.group, group)
            && wildcard::matches(self.version, version)
            && wildcard::matches(self.kind, kind)
            && wildcard::matches(self.subresource, "")
    }
}

fn is_version(text: &str) -> bool {
    VERSION.as_ref().is_some_and(|version| version.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_in_all_their_forms() {
        let policy = ("networking.k8s.io", "v1", "NetworkPolicy");
        for (pattern, expected) in [
            ("NetworkPolicy", true),
            ("v1/NetworkPolicy", true),
            ("networking.k8s.io/v1/NetworkPolicy", true),
            ("networking.k8s.io/*/NetworkPolicy", true),
            ("*/NetworkPolicy", true),
            ("*.k8s.io/v1/Network*", true),
            ("*", true),
            ("*/*", true),
            ("cilium.io/v2/NetworkPolicy", false),
            ("v2/NetworkPolicy", false),
            ("NetworkPolicy/status", false),
            ("NetworkPolicy.status", false),
            ("Pod", false),
        ] {
            assert_eq!(KindPattern::parse(pattern).matches(policy.0, policy.1, policy.2), expected, "{pattern}");
        }
    }

    #[test]
    fn plurals_and_scopes() {
        for (kind, expected) in [
            ("NetworkPolicy", "networkpolicies"),
            ("CiliumNetworkPolicy", "ciliumnetworkpolicies"),
            ("Gateway", "gateways"),
            ("HTTPRoute", "httproutes"),
            ("Namespace", "namespaces"),
            ("GatewayClass", "gatewayclasses"),
        ] {
            assert_eq!(plural(kind), expected);
        }
        assert!(is_namespaced("cilium.io", "CiliumNetworkPolicy"));
        assert!(!is_namespaced("cilium.io", "CiliumClusterwideNetworkPolicy"));
        assert!(!is_namespaced("", "Namespace"));
        assert!(!is_namespaced("*", "ClusterRole") && !is_namespaced("*", "Namespace"));
        assert!(is_namespaced("virtual.example", "Node") && !is_namespaced("", "Node"));
    }
}
