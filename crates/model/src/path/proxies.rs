//! Proxies on the way: waypoints and gateways end one hop and begin the next.

use airtight_manifest::RuleRef;

use super::branch::Branch;
use super::connection::{Connection, Relay};
use super::engine::Engine;
use super::hop::{check, hop};
use super::peer::Peer;
use super::target::Target;
use super::trace::{Answer, Check, Wire};
use crate::policy::gateway::{BackendTarget, Routed, RoutedBackend};
use crate::policy::waypoint::{WaypointGateway, WaypointTarget, originates_tls};
use crate::policy::{Checkpoint, Decision, Effect, Outcome, Reason};
use crate::world::{GatewayKey, Pod, Proxy, Role};

impl<'w> Engine<'w> {
    /// Client → waypoint over HBONE, then waypoint → what it stands for.
    pub(super) fn through_waypoint(
        &self,
        from: &Peer<'w>,
        waypoint: &GatewayKey,
        to: &Target<'w>,
        connection: &Connection,
        picked: Check,
    ) -> Vec<Branch> {
        let (Some(pod), Some(gateway)) = (self.proxy_pod(waypoint), self.waypoint_gateway(waypoint)) else {
            return vec![Self::missing_proxy(from, waypoint, picked, connection)];
        };
        let Some((service_port, target)) = self.waypoint_target(to) else { return Vec::new() };
        let wire = Wire::Hbone { inner: service_port };
        let here = Peer::pod(pod);
        let mut checks = vec![picked];
        checks.extend(self.cni_checks(from, &here, wire, connection));
        // A third-party waypoint is itself captured: its ztunnel ends the tunnel and hands on PROXY protocol.
        if pod.enrolment.sends_through_ztunnel() {
            let inner = self.proxy(waypoint).and_then(proxy_protocol_port).unwrap_or(service_port);
            checks.push(check(
                Checkpoint::ZtunnelInbound,
                self.ztunnel.inbound(self.world, pod.id, inner, &from.mesh_source(self.world)),
            ));
        }
        let source = from.mesh_source(self.world);
        let decision = self.waypoints.evaluate(self.world, gateway, &target, &source, connection.waypoint_payload());
        checks.push(check(Checkpoint::Waypoint, decision));
        let relay =
            if connection.request.is_some() && connection.tls.is_none() { Relay::HttpProxy } else { Relay::TcpProxy };
        let mut onward = Connection { resolved: None, ..connection.relayed(relay) };
        if relay == Relay::HttpProxy {
            onward.request = onward.request.map(|it| self.waypoints.forwarded(self.world, gateway, &target, &it));
        }
        self.beyond_waypoint(from, &here, wire, checks, to, connection, &onward)
    }

    #[expect(clippy::too_many_arguments, reason = "the two legs of one turn")]
    fn beyond_waypoint(
        &self,
        from: &Peer<'w>,
        here: &Peer<'w>,
        wire: Wire,
        mut checks: Vec<Check>,
        to: &Target<'w>,
        connection: &Connection,
        onward: &Connection,
    ) -> Vec<Branch> {
        checks.extend(self.unread_routes(to));
        self.name_origination(here, to, connection, &mut checks);
        // Routes come after the filters, and see what these made of the request.
        let routed = self.waypoint_route(from, here, to, onward);
        if let Some(routed) = &routed {
            checks.push(check(Checkpoint::Waypoint, routed.decision.clone()));
        }
        let leg = hop(from, here, wire, checks, connection);
        let branches: Vec<Branch> = match routed {
            Some(routed) if routed.backends.is_empty() => {
                vec![Branch::ending(Vec::new(), own_answer(&routed.decision))]
            }
            Some(routed) => routed.backends.iter().flat_map(|backend| self.to_backend(here, backend, onward)).collect(),
            None => self.onward(here, to, onward),
        };
        branches.into_iter().map(|branch| branch.after(std::slice::from_ref(&leg))).collect()
    }

    /// The rule that makes the waypoint speak TLS from here on stands beside those that let the flow through.
    fn name_origination(&self, here: &Peer<'w>, to: &Target<'w>, connection: &Connection, checks: &mut [Check]) {
        let Target::ServiceEntry { namespace, host, port, .. } = to else { return };
        let rule = self.originates(here, namespace, host, *port, connection);
        if let (Some(check), Some(rule)) = (checks.last_mut(), rule) {
            check.decision.rules.push(rule);
        }
    }

    fn originates(
        &self,
        here: &Peer<'w>,
        entry: &str,
        host: &str,
        port: u16,
        connection: &Connection,
    ) -> Option<RuleRef> {
        let home = here.pod.map_or("", |pod| &pod.namespace);
        originates_tls(self.world, home, entry, host, port).filter(|_| connection.tls.is_none())
    }

