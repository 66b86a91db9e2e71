//! TrafficPolicy (kgateway `api/v1alpha1/traffic_policy_types.go`).

use serde::Deserialize;

use super::agentgateway::AgentgatewayTargetSelector;
use crate::gateway_api::PolicyTarget;
use crate::kubernetes::Skipped;
use crate::{Located, Unmodelled};

/// TrafficPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TrafficPolicy {
    /// `spec`.
    pub spec: TrafficPolicySpec,
}

/// `TrafficPolicy.spec`: the union of the fields from 2.0 to 2.4.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicySpec {
    /// What it attaches to, in its own namespace.
    #[serde(default)]
    pub target_refs: Vec<Located<PolicyTarget>>,
    /// What it attaches to, by labels (2.1 and later).
    #[serde(default)]
    pub target_selectors: Vec<Located<AgentgatewayTargetSelector>>,
    /// Authorization by CEL (2.1 and later).
    pub rbac: Option<Located<Authorization>>,
    /// Address lists (2.3 and later).
    pub acl: Option<Unmodelled>,
    /// Prompts (2.0 and 2.1).
    pub ai: Option<Unmodelled>,
    /// API keys (2.2 and later).
    pub api_key_auth: Option<Unmodelled>,
    /// `Host` becomes the backend's (2.1 and later).
    pub auto_host_rewrite: Option<Unmodelled>,
    /// Passwords (2.2 and later).
    pub basic_auth: Option<Unmodelled>,
    /// Body size (2.1 and later).
    pub buffer: Option<Skipped>,
    /// Compression (2.2 and later).
    pub compression: Option<Skipped>,
    /// Cross-origin requests (2.1 and later).
    pub cors: Option<Unmodelled>,
    /// Cross-site requests (2.1 and later).
    pub csrf: Option<Unmodelled>,
    /// External authorization.
    pub ext_auth: Option<Unmodelled>,
    /// External processing.
    pub ext_proc: Option<Unmodelled>,
    /// Faults (2.3 and later).
    pub fault_injection: Option<Unmodelled>,
    /// Headers (2.1 and later).
    pub header_modifiers: Option<Unmodelled>,
    /// Redirects followed by the proxy (2.4 and later).
    pub internal_redirect: Option<Unmodelled>,
    /// Tokens (2.1).
    pub jwt: Option<Unmodelled>,
    /// Tokens (2.2 and later).
    pub jwt_auth: Option<Unmodelled>,
    /// Login (2.2 and later).
    pub oauth2: Option<Unmodelled>,
    /// Rate limits.
    pub rate_limit: Option<Unmodelled>,
    /// Retries (2.1 and later).
    pub retry: Option<Skipped>,
    /// Metrics (2.4 and later).
    pub stat_prefix: Option<Skipped>,
    /// Deadlines (2.1 and later).
    pub timeouts: Option<Skipped>,
    /// Tracing (2.3 and later).
    pub tracing: Option<Skipped>,
    /// Templates over header and body.
    pub transformation: Option<Unmodelled>,
    /// Path by regular expression (2.2 and later).
    pub url_rewrite: Option<Unmodelled>,
}

/// Authorization of requests by CEL expressions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Authorization {
    /// `Allow` unless written.
    pub action: Option<AuthorizationAction>,
    /// The expressions.
    pub policy: CelPolicy,
}

impl Authorization {
    /// The action, defaulted.
    #[must_use]
    pub fn action(&self) -> AuthorizationAction {
        self.action.unwrap_or_default()
    }
}

/// What happens to a request of which an expression is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
pub enum AuthorizationAction {
    /// It passes, and every other one is denied.
    #[default]
    Allow,
    /// It is denied.
    Deny,
    /// It passes only if every expression is true (agentgateway).
    Require,
}

/// CEL expressions over the request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CelPolicy {
    /// The expressions.
    pub match_expressions: Vec<Located<String>>,
}
