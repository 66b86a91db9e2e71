//! `security.istio.io` AuthorizationPolicy.

use serde::Deserialize;

use super::{TargetRef, WorkloadSelector, target_refs};
use crate::located::Located;

/// AuthorizationPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AuthorizationPolicy {
    /// `spec`; an absent one is an empty one.
    #[serde(default)]
    pub spec: AuthorizationPolicySpec,
}

/// `istio.security.v1beta1.AuthorizationPolicy`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationPolicySpec {
    /// What a matching rule does; ALLOW where it is not written.
    pub action: Option<Located<Action>>,
    /// The external authorizer of a CUSTOM policy.
    pub provider: Option<Provider>,
    /// The rules; a request matches the policy if it matches one of them.
    pub rules: Option<Vec<Located<Rule>>>,
    /// Pods that ztunnel enforces it for.
    pub selector: Option<Located<WorkloadSelector>>,
    /// The older, single form of `targetRefs`.
    pub target_ref: Option<Located<TargetRef>>,
    /// What a waypoint enforces it for.
    #[serde(default)]
    pub target_refs: Vec<Located<TargetRef>>,
}

/// What a matching rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Lets the request through; everything else is denied.
    #[default]
    Allow,
    /// Denies the request.
    Deny,
    /// Marks the request for the log.
    Audit,
    /// Asks an external authorizer.
    Custom,
}

/// `provider`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Provider {
    /// Name of an extension provider of the mesh configuration.
    #[serde(default)]
    pub name: String,
}

/// One rule: `from`, `to` and every `when` must hold.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Rule {
    /// Sources; one must hold.
    pub from: Option<Vec<Located<From>>>,
    /// Operations; one must hold.
    pub to: Option<Vec<Located<To>>>,
    /// Conditions; all must hold.
    #[serde(default)]
    pub when: Vec<Located<Condition>>,
}

/// One entry of `from`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct From {
    /// The source.
    pub source: Option<Source>,
}

/// One entry of `to`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct To {
    /// The operation.
    pub operation: Option<Operation>,
}

/// Fields of a source: all that are written must hold, one value of a field suffices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the API's field of its name")]
pub struct Source {
    pub principals: Vec<String>,
    pub not_principals: Vec<String>,
    pub request_principals: Vec<String>,
    pub not_request_principals: Vec<String>,
    pub namespaces: Vec<String>,
    pub not_namespaces: Vec<String>,
    pub service_accounts: Vec<String>,
    pub not_service_accounts: Vec<String>,
    /// Since 1.30.
    pub trust_domains: Vec<String>,
    /// Since 1.30.
    pub not_trust_domains: Vec<String>,
    pub ip_blocks: Vec<String>,
    pub not_ip_blocks: Vec<String>,
    pub remote_ip_blocks: Vec<String>,
    pub not_remote_ip_blocks: Vec<String>,
}

/// Fields of an operation: all that are written must hold, one value of a field suffices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the API's field of its name")]
pub struct Operation {
    pub hosts: Vec<String>,
    pub not_hosts: Vec<String>,
    pub ports: Vec<String>,
    pub not_ports: Vec<String>,
    pub methods: Vec<String>,
    pub not_methods: Vec<String>,
    pub paths: Vec<String>,
    pub not_paths: Vec<String>,
}

/// One condition on an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The attribute, such as `request.headers[x-user]`.
    pub key: String,
    /// Values of which one must match.
    #[serde(default)]
    pub values: Vec<String>,
    /// Values of which none may match.
    #[serde(default)]
    pub not_values: Vec<String>,
}

impl AuthorizationPolicySpec {
    /// The action in force.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action.as_ref().map_or(Action::Allow, |action| action.value)
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &[Located<Rule>] {
        self.rules.as_deref().unwrap_or_default()
    }

    /// The target references in force.
    pub fn targets(&self) -> impl Iterator<Item = &Located<TargetRef>> {
        target_refs(&self.target_refs, self.target_ref.as_ref())
    }
}

impl Source {
    /// Fields of identity and address that ztunnel evaluates, by name.
    #[must_use]
    pub fn l4_fields(&self) -> [(&'static str, &[String]); 8] {
        [
            ("principals", &self.principals),
            ("notPrincipals", &self.not_principals),
            ("namespaces", &self.namespaces),
            ("notNamespaces", &self.not_namespaces),
            ("serviceAccounts", &self.service_accounts),
            ("notServiceAccounts", &self.not_service_accounts),
            ("ipBlocks", &self.ip_blocks),
            ("notIpBlocks", &self.not_ip_blocks),
        ]
    }

    /// Fields that only an HTTP proxy can evaluate, by name
    /// (Istio `pilot/pkg/serviceregistry/ambient/authorization.go`, `httpSources`).
    #[must_use]
    pub fn http_fields(&self) -> [(&'static str, &[String]); 4] {
        [
            ("remoteIpBlocks", &self.remote_ip_blocks),
            ("notRemoteIpBlocks", &self.not_remote_ip_blocks),
            ("requestPrincipals", &self.request_principals),
            ("notRequestPrincipals", &self.not_request_principals),
        ]
    }

    /// `trustDomains` and `notTrustDomains`, by name.
    #[must_use]
    pub fn trust_domain_fields(&self) -> [(&'static str, &[String]); 2] {
        [("trustDomains", &self.trust_domains), ("notTrustDomains", &self.not_trust_domains)]
    }
}

impl Operation {
    /// Fields that only an HTTP proxy can evaluate, by name
    /// (Istio `pilot/pkg/serviceregistry/ambient/authorization.go`, `httpOperations`).
    #[must_use]
    pub fn http_fields(&self) -> [(&'static str, &[String]); 6] {
        [
            ("hosts", &self.hosts),
            ("notHosts", &self.not_hosts),
            ("methods", &self.methods),
            ("notMethods", &self.not_methods),
            ("paths", &self.paths),
            ("notPaths", &self.not_paths),
        ]
    }
}