    /// HTTPRoutes that name the Service as parent (GAMMA) are the waypoint's to follow; none if it goes its own way.
    fn waypoint_route(
        &self,
        from: &Peer<'w>,
        here: &Peer<'w>,
        to: &Target<'w>,
        connection: &Connection,
    ) -> Option<Routed> {
        let (Target::Service(service, port), Some(request), None) = (to, &connection.request, &connection.tls) else {
            return None;
        };
        let client = from.pod.map_or("", |pod| &pod.namespace);
        let key = here.pod.and_then(gateway_key);
        let routed =
            self.gateways.route_service(self.world, (&service.namespace, &service.name), *port, client, key, request);
        (routed.decision.reason != Reason::NoPolicy).then_some(routed)
    }

    /// Routes whose parent is a ServiceEntry are the waypoint's to follow as well, and are not modelled.
    fn unread_routes(&self, to: &Target<'w>) -> Option<Check> {
        let Target::ServiceEntry { name, .. } = to else { return None };
        let routes = self.world.objects.http_routes.iter().filter(|route| {
            let parents = route.body.spec.parent_refs.iter();
            parents.filter(|parent| parent.kind.as_deref() == Some("ServiceEntry")).any(|parent| parent.name == *name)
        });
        let rules: Vec<_> = routes.map(|route| route.meta.whole()).collect();
        let detail = format!("routes whose parent is a ServiceEntry ({name}) are not modelled");
        (!rules.is_empty()).then(|| check(Checkpoint::Waypoint, Decision::unknown(rules, detail)))
    }

    /// The waypoint's own choice of an endpoint.
    fn onward(&self, here: &Peer<'w>, to: &Target<'w>, connection: &Connection) -> Vec<Branch> {
        match to {
            Target::ServiceEntry { namespace, name, host, port } => {
                self.to_service_entry(here, (namespace, name), host, *port, connection)
            }
            Target::Service(_, _) | Target::Pod(_, _) | Target::Node(_, _) | Target::External { .. } => {
                self.send(here, to, connection)
            }
        }
    }

    /// A host outside, as the ServiceEntry and its DestinationRule say: its port there, and TLS from here on.
    fn to_service_entry(
        &self,
        here: &Peer<'w>,
        entry: (&str, &str),
        host: &str,
        port: u16,
        connection: &Connection,
    ) -> Vec<Branch> {
        let target_port = self.service_entry_target_port(entry, port);
        let mut connection = connection.clone();
        if self.originates(here, entry.0, host, port, &connection).is_some() {
            connection.tls = Some(host.to_owned());
        }
        let lookup = self.lookup(here, host, &connection);
        connection.resolved = lookup.learned.then(|| host.to_owned());
        let external = self.external_named(host, Some(target_port));
        let branches = self.send(here, &external, &connection);
        branches.into_iter().map(|branch| branch.after(&lookup.hops)).collect()
    }

    /// A request that reached a gateway's listener: route, and on to the backend.
    #[expect(clippy::too_many_arguments, reason = "the two legs of one turn")]
    pub(super) fn at_gateway(
        &self,
        from: &Peer<'w>,
        here: &Peer<'w>,
        key: &GatewayKey,
        port: u16,
        wire: Wire,
        mut checks: Vec<Check>,
        connection: &Connection,
    ) -> Vec<Branch> {
        let Some(request) = &connection.request else {
            let leg = hop(from, here, wire, checks, connection);
            let answer = Answer { by: here.label.clone(), request: None, admitted: None };
            return vec![Branch { hops: vec![leg], success: Outcome::Connected, answer: Some(answer) }];
        };
        // The pod binds a port of its own choice; routes go by the listener's.
        let port = self.proxy(key).and_then(|proxy| proxy.listener_port(port)).unwrap_or(port);
        let routed = self.gateways.route(self.world, key, port, connection.tls.as_deref(), request);
        let answer = own_answer(&routed.decision);
        let follows = routed.decision.effect != Effect::Deny;
        checks.push(check(Checkpoint::Gateway, routed.decision));
        let leg = hop(from, here, wire, checks, connection);
        let onward = Connection { tls: None, resolved: None, ..connection.relayed(Relay::HttpProxy) };
        if routed.backends.is_empty() {
            let by =
                follows.then(|| Answer { by: here.label.clone(), request: connection.request.clone(), admitted: None });
            return vec![Branch { hops: vec![leg], success: answer, answer: by }];
        }
        let branches = routed.backends.iter().flat_map(|backend| self.to_backend(here, backend, &onward));
        branches.map(|branch| branch.after(std::slice::from_ref(&leg))).collect()
    }

