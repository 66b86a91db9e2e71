//! `networking.istio.io` DestinationRule. What only balances load is read for its shape and never used.

use serde::Deserialize;

use super::WorkloadSelector;
use crate::Labels;
use crate::kubernetes::Skipped;
use crate::located::{Located, Unmodelled};

/// DestinationRule, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DestinationRule {
    /// `spec`; an absent one is refused for its missing `host`.
    pub spec: DestinationRuleSpec,
}

/// `istio.networking.v1alpha3.DestinationRule`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRuleSpec {
    /// The name of the service that it is for, with wildcards on the left.
    pub host: Located<String>,
    /// What holds for the service as a whole.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the service; only a VirtualService chooses one.
    #[serde(default)]
    pub subsets: Vec<Subset>,
    /// Namespaces that it is for; empty means all.
    #[serde(default)]
    pub export_to: Vec<String>,
    /// Clients that it is for; none means all.
    pub workload_selector: Option<WorkloadSelector>,
}

macro_rules! skipped {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(pub $field: Option<Skipped>,)+
        }
    )*};
}

skipped! {
    /// `connectionPool.http`.
    HttpPool {
        h2_upgrade_policy, http1_max_pending_requests, http2_max_requests, idle_timeout, max_concurrent_streams,
        max_requests_per_connection, max_retries, use_client_protocol,
    }
    /// `connectionPool.tcp`.
    TcpPool { connect_timeout, idle_timeout, max_connection_duration, max_connections, tcp_keepalive }
    /// `loadBalancer`.
    LoadBalancer { consistent_hash, locality_lb_setting, simple, warmup, warmup_duration_secs }
    /// `outlierDetection`.
    OutlierDetection {
        base_ejection_time, consecutive_5xx_errors, consecutive_errors, consecutive_gateway_errors, consecutive_local_origin_failures,
        interval, max_ejection_percent, min_health_percent, split_external_local_origin_errors,
    }
    /// `retryBudget`.
    RetryBudget { min_retry_concurrency, percent }
}

/// `connectionPool`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ConnectionPool {
    /// `http`.
    pub http: Option<HttpPool>,
    /// `tcp`.
    pub tcp: Option<TcpPool>,
}

/// `trafficPolicy`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// TLS towards the service.
    pub tls: Option<Located<ClientTls>>,
    /// What holds for single ports; nothing is inherited from the fields beside it.
    #[serde(default)]
    pub port_level_settings: Vec<Located<PortTrafficPolicy>>,
    /// Limits.
    pub connection_pool: Option<ConnectionPool>,
    /// Choice of endpoints.
    pub load_balancer: Option<LoadBalancer>,
    /// Ejection of endpoints.
    pub outlier_detection: Option<OutlierDetection>,
    /// Limit on retries.
    pub retry_budget: Option<RetryBudget>,
    /// HTTP CONNECT through another proxy.
    pub tunnel: Option<Unmodelled>,
    /// PROXY protocol towards the service.
    pub proxy_protocol: Option<Unmodelled>,
}

/// An entry of `portLevelSettings`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTrafficPolicy {
    /// The port of the service.
    pub port: Option<PortSelector>,
    /// TLS towards the port.
    pub tls: Option<Located<ClientTls>>,
    /// Limits.
    pub connection_pool: Option<ConnectionPool>,
    /// Choice of endpoints.
    pub load_balancer: Option<LoadBalancer>,
    /// Ejection of endpoints.
    pub outlier_detection: Option<OutlierDetection>,
}

/// A port by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PortSelector {
    /// The number.
    #[serde(default)]
    pub number: u32,
}

/// `tls` of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each field is the API's field of its name")]
pub struct ClientTls {
    pub mode: ClientTlsMode,
    pub client_certificate: String,
    pub private_key: String,
    pub ca_certificates: String,
    pub ca_crl: String,
    pub credential_name: String,
    pub subject_alt_names: Vec<String>,
    pub sni: String,
    pub insecure_skip_verify: bool,
}

/// Which TLS a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// None.
    #[default]
    Disable,
    /// TLS.
    Simple,
    /// TLS with a client certificate.
    Mutual,
    /// mTLS with the mesh's certificates.
    IstioMutual,
}

/// A named part of a service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subset {
    /// Name.
    pub name: String,
    /// Labels of its endpoints.
    #[serde(default)]
    pub labels: Labels,
    /// What holds for it.
    pub traffic_policy: Option<TrafficPolicy>,
}
