//! The checks of a hop: what each checkpoint on it decides.

use airtight_manifest::cilium::Direction;

use super::connection::Connection;
use super::dial::Dial;
use super::peer::Peer;
use super::policies::Policies;
use super::target::target_port;
use super::trace::{Check, Wire};
use crate::policy::cni::CniHop;
use crate::policy::near::{Asked, Guarded, near_authorization, near_enrolment};
use crate::policy::waypoint::DeclaredProtocol;
use crate::policy::ztunnel::{Bypass, Capture, inbound_capture};
use crate::policy::{Checkpoint, Decision, MeshSource, Outcome, Reason};
use crate::world::{Endpoint, Enrolment, HostId, Pod, Protocol, World};

/// What the destination's ztunnel makes of a hop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Interception {
    /// A tunnel that ends at it (or at the pod itself, if that speaks HBONE), with the certificate of who opened it.
    Tunnel,
    /// A connection in clear text.
    Plaintext,
    /// A connection that passes it by.
    Bypassed(Bypass),
    /// No connection.
    Nothing,
}

pub(super) fn check(checkpoint: Checkpoint, decision: Decision) -> Check {
    Check { checkpoint, decision }
}

/// Source side and destination side of the CNI, in this order.
pub(super) fn cni_checks(dial: Dial<'_, '_>, to: &Peer<'_>, wire: Wire) -> Vec<Check> {
    let Dial { policies, from, connection } = dial;
    let (protocol, port) = wire.seen_by_cni();
    let hop = CniHop {
        source: from.endpoint,
        destination: to.endpoint,
        protocol,
        port,
        icmp_type: None,
        payload: connection.cni_payload(wire),
        resolved: connection.resolved.as_deref(),
    };
    let world = policies.world;
    let pods = [from.pod, to.pod].into_iter().flatten();
    let mut checks: Vec<Check> = pods.filter_map(|pod| doubt(world, pod)).collect();
    if from.pod.is_some_and(|pod| !pod.host_network) {
        let decision = policies.cni.egress(world, &hop);
        let decision = policies.cni.aware_of_other_names(world, &hop, decision);
        let decision = suggested(policies, &hop, Direction::Egress, decision);
        checks.push(check(Checkpoint::CniEgress, decision));
    }
    if to.pod.is_some_and(|pod| !pod.host_network) || matches!(to.endpoint, Endpoint::Node(_)) {
        let decision = suggested(policies, &hop, Direction::Ingress, policies.cni.ingress(world, &hop));
        checks.push(check(Checkpoint::CniIngress, decision));
    }
    checks
}

/// A decision with the rules that nearly made another one, where they are asked for.
fn suggested(policies: &Policies<'_>, hop: &CniHop<'_>, direction: Direction, decision: Decision) -> Decision {
    if !policies.suggests || decision.reason != Reason::DefaultDeny {
        return decision;
    }
    Decision { near: policies.cni.near_misses(policies.world, hop, direction).into(), ..decision }
}

/// A pod about which nobody knows what admission makes of it.
pub(super) fn doubt(world: &World, pod: &Pod) -> Option<Check> {
    let rules = world.doubts.get(&pod.id)?.clone();
    let detail = format!("what admission makes of {}/{} is not known", pod.namespace, pod.name);
    Some(check(Checkpoint::Admission, Decision::unknown(rules, detail)))
}

/// The destination's ztunnel, if it sees the hop.
pub(super) fn ztunnel_check(dial: Dial<'_, '_>, to: &Pod, wire: Wire, port: Option<u16>) -> Option<Check> {
    let port = port?;
    let (world, from) = (dial.world(), dial.from);
    let inbound = |source: &MeshSource| dial.policies.ztunnel.inbound(world, to.id, port, source);
    let suggested = |source: MeshSource| {
        let decision = inbound(&source);
        if !dial.policies.suggests {
            return decision;
        }
        let asked = Asked { source: &source, port, request: None };
        near_enrolment(world, near_authorization(world, decision, Guarded::Pod(to), &asked), from.pod)
    };
    let decision = match interception(world, from.endpoint, to, wire) {
        Interception::Tunnel => suggested(from.mesh_source(world)),
        Interception::Plaintext => suggested(from.anonymous()),
        Interception::Bypassed(why) => Decision::allow(Reason::ProbeBypass, why.to_string()),
        Interception::Nothing => return None,
    };
    Some(check(Checkpoint::ZtunnelInbound, decision))
}

