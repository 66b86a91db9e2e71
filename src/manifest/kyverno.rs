//! Kyverno's kinds.

use serde::Deserialize;

/// ClusterPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// PolicyException, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PolicyException {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// ValidatingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ValidatingPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// GeneratingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GeneratingPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// MutatingPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MutatingPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
