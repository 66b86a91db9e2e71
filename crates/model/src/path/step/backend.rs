//! What a route leads to: a proxy sends a request on to one of its backends.

use airtight_manifest::RuleRef;

use super::ingress::{self, Passage};
use super::leg::{Leg, Step};
use crate::path::branch::Branch;
use crate::path::checks::check;
use crate::path::connection::Connection;
use crate::path::lookup::lookup;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::service_entry::service_entry;
use crate::path::target::{DialTarget, representatives, service_port, target_port};
use crate::path::trace::{Check, Hop};
use crate::policy::gateway::{BackendTarget, BackendTls, RoutedBackend, backend_tls};
use crate::policy::waypoint::originates_tls;
use crate::policy::ztunnel::{Upstream, UpstreamAddress, entry_upstreams};
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{Pod, Proxy, Role, Service, World, service_host};

/// What a client sees when a proxy answers by itself.
pub(super) fn own_answer(decision: &Decision) -> Outcome {
    decision.symptom.clone().unwrap_or(Outcome::Http(200))
}

/// What the proxy at `here`, which `hop` led to, does with a request for `backend`.
pub(super) fn steps<'w>(
    policies: &Policies<'w>,
    here: &Peer<'w>,
    hop: &Hop,
    backend: &RoutedBackend,
    connection: &Connection,
) -> Vec<Step<'w>> {
    let request = connection.request.as_ref().map(|_| backend.request.clone());
    let connection = Connection { request, ..connection.clone() };
    let sender = Sender { policies, here, hop, connection };
    match &backend.target {
        BackendTarget::Service { namespace, name, port } => sender.to_service((namespace, name), *port),
        BackendTarget::Static { host, port, tls } | BackendTarget::Llm { host, port, tls } => {
            sender.to_name(host, *port, *tls)
        }
        BackendTarget::Mcp { host, port } => sender.to_name(host, *port, false),
        BackendTarget::Entry { namespace, name, host, port } => sender.to_entry((namespace, name), host, *port),
        BackendTarget::Failing { status } => {
            vec![Step::Ends(Branch::ending(vec![hop.clone()], Outcome::Http(*status)))]
        }
    }
}

/// The proxy that sends a request on.
struct Sender<'s, 'w> {
    policies: &'s Policies<'w>,
    here: &'s Peer<'w>,
    hop: &'s Hop,
    connection: Connection,
}

