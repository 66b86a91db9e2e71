//! Cilium's policy kinds and the upstream ClusterNetworkPolicy that it implements.

use serde::Deserialize;

/// CiliumNetworkPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CiliumNetworkPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// CiliumCidrGroup, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CiliumCidrGroup {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// ClusterNetworkPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClusterNetworkPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
