//! Conditions (Kyverno `api/kyverno/v1/common_types.go`, `AnyAllConditions`).

use serde::Deserialize;
use serde_json::Value;

use crate::located::Located;

/// Conditions joined by `any` and `all`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct AnyAll {
    /// One must hold.
    pub any: Option<Vec<Condition>>,
    /// Every one must hold.
    pub all: Option<Vec<Condition>>,
}

/// `key operator value`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Condition {
    /// Left side, usually a variable.
    pub key: Option<Located<Value>>,
    /// `Equals`, `AnyIn`, `GreaterThan`, …
    pub operator: Option<String>,
    /// Right side.
    pub value: Option<Located<Value>>,
    /// Said when the condition decides.
    pub message: Option<String>,
}
