//! World → compiled routes, with findings.

use std::collections::BTreeMap;

use airtight_manifest::{Diagnostic, RuleRef, Severity};

use super::attach::{attach, attach_below, no_parent, parent_key, parent_rule, refused};
use super::backend::{Resolution, resolve};
use super::delegation::{children, flatten, strip};
use super::gateway_state::{Candidate, GatewayState};
use super::route::{Filter, Route};
use super::status::{AcceptedReason, ListenerReason, ParentStatus, RefsReason};
use super::tls_route;
use crate::policy::istio::{FOREIGN_HINT, foreign_message, is_foreign};
use crate::world::{GatewayKey, Implementation, World};

/// All Gateways with the routes that are attached to them, and all routes of Services.
#[derive(Debug, Clone)]
pub struct GatewayPolicy {
    pub(super) gateways: BTreeMap<GatewayKey, GatewayState>,
    /// Those that were written, and behind them those that were made of them because others hand requests on to them.
    pub(super) routes: Vec<Route>,
    written: usize,
    statuses: Vec<ParentStatus>,
    findings: Vec<Diagnostic>,
}

impl GatewayPolicy {
    /// Compiles the Gateways and routes of a world.
    #[must_use]
    pub fn compile(world: &World) -> Self {
        let mut findings = Vec::new();
        let mut gateways = BTreeMap::new();
        for gateway in &world.objects.gateways {
            let key = (gateway.meta.namespace().into(), gateway.meta.name().into());
            let proxy = world.proxies.iter().find(|proxy| proxy.key == key);
            let unmodelled = proxy.map(|proxy| proxy.unmodelled.clone()).unwrap_or_default();
            let implementation = proxy.map(|proxy| proxy.implementation);
            let state = GatewayState::new(gateway, implementation, unmodelled, &world.objects.reference_grants);
            findings.extend(listener_findings(&state));
            gateways.insert(key, state);
        }
        let http = world.objects.http_routes.iter().map(Route::http);
        let routes: Vec<Route> = http.chain(world.objects.grpc_routes.iter().map(Route::grpc)).collect();
        let written = routes.len();
        let mut policy = Self { gateways, routes, written, statuses: Vec::new(), findings };
        policy.attach_all(world);
        for gateway in policy.gateways.values_mut() {
            gateway.sort();
        }
        policy.find_unsettled_order();
        policy.findings.extend(tls_route::findings(world, &policy.gateways));
        policy
    }

