//! Which GatewayClasses exist, and which implementation serves each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airtight_manifest::gateway_api::{GatewayClass, ParametersReference};
use airtight_manifest::stack::{Component, Stack, at_least};
use airtight_manifest::{Labels, Located, Object, RuleRef};
use serde::Serialize;

/// Who serves a Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Implementation {
    /// Kgateway's Envoy as a gateway.
    Kgateway,
    /// Kgateway's Envoy as a waypoint: its pod is captured by ztunnel, which hands over connections with PROXY protocol.
    KgatewayWaypoint,
    /// Agentgateway.
    Agentgateway,
    /// Istio's Envoy as a gateway.
    IstioGateway,
    /// Istio's Envoy as a waypoint.
    IstioWaypoint,
    /// Istio's Envoy between networks.
    IstioEastWest,
    /// Agentgateway under istiod as a gateway (1.29 and later, `PILOT_ENABLE_AGENTGATEWAY`).
    IstioAgentgateway,
    /// Agentgateway under istiod as a waypoint (1.31 and later, `PILOT_ENABLE_AGENTGATEWAY`).
    IstioAgentgatewayWaypoint,
}

impl Implementation {
    /// Whether it is made to be a waypoint.
    #[must_use]
    pub fn is_waypoint(self) -> bool {
        match self {
            Self::KgatewayWaypoint | Self::IstioWaypoint | Self::IstioAgentgatewayWaypoint => true,
            Self::Kgateway
            | Self::Agentgateway
            | Self::IstioGateway
            | Self::IstioEastWest
            | Self::IstioAgentgateway => false,
        }
    }

    /// Whether istiod makes and configures its proxies.
    #[must_use]
    pub fn is_istio(self) -> bool {
        match self {
            Self::IstioGateway
            | Self::IstioWaypoint
            | Self::IstioEastWest
            | Self::IstioAgentgateway
            | Self::IstioAgentgatewayWaypoint => true,
            Self::Kgateway | Self::KgatewayWaypoint | Self::Agentgateway => false,
        }
    }

    /// Whether its proxy is agentgateway rather than Envoy.
    #[must_use]
    pub fn is_agentgateway(self) -> bool {
        match self {
            Self::Agentgateway | Self::IstioAgentgateway | Self::IstioAgentgatewayWaypoint => true,
            Self::Kgateway
            | Self::KgatewayWaypoint
            | Self::IstioGateway
            | Self::IstioWaypoint
            | Self::IstioEastWest => false,
        }
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A GatewayClass that exists: written in a manifest, or made by its controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Name.
    pub name: Arc<str>,
    /// `spec.controllerName`.
    pub controller: String,
    /// Who serves its Gateways; none if no controller of the stack does.
    pub implementation: Option<Implementation>,
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// `spec.parametersRef`.
    pub parameters: Option<Located<ParametersReference>>,
    /// Where it was written; none for a class that its controller makes.
    pub origin: Option<RuleRef>,
}

/// Annotation with which a waypoint names the protocol and port behind its own ztunnel.
pub const INBOUND_BINDING: &str = "ambient.istio.io/waypoint-inbound-binding";

/// All GatewayClasses by name: those that the stack's controllers make, and those of the manifests, which win.
///
/// Kgateway makes `kgateway`, and `kgateway-waypoint` up to 2.0 (from 2.1 on only with the Helm value
/// `waypoint.enabled`; a manifest that brings the class stands for that value). Agentgateway makes `agentgateway`.
/// Istiod makes `istio`, `istio-remote`, `istio-waypoint` and, from 1.26 on, `istio-east-west`
/// (Istio `pkg/config/constants/constants.go`, `pilot/pkg/config/kube/gatewaycommon`).
#[must_use]
pub fn gateway_classes(written: &[Object<GatewayClass>], stack: &Stack) -> BTreeMap<Arc<str>, Class> {
    let made = made_by_controllers(stack).into_iter().map(|class| (Arc::clone(&class.name), class));
    let written = written.iter().map(|object| {
        let class = from_manifest(object, stack);
        (Arc::clone(&class.name), class)
    });
    made.chain(written).collect()
}

fn made_by_controllers(stack: &Stack) -> Vec<Class> {
    let versions = &stack.versions;
    let class = |name: &str, controller: &str| made(name, controller, stack);
    let mut classes = vec![class("kgateway", "kgateway.dev/kgateway")];
    let has_istio = !stack.lacks(Component::Istio);
    if has_istio {
        classes.push(class("istio", "istio.io/gateway-controller"));
        classes.push(class("istio-remote", "istio.io/unmanaged-gateway"));
        classes.push(class("istio-waypoint", "istio.io/mesh-controller"));
    }
    if has_istio && at_least(&versions.istio, 1, 26) {
        classes.push(class("istio-east-west", "istio.io/eastwest-controller"));
    }
    if !at_least(&versions.kgateway, 2, 1) {
        let mut waypoint = class("kgateway-waypoint", "kgateway.dev/kgateway");
        waypoint.annotations.insert(INBOUND_BINDING.to_owned(), "PROXY/15088".to_owned());
        classes.push(waypoint);
    }
    if versions.agentgateway.is_some() {
        classes.push(class("agentgateway", "agentgateway.dev/agentgateway"));
    }
    classes
}

fn made(name: &str, controller: &str, stack: &Stack) -> Class {
    Class {
        name: Arc::from(name),
        controller: controller.to_owned(),
        implementation: implementation(name, controller, stack),
        labels: Labels::new(),
        annotations: Labels::new(),
        parameters: None,
        origin: None,
    }
}

fn from_manifest(object: &Object<GatewayClass>, stack: &Stack) -> Class {
    let spec = &object.body.spec;
    Class {
        labels: object.meta.labels.clone(),
        annotations: object.meta.annotations.clone(),
        parameters: spec.parameters_ref.clone(),
        origin: Some(object.meta.whole()),
        ..made(object.meta.name(), &spec.controller_name, stack)
    }
}

/// Who serves a class, by its controller; kgateway tells its waypoints by the name of the class.
fn implementation(name: &str, controller: &str, stack: &Stack) -> Option<Implementation> {
    let versions = &stack.versions;
    match controller {
        istio if istio.starts_with("istio.io/") && stack.lacks(Component::Istio) => None,
        "kgateway.dev/kgateway" if name == "kgateway-waypoint" => Some(Implementation::KgatewayWaypoint),
        "kgateway.dev/kgateway" => Some(Implementation::Kgateway),
        "kgateway.dev/agentgateway" if !at_least(&versions.kgateway, 2, 2) => Some(Implementation::Agentgateway),
        "agentgateway.dev/agentgateway" if versions.agentgateway.is_some() => Some(Implementation::Agentgateway),
        "istio.io/gateway-controller" => Some(Implementation::IstioGateway),
        "istio.io/mesh-controller" => Some(Implementation::IstioWaypoint),
        "istio.io/eastwest-controller" if at_least(&versions.istio, 1, 26) => Some(Implementation::IstioEastWest),
        "istio.io/agentgateway-controller" if at_least(&versions.istio, 1, 29) => {
            Some(Implementation::IstioAgentgateway)
        }
        "istio.io/agentgateway-waypoint-controller" if at_least(&versions.istio, 1, 31) => {
            Some(Implementation::IstioAgentgatewayWaypoint)
        }
        _ => None,
    }
}
