//! The CEL policies of `policies.kyverno.io` (Kyverno `api/policies.kyverno.io`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// ValidatingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ValidatingPolicy {
    /// `spec`.
    pub spec: ValidatingPolicySpec,
}

/// `spec` of a ValidatingPolicy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatingPolicySpec {
    /// Which requests.
    pub match_constraints: Option<Located<MatchConstraints>>,
    /// Conditions that a request must meet.
    pub match_conditions: Option<Vec<Located<MatchCondition>>>,
    /// Named expressions, evaluated when used.
    pub variables: Option<Vec<Located<Variable>>>,
    /// Expressions that must be true.
    pub validations: Option<Vec<Located<Validation>>>,
    /// `Deny`, `Audit`, `Warn`; `Deny` by default.
    pub validation_actions: Option<Located<Vec<String>>>,
    /// `Fail` or `Ignore`; `Fail` by default.
    pub failure_policy: Option<String>,
    /// When it is evaluated.
    pub evaluation: Option<Evaluation>,
    /// What is derived from it.
    pub autogen: Option<Autogen>,
    /// Entries of audit events.
    pub audit_annotations: Option<Skipped>,
    /// The webhook's timeout.
    pub webhook_configuration: Option<WebhookConfiguration>,
}

/// GeneratingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GeneratingPolicy {
    /// `spec`.
    pub spec: GeneratingPolicySpec,
}

/// `spec` of a GeneratingPolicy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratingPolicySpec {
    /// Which requests.
    pub match_constraints: Option<Located<MatchConstraints>>,
    /// Conditions that a request must meet.
    pub match_conditions: Option<Vec<Located<MatchCondition>>>,
    /// Named expressions, evaluated when used.
    pub variables: Option<Vec<Located<Variable>>>,
    /// What is made.
    pub generate: Vec<Located<GenerateExpression>>,
    /// When it is evaluated, and whether what it made follows it.
    pub evaluation: Option<Evaluation>,
    /// Entries of audit events.
    pub audit_annotations: Option<Skipped>,
    /// Server-side apply for generated objects.
    pub use_server_side_apply: Option<bool>,
    /// The webhook's timeout.
    pub webhook_configuration: Option<WebhookConfiguration>,
}

/// MutatingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MutatingPolicy {
    /// `spec`.
    pub spec: MutatingPolicySpec,
}

/// `spec` of a MutatingPolicy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MutatingPolicySpec {
    /// Which requests.
    pub match_constraints: Option<Located<MatchConstraints>>,
    /// Conditions that a request must meet.
    pub match_conditions: Option<Vec<Located<MatchCondition>>>,
    /// Named expressions, evaluated when used.
    pub variables: Option<Vec<Located<Variable>>>,
    /// Patches in order.
    pub mutations: Option<Vec<Located<Mutation>>>,
    /// `Fail` or `Ignore`; `Fail` by default.
    pub failure_policy: Option<String>,
    /// `Never` or `IfNeeded`.
    pub reinvocation_policy: Option<String>,
    /// When it is evaluated.
    pub evaluation: Option<Evaluation>,
    /// What is derived from it.
    pub autogen: Option<Autogen>,
    /// Entries of audit events.
    pub audit_annotations: Option<Skipped>,
    /// Existing objects that are changed, by the background controller.
    pub target_match_constraints: Option<Unmodelled>,
    /// Conditions that such a target must meet.
    pub target_match_conditions: Option<Unmodelled>,
    /// The webhook's timeout.
    pub webhook_configuration: Option<WebhookConfiguration>,
}

/// Which requests reach a CEL policy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchConstraints {
    /// One must hold.
    pub resource_rules: Option<Vec<Located<NamedRule>>>,
    /// None may hold.
    pub exclude_resource_rules: Option<Vec<Located<NamedRule>>>,
    /// Labels of the namespace; for a Namespace its own labels count.
    pub namespace_selector: Option<LabelSelector>,
    /// Labels of the object, or of the old one.
    pub object_selector: Option<LabelSelector>,
    /// `Exact` or `Equivalent`; other versions of a kind are equivalent.
    pub match_policy: Option<String>,
}

