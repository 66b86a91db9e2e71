//! A process on a node, or a NodePort.

use airtight_manifest::stack;

use super::leg::Step;
use super::{published, service};
use crate::path::checks::{check, cni_checks};
use crate::path::dial::Dial;
use crate::path::peer::Peer;
use crate::path::trace::Check;
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{NodeId, Pod, Protocol, PublishedAddress, Service, ServicePort, World};

/// A process on a node, or what stands behind a NodePort.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, node: NodeId, port: Option<u16>) -> Vec<Step<'w>> {
    let world = dial.world();
    let protocol = dial.connection.protocol;
    let to = Peer::node(world, node);
    if let Some((service, entry)) = port.and_then(|port| node_port(world, protocol, port)) {
        return through_node_port(dial, node, port, service, entry.port);
    }
    if let Some((service, given, port)) = port.and_then(|port| published_at(world, node, protocol, port)) {
        return published::steps(dial, service, given, port);
    }
    let wire = dial.plain(port);
    let mut checks = cni_checks(dial, &to, wire);
    checks.push(node_check(world, node, protocol, port));
    vec![Step::Ends(dial.answered(&to, wire, checks))]
}

/// Up to Cilium 1.19 the policy of a pod that dials a NodePort sees the node; from 1.20 on it is
/// translated at the source (Cilium upgrade notes, "NodePort").
fn through_node_port<'w>(
    dial: Dial<'_, 'w>,
    node: NodeId,
    dialled: Option<u16>,
    service: &'w Service,
    port: u16,
) -> Vec<Step<'w>> {
    let translated = stack::at_least(&dial.world().stack.versions.cilium, 1, 20);
    if dial.from.pod.is_none() || translated {
        return service::arriving(dial, service, port, false, Some(node));
    }
    let node = &Peer::node(dial.world(), node);
    let wire = dial.plain(dialled);
    let mut first = cni_checks(dial, node, wire);
    first.retain(|check| check.checkpoint == Checkpoint::CniEgress);
    let hop = dial.hop(&node.label, wire, first);
    let behind = service::steps(dial.seen_from(node), service, port, false);
    behind.into_iter().map(|step| step.after(&hop)).collect()
}

fn node_port(world: &World, protocol: Protocol, port: u16) -> Option<(&Service, &ServicePort)> {
    world.services.iter().find_map(|service| {
        let entry = service.ports.iter().find(|entry| entry.node_port == Some(port) && entry.protocol == protocol)?;
        Some((service, entry))
    })
}

/// A Service that has an address of the node for its own (`externalIPs`), and serves this port.
fn published_at(
    world: &World,
    node: NodeId,
    protocol: Protocol,
    port: u16,
) -> Option<(&Service, PublishedAddress, u16)> {
    let own = &world.node(node).addresses;
    world.services.iter().find_map(|service| {
        let given = service.published.iter().find(|given| own.contains(&given.address))?;
        service.port(protocol, port).map(|entry| (service, *given, entry.port))
    })
}

/// A pod that a port of the node leads to, by the CNI's portmap or by Cilium in kube-proxy's place.
fn with_host_port(world: &World, node: NodeId, protocol: Protocol, port: Option<u16>) -> Option<&Pod> {
    let led = |pod: &&Pod| {
        let mut ports = pod.ports.iter();
        ports.any(|entry| port.is_some() && entry.host == port && entry.protocol == protocol)
    };
    world.pods.iter().filter(|pod| !pod.host_network && may_be_on(world, pod, node)).find(led)
}

/// Whether a pod runs on a node, or may be put there because nobody says where it runs.
fn may_be_on(world: &World, pod: &Pod, node: NodeId) -> bool {
    pod.node == node || (!pod.is_placed && !world.node(node).control_plane)
}

fn node_check(world: &World, node: NodeId, protocol: Protocol, port: Option<u16>) -> Check {
    let name = &world.node(node).name;
    if let Some(pod) = with_host_port(world, node, protocol, port) {
        let detail =
            format!("{}/{} has this `hostPort` on node {name}, which is not modelled", pod.namespace, pod.name);
        return check(Checkpoint::Application, Decision::unknown(vec![pod.origin.clone()], detail));
    }
    let serves = |pod: &&Pod| pod.ports.iter().any(|entry| Some(entry.number) == port && entry.protocol == protocol);
    let mut guests = world.pods.iter().filter(|pod| pod.host_network && !pod.is_placed);
    if let Some(pod) = guests.find(|pod| serves(pod) && may_be_on(world, pod, node)).filter(|_| world.nodes.len() > 1) {
        let detail =
            format!("{}/{} listens there on the node that the scheduler picks for it", pod.namespace, pod.name);
        return check(Checkpoint::Application, Decision::unknown(vec![pod.origin.clone()], detail));
    }
    let api_server = world.node(node).control_plane && port == Some(6443);
    // Every node runs a kubelet; host-network pods listen in its name.
    let pods = world.pods.iter().filter(|pod| pod.host_network && pod.node == node);
    let listens = api_server || port.is_none_or(|port| port == 10250) || pods.into_iter().any(|pod| serves(&pod));
    let decision = if listens {
        Decision::allow(Reason::Listening, format!("node {name} listens"))
    } else {
        Decision::deny(Reason::NotListening, Outcome::Refused, format!("nothing on node {name} listens there"))
    };
    check(Checkpoint::Application, decision)
}
