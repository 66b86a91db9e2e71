//! Backend (kgateway `api/v1alpha1/backend_types.go`).

use serde::Deserialize;

use super::agentgateway::HostPort;
use crate::kubernetes::Skipped;
use crate::{Located, Unmodelled};

/// Backend, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Backend {
    /// `spec`.
    pub spec: BackendSpec,
}

/// `Backend.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendSpec {
    /// Which of the other fields counts; deprecated in 2.4.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Fixed hosts.
    #[serde(rename = "static")]
    pub fixed: Option<Located<KgatewayStaticBackend>>,
    /// An LLM provider (2.0 and 2.1).
    pub ai: Option<Unmodelled>,
    /// AWS Lambda or EC2.
    pub aws: Option<Unmodelled>,
    /// Whatever host the request names (2.1 and later).
    pub dynamic_forward_proxy: Option<Unmodelled>,
    /// MCP servers (2.1, for class `agentgateway`).
    pub mcp: Option<Unmodelled>,
    /// Google Cloud (2.3 and later).
    pub gcp: Option<Unmodelled>,
    /// Backends by priority (2.4 and later).
    pub priority_groups: Option<Unmodelled>,
}

/// Fixed hosts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KgatewayStaticBackend {
    /// The hosts; each request goes to one of them.
    #[serde(default)]
    pub hosts: Vec<HostPort>,
    /// Protocol, such as `kubernetes.io/h2c`.
    pub app_protocol: Option<Skipped>,
}