    /// Routes that are not attached, backends that do not resolve, listeners that do not work, …
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        self.findings.clone()
    }

    /// The status that controllers write for every `parentRefs` entry that names a Gateway which exists.
    #[must_use]
    pub fn statuses(&self) -> &[ParentStatus] {
        &self.statuses
    }

    /// Why a listener does not work; none if it does, or does not exist.
    #[must_use]
    pub fn listener_fault(&self, gateway: &GatewayKey, listener: &str) -> Option<ListenerReason> {
        self.gateways.get(gateway)?.listeners.iter().find(|state| state.name == listener)?.fault
    }

    /// The routes as they were written.
    pub(super) fn written_routes(&self) -> &[Route] {
        &self.routes[..self.written]
    }

    /// What Kgateway makes of the routes that `number` hands requests on to, by index.
    fn below(&mut self, number: usize) -> std::ops::Range<usize> {
        let first = self.routes.len();
        let derived = flatten(self.written_routes(), number);
        self.routes.extend(derived);
        first..self.routes.len()
    }

    fn attach_all(&mut self, world: &World) {
        for number in 0..self.written {
            let route = self.routes[number].clone();
            let mut below = None;
            for (index, parent) in route.parents.iter().enumerate().filter(|(_, parent)| parent.is_gateway()) {
                let at = parent_rule(&route, index, parent);
                let key = parent_key(parent, route.meta.namespace());
                let target = format!("Gateway {}/{}", key.0, key.1);
                let Some(gateway) = self.gateways.get_mut(&key) else {
                    self.findings.push(no_parent(&route, &at, &target));
                    continue;
                };
                if gateway.implementation.is_some_and(Implementation::is_istio) && is_foreign(&world.stack, &route.meta)
                {
                    self.findings.push(foreign(world, &route, &at, &target));
                    continue;
                }
                let mut route = route.clone();
                let flattens = gateway.implementation == Some(Implementation::Kgateway);
                if flattens {
                    strip(&mut route);
                }
                let attached = attach(world, gateway, number, &route, parent);
                if flattens {
                    let derived = below.get_or_insert_with(|| self.below(number)).clone();
                    self.attach_derived(&key, &attached.listeners, derived);
                }
                let Some(gateway) = self.gateways.get_mut(&key) else { continue };
                if attached.accepted != AcceptedReason::Accepted {
                    self.findings.push(refused(&route, &at, &target, attached.accepted));
                }
                self.findings.extend(without_effect(&route, &at, gateway, &attached.listeners));
                let implementation = gateway.implementation;
                let resolved = self.resolve_all(world, implementation, &route);
                self.statuses.push(ParentStatus { parent: at, target, accepted: attached.accepted, resolved });
            }
        }
        self.findings.sort_by(|a, b| (&a.location, &a.message).cmp(&(&b.location, &b.message)));
        self.findings.dedup();
    }

    fn attach_derived(&mut self, key: &GatewayKey, listeners: &[usize], derived: std::ops::Range<usize>) {
        let Some(gateway) = self.gateways.get_mut(key) else { return };
        for (listener, number) in listeners.iter().flat_map(|index| derived.clone().map(move |number| (*index, number)))
        {
            attach_below(gateway, listener, number, &self.routes[number]);
        }
    }

    /// Reports every backend of a route that does not resolve; the first reason is the condition's.
    fn resolve_all(&mut self, world: &World, implementation: Option<Implementation>, route: &Route) -> RefsReason {
        let Some(implementation) = implementation else { return RefsReason::ResolvedRefs };
        let mut reason = RefsReason::ResolvedRefs;
        for backend in route.rules.iter().flat_map(|rule| &rule.backends) {
            let found = resolve(world, implementation, (route.kind, route.meta.namespace()), &backend.object);
            let leads = || !children(self.written_routes(), implementation, route, &backend.object).is_empty();
            let broken = match found {
                Resolution::Broken(broken) => Some(broken),
                Resolution::Delegated => (!leads()).then_some(RefsReason::BackendNotFound),
                Resolution::Targets(_) | Resolution::Unmodelled(_, _) => None,
            };
            if let Some(broken) = broken {
                reason = if reason == RefsReason::ResolvedRefs { broken } else { reason };
                self.findings.push(unresolved(route, &backend.at, &backend.object, broken));
            }
        }
        for rule in route.rules.iter().filter(|rule| rule.backends.is_empty() && !answers_itself(&rule.filters)) {
            self.findings.push(
                Diagnostic::warning("no-backend", format!("{} has a rule without backends", route.meta.object))
                    .at(rule.at.at.clone())
                    .hint("the proxy answers 500 (Istio since 1.30: 404) to every request of this rule")
                    .about(&route.meta.object),
            );
        }
        reason
    }

    /// Two routes that match the same requests are tried in the order of their creation, which manifests do not tell.
    fn find_unsettled_order(&mut self) {
        let mut found = Vec::new();
        for gateway in self.gateways.values() {
            for candidates in &gateway.candidates {
                found.extend(self.unsettled_pairs(candidates));
            }
        }
        self.findings.extend(found);
    }
}

impl GatewayPolicy {
    fn unsettled_pairs(&self, candidates: &[Candidate]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for (index, first) in candidates.iter().enumerate() {
            let rivals = candidates.iter().skip(index + 1).take_while(|next| next.precedence.ties(&first.precedence));
            for second in rivals.filter(|next| next.precedence.needs_unknown_age(&first.precedence)) {
                let ((a, first_at), (b, second_at)) = (self.condition(first), self.condition(second));
                if first.host == second.host && a == b {
                    found.push(unsettled(first_at, second_at));
                }
            }
        }
        found
    }
}

