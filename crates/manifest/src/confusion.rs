//! Fields that people carry over from a sibling API, and what they meant.
//!
//! A misspelt field is found by likeness; these are not misspelt, they belong to another kind.

/// `(kind, path, remedy)`; the path has no list indices.
const CONFUSIONS: &[(&str, &str, &str)] = &[
    (
        "CiliumNetworkPolicy",
        "spec.podSelector",
        "a Cilium policy selects its pods with `endpointSelector`; `podSelector` belongs to NetworkPolicy",
    ),
    (
        "CiliumClusterwideNetworkPolicy",
        "spec.podSelector",
        "a Cilium policy selects its pods with `endpointSelector`; `podSelector` belongs to NetworkPolicy",
    ),
    (
        "CiliumNetworkPolicy",
        "spec.policyTypes",
        "a Cilium policy isolates a direction by having a rule in it: write `ingress: [{}]` or `egress: [{}]`",
    ),
    (
        "CiliumClusterwideNetworkPolicy",
        "spec.policyTypes",
        "a Cilium policy isolates a direction by having a rule in it: write `ingress: [{}]` or `egress: [{}]`",
    ),
    (
        "CiliumNetworkPolicy",
        "spec.ingress.from",
        "a Cilium rule names its peers with `fromEndpoints`, `fromEntities` or `fromCIDR`",
    ),
    (
        "CiliumNetworkPolicy",
        "spec.egress.to",
        "a Cilium rule names its peers with `toEndpoints`, `toEntities`, `toCIDR` or `toFQDNs`",
    ),
    ("CiliumNetworkPolicy", "spec.ingress.ports", "a Cilium rule lists its ports under `toPorts[].ports`"),
    ("CiliumNetworkPolicy", "spec.egress.ports", "a Cilium rule lists its ports under `toPorts[].ports`"),
    (
        "NetworkPolicy",
        "spec.endpointSelector",
        "a NetworkPolicy selects its pods with `podSelector`; `endpointSelector` belongs to CiliumNetworkPolicy",
    ),
    ("NetworkPolicy", "spec.ingress.fromEndpoints", "a NetworkPolicy rule names its peers under `from`"),
    ("NetworkPolicy", "spec.egress.toEndpoints", "a NetworkPolicy rule names its peers under `to`"),
    ("AuthorizationPolicy", "spec.targetRef.namespace", "a target must be in the policy's own namespace"),
];

/// The remedy for a field of `kind` that belongs to another API, if it is a known confusion.
pub(super) fn meant(kind: &str, path: &str) -> Option<&'static str> {
    let plain = without_indices(path);
    CONFUSIONS.iter().find(|(k, p, _)| *k == kind && *p == plain).map(|(_, _, remedy)| *remedy)
}

fn without_indices(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}
