//! Agentgateway's kinds (agentgateway `controller/api/v1alpha1/agentgateway`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::traffic_policy::Authorization;
use crate::gateway_api::BackendObjectReference;
use crate::kubernetes::Skipped;
use crate::{Labels, Located, Unmodelled};

/// AgentgatewayBackend, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentgatewayBackend {
    /// `spec`.
    pub spec: AgentgatewayBackendSpec,
}

/// `AgentgatewayBackend.spec`: exactly one of the backend fields, and policies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayBackendSpec {
    /// An LLM provider.
    pub ai: Option<Located<AiBackend>>,
    /// MCP servers.
    pub mcp: Option<Located<McpBackend>>,
    /// A fixed host.
    #[serde(rename = "static")]
    pub fixed: Option<Located<StaticBackend>>,
    /// An agent.
    pub a2a: Option<Located<HostPort>>,
    /// AWS.
    pub aws: Option<Unmodelled>,
    /// Whatever host the request names.
    pub dynamic_forward_proxy: Option<Unmodelled>,
    /// Policies for requests to it.
    pub policies: Option<BackendPolicies>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A fixed host, or a socket of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// Name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// A Unix socket instead.
    pub unix_path: Option<Unmodelled>,
}

/// An LLM provider, or groups of them by priority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AiBackend {
    /// One provider.
    pub provider: Option<Located<AiProvider>>,
    /// Groups; a later one is used when an earlier one fails.
    #[serde(default)]
    pub groups: Vec<AiProviderGroup>,
}

/// Providers of one priority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AiProviderGroup {
    /// The providers.
    pub providers: Vec<Located<NamedAiProvider>>,
}

/// Declares the fields of a provider twice: alone, and as a named member of a group.
macro_rules! provider {
    ($(#[$doc:meta])* $name:ident { $($extra:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($extra)*
            /// OpenAI, or anything with its API.
            pub openai: Option<Skipped>,
            /// Anthropic.
            pub anthropic: Option<Skipped>,
            /// Google Gemini.
            pub gemini: Option<Skipped>,
            /// Google Vertex AI; the region decides the host.
            pub vertexai: Option<Unmodelled>,
            /// AWS Bedrock; the region decides the host.
            pub bedrock: Option<Unmodelled>,
            /// Azure OpenAI; the endpoint decides the host.
            pub azureopenai: Option<Unmodelled>,
            /// Azure; the resource decides the host.
            pub azure: Option<Unmodelled>,
            /// A provider with a host of its own.
            pub custom: Option<Unmodelled>,
            /// Host instead of the provider's own.
            pub host: Option<String>,
            /// Port instead of 443.
            pub port: Option<u16>,
            /// Path instead of the provider's own.
            pub path: Option<Skipped>,
            /// Prefix of the path.
            pub path_prefix: Option<Skipped>,
        }

        impl $name {
            /// Host and port that the proxy dials over TLS; none for a provider that is not modelled
            /// (agentgateway `crates/agentgateway/src/llm/{openai,anthropic,gemini}.rs`, `DEFAULT_HOST_STR`).
            #[must_use]
            pub fn endpoint(&self) -> Option<(&str, u16)> {
                let own = match (&self.openai, &self.anthropic, &self.gemini) {
                    (Some(_), _, _) => Some("api.openai.com"),
                    (_, Some(_), _) => Some("api.anthropic.com"),
                    (_, _, Some(_)) => Some("generativelanguage.googleapis.com"),
                    (None, None, None) => None,
                };
                Some((self.host.as_deref().or(own)?, self.port.unwrap_or(443)))
            }
        }
    };
}

provider! {
    /// An LLM provider.
    AiProvider {}
}

provider! {
    /// An LLM provider in a group.
    NamedAiProvider {
        /// Name, unique in the group.
        pub name: String,
        /// Policies for requests to it.
        pub policies: Option<Unmodelled>,
    }
}

