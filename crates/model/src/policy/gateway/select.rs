//! A request at a Gateway: port, listener, host, route.

use airtight_manifest::RuleRef;
use airtight_manifest::gateway_api::{TlsBackendRef, TlsMode, TlsRoute};
use airtight_manifest::{Object, ObjectRef};

use super::authorization::{Attachment, authorize_before_routing};
use super::backend::{BackendTarget, Resolution, resolve};
use super::compile::GatewayPolicy;
use super::gateway_state::{Candidate, GatewayState, isolates_listeners, tries_broader_hosts};
use super::hostname::{HostPattern, host_of};
use super::listener::Family;
use super::outcome::{Routed, RoutedBackend, Taken};
use super::route::OwnedBackend;
use crate::policy::{Decision, Outcome, Reason, Request};
use crate::world::{GatewayKey, Implementation, World};

impl GatewayPolicy {
    /// What becomes of a request that arrives at port `port` of a Gateway (the listener's own port, not the pod's);
    /// `tls_sni` is the server name that a client which speaks TLS asks for.
    #[must_use]
    pub fn route(
        &self,
        world: &World,
        gateway: &GatewayKey,
        port: u16,
        tls_sni: Option<&str>,
        request: &Request,
    ) -> Routed {
        let Some(state) = self.gateways.get(gateway) else {
            return refused(Vec::new(), format!("Gateway {}/{} does not exist", gateway.0, gateway.1));
        };
        let Some(implementation) = state.implementation else {
            return refused(vec![state.meta.whole()], format!("no controller makes a proxy for {}", state.name()));
        };
        let doubts = doubtful_objects(world, state, implementation);
        if !doubts.is_empty() {
            return Routed::unknown(doubts, "objects that the model does not know may change this Gateway");
        }
        let visit = Visit { policy: self, world, state, implementation, request };
        visit.at_port(port, tls_sni)
    }

    /// The first candidate that takes the request, and the candidates of other routes that might be older.
    pub(super) fn first_match<'a>(
        &self,
        candidates: &[&'a Candidate],
        request: &Request,
    ) -> Result<Option<(&'a Candidate, Vec<RuleRef>)>, RuleRef> {
        for (index, candidate) in candidates.iter().enumerate() {
            let (condition, at) = self.condition(candidate);
            if !condition.holds(request).map_err(|_| at.clone())? {
                continue;
            }
            let rivals = candidates.iter().skip(index + 1).filter(|other| {
                other.precedence.needs_unknown_age(&candidate.precedence)
                    && self.condition(other).0.holds(request) != Ok(false)
            });
            return Ok(Some((candidate, rivals.map(|other| self.condition(other).1.clone()).collect())));
        }
        Ok(None)
    }

    pub(super) fn condition(&self, candidate: &Candidate) -> (&super::matching::Match, &RuleRef) {
        let (condition, at) = &self.routes[candidate.route].rules[candidate.rule].matches[candidate.matching];
        (condition, at)
    }
}

/// Nothing listens: the connection itself is refused.
fn refused(rules: Vec<RuleRef>, why: String) -> Routed {
    Routed::ended(Decision::deny(Reason::NoListener, Outcome::Refused, why).by(rules))
}

/// Objects of kinds that the engine does not model and that may change what this Gateway does.
fn doubtful_objects(world: &World, state: &GatewayState, implementation: Implementation) -> Vec<RuleRef> {
    let open = world
        .objects
        .gateways
        .iter()
        .any(|gateway| *gateway.meta.object == *state.meta.object && gateway.body.spec.allowed_listeners.is_some());
    let is_doubtful = |object: &ObjectRef| {
        let home = object.namespace.as_deref().unwrap_or_default();
        let here = home == &*state.key.0;
        match &*object.kind {
            "ListenerSet" => open,
            "HTTPListenerPolicy" | "ListenerPolicy" => {
                here && !implementation.is_istio() && !implementation.is_agentgateway()
            }
            "EnvoyFilter" | "WasmPlugin" => {
                implementation.is_istio() && (here || home == world.stack.istio.root_namespace)
            }
            _ => false,
        }
    };
    world.objects.unmodelled.iter().filter(|rule| is_doubtful(&rule.object)).cloned().collect()
}

