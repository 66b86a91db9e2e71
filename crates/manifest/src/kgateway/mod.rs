//! Kgateway's and agentgateway's kinds.

mod agentgateway;
mod backend;
mod direct_response;
mod parameters;
mod traffic_policy;

pub use agentgateway::{
    AgentgatewayBackend, AgentgatewayBackendSpec, AgentgatewayIstio, AgentgatewayParameters,
    AgentgatewayParametersSpec, AgentgatewayPolicy, AgentgatewayPolicySpec, AgentgatewayPolicyTarget,
    AgentgatewayTargetSelector, AiBackend, AiBackendPolicies, AiProvider, AiProviderGroup, AttachmentStrategy,
    BackendPolicies, HostPort, Inheritance, McpBackend, McpStaticTarget, McpTarget, NamedAiProvider, Overlay,
    OverlayMetadata, Phase, StaticBackend, TrafficSettings,
};
pub use backend::{Backend, BackendSpec, KgatewayStaticBackend};
pub use direct_response::{DirectResponse, DirectResponseSpec};
pub use parameters::{
    GatewayParameters, GatewayParametersSpec, KubeParameters, PodTemplateParameters, ServiceParameters,
};
pub use traffic_policy::{Authorization, AuthorizationAction, CelPolicy, TrafficPolicy, TrafficPolicySpec};

/// API group of Kgateway.
pub const GROUP: &str = "gateway.kgateway.dev";

/// API group of agentgateway.
pub const AGENTGATEWAY_GROUP: &str = "agentgateway.dev";
