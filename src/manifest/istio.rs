//! Istio's security and networking kinds as far as ambient mode reads them.

use serde::Deserialize;

/// PeerAuthentication, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PeerAuthentication {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// AuthorizationPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AuthorizationPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// RequestAuthentication, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RequestAuthentication {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// ServiceEntry, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServiceEntry {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// DestinationRule, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DestinationRule {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
