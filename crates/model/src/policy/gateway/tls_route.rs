//! TLS that is not HTTP to a proxy: TLSRoutes by server name (`apis/v1/tlsroute_types.go`).

use airtight_manifest::gateway_api::{TlsBackendRef, TlsMode, TlsRoute};
use airtight_manifest::stack::at_least;
use airtight_manifest::{Object, RuleRef};

use super::backend::{BackendTarget, Resolution, resolve};
use super::hostname::HostPattern;
use super::outcome::{Routed, RoutedBackend};
use super::route::OwnedBackend;
use super::select::Visit;
use crate::policy::{Decision, Outcome, Reason};

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
            .filter(|route| self.takes_tls_route(index, route))
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

    fn takes_tls_route(&self, index: usize, route: &Object<TlsRoute>) -> bool {
        let listener = &self.state.listeners[index];
        let home = route.meta.namespace();
        let names = |parent: &airtight_manifest::gateway_api::ParentReference| {
            parent.is_gateway()
                && super::attach::parent_key(parent, home) == self.state.key
                && parent.section_name.as_ref().is_none_or(|name| *name == listener.name)
                && parent.port.is_none_or(|port| port == listener.port)
        };
        route.body.spec.parent_refs.iter().any(|parent| names(parent))
            && listener.kinds.iter().any(|kind| kind == "TLSRoute")
            && listener.admits_namespace(&self.state.key.0, home, self.world.namespace_labels(home))
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
            Resolution::Broken(_) => Ok(vec![routed(BackendTarget::Failing { status: 500 }, Vec::new())]),
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
