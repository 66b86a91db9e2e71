//! How a Service's backends see clients from outside the cluster.
//!
//! With `externalTrafficPolicy: Cluster` the node that the packet came to hides the client behind its own address:
//! kube-proxy always (Kubernetes `pkg/proxy/iptables/proxier.go`, the chain for external traffic), Cilium in
//! kube-proxy's place where the backend is on another node (Cilium `bpf/lib/nodeport.h`). On the node itself Cilium takes
//! such a packet for one of the world, because it cannot be told from others (`bpf/bpf_host.c`, `resolve_srcid_ipv4`);
//! on another node it is the first one's, or the world's where a tunnel says so. With `Local` the client's address stays,
//! and only backends on the node itself are asked.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::path::dial::Dial;
use crate::path::peer::Peer;
use crate::world::{Endpoint, ExternalTraffic, NodeId, Pod, Service, World};

/// A client from outside on its way to a Service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'d, 'w> {
    dial: Dial<'d, 'w>,
    policy: ExternalTraffic,
    /// The node that it came to, if it is known: that of a NodePort.
    at: Option<NodeId>,
}

impl<'d, 'w> Arrival<'d, 'w> {
    /// None for a client inside of the cluster, and for a Service that nobody reaches from outside.
    pub(super) fn of(dial: Dial<'d, 'w>, service: &Service, at: Option<NodeId>) -> Option<Self> {
        let outside = match dial.from.endpoint {
            Endpoint::Host(_, _) | Endpoint::Address(_) => true,
            Endpoint::Pod(_) | Endpoint::HostNetworkPod(_) | Endpoint::Node(_) | Endpoint::ProbeAddress(_) => false,
        };
        service.external_traffic.filter(|_| outside).map(|policy| Self { dial, policy, at })
    }

    /// Whether a backend is asked at all.
    pub(super) fn reaches(&self, pod: &Pod) -> bool {
        match self.policy {
            ExternalTraffic::Cluster => true,
            ExternalTraffic::Local => self.at.is_none_or(|at| at == pod.node),
        }
    }

    /// Whom the backend sees, for each node that makes a difference.
    pub(super) fn sources(&self, pod: &Pod) -> Vec<Peer<'w>> {
        match self.policy {
            ExternalTraffic::Local => vec![self.dial.from.clone()],
            ExternalTraffic::Cluster => self.nodes(pod).into_iter().map(|node| self.through(node, pod)).collect(),
        }
    }

    /// The node that the client came to, or one of each sort.
    fn nodes(&self, pod: &Pod) -> Vec<NodeId> {
        if let Some(at) = self.at {
            return vec![at];
        }
        let world = self.dial.world();
        let mut seen = BTreeSet::new();
        let others = (0..).map(NodeId).zip(world.nodes.iter()).filter(|(id, _)| *id != pod.node);
        let sorts = others.filter(|(_, node)| seen.insert(node.control_plane)).map(|(id, _)| id);
        [pod.node].into_iter().chain(sorts).collect()
    }

    fn through(&self, node: NodeId, pod: &Pod) -> Peer<'w> {
        let world = self.dial.world();
        let cilium = &world.stack.cilium;
        if node == pod.node && cilium.kube_proxy_replacement {
            return self.dial.from.clone();
        }
        let hidden = Peer::node(world, node);
        let label = format!("{} (as {})", self.dial.from.label, hidden.label);
        if node != pod.node && cilium.native_routing {
            return Peer { label, ..hidden };
        }
        Peer { endpoint: Endpoint::Address(nowhere(world)), label, ..hidden }
    }
}

/// The address of somebody in the world whom no range holds but that of all.
fn nowhere(world: &World) -> IpAddr {
    if world.outside.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}
