//! Services: names and virtual addresses resolved to backend pods and their ports.

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::{Labels, RuleRef};
use ipnet::IpNet;

use super::Protocol;
use super::pod::PodId;
use super::published::PublishedAddress;

/// What the names of all Services end in.
const DOMAIN: &str = ".svc.cluster.local";

/// The name by which pods look up the API server.
pub const API_SERVER_HOST: &str = "kubernetes.default.svc.cluster.local";

/// The name by which a Service is looked up.
///
/// ```
/// assert_eq!(airtight_model::world::service_host("shop", "api"), "api.shop.svc.cluster.local");
/// ```
#[must_use]
pub fn service_host(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}{DOMAIN}")
}

/// Whether it is (or could be) the full name of a Service.
///
/// ```
/// assert!(airtight_model::world::is_service_host("api.shop.svc.cluster.local."));
/// assert!(!airtight_model::world::is_service_host("example.com"));
/// ```
#[must_use]
pub fn is_service_host(host: &str) -> bool {
    host.trim_end_matches('.').ends_with(DOMAIN)
}

/// Namespace and name of the Service whose name, up to the cluster's domain or to `.svc`, is `host`.
///
/// ```
/// assert_eq!(airtight_model::world::service_of_host("api.shop.svc"), Some(("shop", "api")));
/// ```
#[must_use]
pub fn service_of_host(host: &str) -> Option<(&str, &str)> {
    let host = host.trim_end_matches('.');
    let inner = host.strip_suffix(DOMAIN).or_else(|| host.strip_suffix(".svc"))?;
    inner.split_once('.').map(|(name, namespace)| (namespace, name))
}

/// A Service with its backends.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// The selector as written; none for a Service with hand-made endpoints.
    pub selector: Option<Labels>,
    /// Virtual addresses; none for a headless Service.
    pub cluster_ips: Vec<IpAddr>,
    /// Addresses by which it is published: `externalIPs`, and those that its load balancer got.
    pub published: Vec<PublishedAddress>,
    /// `type: ExternalName`: the name that its own stands for.
    pub external_name: Option<String>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Pods that its selector (or its EndpointSlices) name.
    pub backends: Vec<PodId>,
    /// Addresses of its EndpointSlices that belong to no pod, with their port numbers in the order of `ports`.
    pub external_endpoints: Vec<IpAddr>,
    /// Its EndpointSlices do not all serve its ports by the same numbers.
    pub unlike_slices: bool,
    /// How it treats clients from outside the cluster; none if it is not published to them.
    pub external_traffic: Option<ExternalTraffic>,
    /// `internalTrafficPolicy: Local`: a client inside is sent to backends on its own node, or nowhere.
    pub internal_local: bool,
    /// `loadBalancerSourceRanges`: the clients that its load balancer serves; empty for all.
    pub source_ranges: Vec<IpNet>,
    /// Where it was written.
    pub origin: RuleRef,
}

/// `externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExternalTraffic {
    /// Any backend is asked, and the node hides the client's address.
    Cluster,
    /// Only backends on the node are asked, and see the client's address.
    Local,
}

impl ExternalTraffic {
    /// The policy of this name; that of Cluster, the default, for any other.
    #[must_use]
    pub fn named(name: Option<&str>) -> Self {
        if name == Some("Local") { Self::Local } else { Self::Cluster }
    }
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The port that clients dial.
    pub port: u16,
    /// Where backends listen.
    pub target: TargetPort,
    /// The protocol.
    pub protocol: Protocol,
    /// `appProtocol`.
    pub app_protocol: Option<String>,
    /// The port on every node, for a NodePort or LoadBalancer Service.
    pub node_port: Option<u16>,
}

/// The port that a Service's traffic has once it reached a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// The name of a container port, resolved pod by pod.
    Name(String),
}

impl Service {
    /// Whether it has no virtual address, so that its name leads to its pods.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ips.is_empty() && self.external_name.is_none()
    }

    /// The port entry that clients dial as `port`.
    #[must_use]
    pub fn port(&self, protocol: Protocol, port: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|entry| entry.port == port && entry.protocol == protocol)
    }
}
