//! Context entries: variables of a rule (Kyverno `api/kyverno/v1/common_types.go`, `ContextEntry`).

use serde::Deserialize;
use serde_json::Value;

use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// A named variable and where its value comes from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextEntry {
    /// Name.
    pub name: String,
    /// Computed from other variables.
    pub variable: Option<ContextVariable>,
    /// Read from a ConfigMap.
    pub config_map: Option<ConfigMapReference>,
    /// Asked from the API server or a service.
    pub api_call: Option<Located<ApiCall>>,
    /// Read from a GlobalContextEntry.
    pub global_reference: Option<Unmodelled>,
    /// Read from an image registry.
    pub image_registry: Option<Unmodelled>,
}

/// A question to the API server or to a service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiCall {
    /// Path on the API server, variables in it substituted.
    pub url_path: Option<String>,
    /// `GET` or `POST`; `GET` by default.
    pub method: Option<String>,
    /// What is posted.
    pub data: Option<Skipped>,
    /// A service that is asked instead of the API server.
    pub service: Option<Unmodelled>,
    /// An expression over the answer.
    pub jmes_path: Option<String>,
    /// What it is when the question fails.
    pub default: Option<Located<Value>>,
}

/// A computed variable.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextVariable {
    /// Any value, variables in it substituted.
    pub value: Option<Located<Value>>,
    /// An expression; over `value` if both are given.
    pub jmes_path: Option<String>,
    /// What it is when the expression finds nothing.
    pub default: Option<Located<Value>>,
}

/// A ConfigMap by name; its `data` and `metadata` are the value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConfigMapReference {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: Option<String>,
}
