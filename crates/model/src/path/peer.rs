//! Peers: one end of a hop with all that checkpoints ask about it.

use std::net::{IpAddr, Ipv4Addr};

use crate::policy::MeshSource;
use crate::world::{Endpoint, Enrolment, HostId, NodeId, Pod, World};

/// One end of a hop.
#[derive(Debug, Clone)]
pub(super) struct Peer<'w> {
    /// What the CNI sees.
    pub(super) endpoint: Endpoint,
    /// The pod, if it is one.
    pub(super) pod: Option<&'w Pod>,
    /// Its address.
    pub(super) address: IpAddr,
    /// What a reader calls it.
    pub(super) label: String,
}

impl<'w> Peer<'w> {
    pub(super) fn pod(pod: &'w Pod) -> Self {
        let endpoint = if pod.host_network { Endpoint::HostNetworkPod(pod.id) } else { Endpoint::Pod(pod.id) };
        Self {
            endpoint,
            pod: Some(pod),
            address: first(&pod.addresses),
            label: format!("{}/{}", pod.namespace, pod.workload),
        }
    }

    /// Where a pod runs, or may run if that makes a difference: one in its host's network is to others the node that it runs
    /// on, and where nobody says which, the scheduler may pick any that is no control plane.
    pub(super) fn homes(world: &'w World, pod: &'w Pod) -> impl Iterator<Item = NodeId> + use<'w> {
        let anywhere = pod.host_network && !pod.is_placed;
        let others = (0..).map(NodeId).zip(world.nodes.iter());
        let others = others.filter(move |(id, node)| anywhere && *id != pod.node && !node.control_plane);
        std::iter::once(pod.node).chain(others.map(|(id, _)| id))
    }

    /// A pod in its host's network, on this node.
    pub(super) fn on(world: &'w World, pod: &'w Pod, node: NodeId) -> Self {
        let label = Self::pod(pod).label;
        if node == pod.node { Self::pod(pod) } else { Self { pod: Some(pod), label, ..Self::node(world, node) } }
    }

    pub(super) fn node(world: &'w World, id: NodeId) -> Self {
        let node = world.node(id);
        Self {
            endpoint: Endpoint::Node(id),
            pod: None,
            address: first(&node.addresses),
            label: format!("node/{}", node.name),
        }
    }

    /// The kubelet as an ambient pod sees it.
    pub(super) fn probe_address(id: NodeId) -> Self {
        let address = IpAddr::V4(Ipv4Addr::new(169, 254, 7, 127));
        Self { endpoint: Endpoint::ProbeAddress(id), pod: None, address, label: "kubelet (169.254.7.127)".to_owned() }
    }

    pub(super) fn outside(world: &World) -> Self {
        Self {
            endpoint: Endpoint::Address(world.outside),
            pod: None,
            address: world.outside,
            label: "outside".to_owned(),
        }
    }

    pub(super) fn host(world: &World, id: HostId, address: IpAddr, name: Option<&str>) -> Self {
        let label = name.map_or_else(|| host_label(world, id, address), str::to_owned);
        Self { endpoint: Endpoint::Host(id, address), pod: None, address, label }
    }

    pub(super) fn address(address: IpAddr) -> Self {
        Self { endpoint: Endpoint::Address(address), pod: None, address, label: address.to_string() }
    }

    /// Whether it is this node itself.
    pub(super) fn is_on(&self, node: NodeId) -> bool {
        match self.endpoint {
            Endpoint::Node(id) | Endpoint::ProbeAddress(id) => id == node,
            Endpoint::Pod(_) | Endpoint::HostNetworkPod(_) | Endpoint::Host(_, _) | Endpoint::Address(_) => false,
        }
    }

    /// What the other end's ztunnel or waypoint learns from the certificate of a connection that this peer
    /// makes over HBONE; none for a peer outside the mesh.
    pub(super) fn mesh_source(&self, world: &World) -> MeshSource {
        match self.pod.filter(|pod| is_certified(pod)) {
            Some(pod) => MeshSource::authenticated(pod, &world.stack, self.address),
            None => self.anonymous(),
        }
    }

    /// The same peer over plaintext: nothing vouches for it.
    pub(super) fn anonymous(&self) -> MeshSource {
        MeshSource::plaintext(self.address)
    }
}

fn is_certified(pod: &Pod) -> bool {
    match pod.enrolment {
        Enrolment::Ambient
        | Enrolment::AmbientOutbound
        | Enrolment::Native
        | Enrolment::NativeOutbound
        | Enrolment::Sidecar => true,
        Enrolment::None => false,
    }
}

fn first(addresses: &[IpAddr]) -> IpAddr {
    addresses.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn host_label(world: &World, id: HostId, address: IpAddr) -> String {
    world.host(id).names.first().map_or_else(|| address.to_string(), |name| format!("{name} ({address})"))
}
