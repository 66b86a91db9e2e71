//! Senders: who may be the source of a flow.

use std::collections::BTreeSet;

use super::flow::{Destination, Flow, FlowError, Source};
use super::names;
use super::peer::Peer;
use crate::world::{Enrolment, Pod, World};

/// Who may be the sender: replicas of a workload differ in their node, which a peer on a node can tell.
pub(super) fn senders<'w>(world: &'w World, flow: &Flow) -> Result<Vec<Peer<'w>>, FlowError> {
    match &flow.from {
        Source::Workload(namespace, name) => {
            let pods = distinct(names::workload(world, namespace, name)?);
            Ok(pods.flat_map(|pod| Peer::homes(world, pod).map(move |home| Peer::on(world, pod, home))).collect())
        }
        Source::Outside => Ok(vec![Peer::outside(world)]),
        Source::Node(name) => Ok(vec![Peer::node(world, names::node(world, name)?)]),
        Source::Kubelet => kubelets(world, flow),
        Source::User(_) => Err(FlowError::NotAnAttempt(flow.from.to_string(), flow.to.to_string())),
    }
}

/// The kubelets of the nodes on which the destination's replicas run.
fn kubelets<'w>(world: &'w World, flow: &Flow) -> Result<Vec<Peer<'w>>, FlowError> {
    let Destination::Pod(namespace, name) = &flow.to else { return Err(FlowError::KubeletProbesPods) };
    let pods = distinct(names::workload(world, namespace, name)?);
    let kubelets = pods.map(|pod| match pod.enrolment {
        Enrolment::Ambient | Enrolment::AmbientOutbound => Peer::probe_address(pod.node),
        Enrolment::None | Enrolment::Native | Enrolment::NativeOutbound | Enrolment::Sidecar => {
            Peer::node(world, pod.node)
        }
    });
    Ok(kubelets.collect())
}

fn distinct(pods: Vec<&Pod>) -> impl Iterator<Item = &Pod> {
    let mut seen = BTreeSet::new();
    pods.into_iter().filter(move |pod| seen.insert((pod.node, &pod.labels)))
}