/// MCP servers behind one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct McpBackend {
    /// The servers.
    pub targets: Vec<Located<McpTarget>>,
    /// `FailClosed` unless written: whether a server that is away fails the request.
    pub failure_mode: Option<Skipped>,
    /// How names of tools are told apart.
    pub prefix_mode: Option<Skipped>,
    /// Whether sessions stick to a server.
    pub session_routing: Option<Skipped>,
}

/// One MCP server, or those that a selector finds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct McpTarget {
    /// Name, unique in the backend.
    pub name: String,
    /// A fixed server.
    #[serde(rename = "static")]
    pub fixed: Option<McpStaticTarget>,
    /// Services by labels.
    pub selector: Option<Unmodelled>,
}

/// A fixed MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct McpStaticTarget {
    /// Name or address.
    pub host: Option<String>,
    /// A Service instead of a host.
    pub backend_ref: Option<BackendObjectReference>,
    /// Port.
    pub port: u16,
    /// Path; `/mcp` (for SSE `/sse`) unless written.
    pub path: Option<String>,
    /// `StreamableHTTP` or `SSE`.
    pub protocol: Option<String>,
    /// Policies for requests to it.
    pub policies: Option<Unmodelled>,
}

/// Policies for requests to a backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendPolicies {
    /// LLM settings.
    pub ai: Option<AiBackendPolicies>,
    /// Credentials that the proxy adds for the provider.
    pub auth: Option<Skipped>,
    /// External authorization.
    pub ext_auth: Option<Unmodelled>,
    /// Ejection of failing endpoints.
    pub health: Option<Skipped>,
    /// Protocol version and deadline.
    pub http: Option<Skipped>,
    /// MCP authentication and authorization.
    pub mcp: Option<Unmodelled>,
    /// Keepalive and deadline.
    pub tcp: Option<Skipped>,
    /// TLS towards the backend.
    pub tls: Option<Located<Skipped>>,
    /// Changes of headers and body.
    pub transformation: Option<Unmodelled>,
    /// A proxy in between.
    pub tunnel: Option<Unmodelled>,
}

/// LLM settings of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiBackendPolicies {
    /// How paths are understood, by suffix; what none names is a completion, so it is no list of allowed paths.
    pub routes: Option<BTreeMap<String, String>>,
    /// Fields of the body.
    pub defaults: Option<Skipped>,
    /// Fields of the body.
    pub overrides: Option<Skipped>,
    /// Fields of the body.
    pub transformations: Option<Skipped>,
    /// Names of models.
    pub model_aliases: Option<Skipped>,
    /// Further prompts.
    pub prompt: Option<Skipped>,
    /// Caching.
    pub prompt_caching: Option<Skipped>,
    /// Guards that can refuse a request.
    pub prompt_guard: Option<Unmodelled>,
}

/// AgentgatewayPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentgatewayPolicy {
    /// `spec`.
    pub spec: AgentgatewayPolicySpec,
}

/// `AgentgatewayPolicy.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayPolicySpec {
    /// What it attaches to, in its own namespace.
    #[serde(default)]
    pub target_refs: Vec<Located<AgentgatewayPolicyTarget>>,
    /// What it attaches to, by labels.
    #[serde(default)]
    pub target_selectors: Vec<Located<AgentgatewayTargetSelector>>,
    /// Whether the wider or the narrower policy wins.
    pub strategy: Option<AttachmentStrategy>,
    /// Settings of requests.
    pub traffic: Option<TrafficSettings>,
    /// Settings of listeners.
    pub frontend: Option<Unmodelled>,
    /// Settings of backends.
    pub backend: Option<BackendPolicies>,
}

/// What a policy attaches to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayPolicyTarget {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Listener of a Gateway, rule of a route, port of a Service.
    pub section_name: Option<String>,
    /// Port of a Gateway.
    pub port: Option<u16>,
}

/// What a policy attaches to, by labels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayTargetSelector {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Labels.
    pub match_labels: Labels,
    /// Listener of a Gateway, rule of a route.
    pub section_name: Option<String>,
    /// Port of a Gateway (agentgateway).
    pub port: Option<u16>,
}

/// Whether the wider or the narrower policy wins.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AttachmentStrategy {
    /// `Default` unless written.
    pub inheritance: Option<Inheritance>,
}

