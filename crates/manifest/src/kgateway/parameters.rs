//! GatewayParameters (kgateway `api/v1alpha1/gateway_parameters_types.go`).

use serde::Deserialize;

use crate::kubernetes::Skipped;
use crate::{Labels, Unmodelled};

/// GatewayParameters, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayParameters {
    /// `spec`.
    pub spec: GatewayParametersSpec,
}

/// `GatewayParameters.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayParametersSpec {
    /// The proxy that the controller makes.
    pub kube: Option<KubeParameters>,
    /// The controller makes no proxy.
    pub self_managed: Option<Skipped>,
}

/// The proxy that the controller makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeParameters {
    /// Its Deployment.
    pub deployment: Option<Skipped>,
    /// Image, resources and logging.
    pub envoy_container: Option<Skipped>,
    /// Secret discovery for sidecar mode.
    pub sds_container: Option<Skipped>,
    /// Its pods.
    pub pod_template: Option<PodTemplateParameters>,
    /// Its Service.
    pub service: Option<ServiceParameters>,
    /// Labels and annotations of its service account.
    pub service_account: Option<Skipped>,
    /// Sidecars of sidecar mode.
    pub istio: Option<Unmodelled>,
    /// Metrics.
    pub stats: Option<Skipped>,
    /// The AI side container (2.0 and 2.1).
    pub ai_extension: Option<Unmodelled>,
    /// Security context.
    pub floating_user_id: Option<Skipped>,
    /// Security context (2.2 and later).
    pub omit_default_security_context: Option<Skipped>,
    /// Strategic merge over the Deployment (2.2 and later).
    pub deployment_overlay: Option<Unmodelled>,
    /// Strategic merge over the Service (2.2 and later).
    pub service_overlay: Option<Unmodelled>,
    /// Strategic merge over the service account (2.2 and later).
    pub service_account_overlay: Option<Unmodelled>,
    /// Scaling.
    pub horizontal_pod_autoscaler: Option<Skipped>,
    /// Scaling.
    pub vertical_pod_autoscaler: Option<Skipped>,
    /// Eviction.
    pub pod_disruption_budget: Option<Skipped>,
}

/// The proxy's pods.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplateParameters {
    /// Further labels.
    pub extra_labels: Option<Labels>,
    /// Further annotations.
    pub extra_annotations: Option<Labels>,
    /// Security context.
    pub security_context: Option<Skipped>,
    /// Pull secrets.
    pub image_pull_secrets: Option<Skipped>,
    /// Placement.
    pub node_selector: Option<Skipped>,
    /// Placement.
    pub affinity: Option<Skipped>,
    /// Placement.
    pub tolerations: Option<Skipped>,
    /// Placement.
    pub topology_spread_constraints: Option<Skipped>,
    /// Placement.
    pub priority_class_name: Option<Skipped>,
    /// Shutdown.
    pub graceful_shutdown: Option<Skipped>,
    /// Shutdown.
    pub termination_grace_period_seconds: Option<Skipped>,
    /// Probe.
    pub readiness_probe: Option<Skipped>,
    /// Probe.
    pub liveness_probe: Option<Skipped>,
    /// Probe.
    pub startup_probe: Option<Skipped>,
    /// Volumes.
    pub extra_volumes: Option<Skipped>,
}

/// The proxy's Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceParameters {
    /// `LoadBalancer` unless written.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Virtual address.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<Skipped>,
    /// Further labels.
    pub extra_labels: Option<Labels>,
    /// Further annotations.
    pub extra_annotations: Option<Labels>,
    /// Node ports.
    pub ports: Option<Skipped>,
    /// `Local` keeps the client's address.
    pub external_traffic_policy: Option<String>,
    /// Load balancer.
    pub load_balancer_class: Option<Skipped>,
    /// Addresses that the load balancer lets in.
    pub load_balancer_source_ranges: Option<Unmodelled>,
}