/// What the destination's ztunnel makes of a hop.
pub(super) fn interception(world: &World, from: Endpoint, to: &Pod, wire: Wire) -> Interception {
    match (wire, inbound_capture(world, to.id, from)) {
        (Wire::Hbone { .. }, _) => Interception::Tunnel,
        // Its sidecar takes up whatever comes by TCP, and what becomes of it is the policies' of the sidecar.
        (Wire::Plain { protocol: Protocol::Tcp, .. }, _) if to.enrolment == Enrolment::Sidecar => {
            Interception::Plaintext
        }
        (Wire::Plain { protocol: Protocol::Tcp, .. }, Capture::Plaintext) => Interception::Plaintext,
        (Wire::Plain { protocol: Protocol::Tcp, .. }, Capture::Bypass(why)) => Interception::Bypassed(why),
        (Wire::Plain { .. }, _) => Interception::Nothing,
    }
}

/// Whether a workload answers on this port.
pub(super) fn application_check(to: &Pod, protocol: Protocol, port: Option<u16>) -> Check {
    let listening = match port {
        None => true,
        Some(port) => to.ports.iter().any(|entry| entry.number == port && entry.protocol == protocol),
    };
    let place = format!("{}/{}", to.namespace, to.workload);
    let decision = match (listening, port) {
        (true, Some(port)) => Decision::allow(Reason::Listening, format!("{place} listens on {protocol} {port}")),
        (true, None) => Decision::allow(Reason::Listening, format!("{place} answers {protocol}")),
        (false, Some(port)) if to.lists_not_all_ports => {
            let detail = format!("nothing says whether {place} listens on {protocol} {port}: it lists no ports");
            return check(Checkpoint::Application, Decision::unknown(vec![to.origin.clone()], detail));
        }
        (false, _) => {
            let port = port.unwrap_or_default();
            let silent = format!("{place} does not listen on {protocol} {port}");
            Decision::deny(Reason::NotListening, unanswered(protocol), silent)
        }
    };
    check(Checkpoint::Application, decision.by(vec![to.origin.clone()]))
}

/// Whether a workload speaks the TLS that a proxy began; none if the client began it, or nobody. The names of its
/// Services' ports tell.
pub(super) fn tls_check(world: &World, to: &Pod, port: Option<u16>, connection: &Connection) -> Option<Check> {
    let rule = connection.originated.clone()?;
    let place = format!("{}/{}", to.namespace, to.workload);
    let services = world.services.iter().filter(|service| service.backends.contains(&to.id));
    let ports = services.flat_map(|service| &service.ports).filter(|entry| target_port(entry, to) == port);
    let said: Vec<DeclaredProtocol> = ports.map(DeclaredProtocol::of).collect();
    let decision = if said.contains(&DeclaredProtocol::Tls) {
        Decision::allow(Reason::Listening, format!("{place} speaks TLS, as its Service's port says"))
    } else if said.contains(&DeclaredProtocol::Http) {
        let why = format!("the proxy speaks TLS, and {place} clear text, as its Service's port says");
        Decision::deny(Reason::ProtocolMismatch, Outcome::TlsFailure, why)
    } else {
        Decision::unknown(
            Vec::new(),
            format!("whether {place} speaks TLS is not known: its Service's port does not say"),
        )
    };
    Some(check(Checkpoint::Application, decision.by(vec![rule])))
}

/// Whether a host outside answers on this port, in clear text or with TLS as the client speaks it.
pub(super) fn host_check(world: &World, id: HostId, connection: &Connection, port: Option<u16>) -> Check {
    let host = world.host(id);
    let name = host.names.first().map_or("the host", AsRef::as_ref);
    let Some(port) = port else {
        return check(Checkpoint::Application, Decision::allow(Reason::Listening, format!("{name} answers")));
    };
    let (plain, tls) = (host.ports.contains(&port), host.tls_ports.contains(&port));
    let decision = match (plain, tls, &connection.tls, &connection.request) {
        (false, false, _, _) => {
            Decision::deny(Reason::NotListening, Outcome::Refused, format!("{name} does not listen on {port}"))
        }
        (false, true, None, Some(_)) => Decision::deny(
            Reason::ProtocolMismatch,
            Outcome::Reset,
            format!("{name} speaks TLS on {port}, and the request is clear text"),
        ),
        (true, false, Some(_), _) => Decision::deny(
            Reason::ProtocolMismatch,
            Outcome::TlsFailure,
            format!("{name} does not speak TLS on {port}"),
        ),
        _ => Decision::allow(Reason::Listening, format!("{name} listens on {port}")),
    };
    check(Checkpoint::Application, decision)
}

/// What a client sees of a live host on which nothing listens.
fn unanswered(protocol: Protocol) -> Outcome {
    match protocol {
        // The ICMP "port unreachable" of a closed UDP port reaches a connected socket as a refusal.
        Protocol::Tcp | Protocol::Sctp | Protocol::Udp => Outcome::Refused,
        Protocol::Icmp => Outcome::Timeout,
    }
}