/// Whether the wider or the narrower policy wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Inheritance {
    /// The narrower one.
    #[default]
    Default,
    /// The wider one.
    Override,
}

/// Settings of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficSettings {
    /// `PostRouting` unless written.
    pub phase: Option<Phase>,
    /// Authorization by CEL.
    pub authorization: Option<Located<Authorization>>,
    /// API keys.
    pub api_key_authentication: Option<Unmodelled>,
    /// Passwords.
    pub basic_authentication: Option<Unmodelled>,
    /// Tokens.
    pub jwt_authentication: Option<Unmodelled>,
    /// Body sizes.
    pub buffer: Option<Skipped>,
    /// Cross-origin requests.
    pub cors: Option<Unmodelled>,
    /// Cross-site requests.
    pub csrf: Option<Unmodelled>,
    /// Waiting.
    pub delay: Option<Skipped>,
    /// An answer of the proxy itself.
    pub direct_response: Option<Unmodelled>,
    /// External authorization.
    pub ext_auth: Option<Unmodelled>,
    /// External processing.
    pub ext_proc: Option<Unmodelled>,
    /// Headers.
    pub header_modifiers: Option<Unmodelled>,
    /// `Host` towards the backend.
    pub host_rewrite: Option<Unmodelled>,
    /// Rate limits.
    pub rate_limit: Option<Unmodelled>,
    /// Retries.
    pub retry: Option<Skipped>,
    /// Deadlines.
    pub timeouts: Option<Skipped>,
    /// Changes of headers and body.
    pub transformation: Option<Unmodelled>,
}

/// When a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Phase {
    /// Before a route is chosen.
    PreRouting,
    /// After a route is chosen.
    #[default]
    PostRouting,
}

/// AgentgatewayParameters, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentgatewayParameters {
    /// `spec`.
    pub spec: AgentgatewayParametersSpec,
}

/// `AgentgatewayParameters.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayParametersSpec {
    /// The proxy takes part in Istio's mesh by itself.
    pub istio: Option<AgentgatewayIstio>,
    /// Environment.
    pub env: Option<Unmodelled>,
    /// Image.
    pub image: Option<Skipped>,
    /// Logging.
    pub logging: Option<Skipped>,
    /// Names of models.
    pub model_catalog: Option<Skipped>,
    /// Raw configuration of the proxy.
    pub raw_config: Option<Unmodelled>,
    /// Resources.
    pub resources: Option<Skipped>,
    /// Shutdown.
    pub shutdown: Option<Skipped>,
    /// Deployment or DaemonSet.
    pub workload: Option<Skipped>,
    /// Strategic merge over the Deployment.
    pub deployment: Option<Overlay>,
    /// Strategic merge over the DaemonSet.
    pub daemon_set: Option<Overlay>,
    /// Strategic merge over the Service.
    pub service: Option<Overlay>,
    /// Strategic merge over the service account.
    pub service_account: Option<Overlay>,
    /// Scaling.
    pub horizontal_pod_autoscaler: Option<Skipped>,
    /// Eviction.
    pub pod_disruption_budget: Option<Skipped>,
}

/// How the proxy takes part in Istio's mesh by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentgatewayIstio {
    /// On unless written, once `istio` is there.
    pub enabled: Option<bool>,
    /// Istiod's address.
    pub ca_address: Option<Skipped>,
    /// Cluster.
    pub cluster_id: Option<Skipped>,
    /// Network.
    pub network: Option<Skipped>,
    /// Trust domain.
    pub trust_domain: Option<Unmodelled>,
    /// Further trust domains.
    pub additional_trust_domains: Option<Unmodelled>,
}

/// Strategic merge over an object that the controller makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Overlay {
    /// Labels and annotations of the object itself.
    pub metadata: Option<OverlayMetadata>,
    /// Its spec.
    pub spec: Option<Unmodelled>,
}

/// Labels and annotations of the object itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct OverlayMetadata {
    /// Labels.
    pub labels: Option<Labels>,
    /// Annotations.
    pub annotations: Option<Labels>,
}