/// Whether the proxy answers requests of a rule with these filters itself.
pub(super) fn answers_itself(filters: &[Filter]) -> bool {
    filters.iter().any(|filter| match filter {
        Filter::Redirect(_) | Filter::Extension(_) => true,
        Filter::Headers(_) | Filter::Rewrite(_) | Filter::Cors(_) | Filter::Mirror(_) | Filter::Response => false,
    })
}

fn listener_findings(gateway: &GatewayState) -> Vec<Diagnostic> {
    let broken = gateway.listeners.iter().filter_map(|listener| {
        let fault = listener.fault?;
        let finding = Diagnostic::error(
            "listener-not-working",
            format!("listener `{}` of {} does not work: {fault}", listener.name, gateway.name()),
        );
        let finding = finding.about(&listener.rule.object);
        Some(finding.at(listener.rule.at.clone()).hint("connections to it are not served"))
    });
    let invalid = gateway.listeners.iter().filter(|listener| !listener.invalid_kinds.is_empty()).map(|listener| {
        let kinds = listener.invalid_kinds.join(", ");
        Diagnostic::warning(
            "invalid-route-kinds",
            format!("listener `{}` of {} cannot take {kinds}: InvalidRouteKinds", listener.name, gateway.name()),
        )
        .at(listener.rule.at.clone())
        .about(&listener.rule.object)
    });
    broken.chain(invalid).collect()
}

fn unresolved(route: &Route, at: &RuleRef, backend: &super::route::OwnedBackend, reason: RefsReason) -> Diagnostic {
    let port = backend.port.map(|port| format!(" port {port}")).unwrap_or_default();
    // Consent is its owner's to give; what does not exist is a slip.
    let severity = if reason == RefsReason::RefNotPermitted { Severity::Warning } else { Severity::Error };
    let finding = Diagnostic::new(
        severity,
        "backend-unresolved",
        format!(
            "{} cannot use {} {}/{}{port}: ResolvedRefs=False, {reason}",
            route.meta.object, backend.kind, backend.namespace, backend.name
        ),
    )
    .at(at.at.clone())
    .about(&route.meta.object);
    finding.hint(match reason {
        RefsReason::RefNotPermitted => {
            "a ReferenceGrant in the backend's namespace must allow it; the proxy answers 500"
        }
        RefsReason::BackendNotFound => "name, namespace and the Service's own port must exist; the proxy answers 500",
        RefsReason::InvalidKind => "this implementation has no such backend; the proxy answers 500",
        RefsReason::ResolvedRefs => "",
    })
}

/// Routes on a waypoint's Gateway act only in Kgateway's waypoints
/// (Istio binds routes to Services; a parent that is the waypoint itself does nothing).
fn without_effect(route: &Route, at: &RuleRef, gateway: &GatewayState, listeners: &[usize]) -> Option<Diagnostic> {
    let all_broken = !listeners.is_empty() && listeners.iter().all(|index| !gateway.listeners[*index].works());
    let why = match gateway.implementation {
        Some(Implementation::IstioWaypoint) => "an Istio waypoint reads only routes whose parent is a Service",
        Some(_) if all_broken => "none of the listeners that take it works",
        Some(_) | None => return None,
    };
    let message = format!("{} has no effect on {}: {why}", route.meta.object, gateway.name());
    Some(Diagnostic::error("route-without-effect", message).at(at.at.clone()).about(&route.meta.object))
}

/// Istio's gateways read no routes of another revision.
fn foreign(world: &World, route: &Route, at: &RuleRef, target: &str) -> Diagnostic {
    let why = foreign_message(&world.stack, &route.meta);
    Diagnostic::error("route-not-attached", format!("{} is not attached to {target}: {why}", route.meta.object))
        .at(at.at.clone())
        .hint(FOREIGN_HINT)
        .about(&route.meta.object)
}

fn unsettled(first: &RuleRef, second: &RuleRef) -> Diagnostic {
    Diagnostic::warning(
        "unsettled-order",
        format!("{first} and {second} match the same requests; the older route wins, and manifests do not tell which"),
    )
    .about(&first.object)
    .about(&second.object)
    .at(second.at.clone())
    .hint("the model takes the first by `namespace/name`; make the matches differ")
}
