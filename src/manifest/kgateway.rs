//! Kgateway's and agentgateway's kinds.

use serde::Deserialize;

/// TrafficPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TrafficPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// Backend, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Backend {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// GatewayParameters, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GatewayParameters {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// DirectResponse, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DirectResponse {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// AgentgatewayBackend, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AgentgatewayBackend {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// AgentgatewayPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AgentgatewayPolicy {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}

/// AgentgatewayParameters, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AgentgatewayParameters {
    /// `spec`.
    pub spec: super::located::Unmodelled,
}
