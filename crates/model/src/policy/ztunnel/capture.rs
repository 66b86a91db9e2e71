//! Whether the destination's ztunnel sees a connection
//! (Istio `cni/pkg/iptables/testdata`, `cni/pkg/nftables/nftables.go`).

use std::fmt;

use airtight_manifest::stack::at_least;

use crate::world::{Endpoint, Enrolment, NodeId, Pod, PodId, World};

/// How a connection reaches a pod, in the eyes of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capture {
    /// Over mTLS on port 15008.
    Hbone,
    /// As plaintext that is redirected to ztunnel's port 15006.
    Plaintext,
    /// Past ztunnel, although the pod is captured.
    Bypass(Bypass),
    /// Past ztunnel, because the pod's inbound traffic is not captured at all.
    NotCaptured,
}

/// Why a connection passes ztunnel by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bypass {
    /// A kubelet's probe arrives from the probe address.
    ProbeAddress,
    /// With the iptables backend every socket of the host network of the pod's own node arrives from the probe address.
    HostNetworkSocket,
    /// A pod that dials its own address stays inside its network namespace.
    Loopback,
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProbeAddress => "kubelet probes arrive from 169.254.7.127, which is never redirected to ztunnel",
            Self::HostNetworkSocket => {
                "sockets of the host network of the pod's node arrive from 169.254.7.127, which is never redirected to ztunnel"
            }
            Self::Loopback => "a pod that dials its own address never leaves its network namespace",
        })
    }
}

/// How a connection from `source` reaches `destination`. A source in the mesh speaks HBONE to every pod that
/// accepts it, whatever PeerAuthentication says.
#[must_use]
pub fn inbound_capture(world: &World, destination: PodId, source: Endpoint) -> Capture {
    let pod = world.pod(destination);
    match source {
        Endpoint::Pod(id) if id == destination => Capture::Bypass(Bypass::Loopback),
        Endpoint::Pod(id) if speaks_hbone(world.pod(id)) && pod.enrolment.accepts_hbone() => match pod.enrolment {
            Enrolment::Ambient | Enrolment::AmbientOutbound => Capture::Hbone,
            Enrolment::None | Enrolment::Native | Enrolment::NativeOutbound | Enrolment::Sidecar => {
                Capture::NotCaptured
            }
        },
        Endpoint::ProbeAddress(_) => plaintext_or(pod, Some(Bypass::ProbeAddress)),
        Endpoint::Node(node) => plaintext_or(pod, host_socket(world, pod, node)),
        Endpoint::HostNetworkPod(id) => plaintext_or(pod, host_socket(world, pod, world.pod(id).node)),
        Endpoint::Pod(_) | Endpoint::Host(..) | Endpoint::Address(_) => plaintext_or(pod, None),
    }
}

fn speaks_hbone(pod: &Pod) -> bool {
    match pod.enrolment {
        Enrolment::Ambient
        | Enrolment::AmbientOutbound
        | Enrolment::Native
        | Enrolment::NativeOutbound
        | Enrolment::Sidecar => true,
        Enrolment::None => false,
    }
}

fn plaintext_or(pod: &Pod, bypass: Option<Bypass>) -> Capture {
    match pod.enrolment {
        Enrolment::Ambient => bypass.map_or(Capture::Plaintext, Capture::Bypass),
        Enrolment::AmbientOutbound
        | Enrolment::None
        | Enrolment::Native
        | Enrolment::NativeOutbound
        | Enrolment::Sidecar => Capture::NotCaptured,
    }
}

/// The source address translation is local to the node; nftables narrows it to the kubelet (1.28 and later).
fn host_socket(world: &World, pod: &Pod, node: NodeId) -> Option<Bypass> {
    let narrowed = world.stack.istio.native_nftables && at_least(&world.stack.versions.istio, 1, 28);
    (node == pod.node && !narrowed).then_some(Bypass::HostNetworkSocket)
}
