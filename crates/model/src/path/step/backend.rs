//! What a route leads to: a proxy sends a request on to one of its backends.

use super::leg::{Leg, Step};
use crate::path::branch::Branch;
use crate::path::connection::Connection;
use crate::path::lookup::lookup;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::target::{DialTarget, representatives, service_port, target_port};
use crate::path::trace::Hop;
use crate::policy::gateway::{BackendTarget, RoutedBackend};
use crate::policy::{Decision, Outcome};

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
    let connection = Connection { request: Some(backend.request.clone()), ..connection.clone() };
    let sender = Sender { policies, here, hop, connection };
    match &backend.target {
        BackendTarget::Service { namespace, name, port } => sender.to_service((namespace, name), *port),
        BackendTarget::Static { host, port, tls } | BackendTarget::Llm { host, port, tls } => {
            sender.to_name(host, *port, *tls)
        }
        BackendTarget::Mcp { host, port } => sender.to_name(host, *port, false),
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
        leg.connection.tls = tls.then(|| host.to_owned());
        leg.connection.resolved = lookup.learned.then(|| host.to_owned());
        vec![Step::Goes(leg)]
    }

    /// A proxy load-balances to pods by itself, so a Service's waypoint is not on its way.
    fn to_service(&self, service: (&str, &str), port: u16) -> Vec<Step<'w>> {
        let world = self.policies.world;
        let Some(service) = world.service(service.0, service.1) else { return Vec::new() };
        let entry = service_port(service, self.connection.protocol, port);
        let pods = entry.map(|_| representatives(world, service, self.here.endpoint)).unwrap_or_default();
        let targets: Vec<DialTarget<'w>> = match entry {
            Some(entry) if !pods.is_empty() => {
                pods.into_iter().map(|pod| DialTarget::Pod(pod, target_port(entry, pod))).collect()
            }
            Some(_) | None => vec![DialTarget::Service(service, port)],
        };
        targets.into_iter().map(|to| Step::Goes(self.leg(to))).collect()
    }
}
