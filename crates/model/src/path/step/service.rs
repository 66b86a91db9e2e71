//! A Service's virtual address: the kernel (or the proxy that dials) chooses one of its backends.

use std::collections::BTreeSet;

use super::from_outside::Arrival;
use super::leg::Step;
use super::{delivery, external, node};
use crate::path::branch::Branch;
use crate::path::checks::check;
use crate::path::dial::Dial;
use crate::path::target::{DialTarget, host_at, representatives, service_port, sort, target_port};
use crate::policy::{Checkpoint, Decision, Outcome, Reason};
use crate::world::{Endpoint, NodeId, Pod, Service, ServicePort, TargetPort, World};

/// One step for each backend that makes a difference.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, service: &'w Service, port: u16, speaks_hbone: bool) -> Vec<Step<'w>> {
    arriving(dial, service, port, speaks_hbone, None)
}

/// The same for what came to a node, if it came from outside.
pub(super) fn arriving<'w>(
    dial: Dial<'_, 'w>,
    service: &'w Service,
    port: u16,
    speaks_hbone: bool,
    at: Option<NodeId>,
) -> Vec<Step<'w>> {
    let world = dial.world();
    let protocol = dial.connection.protocol;
    let Some(entry) = service_port(service, protocol, port) else {
        let why = format!("Service {}/{} has no {protocol} port {port}", service.namespace, service.name);
        return vec![Step::Ends(no_backend(dial, service, port, Outcome::Timeout, why))];
    };
    let has_port = |pod: &&Pod| target_port(entry, pod).is_some();
    let mut pods = representatives(world, service, dial.from.endpoint);
    pods.retain(has_port);
    if pods.is_empty() && service.external_endpoints.is_empty() {
        let why = without_backend(world, service, entry);
        return vec![Step::Ends(no_backend(dial, service, port, Outcome::Refused, why))];
    }
    if let Some(arrival) = Arrival::of(dial, service, at).filter(|_| !service.backends.is_empty()) {
        let pods: Vec<&Pod> = service.backends.iter().map(|id| world.pod(*id)).filter(has_port).collect();
        return from_outside(dial, arrival, entry, service, &pods);
    }
    let inside = pods.into_iter().flat_map(|pod| {
        delivery::steps(dial, pod, target_port(entry, pod), speaks_hbone && pod.enrolment.accepts_hbone())
    });
    let outside = service.external_endpoints.iter().flat_map(|address| {
        if let DialTarget::Node(node, port) = DialTarget::at(world, *address, at_endpoint(entry)) {
            return node::steps(dial, node, port);
        }
        let host = host_at(world, *address);
        let to = external::peer(world, *address, host, None);
        vec![Step::Ends(external::branch(dial, &to, host, at_endpoint(entry)))]
    });
    inside.chain(outside).collect()
}

/// One step for each backend that makes a difference, and for each node that a client from outside may have come to.
fn from_outside<'w>(
    dial: Dial<'_, 'w>,
    arrival: Arrival<'_, 'w>,
    entry: &ServicePort,
    service: &Service,
    pods: &[&'w Pod],
) -> Vec<Step<'w>> {
    let mut seen = BTreeSet::new();
    // Whom a backend sees depends on the node that it runs on.
    let asked =
        pods.iter().filter(|pod| arrival.reaches(pod) && seen.insert((sort(pod, dial.from.endpoint), pod.node)));
    let mut steps: Vec<Step<'w>> = Vec::new();
    for pod in asked {
        for source in arrival.sources(pod) {
            steps.extend(delivery::steps(dial.seen_from(&source), pod, target_port(entry, pod), false));
        }
    }
    if steps.is_empty() {
        let why = format!(
            "Service {}/{} has no backend on that node, and `externalTrafficPolicy: Local` asks no other",
            service.namespace, service.name
        );
        return vec![Step::Ends(no_backend(dial, service, entry.port, Outcome::Timeout, why))];
    }
    steps
}

/// Pods without a port of the name are no backends of a Service's port (Kubernetes `pkg/api/v1/pod/util.go`, `FindPort`).
fn without_backend(world: &World, service: &Service, entry: &ServicePort) -> String {
    let name = format!("Service {}/{}", service.namespace, service.name);
    match &entry.target {
        TargetPort::Name(port) if !service.backends.is_empty() => {
            format!(
                "{name} has no backend on port {}: no container of its pods has a {} port `{port}`",
                entry.port, entry.protocol
            )
        }
        TargetPort::Name(_) | TargetPort::Number(_) => format!("{name} has no backend: {}", unserved(world, service)),
    }
}

/// Why nobody is behind a Service.
fn unserved(world: &World, service: &Service) -> String {
    let Some(selector) = &service.selector else {
        return "it has no selector, and no EndpointSlice names an address for it".to_owned();
    };
    let shown: Vec<String> = selector.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let has = |pod: &&Pod| selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
    match world.pods.iter().filter(|pod| pod.namespace == service.namespace).filter(has).count() {
        0 => format!("no pod of its namespace has the labels {{{}}}", shown.join(", ")),
        1 => "the pod that it selects is not ready".to_owned(),
        number => format!("none of the {number} pods that it selects is ready"),
    }
}

/// The end of a client's way to a Service of which what is not modelled would decide about it.
pub(super) fn doubt(dial: Dial<'_, '_>, service: &Service, port: u16) -> Option<Branch> {
    in_doubt(dial, service).map(|why| doubtful(dial, service, port, why))
}

fn in_doubt(dial: Dial<'_, '_>, service: &Service) -> Option<&'static str> {
    let (world, address) = (dial.world(), dial.from.address);
    if service.unlike_slices {
        return Some("not all of its endpoints serve its ports by the same numbers, which is not modelled");
    }
    let outside = matches!(dial.from.endpoint, Endpoint::Host(_, _) | Endpoint::Address(_));
    if outside {
        // The load balancer, kube-proxy and Cilium in its place each read the ranges in their own way.
        let left_out =
            !service.source_ranges.is_empty() && !service.source_ranges.iter().any(|range| range.contains(&address));
        return left_out
            .then_some("`loadBalancerSourceRanges` leaves this client out, and who enforces them is not modelled");
    }
    // Where every node has a backend, a client meets one like any other.
    let nodes: BTreeSet<NodeId> = service.backends.iter().map(|pod| world.pod(*pod).node).collect();
    let somewhere = service.internal_local && nodes.len() < world.nodes.len();
    somewhere.then_some(
        "`internalTrafficPolicy: Local` asks backends on the client's own node alone, and not every node has one",
    )
}

fn doubtful(dial: Dial<'_, '_>, service: &Service, port: u16, why: &str) -> Branch {
    let detail = format!("Service {}/{}: {why}", service.namespace, service.name);
    let decision = Decision::unknown(vec![service.origin.clone()], detail);
    let to = format!("{}/{}", service.namespace, service.name);
    dial.nowhere(&to, Some(port), vec![check(Checkpoint::Application, decision)])
}

/// The port of a Service's traffic at an endpoint that is no pod.
fn at_endpoint(port: &ServicePort) -> Option<u16> {
    match port.target {
        TargetPort::Number(number) => Some(number),
        TargetPort::Name(_) => None,
    }
}

fn no_backend(dial: Dial<'_, '_>, service: &Service, port: u16, symptom: Outcome, why: String) -> Branch {
    let decision = Decision::deny(Reason::NoHealthyUpstream, symptom, why).by(vec![service.origin.clone()]);
    let to = format!("{}/{}", service.namespace, service.name);
    dial.nowhere(&to, Some(port), vec![check(Checkpoint::Application, decision)])
}
