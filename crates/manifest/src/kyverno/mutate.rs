//! `mutate` (Kyverno `api/kyverno/v1/common_types.go`, `Mutation`).

use serde::Deserialize;
use serde_json::Value;

use super::condition::AnyAll;
use super::context::ContextEntry;
use crate::located::{Located, Unmodelled};

/// `mutate`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutate {
    /// A strategic merge patch, with anchors.
    pub patch_strategic_merge: Option<Located<Value>>,
    /// A JSON patch (RFC 6902), written as YAML or JSON text.
    pub patches_json6902: Option<Located<String>>,
    /// Patches for each element of a list.
    pub foreach: Option<Vec<Located<MutateForEach>>>,
    /// Existing objects that are changed instead of the one under admission, by the background controller.
    pub targets: Option<Unmodelled>,
    /// Whether existing targets are changed when the policy is.
    pub mutate_existing_on_policy_update: Option<bool>,
}

/// One loop of `mutate.foreach`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MutateForEach {
    /// An expression that gives the elements.
    pub list: Option<String>,
    /// `Ascending` or `Descending`.
    pub order: Option<String>,
    /// Variables of each turn.
    pub context: Option<Vec<Located<ContextEntry>>>,
    /// Elements for which they do not hold are passed over.
    pub preconditions: Option<AnyAll>,
    /// A strategic merge patch, with anchors.
    pub patch_strategic_merge: Option<Located<Value>>,
    /// A JSON patch (RFC 6902), written as YAML or JSON text.
    pub patches_json6902: Option<Located<String>>,
    /// Inner loops, of the same shape.
    pub foreach: Option<Located<Value>>,
}
