//! `match` and `exclude` (Kyverno `api/kyverno/v1/match_resources_types.go`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use crate::located::Located;

/// `match` or `exclude`: `any`, `all`, or the older form with the filter's fields directly.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchBlock {
    /// One filter must hold.
    pub any: Option<Vec<Located<ResourceFilter>>>,
    /// Every filter must hold.
    pub all: Option<Vec<Located<ResourceFilter>>>,
    /// Older form: resources.
    pub resources: Option<ResourceDescription>,
    /// Older form: roles, as `namespace:name`.
    pub roles: Option<Vec<String>>,
    /// Older form: cluster roles.
    pub cluster_roles: Option<Vec<String>>,
    /// Older form: subjects.
    pub subjects: Option<Vec<Subject>>,
}

/// One filter: its attributes are ANDed, the values of an attribute ORed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFilter {
    /// What the object is.
    pub resources: Option<ResourceDescription>,
    /// Roles of the user, as `namespace:name`.
    pub roles: Option<Vec<String>>,
    /// Cluster roles of the user.
    pub cluster_roles: Option<Vec<String>>,
    /// Who asks.
    pub subjects: Option<Vec<Subject>>,
}

/// What an object is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescription {
    /// `Kind`, `version/Kind`, `group/version/Kind`, each with wildcards and an optional `/subresource`.
    pub kinds: Option<Vec<String>>,
    /// Deprecated: one name, with wildcards.
    pub name: Option<Located<String>>,
    /// Names with wildcards.
    pub names: Option<Vec<String>>,
    /// Namespaces with wildcards; for a Namespace its own name counts.
    pub namespaces: Option<Vec<String>>,
    /// Annotations, keys and values with wildcards.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels, keys and values of `matchLabels` with wildcards.
    pub selector: Option<LabelSelector>,
    /// Labels of the namespace; never holds for a Namespace itself.
    pub namespace_selector: Option<LabelSelector>,
    /// `CREATE`, `UPDATE`, `DELETE`, `CONNECT`.
    pub operations: Option<Vec<String>>,
}

/// A user, group or service account; names with wildcards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// API group of the kind.
    pub api_group: Option<String>,
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace of a service account.
    pub namespace: Option<String>,
}
