//! Kyverno's kinds: `kyverno.io` (ClusterPolicy, Policy, PolicyException) and `policies.kyverno.io` (the CEL policies).
//!
//! The structs carry the union of the fields of the CRDs of Kyverno 1.14 to 1.19.

mod cel;
mod condition;
mod context;
mod exception;
mod generate;
mod matching;
mod mutate;
mod policy;
mod validate;

pub use cel::{
    Autogen, AutogenTarget, Evaluation, GenerateExpression, GenerateTemplate, GeneratingPolicy, GeneratingPolicySpec,
    MatchCondition, MatchConstraints, MutatingPolicy, MutatingPolicySpec, Mutation, NamedRule, PatchExpression,
    PodControllers, Switch, ValidatingPolicy, ValidatingPolicySpec, Validation, Variable, WebhookConfiguration,
};
pub use condition::{AnyAll, Condition};
pub use context::{ApiCall, ConfigMapReference, ContextEntry, ContextVariable};
pub use exception::{
    CelPolicyException, CelPolicyExceptionSpec, ExceptedRules, PolicyException, PolicyExceptionSpec, PolicyReference,
};
pub use generate::{CloneFrom, CloneList, Generate, GenerateForEach};
pub use matching::{MatchBlock, ResourceDescription, ResourceFilter, Subject};
pub use mutate::{Mutate, MutateForEach};
pub use policy::{ClusterPolicy, ClusterPolicySpec, FailureActionOverride, PolicyWebhookConfiguration, Rule};
pub use validate::{Deny, ParamKind, ParamRef, Validate, ValidateCel, ValidateForEach};
