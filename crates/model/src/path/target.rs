//! Targets: what a peer dials, once names are resolved.

use std::collections::BTreeSet;
use std::net::IpAddr;

use airtight_manifest::Labels;

use crate::world::{
    Endpoint, HostId, NodeId, Pod, Protocol, PublishedAddress, Service, ServicePort, TargetPort, World,
};

/// What a peer dials, once names are resolved.
#[derive(Debug, Clone)]
pub(super) enum DialTarget<'w> {
    /// A Service's virtual address and port.
    Service(&'w Service, u16),
    /// A pod's address and port.
    Pod(&'w Pod, Option<u16>),
    /// The virtual address that the mesh gave to a ServiceEntry (namespace, name, host), and a port.
    ServiceEntry { namespace: String, name: String, host: String, port: u16 },
    /// An address outside of the Services' own range by which a Service is published, and a port.
    Published(&'w Service, PublishedAddress, u16),
    /// A process on a node.
    Node(crate::world::NodeId, Option<u16>),
    /// An address outside the cluster, and the name under which it was looked up.
    External { address: IpAddr, host: Option<HostId>, name: Option<String>, port: Option<u16> },
}

impl<'w> DialTarget<'w> {
    /// What lies behind a literal address.
    pub(super) fn at(world: &'w World, address: IpAddr, port: Option<u16>) -> Self {
        if let Some(pod) = world.pods.iter().find(|pod| !pod.host_network && pod.addresses.contains(&address)) {
            return Self::Pod(pod, port);
        }
        if let Some(service) = world.services.iter().find(|service| service.cluster_ips.contains(&address)) {
            return Self::Service(service, port.unwrap_or_default());
        }
        // A node's address that a Service has as well is the Service's on its ports.
        let published = world.services.iter().find_map(|service| {
            let given = service.published.iter().find(|given| given.address == address)?;
            let port = service.ports.iter().find(|entry| Some(entry.port) == port)?.port;
            Some(Self::Published(service, *given, port))
        });
        if let Some(published) = published {
            return published;
        }
        if let Some(index) = world.nodes.iter().position(|node| node.addresses.contains(&address)) {
            return Self::Node(crate::world::NodeId(u32::try_from(index).unwrap_or(u32::MAX)), port);
        }
        Self::External { address, host: host_at(world, address), name: None, port }
    }
}

/// The host that has this address.
pub(super) fn host_at(world: &World, address: IpAddr) -> Option<HostId> {
    let index = world.hosts.iter().position(|host| host.addresses.contains(&address))?;
    u32::try_from(index).ok().map(HostId)
}

/// The host of this name.
pub(super) fn host_named(world: &World, name: &str) -> Option<HostId> {
    let index = world.hosts.iter().position(|host| host.names.iter().any(|known| known.eq_ignore_ascii_case(name)))?;
    u32::try_from(index).ok().map(HostId)
}

/// The port of a Service's traffic at one backend.
pub(super) fn target_port(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => pod
            .ports
            .iter()
            .find(|entry| entry.name.as_ref() == Some(name) && entry.protocol == port.protocol)
            .map(|entry| entry.number),
    }
}

/// Whether a client that dials a Service comes to its pods' own addresses, and to the port that it dials: of a headless
/// Service it knows nothing else, and nobody maps ports (kubernetes/kubernetes#20488). Neither ztunnel nor a waypoint hears
/// of the Service then (ztunnel `src/state.rs`, `find_upstream`).
pub(super) fn is_dialled_by_pod(service: &Service) -> bool {
    service.is_headless() && !service.backends.is_empty()
}

/// One backend of each sort.
pub(super) fn representatives<'w>(world: &'w World, service: &Service, from: Endpoint) -> Vec<&'w Pod> {
    let mut seen = BTreeSet::new();
    service.backends.iter().map(|id| world.pod(*id)).filter(|pod| seen.insert(sort(pod, from))).collect()
}

/// What tells pods of one workload apart for a peer: whether one is the peer itself, and, if either end is on a
/// node's network, the node.
pub(super) fn sort(pod: &Pod, peer: Endpoint) -> (&str, &str, &Labels, bool, Option<NodeId>) {
    let on_node = match peer {
        Endpoint::Node(_) | Endpoint::HostNetworkPod(_) | Endpoint::ProbeAddress(_) => true,
        Endpoint::Pod(_) | Endpoint::Host(_, _) | Endpoint::Address(_) => pod.host_network,
    };
    let itself = peer == Endpoint::Pod(pod.id) || peer == Endpoint::HostNetworkPod(pod.id);
    (&pod.namespace, &pod.workload, &pod.labels, itself, on_node.then_some(pod.node))
}

/// A named port's protocol is part of a Service port's identity; TCP where the flow does not say.
pub(super) fn service_port(service: &Service, protocol: Protocol, port: u16) -> Option<&ServicePort> {
    service.port(protocol, port)
}