/// Operations on resources, as in Kubernetes' admission registration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedRule {
    /// Groups; `*` for all.
    pub api_groups: Option<Vec<String>>,
    /// Versions; `*` for all.
    pub api_versions: Option<Vec<String>>,
    /// Operations; `*` for all.
    pub operations: Option<Vec<String>>,
    /// Plural names; `*` for all.
    pub resources: Option<Vec<String>>,
    /// Names of objects; none for all.
    pub resource_names: Option<Vec<String>>,
    /// `Cluster`, `Namespaced` or `*`.
    pub scope: Option<String>,
}

/// A condition in CEL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MatchCondition {
    /// Name.
    pub name: String,
    /// Expression.
    pub expression: String,
}

/// A named expression.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Expression.
    pub expression: String,
}

/// An expression that must be true.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Expression.
    pub expression: String,
    /// Said when it is false.
    pub message: Option<String>,
    /// An expression that gives the message.
    pub message_expression: Option<String>,
    /// HTTP reason.
    pub reason: Option<String>,
}

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// `ApplyConfiguration` or `JSONPatch`.
    pub patch_type: String,
    /// An expression that gives a partial object.
    pub apply_configuration: Option<PatchExpression>,
    /// An expression that gives a list of operations.
    pub json_patch: Option<PatchExpression>,
}

/// The expression of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PatchExpression {
    /// Expression.
    pub expression: Option<String>,
}

/// What a GeneratingPolicy makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GenerateExpression {
    /// An expression that calls `generator.Apply`.
    pub expression: Option<String>,
    /// YAML (1.19 and later).
    pub template: Option<GenerateTemplate>,
}

/// YAML of generated objects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GenerateTemplate {
    /// The YAML.
    pub value: Located<String>,
    /// `cel` replaces `(( expression ))`; `none` by default.
    pub interpolate: Option<String>,
}

/// When a CEL policy is evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// On admission; true by default.
    pub admission: Option<Switch>,
    /// On what exists; true by default.
    pub background: Option<Located<Switch>>,
    /// `Kubernetes` or `JSON`.
    pub mode: Option<String>,
    /// GeneratingPolicy: triggers that exist already; false by default.
    pub generate_existing: Option<Switch>,
    /// GeneratingPolicy: what was made follows policy and trigger; false by default.
    pub synchronize: Option<Switch>,
    /// GeneratingPolicy: what was made outlives the policy; false by default.
    pub orphan_downstream_on_policy_delete: Option<Switch>,
    /// MutatingPolicy: objects that exist already; false by default.
    pub mutate_existing: Option<Switch>,
    /// Requests of the background controller are spared; true by default.
    pub skip_background_requests: Option<bool>,
    /// MutatingPolicy: server-side apply.
    pub use_server_side_apply: Option<bool>,
}

/// An `enabled` flag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: Option<bool>,
}

/// What is derived from a CEL policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Autogen {
    /// Rules for pod controllers.
    pub pod_controllers: Option<PodControllers>,
    /// A ValidatingAdmissionPolicy of the API server itself.
    pub validating_admission_policy: Option<AutogenTarget>,
    /// A MutatingAdmissionPolicy of the API server itself.
    pub mutating_admission_policy: Option<AutogenTarget>,
}

/// Pod controllers that a policy on Pods is extended to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PodControllers {
    /// Plural names, such as `deployments`.
    pub controllers: Option<Vec<String>>,
}

/// Whether a policy of the API server is derived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct AutogenTarget {
    /// Whether it is.
    pub enabled: Option<bool>,
}

/// The webhook's timeout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookConfiguration {
    /// Seconds.
    pub timeout_seconds: Option<i64>,
}
