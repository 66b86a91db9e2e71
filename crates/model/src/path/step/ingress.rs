//! Gateways that send what is for a Service through its waypoint (`istio.io/ingress-use-waypoint`).

use airtight_manifest::istio::go_bool;
use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Labels, RuleRef};

use crate::path::names;
use crate::path::policies::Policies;
use crate::policy::waypoint::Binding;
use crate::world::{Enrolment, GatewayKey, Implementation, Pod, Role, Service};

const LABEL: &str = "istio.io/ingress-use-waypoint";

/// How a proxy gets to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passage<'p> {
    /// To one of its pods.
    Straight,
    /// It opens the tunnel to the Service's waypoint itself; with the rules that make it.
    Waypoint(&'p GatewayKey, Vec<RuleRef>),
    /// It dials the Service's own address, and its ztunnel picks the way.
    Address,
    /// The model does not know.
    Unknown(Vec<RuleRef>, String),
}

/// How the proxy that `pod` belongs to gets to `service`: straight to its pods, unless it is a gateway whose maker reads
/// the label and finds a waypoint behind it.
///
/// Istio's gateways ask for a virtual address and a bound waypoint (Istio `pilot/pkg/xds/endpoints/endpoint_builder.go`,
/// `findServiceWaypoint`). Kgateway reads the label where its waypoints are installed, from 2.1 on with the class
/// `kgateway-waypoint`, and only for proxies that are captured (kgateway
/// `pkg/kgateway/extensions2/plugins/waypoint`, `PerClientProcessor`). Agentgateway does since 1.3 if it speaks HBONE
/// itself, by what istiod tells since 1.30 (agentgateway `crates/agentgateway/src/proxy/httpproxy.rs`,
/// `build_transport`).
pub(super) fn passage<'p>(policies: &'p Policies<'_>, pod: &Pod, service: &Service) -> Passage<'p> {
    let Role::Gateway(key) = &pod.role else { return Passage::Straight };
    let Some(proxy) = names::proxy(policies.world, key) else { return Passage::Straight };
    let stack = &policies.world.stack;
    let Some(mut rules) = asked(stack, service, policies.world.namespace_labels(&service.namespace)) else {
        return Passage::Straight;
    };
    if service.is_headless() || !reads_label(policies, proxy.implementation, pod) {
        return Passage::Straight;
    }
    match policies.bindings.service(&service.namespace, &service.name) {
        Binding::None | Binding::Unset { .. } => Passage::Straight,
        Binding::Unknown { rules, detail } => Passage::Unknown(rules.clone(), detail.clone()),
        Binding::Bound { .. } if proxy.implementation == Implementation::Kgateway => Passage::Address,
        Binding::Bound { .. } if proxy.implementation == Implementation::IstioAgentgateway => {
            rules.push(service.origin.clone());
            Passage::Unknown(rules, format!("whether this class reads `{LABEL}` is not modelled"))
        }
        Binding::Bound { gateway, rules: bound } => {
            rules.extend(bound.iter().filter(|rule| **rule != service.origin).cloned());
            Passage::Waypoint(gateway, rules)
        }
    }
}

/// Whether an implementation reads the label at all.
fn reads_label(policies: &Policies<'_>, implementation: Implementation, pod: &Pod) -> bool {
    let world = policies.world;
    let versions = &world.stack.versions;
    match implementation {
        Implementation::IstioGateway | Implementation::IstioAgentgateway => true,
        Implementation::Kgateway => {
            let captured = matches!(pod.enrolment, Enrolment::Ambient | Enrolment::AmbientOutbound);
            let installed = world.objects.gateway_classes.iter().any(|class| class.meta.name() == "kgateway-waypoint");
            captured && installed && at_least(&versions.kgateway, 2, 1)
        }
        Implementation::Agentgateway => {
            let speaks = matches!(pod.enrolment, Enrolment::Native | Enrolment::NativeOutbound);
            let own = versions.agentgateway.as_ref().is_some_and(|version| at_least(version, 1, 3));
            speaks && own && at_least(&versions.istio, 1, 30)
        }
        Implementation::KgatewayWaypoint
        | Implementation::IstioWaypoint
        | Implementation::IstioEastWest
        | Implementation::IstioAgentgatewayWaypoint => false,
    }
}

/// The object that asks for it, if it can be named; none if neither the Service nor, since 1.25, its namespace does. A
/// Service's own label beats its namespace's (Istio `pilot/pkg/serviceregistry/ambient/services.go`,
/// `ingressUseWaypointFromLabels`).
fn asked(stack: &Stack, service: &Service, namespace: &Labels) -> Option<Vec<RuleRef>> {
    if let Some(value) = service.labels.get(LABEL) {
        return is_true(stack, value).then(|| vec![service.origin.clone()]);
    }
    let home = namespace.get(LABEL).filter(|_| at_least(&stack.versions.istio, 1, 25));
    home.is_some_and(|value| is_true(stack, value)).then(Vec::new)
}

/// Up to 1.29 the word itself, in whatever case; a Go boolean from then on.
fn is_true(stack: &Stack, value: &str) -> bool {
    if at_least(&stack.versions.istio, 1, 30) {
        return go_bool(value).unwrap_or_default();
    }
    value.eq_ignore_ascii_case("true")
}
