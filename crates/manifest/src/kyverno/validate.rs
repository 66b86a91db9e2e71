//! `validate` (Kyverno `api/kyverno/v1/common_types.go`, `Validation`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use super::cel::{Validation, Variable};
use super::condition::AnyAll;
use super::context::ContextEntry;
use super::policy::FailureActionOverride;
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// `validate`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validate {
    /// `Audit` or `Enforce`; the policy's `validationFailureAction` by default.
    pub failure_action: Option<Located<String>>,
    /// Other actions for some namespaces.
    pub failure_action_overrides: Option<Vec<Located<FailureActionOverride>>>,
    /// Whether an update of an object that violated the rule before is let through; true by default.
    pub allow_existing_violations: Option<bool>,
    /// Said on failure; variables are substituted.
    pub message: Option<String>,
    /// What the object must look like.
    pub pattern: Option<Located<Value>>,
    /// A list of patterns of which one must hold.
    pub any_pattern: Option<Located<Value>>,
    /// Refuses when its conditions hold.
    pub deny: Option<Located<Deny>>,
    /// Validates elements of a list.
    pub foreach: Option<Vec<Located<ValidateForEach>>>,
    /// Kyverno-JSON assertion; without effect since 1.19.
    pub assert: Option<Located<Value>>,
    /// CEL expressions.
    pub cel: Option<Located<ValidateCel>>,
    /// Signed manifests.
    pub manifests: Option<Unmodelled>,
    /// Pod Security Standards.
    pub pod_security: Option<Unmodelled>,
}

/// `deny`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Deny {
    /// `{any, all}`, or a list of the older form; without conditions it always refuses.
    pub conditions: Option<Located<Value>>,
}

/// One loop of `validate.foreach`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateForEach {
    /// An expression that gives the elements.
    pub list: Option<String>,
    /// Whether patterns see the element instead of the object; by default for elements that are mappings.
    pub element_scope: Option<bool>,
    /// Variables of each turn.
    pub context: Option<Vec<Located<ContextEntry>>>,
    /// Elements for which they do not hold are passed over.
    pub preconditions: Option<AnyAll>,
    /// What the element must look like.
    pub pattern: Option<Located<Value>>,
    /// A list of patterns of which one must hold.
    pub any_pattern: Option<Located<Value>>,
    /// Refuses when its conditions hold.
    pub deny: Option<Located<Deny>>,
    /// Inner loops, of the same shape.
    pub foreach: Option<Located<Value>>,
}

/// `validate.cel`: expressions that must be true.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateCel {
    /// Whether Kyverno makes a ValidatingAdmissionPolicy of the rule; false by default.
    pub generate: Option<bool>,
    /// The expressions.
    pub expressions: Option<Vec<Located<Validation>>>,
    /// Named expressions, evaluated when used.
    pub variables: Option<Vec<Located<Variable>>>,
    /// The kind of the objects that expressions call `params`.
    pub param_kind: Option<ParamKind>,
    /// Which of them.
    pub param_ref: Option<Located<ParamRef>>,
    /// Entries of audit events.
    pub audit_annotations: Option<Skipped>,
}

/// The kind of parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParamKind {
    /// Group and version.
    pub api_version: Option<String>,
    /// Kind.
    pub kind: Option<String>,
}

/// Parameters by name or by labels.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParamRef {
    /// Name.
    pub name: Option<String>,
    /// Namespace; by default the object's.
    pub namespace: Option<String>,
    /// Labels.
    pub selector: Option<LabelSelector>,
    /// `Allow` or `Deny` where there is none.
    pub parameter_not_found_action: Option<String>,
}