    /// A proxy load-balances to pods by itself, so a Service's waypoint is not on its way.
    fn to_backend(&self, here: &Peer<'w>, backend: &RoutedBackend, connection: &Connection) -> Vec<Branch> {
        let connection = Connection { request: Some(backend.request.clone()), ..connection.clone() };
        match &backend.target {
            BackendTarget::Service { namespace, name, port } => {
                self.to_service_pods(here, (namespace, name), *port, &connection)
            }
            BackendTarget::Static { host, port, tls } | BackendTarget::Llm { host, port, tls } => {
                self.to_named(here, host, *port, *tls, &connection)
            }
            BackendTarget::Mcp { host, port } => self.to_named(here, host, *port, false, &connection),
            BackendTarget::Failing { status } => vec![Branch::ending(Vec::new(), Outcome::Http(*status))],
        }
    }

    fn to_named(&self, here: &Peer<'w>, host: &str, port: u16, tls: bool, connection: &Connection) -> Vec<Branch> {
        if let Some(service) = self.service_named(host) {
            return self.to_service_pods(here, (&service.namespace, &service.name), port, connection);
        }
        let lookup = self.lookup(here, host, connection);
        let resolved = lookup.learned.then(|| host.to_owned());
        let connection = Connection { tls: tls.then(|| host.to_owned()), resolved, ..connection.clone() };
        let branches = self.send(here, &self.external_named(host, Some(port)), &connection);
        branches.into_iter().map(|branch| branch.after(&lookup.hops)).collect()
    }

    fn to_service_pods(
        &self,
        here: &Peer<'w>,
        service: (&str, &str),
        port: u16,
        connection: &Connection,
    ) -> Vec<Branch> {
        let Some(service) = self.world.service(service.0, service.1) else { return Vec::new() };
        let Some(entry) = super::target::service_port(service, connection.protocol, port) else {
            return self.send(here, &Target::Service(service, port), connection);
        };
        let pods = super::target::representatives(self.world, service, here.endpoint);
        if pods.is_empty() {
            return self.send(here, &Target::Service(service, port), connection);
        }
        let targets = pods.into_iter().map(|pod| Target::Pod(pod, super::target::target_port(entry, pod)));
        targets.flat_map(|target| self.send(here, &target, connection)).collect()
    }

    pub(super) fn proxy_pod(&self, key: &GatewayKey) -> Option<&'w Pod> {
        self.world.pods.iter().find(|pod| match &pod.role {
            Role::Gateway(k) | Role::Waypoint(k) => k == key,
            Role::Workload => false,
        })
    }

    fn proxy(&self, key: &GatewayKey) -> Option<&'w Proxy> {
        self.world.proxies.iter().find(|proxy| proxy.key == *key)
    }

    fn waypoint_target<'a>(&self, to: &'a Target<'w>) -> Option<(u16, WaypointTarget<'a>)>
    where
        'w: 'a,
    {
        match to {
            Target::Service(service, port) => Some((*port, WaypointTarget::Service { service, port: *port })),
            Target::ServiceEntry { namespace, name, port, .. } => {
                let entry = self.service_entry(namespace, name)?;
                Some((*port, WaypointTarget::ServiceEntry { entry, port: *port, address: None }))
            }
            Target::Pod(pod, Some(port)) => Some((*port, WaypointTarget::Workload { pod, port: *port })),
            Target::Pod(_, None) | Target::Node(_, _) | Target::External { .. } => None,
        }
    }

    pub(super) fn waypoint_gateway(&self, key: &GatewayKey) -> Option<&WaypointGateway> {
        self.waypoint_gateways.iter().find(|gateway| gateway.key == *key)
    }

    fn missing_proxy(from: &Peer<'w>, key: &GatewayKey, picked: Check, connection: &Connection) -> Branch {
        let why = format!("no proxy runs for Gateway {}/{}", key.0, key.1);
        let decision = Decision::deny(Reason::WaypointUnavailable, Outcome::Reset, why);
        let end = Peer { label: format!("{}/{}", key.0, key.1), ..from.clone() };
        let wire = Wire::Plain { protocol: connection.protocol, port: None };
        Branch::ending(
            vec![hop(from, &end, wire, vec![picked, check(Checkpoint::ZtunnelOutbound, decision)], connection)],
            connection.success(),
        )
    }
}

/// What a client sees when a proxy answers by itself.
fn own_answer(decision: &Decision) -> Outcome {
    decision.symptom.clone().unwrap_or(Outcome::Http(200))
}

fn gateway_key(pod: &Pod) -> Option<&GatewayKey> {
    match &pod.role {
        Role::Gateway(key) | Role::Waypoint(key) => Some(key),
        Role::Workload => None,
    }
}

/// Where a captured waypoint takes PROXY protocol from its own ztunnel.
fn proxy_protocol_port(proxy: &Proxy) -> Option<u16> {
    proxy.ports.iter().map(|port| port.number).find(|port| *port == 15088)
}
