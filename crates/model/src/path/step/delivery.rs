//! The last leg to a pod: CNI, its ztunnel, and whatever the pod is.

use super::gateway;
use super::leg::Step;
use crate::path::checks::{application_check, cni_checks, tls_check, ztunnel_check};
use crate::path::dial::Dial;
use crate::path::peer::Peer;
use crate::path::trace::Wire;
use crate::world::{Endpoint, Enrolment, Pod, Protocol, Role, World};

/// What becomes of a dial to this pod.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, pod: &'w Pod, port: Option<u16>, hbone: bool) -> Vec<Step<'w>> {
    let wire = match (hbone, port) {
        (true, Some(inner)) => Wire::Hbone { inner },
        _ => dial.plain(port),
    };
    let rewritten = rewritten(dial.world(), dial.from, pod);
    let dial = dial.seen_from(rewritten.as_ref().unwrap_or(dial.from));
    let to = Peer::pod(pod);
    let protocol = dial.connection.protocol;
    let mut checks = cni_checks(dial, &to, wire);
    checks.extend(ztunnel_check(dial, pod, wire, port));
    checks.push(application_check(pod, protocol, port));
    checks.extend(tls_check(dial.world(), pod, port, dial.connection));
    match (&pod.role, port) {
        (Role::Gateway(key), Some(port)) if protocol == Protocol::Tcp => {
            gateway::steps(dial, &to, key, port, wire, checks)
        }
        (Role::Gateway(_) | Role::Workload | Role::Waypoint(_), _) => {
            vec![Step::Ends(dial.answered(&to, wire, checks))]
        }
    }
}

/// istio-cni rewrites the source of every socket in the host's network namespace that dials an
/// enrolled pod of the same node (Istio `cni/README.md`); with nftables only the kubelet's.
fn rewritten<'w>(world: &World, from: &Peer<'w>, pod: &Pod) -> Option<Peer<'w>> {
    let local = match from.endpoint {
        Endpoint::Node(node) => node == pod.node,
        Endpoint::HostNetworkPod(id) => world.pod(id).node == pod.node,
        Endpoint::Pod(_) | Endpoint::ProbeAddress(_) | Endpoint::Host(_, _) | Endpoint::Address(_) => false,
    };
    let enrolled = matches!(pod.enrolment, Enrolment::Ambient | Enrolment::AmbientOutbound);
    let label = || format!("{} (as 169.254.7.127)", from.label);
    (local && enrolled && !world.stack.istio.native_nftables)
        .then(|| Peer { label: label(), ..Peer::probe_address(pod.node) })
}
