//! What istiod's waypoint binding asks of a Gateway (Istio `pilot/pkg/serviceregistry/ambient/waypoints.go`).

use airtight_manifest::gateway_api::{FromNamespaces, Gateway, Listener};
use airtight_manifest::{Object, RuleRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::policy::HBONE;
use crate::world::{Class, GatewayKey, INBOUND_BINDING, Implementation, World, gateway_classes};

/// A Gateway as a waypoint that objects may name with `istio.io/use-waypoint`.
///
/// Any Gateway with an address counts for istiod, also one whose class is not made for waypoints.
#[derive(Debug, Clone, PartialEq)]
pub struct WaypointGatewayFacts {
    /// Namespace and name.
    pub key: GatewayKey,
    /// Name of its class.
    pub class: String,
    /// Who serves it; none if nobody does.
    pub implementation: Option<Implementation>,
    /// Whether its class is made for waypoints.
    pub is_waypoint: bool,
    /// `istio.io/waypoint-for` of the Gateway, else of its class, else `service`.
    pub waypoint_for: String,
    /// From which namespaces objects may bind, by the listener that istiod looks at.
    pub allowed: FromNamespaces,
    /// The selector for [`FromNamespaces::Selector`].
    pub selector: Option<LabelSelector>,
    /// Port of the PROXY protocol behind the waypoint's own ztunnel, for a waypoint that is captured itself.
    pub proxy_port: Option<u16>,
    /// Service account of its pods.
    pub service_account: String,
    /// Whether a proxy exists, so that the Gateway gets an address.
    pub programmed: bool,
    /// The Gateway.
    pub origin: RuleRef,
}

/// All Gateways as istiod sees them for binding waypoints.
#[must_use]
pub fn waypoint_gateways(world: &World) -> Vec<WaypointGatewayFacts> {
    let classes = gateway_classes(&world.objects.gateway_classes, &world.stack);
    world
        .objects
        .gateways
        .iter()
        .map(|gateway| {
            let key: GatewayKey = (gateway.meta.namespace().into(), gateway.meta.name().into());
            let class = classes.get(gateway.body.spec.gateway_class_name.as_str());
            let proxy = world.proxies.iter().find(|proxy| proxy.key == key);
            let proxy_port = proxy_port(gateway, class);
            let listener = bound_listener(gateway, proxy_port);
            WaypointGatewayFacts {
                class: gateway.body.spec.gateway_class_name.clone(),
                implementation: proxy.map(|proxy| proxy.implementation),
                is_waypoint: proxy.is_some_and(|proxy| proxy.is_waypoint),
                waypoint_for: waypoint_for(gateway, class),
                allowed: listener.map(Listener::from_namespaces).unwrap_or_default(),
                selector: listener.and_then(|listener| listener.namespace_selector().cloned()),
                proxy_port,
                service_account: proxy.map(|proxy| proxy.service_account.to_string()).unwrap_or_default(),
                programmed: proxy.is_some(),
                origin: gateway.meta.whole(),
                key,
            }
        })
        .collect()
}

fn waypoint_for(gateway: &Object<Gateway>, class: Option<&Class>) -> String {
    let label = "istio.io/waypoint-for";
    let own = gateway.meta.labels.get(label);
    own.or_else(|| class?.labels.get(label)).cloned().unwrap_or_else(|| "service".to_owned())
}

/// The port of an inbound binding such as `PROXY/15088`.
fn proxy_port(gateway: &Object<Gateway>, class: Option<&Class>) -> Option<u16> {
    let binding = gateway.meta.annotations.get(INBOUND_BINDING).or_else(|| class?.annotations.get(INBOUND_BINDING))?;
    let port = binding.strip_prefix("PROXY")?;
    Some(port.strip_prefix('/').and_then(|port| port.parse().ok()).unwrap_or(15088))
}

/// The listener whose `allowedRoutes` decide: the bound one, else the HBONE one.
fn bound_listener(gateway: &Object<Gateway>, proxy_port: Option<u16>) -> Option<&Listener> {
    let mut listeners = gateway.body.spec.listeners.iter().map(|listener| &listener.value);
    match proxy_port {
        Some(port) => listeners.find(|listener| listener.port == port || listener.protocol == "istio.io/PROXY"),
        None => listeners.find(|listener| listener.protocol == "HBONE" && listener.port == HBONE),
    }
}
