//! Destinations: the first step towards what a flow aims at, its lookup included.

use std::collections::BTreeSet;

use super::branch::Branch;
use super::connection::Connection;
use super::flow::{Destination, Flow, FlowError, Source};
use super::lookup::{self, lookup};
use super::names;
use super::peer::Peer;
use super::policies::Policies;
use super::step::{Leg, Step};
use super::target::{DialTarget, sort};
use crate::policy::Outcome;
use crate::world::{Pod, World, service_host};

/// What `from` does first: it asks for the name, if the flow gives one, and dials.
pub(super) fn steps<'w>(
    policies: &Policies<'w>,
    from: Peer<'w>,
    flow: &Flow,
    connection: &Connection,
) -> Result<Vec<Step<'w>>, FlowError> {
    let world = policies.world;
    let port = flow.port.unwrap_or_default();
    let to = match &flow.to {
        Destination::Service(namespace, name) => {
            let service = world.service(namespace, name);
            let service = service.ok_or_else(|| FlowError::UnknownService(namespace.clone(), name.clone()))?;
            let host = service_host(namespace, name);
            let targets = names::of_service(world, &from, service, flow.port).into_iter();
            return Ok(targets.map(|to| by_name(policies, from.clone(), &host, to, connection)).collect());
        }
        Destination::Host(name) => return Ok(to_host(policies, &from, name, flow.port, connection)),
        Destination::Name(name) => {
            let name = names::looked_up(world, &from, name);
            return Ok(vec![Step::Ends(bare_lookup(policies, &from, &name, connection))]);
        }
        Destination::Pod(namespace, name) => {
            let mut pods = pods_named(world, namespace, name, &from)?;
            if flow.from == Source::Kubelet {
                pods.retain(|pod| from.is_on(pod.node));
            }
            let targets = pods.into_iter().map(|pod| DialTarget::Pod(pod, flow.port));
            return Ok(targets.map(|to| Leg::first(from.clone(), to, connection)).collect());
        }
        Destination::Address(address) => DialTarget::at(world, *address, flow.port),
        Destination::Gateway(namespace, name) => gateway(world, namespace, name, port)?,
        Destination::Node(name) => DialTarget::Node(names::node(world, name)?, flow.port),
        Destination::Object(_) => return Err(FlowError::NotAnAttempt(flow.from.to_string(), flow.to.to_string())),
    };
    Ok(vec![Leg::first(from, to, connection)])
}

/// What `from` does to reach a host by the name that somebody typed.
pub(super) fn to_host<'w>(
    policies: &Policies<'w>,
    from: &Peer<'w>,
    name: &str,
    port: Option<u16>,
    connection: &Connection,
) -> Vec<Step<'w>> {
    let world = policies.world;
    if let Some(address) = names::written_down(from, name) {
        return vec![Leg::first(from.clone(), DialTarget::at(world, address, port), connection)];
    }
    let name = names::looked_up(world, from, name);
    let targets = names::targets(world, from, &name, port).into_iter();
    targets.map(|to| by_name(policies, from.clone(), &name, to, connection)).collect()
}

/// The lookup of a name, and on to what it stands for.
pub(super) fn by_name<'w>(
    policies: &Policies<'w>,
    from: Peer<'w>,
    name: &str,
    to: DialTarget<'w>,
    connection: &Connection,
) -> Step<'w> {
    let lookup = lookup(policies, &from, name, connection.relay);
    let connection = Connection { resolved: lookup.learned.then(|| name.to_owned()), ..connection.clone() };
    Step::Goes(Leg { hops: lookup.hops, from, to, connection })
}

/// A lookup for its own sake.
fn bare_lookup<'w>(policies: &Policies<'w>, from: &Peer<'w>, name: &str, connection: &Connection) -> Branch {
    let mut hops = lookup(policies, from, name, connection.relay).hops;
    if hops.is_empty() {
        hops = vec![lookup::elsewhere(policies, from, name, connection.relay)];
    }
    Branch::ending(hops, Outcome::Connected)
}

fn pods_named<'w>(world: &'w World, namespace: &str, name: &str, from: &Peer<'w>) -> Result<Vec<&'w Pod>, FlowError> {
    let mut seen = BTreeSet::new();
    let mut pods = names::workload(world, namespace, name)?;
    pods.retain(|pod| seen.insert(sort(pod, from.endpoint)));
    Ok(pods)
}

/// A user reaches a gateway through its load balancer, which hands on to the proxy's pods.
fn gateway<'w>(world: &'w World, namespace: &str, name: &str, port: u16) -> Result<DialTarget<'w>, FlowError> {
    let unknown = || FlowError::UnknownGateway(namespace.to_owned(), name.to_owned());
    let key = (namespace.into(), name.into());
    names::proxy_pod(world, &key).ok_or_else(unknown)?;
    let service = names::gateway_service(world, &key).ok_or_else(unknown)?;
    Ok(DialTarget::Service(service, port))
}
