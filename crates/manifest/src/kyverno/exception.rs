//! Exceptions: `kyverno.io` PolicyException for rules of ClusterPolicies, `policies.kyverno.io` PolicyException for CEL policies.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cel::MatchCondition;
use super::condition::AnyAll;
use super::matching::MatchBlock;
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// `kyverno.io` PolicyException, all but `metadata`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PolicyException {
    /// `spec`.
    pub spec: PolicyExceptionSpec,
}

/// `spec` of a `kyverno.io` PolicyException.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyExceptionSpec {
    /// The rules that it lifts.
    pub exceptions: Vec<Located<ExceptedRules>>,
    /// For which objects.
    #[serde(rename = "match")]
    pub matches: Located<MatchBlock>,
    /// Under which conditions.
    pub conditions: Option<AnyAll>,
    /// Whether it also holds for background scans.
    pub background: Option<bool>,
    /// Pod Security controls that it lifts, instead of the whole rule.
    pub pod_security: Option<Unmodelled>,
}

/// Rules of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExceptedRules {
    /// Policy; `namespace/name` for a Policy.
    pub policy_name: String,
    /// Rules, with wildcards.
    pub rule_names: Vec<String>,
}

/// `policies.kyverno.io` PolicyException, all but `metadata`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CelPolicyException {
    /// `spec`.
    pub spec: CelPolicyExceptionSpec,
}

/// `spec` of a `policies.kyverno.io` PolicyException.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CelPolicyExceptionSpec {
    /// The policies that it lifts.
    pub policy_refs: Vec<Located<PolicyReference>>,
    /// Under which conditions.
    pub match_conditions: Option<Vec<Located<MatchCondition>>>,
    /// Images that it is limited to (1.15 and later).
    pub images: Option<Unmodelled>,
    /// Values that expressions may read (1.15 and later).
    pub allowed_values: Option<Unmodelled>,
    /// How it combines with the policy (1.19).
    pub evaluation_mode: Option<Unmodelled>,
    /// When it ends, in RFC 3339 (1.19).
    pub expires_at: Option<Unmodelled>,
    /// Labels of report entries (1.19).
    pub properties: Option<BTreeMap<String, String>>,
    /// `skip` or `pass` in reports (1.15 and later).
    pub report_result: Option<Skipped>,
}

/// A CEL policy by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PolicyReference {
    /// `ValidatingPolicy`, …
    pub kind: String,
    /// Name.
    pub name: String,
}
