//! How a sender's traffic leaves it: through its ztunnel, which picks the way, or straight away.

use std::collections::BTreeSet;

use super::ingress::{self, Passage};
use super::leg::Step;
use super::{delivery, direct, service, waypoint};
use crate::path::branch::Branch;
use crate::path::checks::check;
use crate::path::connection::{Connection, Relay};
use crate::path::dial::Dial;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::service_entry::claims;
use crate::path::target::{DialTarget, is_dialled_by_pod, representatives, sort};
use crate::path::trace::Check;
use crate::policy::ztunnel::{OutboundTarget, Route, Upstream, UpstreamAddress, route};
use crate::policy::{Checkpoint, Decision, Reason};
use crate::world::{Enrolment, Pod, Protocol, World};

/// What `from` does to send a connection to `to`.
pub(in crate::path) fn steps<'w>(
    policies: &Policies<'w>,
    from: &Peer<'w>,
    to: &DialTarget<'w>,
    connection: Connection,
) -> Vec<Step<'w>> {
    if let Some(answered) = answered_as_lookup(policies, from, to, &connection) {
        return vec![Step::Ends(answered)];
    }
    if let DialTarget::Service(target, port) = to
        && let Some(open) = service::doubt(Dial { policies, from, connection: &connection }, target, *port)
    {
        return vec![Step::Ends(open)];
    }
    if let DialTarget::Service(target, port) = to
        && is_dialled_by_pod(target)
    {
        let pods = representatives(policies.world, target, from.endpoint).into_iter();
        let each = pods.map(|pod| DialTarget::Pod(pod, Some(*port)));
        return each.flat_map(|pod| steps(policies, from, &pod, connection.clone())).collect();
    }
    let captured = from.pod.filter(|_| connection.protocol == Protocol::Tcp);
    match captured.map(|pod| (pod.enrolment, pod)) {
        Some((Enrolment::Ambient | Enrolment::AmbientOutbound, pod)) => {
            through_ztunnel(policies, from, pod, to, connection)
        }
        Some((Enrolment::Native | Enrolment::NativeOutbound, pod)) => {
            by_itself(Dial { policies, from, connection: &connection }, pod, to)
        }
        Some((Enrolment::Sidecar, pod)) => {
            let why = format!("{}/{} has a sidecar, and what it does is not modelled", pod.namespace, pod.name);
            let picked = check(Checkpoint::ZtunnelOutbound, Decision::unknown(vec![pod.origin.clone()], why));
            prefixed(direct::steps(Dial { policies, from, connection: &connection }, to, true), &picked)
        }
        Some((Enrolment::None, _)) | None => direct::steps(Dial { policies, from, connection: &connection }, to, false),
    }
}

/// A proxy that speaks HBONE itself needs no ztunnel to find a waypoint.
fn by_itself<'w>(dial: Dial<'_, 'w>, pod: &Pod, to: &DialTarget<'w>) -> Vec<Step<'w>> {
    let DialTarget::Service(service, port) = to else { return direct::steps(dial, to, true) };
    match ingress::passage(dial.policies, pod, service) {
        Passage::Straight | Passage::Address => direct::steps(dial, to, true),
        Passage::Waypoint(key, rules) => {
            let detail =
                format!("what is for Service {}/{} goes through its waypoint", service.namespace, service.name);
            let picked = check(Checkpoint::Gateway, Decision::allow(Reason::ViaWaypoint, detail).by(rules));
            waypoint::steps(dial, key, to, picked)
        }
        Passage::Unknown(rules, why) => {
            let label = format!("{}/{}", service.namespace, service.name);
            let open = check(Checkpoint::Gateway, Decision::unknown(rules, why));
            vec![Step::Ends(dial.nowhere(&label, Some(*port), vec![open]))]
        }
    }
}

/// What ztunnel answers itself, so that nothing of it gets to the server that it is for.
fn answered_as_lookup<'w>(
    policies: &Policies<'w>,
    from: &Peer<'w>,
    to: &DialTarget<'w>,
    connection: &Connection,
) -> Option<Branch> {
    let (protocol, port) = (connection.protocol, port_of(to));
    let captured = |pod: &&Pod| names::answered_by_ztunnel(policies.world, pod, protocol, port);
    let pod = from.pod.filter(captured).filter(|_| connection.relay == Relay::Client)?;
    let detail = format!("ztunnel answers what {}/{} asks on port 53 itself", pod.namespace, pod.name);
    let decision = Decision::allow(Reason::Direct, detail).by(vec![pod.origin.clone()]);
    let dial = Dial { policies, from, connection };
    let checks = vec![check(Checkpoint::ZtunnelOutbound, decision)];
    Some(Branch::ending(vec![dial.hop("its ztunnel", dial.plain(Some(53)), checks)], connection.success()))
}

fn port_of(to: &DialTarget<'_>) -> Option<u16> {
    match to {
        DialTarget::Service(_, port) | DialTarget::ServiceEntry { port, .. } | DialTarget::Published(_, _, port) => {
            Some(*port)
        }
        DialTarget::Pod(_, port) | DialTarget::Node(_, port) | DialTarget::External { port, .. } => *port,
    }
}

