//! Trust domains and their aliases in policies (Istio `pilot/pkg/security/trustdomain/bundle.go`).

use airtight_manifest::stack::Stack;

/// The pointer that policies use for whatever the trust domain is.
const CLUSTER_LOCAL: &str = "cluster.local";

/// The mesh's trust domain, then its aliases.
#[derive(Debug, Clone)]
pub(super) struct TrustDomains(Vec<String>);

impl TrustDomains {
    pub(super) fn of(stack: &Stack) -> Self {
        let own = std::iter::once(&stack.istio.trust_domain);
        Self(own.chain(&stack.istio.trust_domain_aliases).cloned().collect())
    }

    /// Only `cluster.local`.
    pub(super) fn cluster_local() -> Self {
        Self(vec![CLUSTER_LOCAL.to_owned()])
    }

    /// A principal in every trust domain that its own one stands for (`ReplaceTrustDomainAliases`).
    pub(super) fn expand_principal(&self, principal: &str) -> Vec<String> {
        let parts: Vec<&str> = principal.split('/').collect();
        let [domain, _, _, _, _] = parts[..] else { return vec![principal.to_owned()] };
        let known = self.0.iter().any(|one| wildcard_match(domain, one) || wildcard_match(one, domain));
        if domain == "*" || !(known || domain == CLUSTER_LOCAL) {
            return vec![principal.to_owned()];
        }
        let mut principals = Vec::new();
        for one in &self.0 {
            let suffix = domain.strip_prefix('*').is_some_and(|suffix| one.ends_with(suffix));
            let name = if suffix { principal.to_owned() } else { format!("{one}/{}", parts[1..].join("/")) };
            if !principals.contains(&name) {
                principals.push(name);
            }
        }
        principals
    }

    /// A trust domain and, if it is one of the mesh's, all others of the mesh (`ExpandTrustDomainAliases`).
    pub(super) fn expand_domain(&self, domain: &str) -> Vec<String> {
        if self.0.iter().any(|one| one == domain) { self.0.clone() } else { vec![domain.to_owned()] }
    }
}

/// Equal, or `pattern` is `prefix*` or `*suffix` and fits.
fn wildcard_match(text: &str, pattern: &str) -> bool {
    text == pattern
        || pattern.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix))
        || pattern.strip_prefix('*').is_some_and(|suffix| text.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_local_stands_for_the_mesh_and_its_aliases() {
        let domains = TrustDomains(vec!["corp".to_owned(), "old".to_owned()]);
        assert_eq!(domains.expand_principal("cluster.local/ns/a/sa/b"), ["corp/ns/a/sa/b", "old/ns/a/sa/b"]);
        assert_eq!(domains.expand_principal("foreign/ns/a/sa/b"), ["foreign/ns/a/sa/b"]);
        assert_eq!(domains.expand_principal("*/ns/a/sa/b"), ["*/ns/a/sa/b"]);
        assert_eq!(domains.expand_principal("*rp/ns/a/sa/b"), ["*rp/ns/a/sa/b", "old/ns/a/sa/b"]);
        assert_eq!(domains.expand_principal("*"), ["*"]);
    }
}
