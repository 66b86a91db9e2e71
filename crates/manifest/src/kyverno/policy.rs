//! ClusterPolicy and its namespaced form, Policy (Kyverno `api/kyverno/v1/spec_types.go`, `rule_types.go`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use super::cel::MatchCondition;
use super::context::ContextEntry;
use super::generate::Generate;
use super::matching::MatchBlock;
use super::mutate::Mutate;
use super::validate::Validate;
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// ClusterPolicy or Policy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterPolicy {
    /// `spec`.
    pub spec: ClusterPolicySpec,
}

/// `spec` of a ClusterPolicy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPolicySpec {
    /// Rules in order.
    pub rules: Option<Vec<Located<Rule>>>,
    /// `One` stops at the first rule that applied; `All` is the default.
    pub apply_rules: Option<String>,
    /// Whether the policy acts on admission; true by default.
    pub admission: Option<bool>,
    /// Whether the policy is also applied to what exists; true by default.
    pub background: Option<Located<bool>>,
    /// Whether failures of an Audit policy show as warnings.
    pub emit_warning: Option<bool>,
    /// Deprecated place of `webhookConfiguration.failurePolicy`.
    pub failure_policy: Option<Located<String>>,
    /// Deprecated place of the rule's `generateExisting`.
    pub generate_existing: Option<Located<bool>>,
    /// Forbidden since long; kept so that it can be named.
    pub generate_existing_on_policy_update: Option<Located<bool>>,
    /// Deprecated place of the rule's `mutateExistingOnPolicyUpdate`.
    pub mutate_existing_on_policy_update: Option<bool>,
    /// Whether the policy is checked against the OpenAPI schema.
    pub schema_validation: Option<bool>,
    /// Server-side apply for generated objects.
    pub use_server_side_apply: Option<bool>,
    /// Deprecated place of the rule's `failureAction`.
    pub validation_failure_action: Option<Located<String>>,
    /// Deprecated place of the rule's `failureActionOverrides`.
    pub validation_failure_action_overrides: Option<Vec<Located<FailureActionOverride>>>,
    /// Which requests reach the policy, and what a webhook that does not answer means.
    pub webhook_configuration: Option<PolicyWebhookConfiguration>,
    /// Deprecated place of `webhookConfiguration.timeoutSeconds`.
    pub webhook_timeout_seconds: Option<Located<i64>>,
}

/// `spec.webhookConfiguration`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyWebhookConfiguration {
    /// `Ignore` or `Fail`; `Fail` is the default.
    pub failure_policy: Option<Located<String>>,
    /// CEL conditions that a request must meet.
    pub match_conditions: Option<Vec<Located<MatchCondition>>>,
    /// 1 to 30 seconds.
    pub timeout_seconds: Option<Located<i64>>,
}

/// An override of the failure action for some namespaces.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureActionOverride {
    /// `Audit` or `Enforce`, in either case.
    pub action: Option<String>,
    /// Namespaces by name, with wildcards.
    pub namespaces: Option<Vec<String>>,
    /// Namespaces by labels.
    pub namespace_selector: Option<LabelSelector>,
}

/// One rule: a match and one of validate, mutate, generate and verifyImages.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Name, unique in the policy.
    pub name: Located<String>,
    /// What it acts on.
    #[serde(rename = "match")]
    pub matches: Located<MatchBlock>,
    /// What it spares.
    pub exclude: Option<Located<MatchBlock>>,
    /// Variables, in order.
    pub context: Option<Vec<Located<ContextEntry>>>,
    /// Conditions over variables: `{any, all}`, or a list of the older form.
    pub preconditions: Option<Located<Value>>,
    /// CEL conditions; only with `validate.cel`.
    pub cel_preconditions: Option<Vec<Located<MatchCondition>>>,
    /// Refuses or reports.
    pub validate: Option<Located<Validate>>,
    /// Changes.
    pub mutate: Option<Located<Mutate>>,
    /// Makes other objects.
    pub generate: Option<Located<Generate>>,
    /// Checks signatures of images.
    pub verify_images: Option<Unmodelled>,
    /// Where images stand in custom resources; only with `verifyImages`.
    pub image_extractors: Option<Unmodelled>,
    /// Labels of report entries.
    pub report_properties: Option<Skipped>,
    /// Whether requests of Kyverno's background controller are spared; true by default.
    pub skip_background_requests: Option<bool>,
}
