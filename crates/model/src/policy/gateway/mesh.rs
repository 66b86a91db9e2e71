//! A request to a Service inside a waypoint: routes whose parent is the Service (GAMMA).

use airtight_manifest::RuleRef;
use airtight_manifest::gateway_api::ParentReference;

use super::attach::{candidates, parent_key};
use super::backend::BackendTarget;
use super::compile::GatewayPolicy;
use super::gateway_state::{Candidate, GatewayState, regex_place};
use super::hostname::HostPattern;
use super::listener::ListenerState;
use super::outcome::{Routed, RoutedBackend, Taken};
use super::route::Route;
use super::select::{is_normal, remark};
use crate::policy::istio::is_foreign;
use crate::policy::{Decision, Outcome, Reason, Request};
use crate::world::{GatewayKey, Implementation, Protocol, World};

impl GatewayPolicy {
    /// What becomes of a request to port `port` of a Service (namespace and name) inside `waypoint`.
    ///
    /// An Istio waypoint uses the routes of the Service's and of its own namespace, whoever the client is, and does
    /// not look at `hostnames`. A Kgateway waypoint also merges the HTTPRoutes of its Gateway into every Service, and
    /// ignores a parent's `port`. Without a waypoint, a proxy of the client's own uses the routes of the client's
    /// namespace, else those of the Service's. If there is any route, what none of them takes is answered 404.
    #[must_use]
    pub fn route_service(
        &self,
        world: &World,
        service: (&str, &str),
        port: u16,
        client_namespace: &str,
        waypoint: Option<&GatewayKey>,
        request: &Request,
    ) -> Routed {
        let visit = ServiceVisit { policy: self, world, service, port, waypoint, request };
        let numbers = visit.routes(client_namespace);
        let doubts = visit.doubts();
        if !doubts.is_empty() {
            return Routed::unknown(doubts, "objects that the model does not know may route requests to this Service");
        }
        if numbers.is_empty() { visit.straight() } else { visit.by_routes(&numbers) }
    }
}

struct ServiceVisit<'a> {
    policy: &'a GatewayPolicy,
    world: &'a World,
    service: (&'a str, &'a str),
    port: u16,
    waypoint: Option<&'a GatewayKey>,
    request: &'a Request,
}