struct Visit<'a> {
    policy: &'a GatewayPolicy,
    world: &'a World,
    state: &'a GatewayState,
    implementation: Implementation,
    request: &'a Request,
}

impl Visit<'_> {
    fn at_port(&self, port: u16, tls_sni: Option<&str>) -> Routed {
        let all =
            || self.state.listeners.iter().filter(|listener| listener.port == port && listener.family != Family::Udp);
        let working: Vec<usize> = all().filter(|listener| listener.works()).map(|listener| listener.index).collect();
        let Some(first) = working.first().map(|index| &self.state.listeners[*index]) else {
            let broken: Vec<RuleRef> = all().map(|listener| listener.rule.clone()).collect();
            let why = if broken.is_empty() { "has no listener on port" } else { "has no working listener on port" };
            let rules = if broken.is_empty() { vec![self.state.meta.whole()] } else { broken };
            return refused(rules, format!("{} {why} {port}", self.state.name()));
        };
        match (first.family, tls_sni) {
            (Family::Http, None) => self.plain(&working),
            (Family::Http, Some(_)) => {
                mismatch(Outcome::TlsFailure, first.rule.clone(), "speaks TLS, the listener does not")
            }
            (Family::Https | Family::Tls, None) => {
                mismatch(Outcome::Reset, first.rule.clone(), "does not speak TLS, the listener does")
            }
            (Family::Https | Family::Tls, Some(name)) => self.encrypted(&working, name),
            (Family::Tcp | Family::Udp | Family::Mesh | Family::Other, _) => {
                Routed::unknown(vec![first.rule.clone()], "listeners of this protocol are not modelled")
            }
        }
    }

    /// HTTP in the clear: listeners by `Host`.
    fn plain(&self, working: &[usize]) -> Routed {
        let host = host_of(&self.request.host);
        let mut matching = self.by_host(working, &host);
        let Some(best) = matching.first().copied() else {
            let rules = working.iter().map(|index| self.state.listeners[*index].rule.clone()).collect();
            let detail = format!("no listener of {} takes host `{host}`: 404", self.state.name());
            return Routed::ended(Decision::deny(Reason::NoListener, Outcome::Http(404), detail).by(rules));
        };
        if isolates_listeners(self.implementation, &self.world.stack) {
            matching = vec![best];
        }
        self.http(&matching, &host)
    }

    /// TLS: the listener by server name, and then `Host` within it.
    fn encrypted(&self, working: &[usize], name: &str) -> Routed {
        let name = name.to_ascii_lowercase();
        let Some(index) = self.by_host(working, &name).first().copied() else {
            let rules = working.iter().map(|index| self.state.listeners[*index].rule.clone()).collect();
            let detail = format!("no listener of {} takes server name `{name}`", self.state.name());
            return Routed::ended(Decision::deny(Reason::NoListener, Outcome::TlsFailure, detail).by(rules));
        };
        let listener = &self.state.listeners[index];
        if listener.family == Family::Tls {
            return self.tls(index, &name);
        }
        let host = host_of(&self.request.host);
        if self.by_host(working, &host).first() != Some(&index) {
            return Routed::unknown(
                vec![listener.rule.clone()],
                format!(
                    "server name `{name}` and host `{host}` belong to different listeners: the proxies answer 404 or 421"
                ),
            );
        }
        self.http(&[index], &host)
    }

    /// Listeners that take a host, the most specific first.
    fn by_host(&self, working: &[usize], host: &str) -> Vec<usize> {
        let mut matching: Vec<usize> =
            working.iter().copied().filter(|index| self.state.listeners[*index].host.matches(host)).collect();
        matching.sort_by_key(|index| std::cmp::Reverse(self.state.listeners[*index].host.specificity()));
        matching
    }

    fn http(&self, listeners: &[usize], host: &str) -> Routed {
        let Some(best) = listeners.first().copied() else { return self.no_route(listeners, &[], host) };
        if let Some(decision) = self.before_routing(best) {
            return Routed::ended(decision);
        }
        let candidates = self.candidates(listeners, host);
        if let Some(routed) = self.unnormalized(&candidates) {
            return routed;
        }
        match self.policy.first_match(&candidates, self.request) {
            Err(at) => Routed::unknown(vec![at], "the model cannot read a regular expression"),
            Ok(None) => self.no_route(listeners, &candidates, host),
            Ok(Some((candidate, rivals))) => {
                let through = listeners.iter().copied().find(|index| self.state.candidates[*index].contains(candidate));
                self.take(candidate, &rivals, through.unwrap_or(best))
            }
        }
    }

    fn before_routing(&self, listener: usize) -> Option<Decision> {
        let attachment = Attachment {
            gateway: Some(&self.state.meta),
            listener: Some(&self.state.listeners[listener].name),
            route: None,
            extensions: &[],
        };
        authorize_before_routing(&self.world.objects, self.implementation, &attachment, self.request)
    }

    /// Candidates for a host in order of precedence.
    fn candidates(&self, listeners: &[usize], host: &str) -> Vec<&Candidate> {
        let mut candidates: Vec<&Candidate> = listeners
            .iter()
            .flat_map(|index| &self.state.candidates[*index])
            .filter(|candidate| candidate.host.matches(host))
            .collect();
        candidates.sort_by(|a, b| a.precedence.cmp(&b.precedence));
        candidates.dedup();
        if !tries_broader_hosts(self.implementation)
            && let Some(best) = candidates.first().map(|candidate| candidate.host.clone())
        {
            candidates.retain(|candidate| candidate.host == best);
        }
        candidates
    }

    /// Envoy normalizes such paths before it matches them, in ways that its configuration decides.
    fn unnormalized(&self, candidates: &[&Candidate]) -> Option<Routed> {
        if self.implementation.is_agentgateway() || is_normal(self.request.path_only()) {
            return None;
        }
        let rules: Vec<RuleRef> =
            candidates.iter().map(|candidate| self.policy.condition(candidate).1.clone()).collect();
        let why =
            "how the proxy normalizes a path with dot segments, double slashes or escaped separators is not modelled";
        (!rules.is_empty()).then(|| Routed::unknown(rules, why))
    }

    /// The routes that were looked at are to blame as well: one for a narrower host hides those for a broader one.
    fn no_route(&self, listeners: &[usize], candidates: &[&Candidate], host: &str) -> Routed {
        let looked_at: std::collections::BTreeSet<usize> = candidates.iter().map(|candidate| candidate.route).collect();
        let listeners = listeners.iter().map(|index| self.state.listeners[*index].rule.clone());
        let rules = listeners.chain(looked_at.iter().map(|route| self.policy.routes[*route].meta.whole())).collect();
        let (method, path) = (&self.request.method, &self.request.path);
        let detail = format!("no route of {} takes {method} {path} for host `{host}`: 404", self.state.name());
        Routed::ended(Decision::deny(Reason::NoRoute, Outcome::Http(404), detail).by(rules))
    }

    fn take(&self, candidate: &Candidate, rivals: &[RuleRef], listener: usize) -> Routed {
        let (condition, at) = self.policy.condition(candidate);
        let route = &self.policy.routes[candidate.route];
        let taken = Taken {
            world: self.world,
            implementation: self.implementation,
            through: Some((self.state, listener)),
            route,
            rule: &route.rules[candidate.rule],
            condition,
            rules: vec![at.clone(), self.state.listeners[listener].rule.clone()],
            remark: remark(rivals),
        };
        taken.settle(self.request)
    }

    /// TLS that is not HTTP to this proxy: TLSRoutes by server name.
    fn tls(&self, index: usize, name: &str) -> Routed {
        let listener = &self.state.listeners[index];
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
        Routed { decision: Decision::allow(Reason::RouteMatched, detail).by(vec![at, listener]), backends }
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

fn mismatch(outcome: Outcome, rule: RuleRef, why: &str) -> Routed {
    Routed::ended(Decision::deny(Reason::ProtocolMismatch, outcome, format!("the client {why}")).by(vec![rule]))
}

/// What is to be said when the age of routes would decide.
pub(super) fn remark(rivals: &[RuleRef]) -> String {
    match rivals.first() {
        Some(rival) => format!(
            "; {rival} matches as well, and the older route wins: manifests do not tell which, so the first by name is taken"
        ),
        None => String::new(),
    }
}

/// Whether no proxy would change the path before it matches.
pub(super) fn is_normal(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let escaped = ["%2e", "%2f", "%5c", "\\", "//"];
    !escaped.iter().any(|part| lower.contains(part)) && !path.split('/').any(|part| part == "." || part == "..")
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
