//! A request at a Gateway: port, listener, host, route.

use airtight_manifest::ObjectRef;
use airtight_manifest::RuleRef;

use super::authorization::{Attachment, authorize_before_routing};
use super::compile::GatewayPolicy;
use super::gateway_state::{Candidate, GatewayState, isolates_listeners, tries_broader_hosts};
use super::hostname::host_of;
use super::listener::{Family, ListenerState};
use super::outcome::{Routed, Taken};
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
        match self.visit(world, gateway, request) {
            Ok(visit) => visit.at_port(port, tls_sni),
            Err(routed) => *routed,
        }
    }

    /// What becomes of a connection to port `port` of a Gateway on which no request is read: it is opened, and TLS on it
    /// goes as far as the listeners' server names and certificates let it.
    #[must_use]
    pub fn connect(&self, world: &World, gateway: &GatewayKey, port: u16, tls_sni: Option<&str>) -> Routed {
        let host = tls_sni.unwrap_or_default().to_owned();
        let nothing = Request { method: String::new(), path: String::new(), host, headers: Vec::new(), token: None };
        match self.visit(world, gateway, &nothing) {
            Ok(visit) => visit.connected(port, tls_sni),
            Err(routed) => *routed,
        }
    }

    fn visit<'v>(
        &'v self,
        world: &'v World,
        gateway: &GatewayKey,
        request: &'v Request,
    ) -> Result<Visit<'v>, Box<Routed>> {
        let Some(state) = self.gateways.get(gateway) else {
            let why = format!("Gateway {}/{} does not exist", gateway.0, gateway.1);
            return Err(Box::new(refused(Vec::new(), why)));
        };
        let Some(implementation) = state.implementation else {
            let why = format!("no controller makes a proxy for {}", state.name());
            return Err(Box::new(refused(vec![state.meta.whole()], why)));
        };
        let doubts = doubtful_objects(world, state, implementation);
        if !doubts.is_empty() {
            let why = "objects that the model does not know may change this Gateway";
            return Err(Box::new(Routed::unknown(doubts, why)));
        }
        Ok(Visit { policy: self, world, state, implementation, request })
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

/// A connection or request at a Gateway.
pub(super) struct Visit<'a> {
    policy: &'a GatewayPolicy,
    pub(super) world: &'a World,
    pub(super) state: &'a GatewayState,
    pub(super) implementation: Implementation,
    pub(super) request: &'a Request,
}

impl Visit<'_> {
    /// The listeners of a port that work; the connection is refused if there is none.
    fn working(&self, port: u16) -> Result<Vec<usize>, Box<Routed>> {
        let all =
            || self.state.listeners.iter().filter(|listener| listener.port == port && listener.family != Family::Udp);
        let working: Vec<usize> = all().filter(|listener| listener.works()).map(|listener| listener.index).collect();
        if !working.is_empty() {
            return Ok(working);
        }
        let broken: Vec<RuleRef> = all().map(|listener| listener.rule.clone()).collect();
        let why = if broken.is_empty() { "has no listener on port" } else { "has no working listener on port" };
        let rules = if broken.is_empty() { vec![self.state.meta.whole()] } else { broken };
        Err(Box::new(refused(rules, format!("{} {why} {port}", self.state.name()))))
    }

    /// Nothing is asked of the proxy: it takes the connection.
    fn connected(&self, port: u16, tls_sni: Option<&str>) -> Routed {
        let working = match self.working(port) {
            Ok(working) => working,
            Err(refused) => return *refused,
        };
        let first = &self.state.listeners[working[0]];
        let takes = |listener: &ListenerState| {
            let detail = format!("listener `{}` of {} takes the connection", listener.name, self.state.name());
            Routed::ended(Decision::allow(Reason::Listening, detail).by(vec![listener.rule.clone()]))
        };
        match (first.family, tls_sni) {
            (Family::Http | Family::Https | Family::Tls, None) => takes(first),
            (Family::Http, Some(_)) => {
                mismatch(Outcome::TlsFailure, first.rule.clone(), "speaks TLS, the listener does not")
            }
            (Family::Https | Family::Tls, Some(name)) => match self.by_server_name(&working, name) {
                Ok(index) if self.state.listeners[index].family == Family::Tls => self.tls(index, name),
                Ok(index) => takes(&self.state.listeners[index]),
                Err(denied) => *denied,
            },
            (Family::Tcp | Family::Udp | Family::Mesh | Family::Other, _) => {
                Routed::unknown(vec![first.rule.clone()], "listeners of this protocol are not modelled")
            }
        }
    }

    fn at_port(&self, port: u16, tls_sni: Option<&str>) -> Routed {
        let working = match self.working(port) {
            Ok(working) => working,
            Err(refused) => return *refused,
        };
        let first = &self.state.listeners[working[0]];
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

    /// The listener for a server name; without one the handshake fails.
    fn by_server_name(&self, working: &[usize], name: &str) -> Result<usize, Box<Routed>> {
        let name = name.to_ascii_lowercase();
        self.by_host(working, &name).first().copied().ok_or_else(|| {
            let rules = working.iter().map(|index| self.state.listeners[*index].rule.clone()).collect();
            let detail = format!("no listener of {} takes server name `{name}`", self.state.name());
            Box::new(Routed::ended(Decision::deny(Reason::NoListener, Outcome::TlsFailure, detail).by(rules)))
        })
    }

    /// TLS: the listener by server name, and then `Host` within it.
    fn encrypted(&self, working: &[usize], name: &str) -> Routed {
        let index = match self.by_server_name(working, name) {
            Ok(index) => index,
            Err(denied) => return *denied,
        };
        let listener = &self.state.listeners[index];
        if listener.family == Family::Tls {
            return self.tls(index, name);
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
        if !self.implementation.is_agentgateway() && !self.request.is_understood() {
            let detail = format!("the codec takes `{} {}` for no request: 400", self.request.method, self.request.path);
            let decision = Decision::deny(Reason::L7Unparseable, Outcome::Http(400), detail);
            return Routed::ended(decision.by(vec![self.state.listeners[best].rule.clone()]));
        }
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
            policy: self.policy,
            world: self.world,
            implementation: self.implementation,
            through: Some((self.state, listener)),
            route,
            delegators: Vec::new(),
            rule: &route.rules[candidate.rule],
            condition,
            rules: [at.clone(), self.state.listeners[listener].rule.clone()]
                .into_iter()
                .chain(route.delegators.iter().map(|delegator| delegator.rule().clone()))
                .collect(),
            remark: remark(rivals),
        };
        taken.settle(self.request)
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
