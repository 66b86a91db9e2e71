//! Kubernetes NetworkPolicy (networking.k8s.io/v1).

use serde::Deserialize;

/// NetworkPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NetworkPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
