//! Gateway API kinds.

use serde::Deserialize;

/// GatewayClass, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GatewayClass {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// Gateway, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Gateway {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// HttpRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HttpRoute {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// GrpcRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GrpcRoute {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// TlsRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TlsRoute {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// ReferenceGrant, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReferenceGrant {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// BackendTlsPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BackendTlsPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
