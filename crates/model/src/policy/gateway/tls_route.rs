//! TLS that is not HTTP to a proxy: TLSRoutes by server name (`apis/v1/tlsroute_types.go`).

use std::collections::BTreeMap;

use airtight_manifest::gateway_api::{ParentReference, TlsBackendRef, TlsMode, TlsRoute};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Diagnostic, Located, Object, RuleRef};

use super::attach::{parent_key, progress};
use super::backend::{BackendTarget, Resolution, resolve};
use super::gateway_state::GatewayState;
use super::hostname::HostPattern;
use super::outcome::{Routed, RoutedBackend};
use super::route::OwnedBackend;
use super::select::Visit;
use super::status::{AcceptedReason, RefsReason};
use crate::policy::{Decision, Outcome, Reason};
use crate::world::{GatewayKey, World};

impl Visit<'_> {
    /// TLS that is not HTTP to this proxy: TLSRoutes by server name.
    pub(super) fn tls(&self, index: usize, name: &str) -> Routed {
        let listener = &self.state.listeners[index];
        let name = &name.to_ascii_lowercase();
        if self.implementation.is_istio() && !at_least(&self.world.stack.versions.istio, 1, 30) {
            let why = "before 1.30 Istio reads TLSRoutes only with PILOT_ENABLE_ALPHA_GATEWAY_API";
            return Routed::unknown(vec![listener.rule.clone()], why);
        }
        if listener.tls == TlsMode::Terminate {
            return Routed::unknown(vec![listener.rule.clone()], "TLS listeners that end TLS are not modelled");
        }
        let mut routes: Vec<(HostPattern, &Object<TlsRoute>)> = self
            .world
            .objects
            .tls_routes
            .iter()
            .filter(|route| {
                route.body.spec.parent_refs.iter().any(|one| takes(self.world, self.state, index, route, one))
            })
            .filter_map(|route| Some((tls_host(route, &listener.host, name)?, route)))
            .collect();
        routes.sort_by_key(|(host, route)| {
            let age = (route.meta.created.is_none(), route.meta.created.clone());
            (std::cmp::Reverse(host.specificity()), age, route.meta.object.to_string())
        });
        if let Some((_, route)) = routes.first() {
            return self.pass_through(route, listener.rule.clone());
        }
        let detail = format!("no TLSRoute of {} takes server name `{name}`", self.state.name());
        let decision = Decision::deny(Reason::NoRoute, Outcome::TlsFailure, detail);
        Routed::ended(decision.by(vec![listener.rule.clone()]))
    }

    fn pass_through(&self, route: &Object<TlsRoute>, listener: RuleRef) -> Routed {
        let Some(rule) = route.body.spec.rules.first() else {
            return Routed::unknown(vec![route.meta.whole()], "a TLSRoute without rules");
        };
        let at = route.meta.rule("spec.rules[0]", rule.at);
        let mut backends = Vec::new();
        for (number, backend) in rule.backend_refs.iter().enumerate().filter(|(_, backend)| backend.weight != Some(0)) {
            let place = route.meta.rule(format!("spec.rules[0].backendRefs[{number}]"), backend.at);
            match self.tls_backend(route, &backend.value, &place) {
                Ok(found) => backends.extend(found),
                Err(decision) => return Routed::ended(decision),
            }
        }
        if backends.iter().all(|backend| matches!(backend.target, BackendTarget::Failing { .. })) {
            let detail = format!("{} has no backend that can be used: the connection is closed", route.meta.object);
            let decision = Decision::deny(Reason::BackendUnresolved, Outcome::Reset, detail);
            return Routed::ended(decision.by(vec![at, listener]));
        }
        let detail = format!("{} passes the TLS connection through", route.meta.object);
        let decision = Decision::allow(Reason::RouteMatched, detail).by(vec![at, listener]);
        Routed { decision, backends, passes_tls: true }
    }

    fn tls_backend(
        &self,
        route: &Object<TlsRoute>,
        backend: &TlsBackendRef,
        place: &RuleRef,
    ) -> Result<Vec<RoutedBackend>, Decision> {
        let home = route.meta.namespace();
        let object = OwnedBackend::new(backend.object(), home);
        let weight = backend.weight.unwrap_or(1);
        let routed = |target, rules: Vec<RuleRef>| RoutedBackend {
            target,
            weight,
            request: self.request.clone(),
            rules: std::iter::once(place.clone()).chain(rules).collect(),
        };
        match resolve(self.world, self.implementation, ("TLSRoute", home), &object) {
            Resolution::Targets(targets) => {
                Ok(targets.into_iter().map(|target| routed(target.to, target.rules)).collect())
            }
            Resolution::Broken(_) | Resolution::Delegated => {
                Ok(vec![routed(BackendTarget::Failing { status: 500 }, Vec::new())])
            }
            Resolution::Unmodelled(rules, why) => Err(Decision::unknown(rules, why)),
        }
    }
}

/// The most specific of a TLSRoute's host names within a listener's that takes `name`.
fn tls_host(route: &Object<TlsRoute>, listener: &HostPattern, name: &str) -> Option<HostPattern> {
    let names = &route.body.spec.hostnames;
    let own: Vec<HostPattern> = if names.is_empty() {
        vec![HostPattern::Any]
    } else {
        names.iter().map(|name| HostPattern::parse(Some(name))).collect()
    };
    own.iter()
        .filter_map(|host| host.intersect(listener))
        .filter(|host| host.matches(name))
        .max_by_key(HostPattern::specificity)
}

