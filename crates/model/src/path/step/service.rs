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
use crate::world::{NodeId, Pod, Service, ServicePort, TargetPort};

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
    let pods = representatives(world, service, dial.from.endpoint);
    if pods.is_empty() && service.external_endpoints.is_empty() {
        let why = format!("Service {}/{} has no backend", service.namespace, service.name);
        return vec![Step::Ends(no_backend(dial, service, port, Outcome::Refused, why))];
    }
    if let Some(arrival) = Arrival::of(dial, service, at).filter(|_| !service.backends.is_empty()) {
        let pods: Vec<&Pod> = service.backends.iter().map(|id| world.pod(*id)).collect();
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
        vec![Step::Ends(external::branch(dial, &to, host, Some(port)))]
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
    let asked = pods.iter().filter(|pod| arrival.reaches(pod) && seen.insert(sort(pod, dial.from.endpoint)));
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
