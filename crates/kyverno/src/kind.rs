//! Kinds as Kyverno's policies name them, and what the API server knows of kinds.

use std::sync::LazyLock;

use airtight_manifest::{Scope, kind_info, re2};
use regex::Regex;

use super::wildcard;

static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(r"^(v\d+((alpha|beta)\d+)?|\*)$").ok());

/// Cluster-scoped kinds that have no typed form here.
const CLUSTER_SCOPED: &[&str] = &[
    "Node",
    "PersistentVolume",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "IngressClass",
    "RuntimeClass",
    "ClusterIssuer",
    "APIService",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ClusterCleanupPolicy",
    "ImageValidatingPolicy",
    "DeletingPolicy",
    "GlobalContextEntry",
    "CiliumClusterwideEnvoyConfig",
    "CiliumEgressGatewayPolicy",
    "CiliumLoadBalancerIPPool",
    "CiliumNode",
    "CiliumIdentity",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "ClusterPolicyReport",
    "ClusterEphemeralReport",
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

/// Whether objects of a kind live in namespaces; a kind that is not known does.
pub(super) fn is_namespaced(group: &str, kind: &str) -> bool {
    if CLUSTER_SCOPED.contains(&kind) {
        return false;
    }
    kind_info(kind).filter(|info| info.group == group).is_none_or(|info| info.scope == Scope::Namespaced)
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
    }
}