impl ServiceVisit<'_> {
    fn implementation(&self) -> Implementation {
        let state = self.waypoint.and_then(|key| self.policy.gateways.get(key));
        state.and_then(|state| state.implementation).unwrap_or(Implementation::IstioWaypoint)
    }

    /// Routes in force for the Service, by index.
    fn routes(&self, client_namespace: &str) -> Vec<usize> {
        let bound: Vec<usize> = (0..self.policy.routes.len()).filter(|number| self.is_bound(*number)).collect();
        let home = |number: &usize| self.policy.routes[*number].meta.namespace();
        let Some(waypoint) = self.waypoint else {
            let consumer: Vec<usize> =
                bound.iter().copied().filter(|number| home(number) == client_namespace).collect();
            let producer = bound.into_iter().filter(|number| home(number) == self.service.0);
            return if consumer.is_empty() { producer.collect() } else { consumer };
        };
        bound.into_iter().filter(|number| home(number) == self.service.0 || home(number) == &*waypoint.0).collect()
    }

    fn is_bound(&self, number: usize) -> bool {
        let route = &self.policy.routes[number];
        let is_kgateway = self.implementation() == Implementation::KgatewayWaypoint;
        let foreign = self.implementation().is_istio() && is_foreign(&self.world.stack, &route.meta);
        if foreign || (is_kgateway && route.kind != "HTTPRoute") {
            return false;
        }
        let merged = || {
            let state = self.waypoint.filter(|_| is_kgateway).and_then(|key| self.policy.gateways.get(key));
            state.is_some_and(|state| state.candidates.iter().flatten().any(|candidate| candidate.route == number))
        };
        route.parents.iter().any(|parent| self.names_service(route, parent, is_kgateway)) || merged()
    }

    fn names_service(&self, route: &Route, parent: &ParentReference, ignores_port: bool) -> bool {
        let key = parent_key(parent, route.meta.namespace());
        let port_name = self
            .world
            .service(self.service.0, self.service.1)
            .and_then(|service| service.port(Protocol::Tcp, self.port))
            .and_then(|entry| entry.name.clone());
        parent.is_service()
            && (&*key.0, &*key.1) == self.service
            && (ignores_port || parent.port.is_none_or(|port| port == self.port))
            && (parent.section_name.is_none() || parent.section_name == port_name)
    }

    /// VirtualServices beside routes, and filters that waypoints read, are not modelled.
    fn doubts(&self) -> Vec<RuleRef> {
        let homes = [Some(self.service.0), self.waypoint.map(|key| &*key.0)];
        let root = self.world.stack.istio.root_namespace.as_str();
        let proxy = self.waypoint.map(|key| format!("{}/{}", key.0, key.1));
        // Which waypoints a VirtualService could change is told of the object.
        let reaches = |rule: &RuleRef| {
            let mut told = self.world.touched.iter().filter(|one| one.rule == *rule).flat_map(|one| &one.reach);
            proxy.as_ref().is_none_or(|proxy| told.any(|reach| reach.has_end(proxy)))
        };
        let bears = |rule: &&RuleRef| {
            let home = rule.object.namespace.as_deref();
            match &*rule.object.kind {
                "VirtualService" => homes.contains(&home) && reaches(rule),
                "WasmPlugin" => homes.contains(&home) || home == Some(root),
                _ => false,
            }
        };
        self.world.objects.unmodelled.iter().filter(bears).cloned().collect()
    }

    /// No route is bound: the request goes to the Service that it was sent to.
    fn straight(&self) -> Routed {
        let (namespace, name) = self.service;
        let target = BackendTarget::Service { namespace: namespace.to_owned(), name: name.to_owned(), port: self.port };
        let rules: Vec<RuleRef> =
            self.world.service(namespace, name).map(|service| service.origin.clone()).into_iter().collect();
        let detail = format!("no route is bound to Service {namespace}/{name}: the request goes where it was sent");
        let backend = RoutedBackend { target, weight: 1, request: self.request.clone(), rules };
        let decision = Decision::allow(Reason::NoPolicy, detail);
        Routed { decision, backends: vec![backend], passes_tls: false }
    }

    fn by_routes(&self, numbers: &[usize]) -> Routed {
        let regexes = regex_place(Some(self.implementation()));
        let mut all: Vec<Candidate> = numbers
            .iter()
            .flat_map(|number| candidates(*number, &self.policy.routes[*number], &HostPattern::Any, regexes))
            .collect();
        all.sort_by(|a, b| a.precedence.cmp(&b.precedence));
        let places = || numbers.iter().map(|number| self.policy.routes[*number].meta.whole()).collect::<Vec<_>>();
        if !self.implementation().is_agentgateway() && !is_normal(self.request.path_only()) {
            let why = "how the proxy normalizes a path with dot segments, double slashes or escaped separators is not modelled";
            return Routed::unknown(places(), why);
        }
        match self.policy.first_match(&all.iter().collect::<Vec<_>>(), self.request) {
            Err(at) => Routed::unknown(vec![at], "the model cannot read a regular expression"),
            Ok(None) => {
                let detail = format!(
                    "Service {}/{} has routes, and none takes {} {}: 404",
                    self.service.0, self.service.1, self.request.method, self.request.path
                );
                Routed::ended(Decision::deny(Reason::NoRoute, Outcome::Http(404), detail).by(places()))
            }
            Ok(Some((candidate, rivals))) => self.take(candidate, &rivals),
        }
    }

    fn take(&self, candidate: &Candidate, rivals: &[RuleRef]) -> Routed {
        let (condition, at) = self.policy.condition(candidate);
        let state = self.waypoint.and_then(|key| self.policy.gateways.get(key));
        let listener = |state: &GatewayState| state.listeners.iter().position(ListenerState::works);
        let route = &self.policy.routes[candidate.route];
        let taken = Taken {
            policy: self.policy,
            world: self.world,
            implementation: self.implementation(),
            through: state.and_then(|state| Some((state, listener(state)?))),
            route,
            delegators: Vec::new(),
            rule: &route.rules[candidate.rule],
            condition,
            rules: vec![at.clone()],
            remark: remark(rivals),
        };
        taken.settle(self.request)
    }
}
