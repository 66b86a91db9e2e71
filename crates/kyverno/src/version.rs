//! What differs between the versions of Kyverno.

use airtight_manifest::stack::at_least;
use semver::Version;

/// Behaviour that depends on the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Behaviour {
    /// 1.19: every rule's own failure action decides; before, the policy's first.
    pub(super) each_rule_decides: bool,
    /// 1.19: `context` beside `validate.cel` is refused.
    pub(super) cel_without_context: bool,
    /// 1.19: overrides of failure actions ask for the namespace's labels wherever they are read.
    pub(super) overrides_read_labels: bool,
    /// Before 1.19: an exception whose conditions cannot be evaluated takes all others with it
    /// (Kyverno `pkg/engine/utils/exceptions.go`).
    pub(super) broken_exceptions_spoil_others: bool,
    /// Before 1.19: `validate.assert` acts; since then it is silently without effect
    /// (Kyverno `api/kyverno/v1/common_types.go`).
    pub(super) assertions_act: bool,
    /// 1.19: `NotEquals` holds for a number and a text that is none.
    pub(super) strict_inequality: bool,
    /// 1.18: a loop whose list cannot be evaluated is an error, and so is an element that errors.
    pub(super) failed_lists_are_errors: bool,
    /// 1.19: a GeneratingPolicy deletes what it made when the trigger stops matching.
    pub(super) generating_policies_release: bool,
    /// 1.19: ValidatingAdmissionPolicies are derived from ValidatingPolicies by default.
    pub(super) derives_admission_policies: bool,
    /// 1.17: ClusterPolicy, Policy and CleanupPolicy are deprecated.
    pub(super) cluster_policies_deprecated: bool,
    /// 1.19: policies on Pods with a namespace selector are extended to the controllers of pods as well
    /// (Kyverno `pkg/cel/autogen/support.go`).
    pub(super) autogen_keeps_namespaces: bool,
    /// 1.19: `object.metadata.namespace` is left alone in what is made of a policy on Pods
    /// (Kyverno `pkg/cel/autogen/replacement.go`).
    pub(super) autogen_spares_namespaces: bool,
    /// 1.19: MutatingPolicies on Pods are extended as this engine does it.
    pub(super) autogen_mutations_known: bool,
    /// 1.15: the chart lets Kyverno make ValidatingAdmissionPolicies.
    pub(super) makes_admission_policies: bool,
    /// 1.19: in ClusterPolicies `orValue` takes nothing but optionals (cel-go 0.28).
    pub(super) strict_or_value: bool,
    /// 1.19: YAML templates in GeneratingPolicies.
    pub(super) generate_templates: bool,
}

impl Behaviour {
    pub(super) fn of(version: &Version) -> Self {
        let since = |minor| at_least(version, 1, minor);
        Self {
            each_rule_decides: since(19),
            cel_without_context: since(19),
            overrides_read_labels: since(19),
            broken_exceptions_spoil_others: !since(19),
            assertions_act: !since(19),
            strict_inequality: since(19),
            failed_lists_are_errors: since(18),
            generating_policies_release: since(19),
            derives_admission_policies: since(19),
            cluster_policies_deprecated: since(17),
            autogen_keeps_namespaces: since(19),
            autogen_spares_namespaces: since(19),
            autogen_mutations_known: since(19),
            makes_admission_policies: since(15),
            strict_or_value: since(19),
            generate_templates: since(19),
        }
    }
}

/// Versions in which Kyverno serves a kind of its own; none for a kind that it does not have
/// (Kyverno's CRDs of each release).
pub(super) fn served(kind: &str, version: &Version) -> &'static [&'static str] {
    let since = |minor| at_least(version, 1, minor);
    match kind {
        "ClusterPolicy" | "Policy" if !since(20) => &["v1", "v2beta1"],
        "PolicyException" => &["v2", "v2beta1"],
        "ValidatingPolicy" | "GeneratingPolicy" | "MutatingPolicy" if since(17) => &["v1", "v1beta1", "v1alpha1"],
        "ValidatingPolicy" | "GeneratingPolicy" | "MutatingPolicy" if since(16) => &["v1beta1", "v1alpha1"],
        "ValidatingPolicy" if since(14) => &["v1alpha1"],
        "GeneratingPolicy" | "MutatingPolicy" if since(15) => &["v1alpha1"],
        _ => &[],
    }
}