/// Whether a listener takes a route by one of its parents, host names aside.
fn takes(
    world: &World,
    state: &GatewayState,
    index: usize,
    route: &Object<TlsRoute>,
    parent: &ParentReference,
) -> bool {
    let home = route.meta.namespace();
    parent.is_gateway() && parent_key(parent, home) == state.key && refusal(world, state, index, home, parent).is_none()
}

/// Why a listener does not take TLSRoutes of namespace `home` by this parent.
fn refusal(
    world: &World,
    state: &GatewayState,
    index: usize,
    home: &str,
    parent: &ParentReference,
) -> Option<AcceptedReason> {
    let listener = &state.listeners[index];
    let named = parent.section_name.as_ref().is_none_or(|name| *name == listener.name);
    if !named || parent.port.is_some_and(|port| port != listener.port) {
        return Some(AcceptedReason::NoMatchingParent);
    }
    let allowed = listener.kinds.iter().any(|kind| kind == "TLSRoute")
        && listener.admits_namespace(&state.key.0, home, world.namespace_labels(home));
    (!allowed).then_some(AcceptedReason::NotAllowedByListeners)
}

/// TLSRoutes that no listener takes, and backends of TLSRoutes that cannot be used.
pub(super) fn findings(world: &World, gateways: &BTreeMap<GatewayKey, GatewayState>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for route in &world.objects.tls_routes {
        let parents = route.body.spec.parent_refs.iter().enumerate();
        for (number, parent) in parents.filter(|(_, parent)| parent.is_gateway()) {
            let at = route.meta.rule(format!("spec.parentRefs[{number}]"), parent.at);
            found.extend(unattached(world, gateways, route, parent, &at));
        }
        found.extend(unresolved(world, gateways, route));
    }
    found
}

fn unattached(
    world: &World,
    gateways: &BTreeMap<GatewayKey, GatewayState>,
    route: &Object<TlsRoute>,
    parent: &ParentReference,
    at: &RuleRef,
) -> Option<Diagnostic> {
    let home = route.meta.namespace();
    let key = parent_key(parent, home);
    let target = format!("Gateway {}/{}", key.0, key.1);
    let why = match gateways.get(&key) {
        None => "it does not exist".to_owned(),
        Some(state) => {
            let answers: Vec<Option<AcceptedReason>> =
                (0..state.listeners.len()).map(|index| answer(world, state, index, route, parent)).collect();
            if answers.contains(&None) {
                return None;
            }
            let told = answers.into_iter().flatten().max_by_key(|reason| progress(*reason));
            told.unwrap_or(AcceptedReason::NoMatchingParent).to_string()
        }
    };
    let message = format!("{} is not attached to {target}: {why}", route.meta.object);
    let hint = "a listener of protocol TLS must have this `sectionName` and `port`, allow the namespace, and share a host name";
    Some(Diagnostic::error("route-not-attached", message).at(at.at.clone()).hint(hint).about(&route.meta.object))
}

/// The same with host names.
fn answer(
    world: &World,
    state: &GatewayState,
    index: usize,
    route: &Object<TlsRoute>,
    parent: &ParentReference,
) -> Option<AcceptedReason> {
    let shares = || {
        let names = route.body.spec.hostnames.iter().map(|name| HostPattern::parse(Some(name)));
        let listener = &state.listeners[index].host;
        route.body.spec.hostnames.is_empty() || names.into_iter().any(|host| host.intersect(listener).is_some())
    };
    let refused = refusal(world, state, index, route.meta.namespace(), parent);
    refused.or_else(|| (!shares()).then_some(AcceptedReason::NoMatchingListenerHostname))
}

fn unresolved(
    world: &World,
    gateways: &BTreeMap<GatewayKey, GatewayState>,
    route: &Object<TlsRoute>,
) -> Vec<Diagnostic> {
    let home = route.meta.namespace();
    let parents = route.body.spec.parent_refs.iter().filter(|parent| parent.is_gateway());
    let served = parents.filter_map(|parent| gateways.get(&parent_key(parent, home))?.implementation);
    let Some(implementation) = served.into_iter().next() else { return Vec::new() };
    let backends = route.body.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
    let broken = backends.filter_map(|backend| {
        let object = OwnedBackend::new(backend.object(), home);
        match resolve(world, implementation, ("TLSRoute", home), &object) {
            Resolution::Broken(reason) => Some((backend, object, reason)),
            Resolution::Delegated => Some((backend, object, RefsReason::InvalidKind)),
            Resolution::Targets(_) | Resolution::Unmodelled(_, _) => None,
        }
    });
    let finding = |(backend, object, reason): (&Located<TlsBackendRef>, OwnedBackend, RefsReason)| {
        let OwnedBackend { kind, namespace, name, .. } = object;
        let message =
            format!("{} cannot use {kind} {namespace}/{name}: ResolvedRefs=False, {reason}", route.meta.object);
        let at = route.meta.rule("spec.rules", backend.at).at;
        let finding = Diagnostic::error("backend-unresolved", message).at(at).hint("the proxy closes the connection");
        finding.about(&route.meta.object)
    };
    broken.map(finding).collect()
}