/// The source's ztunnel picks the way (ztunnel `src/proxy/outbound.rs`).
fn through_ztunnel<'w>(
    policies: &Policies<'w>,
    from: &Peer<'w>,
    pod: &'w Pod,
    to: &DialTarget<'w>,
    connection: Connection,
) -> Vec<Step<'w>> {
    let claims = claims(policies.world, pod, to);
    if claims.is_empty() {
        return picking(policies, from, pod, to, connection);
    }
    claims.iter().flat_map(|claim| picking(policies, from, pod, claim, connection.clone())).collect()
}

/// The same for what lies behind the address.
fn picking<'w>(
    policies: &Policies<'w>,
    from: &Peer<'w>,
    pod: &'w Pod,
    to: &DialTarget<'w>,
    mut connection: Connection,
) -> Vec<Step<'w>> {
    let world = policies.world;
    let Some(target) = outbound_target(to) else {
        return direct::steps(Dial { policies, from, connection: &connection }, to, false);
    };
    if connection.relay == Relay::Client {
        connection.relay = Relay::Ztunnel;
    }
    let dial = Dial { policies, from, connection: &connection };
    let (way, decision) = route(world, &policies.bindings, pod.id, &target);
    let picked = check(Checkpoint::ZtunnelOutbound, decision);
    match way {
        Route::Waypoint { key, .. } => waypoint::steps(dial, &key, to, picked),
        Route::Direct(upstreams) => prefixed(to_upstreams(dial, &upstreams), &picked),
        Route::Passthrough => prefixed(direct::steps(dial, to, false), &picked),
        Route::NoUpstream => vec![Step::Ends(nowhere(dial, to, picked))],
    }
}

/// One endpoint of each kind: replicas of a workload are treated alike.
fn to_upstreams<'w>(dial: Dial<'_, 'w>, upstreams: &[Upstream]) -> Vec<Step<'w>> {
    let world = dial.world();
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for upstream in upstreams {
        match &upstream.to {
            UpstreamAddress::Pod(id) => {
                let pod = world.pod(*id);
                if seen.insert((sort(pod, dial.from.endpoint), upstream.port)) {
                    steps.extend(delivery::steps(dial, pod, Some(upstream.port), upstream.hbone));
                }
            }
            UpstreamAddress::Address(address) => {
                steps.extend(direct::steps(dial, &DialTarget::at(world, *address, Some(upstream.port)), false));
            }
            // ztunnel resolves it from its own network namespace: the CNI learns nothing for the pod.
            UpstreamAddress::Name(name) => {
                steps.extend(direct::steps(dial, &names::external(world, name, Some(upstream.port)), false));
            }
        }
    }
    steps
}

/// The choice that ztunnel made belongs to the first hop that follows from it.
fn prefixed<'w>(steps: Vec<Step<'w>>, picked: &Check) -> Vec<Step<'w>> {
    steps.into_iter().map(|step| step.beginning_with(picked)).collect()
}

fn nowhere<'w>(dial: Dial<'_, 'w>, to: &DialTarget<'w>, picked: Check) -> Branch {
    let (label, port) = describe(dial.world(), to);
    dial.nowhere(&label, port, vec![picked])
}

fn describe(world: &World, to: &DialTarget<'_>) -> (String, Option<u16>) {
    match to {
        DialTarget::Service(service, port) => (format!("{}/{}", service.namespace, service.name), Some(*port)),
        DialTarget::Published(_, given, port) => (given.address.to_string(), Some(*port)),
        DialTarget::Pod(pod, port) => (format!("{}/{}", pod.namespace, pod.workload), *port),
        DialTarget::ServiceEntry { host, port, .. } => (host.clone(), Some(*port)),
        DialTarget::Node(node, port) => (format!("node/{}", world.node(*node).name), *port),
        DialTarget::External { address, name, port, .. } => {
            (name.clone().unwrap_or_else(|| address.to_string()), *port)
        }
    }
}

fn outbound_target(to: &DialTarget<'_>) -> Option<OutboundTarget> {
    match to {
        DialTarget::Service(service, port) => Some(OutboundTarget::ServiceVip {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            port: *port,
        }),
        DialTarget::ServiceEntry { namespace, name, host, port } => Some(OutboundTarget::ServiceEntryVip {
            namespace: namespace.as_str().into(),
            name: name.as_str().into(),
            host: host.as_str().into(),
            port: *port,
        }),
        DialTarget::Pod(pod, Some(port)) => Some(OutboundTarget::PodAddress(pod.id, *port)),
        DialTarget::External { address, port: Some(port), .. } => Some(OutboundTarget::Unknown(*address, *port)),
        // istiod tells ztunnel of no such address (`pilot/pkg/serviceregistry/kube/controller/ambient/services.go`, `getVIPs`).
        DialTarget::Published(_, given, port) => Some(OutboundTarget::Unknown(given.address, *port)),
        DialTarget::Pod(_, None) | DialTarget::Node(_, _) | DialTarget::External { port: None, .. } => None,
    }
}