impl<'w> Sender<'_, 'w> {
    fn leg(&self, to: DialTarget<'w>) -> Leg<'w> {
        let (hops, connection) = (vec![self.hop.clone()], self.connection.clone());
        Leg { hops, from: self.here.clone(), to, connection }
    }

    fn to_name(&self, host: &str, port: u16, tls: bool) -> Vec<Step<'w>> {
        let world = self.policies.world;
        if let Some(service) = names::service(world, host) {
            return self.to_service((&service.namespace, &service.name), port);
        }
        let lookup = lookup(self.policies, self.here, host, self.connection.relay);
        let mut leg = self.leg(names::external(world, host, Some(port)));
        leg.hops.extend(lookup.hops);
        if tls {
            leg.connection.tls = Some(host.to_owned());
        }
        leg.connection.resolved = lookup.learned.then(|| host.to_owned());
        vec![Step::Goes(leg)]
    }

    /// The endpoints of a ServiceEntry, with TLS where a DestinationRule asks Istio's proxies for it.
    fn to_entry(&self, entry: (&str, &str), host: &str, port: u16) -> Vec<Step<'w>> {
        let world = self.policies.world;
        let upstreams = service_entry(world, entry.0, entry.1).map(|object| entry_upstreams(world, object, host, port));
        let upstreams = upstreams.unwrap_or_default();
        if upstreams.is_empty() {
            let hop = self.hop.clone();
            return vec![Step::Ends(Branch::ending(vec![hop], Outcome::Http(503)))];
        }
        let serving = self.here.pod.and_then(|pod| Some((serving(world, pod)?, pod)));
        let envoy =
            serving.filter(|(proxy, _)| proxy.implementation.is_istio() && !proxy.implementation.is_agentgateway());
        let rule = envoy.and_then(|(_, pod)| originates_tls(world, &pod.namespace, entry.0, host, port));
        upstreams.iter().map(|upstream| Step::Goes(self.to_upstream(upstream, host, rule.as_ref()))).collect()
    }

    fn to_upstream(&self, upstream: &Upstream, host: &str, rule: Option<&RuleRef>) -> Leg<'w> {
        let world = self.policies.world;
        let port = Some(upstream.port);
        let mut leg = match &upstream.to {
            UpstreamAddress::Pod(id) => self.leg(DialTarget::Pod(world.pod(*id), port)),
            UpstreamAddress::Address(address) => self.leg(DialTarget::at(world, *address, port)),
            UpstreamAddress::Name(name) => {
                let lookup = lookup(self.policies, self.here, name, self.connection.relay);
                let mut leg = self.leg(names::external(world, name, port));
                leg.hops.extend(lookup.hops);
                leg.connection.resolved = lookup.learned.then(|| name.to_string());
                leg
            }
        };
        if let Some(rule) = rule.filter(|_| leg.connection.tls.is_none()) {
            leg.connection.tls = Some(host.to_owned());
            leg.connection.originated = Some(rule.clone());
            // What makes it speak TLS stands beside what sent the request here.
            if let Some(check) = leg.hops.first_mut().and_then(|hop| hop.checkpoints.last_mut()) {
                check.decision.rules.push(rule.clone());
            }
        }
        leg
    }

    /// A proxy load-balances to pods by itself, so a Service's waypoint is not on its way unless the Service asks for it.
    fn to_service(&self, service: (&str, &str), port: u16) -> Vec<Step<'w>> {
        let world = self.policies.world;
        let Some(service) = world.service(service.0, service.1) else { return Vec::new() };
        let connection = match originated(self.policies, self.here, service, port, self.connection.clone()) {
            Ok(connection) => connection,
            Err(check) => return vec![Step::Ends(self.ended_by(*check))],
        };
        if self.here.pod.is_some_and(|pod| ingress::passage(self.policies, pod, service) != Passage::Straight) {
            return vec![Step::Goes(Leg { connection, ..self.leg(DialTarget::Service(service, port)) })];
        }
        let entry = service_port(service, self.connection.protocol, port);
        let pods = entry.map(|_| representatives(world, service, self.here.endpoint)).unwrap_or_default();
        let targets: Vec<DialTarget<'w>> = match entry {
            Some(entry) if !pods.is_empty() => {
                pods.into_iter().map(|pod| DialTarget::Pod(pod, target_port(entry, pod))).collect()
            }
            Some(_) | None => vec![DialTarget::Service(service, port)],
        };
        targets.into_iter().map(|to| Step::Goes(Leg { connection: connection.clone(), ..self.leg(to) })).collect()
    }

    /// The proxy decides that nothing goes on.
    fn ended_by(&self, check: Check) -> Branch {
        let mut hop = self.hop.clone();
        hop.checkpoints.push(check);
        Branch::ending(vec![hop], self.connection.success())
    }
}

/// The connection with the TLS that the proxy at `here` begins towards a Service, if one of its rules says so; or why
/// it opens none.
pub(super) fn originated<'w>(
    policies: &Policies<'w>,
    here: &Peer<'w>,
    service: &Service,
    port: u16,
    connection: Connection,
) -> Result<Connection, Box<Check>> {
    let world = policies.world;
    let Some((proxy, pod)) = here.pod.and_then(|pod| Some((serving(world, pod)?, pod))) else { return Ok(connection) };
    if connection.tls.is_some() {
        return Ok(connection);
    }
    let (namespace, name) = (&*service.namespace, &*service.name);
    let host = service_host(namespace, name);
    let rule = originates_tls(world, &pod.namespace, namespace, &host, port);
    if let Some(rule) = rule.filter(|_| proxy.implementation.is_istio()) {
        return Ok(Connection { tls: Some(host), originated: Some(rule), ..connection });
    }
    let checkpoint = if proxy.is_waypoint { Checkpoint::Waypoint } else { Checkpoint::Gateway };
    let refuse = |decision| Err(Box::new(check(checkpoint, decision)));
    match backend_tls(world, proxy.implementation, namespace, name, port) {
        BackendTls::Clear => Ok(connection),
        BackendTls::Speaks { name, rule } => Ok(Connection { tls: Some(name), originated: Some(rule), ..connection }),
        BackendTls::Unknown(rule, why) => refuse(Decision::unknown(vec![rule], why)),
        BackendTls::Broken(rule) => {
            let detail = format!("the authorities of {} cannot be used, and nothing is sent without them", rule.object);
            refuse(Decision::deny(Reason::BackendUnresolved, Outcome::Http(503), detail).by(vec![rule]))
        }
    }
}

/// The proxy that a pod belongs to.
fn serving<'w>(world: &'w World, pod: &Pod) -> Option<&'w Proxy> {
    match &pod.role {
        Role::Gateway(key) | Role::Waypoint(key) => names::proxy(world, key),
        Role::Workload => None,
    }
}
