//! `generate` (Kyverno `api/kyverno/v1/common_types.go`, `Generation`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use super::condition::AnyAll;
use super::context::ContextEntry;
use crate::kubernetes::Skipped;
use crate::located::Located;

/// `generate`: one of `data`, `clone`, `cloneList` and `foreach`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generate {
    /// API version of the generated object.
    pub api_version: Option<Located<String>>,
    /// Kind of the generated object.
    pub kind: Option<Located<String>>,
    /// Name of the generated object.
    pub name: Option<Located<String>>,
    /// Namespace of the generated object.
    pub namespace: Option<Located<String>>,
    /// UID; never set by hand.
    pub uid: Option<Skipped>,
    /// The object's content.
    pub data: Option<Located<Value>>,
    /// An object to copy.
    pub clone: Option<Located<CloneFrom>>,
    /// Objects to copy.
    pub clone_list: Option<Located<CloneList>>,
    /// Generates for each element of a list.
    pub foreach: Option<Vec<Located<GenerateForEach>>>,
    /// Whether objects that exist already trigger the rule; false by default.
    pub generate_existing: Option<bool>,
    /// Whether the generated object follows rule, source and trigger; false by default.
    pub synchronize: Option<bool>,
    /// Whether the generated object outlives the policy; false by default.
    pub orphan_downstream_on_policy_delete: Option<bool>,
}

/// A source to copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct CloneFrom {
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
}

/// Sources to copy.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct CloneList {
    /// Kinds as `group/version/Kind` or `version/Kind`.
    pub kinds: Option<Vec<String>>,
    /// Namespace of the sources.
    pub namespace: Option<String>,
    /// Labels of the sources.
    pub selector: Option<LabelSelector>,
}

/// One loop of `generate.foreach`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateForEach {
    /// An expression that gives the elements.
    pub list: Option<String>,
    /// Variables of each turn.
    pub context: Option<Vec<Located<ContextEntry>>>,
    /// Elements for which they do not hold are passed over.
    pub preconditions: Option<AnyAll>,
    /// API version of the generated object.
    pub api_version: Option<Located<String>>,
    /// Kind of the generated object.
    pub kind: Option<Located<String>>,
    /// Name of the generated object.
    pub name: Option<Located<String>>,
    /// Namespace of the generated object.
    pub namespace: Option<Located<String>>,
    /// UID; never set by hand.
    pub uid: Option<Skipped>,
    /// The object's content.
    pub data: Option<Located<Value>>,
    /// An object to copy.
    pub clone: Option<Located<CloneFrom>>,
    /// Objects to copy.
    pub clone_list: Option<Located<CloneList>>,
}
