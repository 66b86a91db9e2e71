//! The cells of a world, and what the model says of each.

use std::net::IpAddr;
use std::sync::Arc;

use airtight_model::policy::Decision;
use airtight_model::policy::cni::{CniHop, CniPolicy, Payload};
use airtight_model::world::{Endpoint, Protocol, World};
use airtight_testkit::worlds;

use super::sketch::Sketch;
use crate::question::{Cell, Peer};

/// Addresses that are nobody's: in and out of the ranges that rules name.
const ADDRESSES: [[u8; 4]; 4] = [[203, 0, 113, 77], [198, 51, 100, 20], [203, 0, 113, 10], [192, 0, 2, 1]];

/// Names that somebody looks up, with the address that is answered.
const NAMES: [(&str, [u8; 4]); 2] = [("api.example.com", [203, 0, 113, 10]), ("other.example.com", [198, 51, 100, 20])];

/// Protocols with ports; of ICMP, the type.
const PORTS: [(Protocol, u16); 10] = [
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 8080),
    (Protocol::Tcp, 8081),
    (Protocol::Tcp, 9090),
    (Protocol::Tcp, 443),
    (Protocol::Udp, 53),
    (Protocol::Udp, 8080),
    (Protocol::Sctp, 9090),
    (Protocol::Icmp, 8),
    (Protocol::Icmp, 3),
];

/// Where requests are tried as well.
const WEB: [u16; 2] = [80, 8080];

/// Every cell of a world: each pod, both ways, with everybody else.
pub(super) fn of(world: &World, sketch: &Sketch) -> Vec<Cell> {
    let pods: Vec<String> = world.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    let mut cells = Vec::new();
    for subject in &pods {
        for ingress in [true, false] {
            for peer in peers(world, &pods, subject, ingress) {
                cells.extend(both_ends(subject, ingress, &peer, sketch));
            }
        }
    }
    cells
}

fn peers(world: &World, pods: &[String], subject: &String, ingress: bool) -> Vec<Peer> {
    let others = pods.iter().filter(|pod| *pod != subject).map(|pod| Peer::Pod { pod: pod.clone() });
    let nodes = world.nodes.iter().map(|node| Peer::Node { node: node.name.to_string() });
    let addresses = ADDRESSES.iter().map(|address| Peer::Address { address: IpAddr::from(*address) });
    let names = NAMES.iter().filter(|_| !ingress);
    let names = names.map(|(name, address)| Peer::Name { address: IpAddr::from(*address), name: (*name).to_owned() });
    others.chain(nodes).chain(addresses).chain(names).collect()
}

fn both_ends(subject: &str, ingress: bool, peer: &Peer, sketch: &Sketch) -> Vec<Cell> {
    let cell = |protocol, port, request| Cell {
        subject: subject.to_owned(),
        ingress,
        peer: peer.clone(),
        protocol,
        port,
        request,
    };
    let plain = PORTS.iter().map(|(protocol, port)| cell(*protocol, *port, None));
    let requests = WEB.iter().map(|port| cell(Protocol::Tcp, *port, Some(Arc::clone(&sketch.request))));
    plain.chain(requests).collect()
}

/// What the model says of a cell.
pub(super) fn decide(cell: &Cell, world: &World, policy: &CniPolicy) -> Decision {
    let subject = worlds::endpoint(world, &cell.subject);
    let (peer, resolved) = match &cell.peer {
        Peer::Pod { pod } => (worlds::endpoint(world, pod), None),
        Peer::Node { node } => (worlds::endpoint(world, &format!("node/{node}")), None),
        Peer::Address { address } => (Endpoint::Address(*address), None),
        Peer::Name { name, .. } => (worlds::endpoint(world, &format!("host/{name}")), Some(name.as_str())),
    };
    let (source, destination) = if cell.ingress { (peer, subject) } else { (subject, peer) };
    let icmp = cell.protocol == Protocol::Icmp;
    let hop = CniHop {
        source,
        destination,
        protocol: cell.protocol,
        port: (!icmp).then_some(cell.port),
        icmp_type: icmp.then(|| u8::try_from(cell.port).unwrap_or_default()),
        payload: cell.request.as_deref().map_or(Payload::Opaque, Payload::Http),
        resolved,
    };
    if cell.ingress { policy.ingress(world, &hop) } else { policy.egress(world, &hop) }
}
