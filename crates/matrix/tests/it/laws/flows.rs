//! Flows of all kinds in a generated world.

use airtight_model::path::{Destination, Flow, Source};
use airtight_model::policy::{Request, Token, TokenState};
use airtight_model::world::Protocol;
use proptest::prelude::*;

use super::sketch::Names;
use super::topology::Topology;

/// A flow before names are given.
#[derive(Debug, Clone)]
pub(super) struct FlowSketch {
    from: From,
    to: To,
    port: u16,
    protocol: Protocol,
    request: Option<(usize, usize, usize, Option<TokenState>)>,
    tls: bool,
}

#[derive(Debug, Clone, Copy)]
enum From {
    Pod(usize),
    Outside,
    Node(usize),
    Kubelet,
}

#[derive(Debug, Clone, Copy)]
enum To {
    Service(usize),
    Pod(usize),
    Host(usize),
    Address(usize),
    Gateway,
    Node(usize),
    Name(usize),
}

const NODES: [&str; 3] = ["n1", "n2", "cp"];
const HOSTS: [&str; 2] = ["api.example.com", "other.example.com"];
const ADDRESSES: [&str; 5] = ["203.0.113.10", "198.51.100.20", "10.244.0.1", "10.96.1.0", "192.0.2.1"];
const METHODS: [&str; 2] = ["GET", "POST"];
const PATHS: [&str; 4] = ["/", "/api/x", "/admin", "/api/../admin"];
const AUTHORITIES: [&str; 3] = ["shop.example.org", "api.example.com", "elsewhere"];

impl FlowSketch {
    pub(super) fn named(&self, topology: &Topology, names: &Names) -> Flow {
        let name = |token: String| topology.named(&token, names);
        let pod = |index| (name(format!("{{pn{index}}}")), name(format!("{{p{index}}}")));
        let service = |index| (name(format!("{{sn{index}}}")), name(format!("{{s{index}}}")));
        let from = match self.from {
            From::Pod(index) => {
                let (namespace, name) = pod(index);
                Source::Workload(namespace, name)
            }
            From::Outside => Source::Outside,
            From::Node(index) => Source::Node(NODES[index].to_owned()),
            From::Kubelet => Source::Kubelet,
        };
        let to = match (self.to, self.from) {
            (To::Pod(index), _) => {
                let (namespace, name) = pod(index);
                Destination::Pod(namespace, name)
            }
            // The kubelet probes pods only.
            (_, From::Kubelet) => {
                let (namespace, name) = pod(0);
                Destination::Pod(namespace, name)
            }
            (To::Gateway, _) if topology.has_edge() => {
                Destination::Gateway(name("{en0}".to_owned()), "edge".to_owned())
            }
            (To::Service(_) | To::Gateway, _) => {
                let index = if let To::Service(index) = self.to { index } else { 0 };
                let (namespace, name) = service(index);
                Destination::Service(namespace, name)
            }
            (To::Host(index), _) => Destination::Host(HOSTS[index].to_owned()),
            (To::Address(index), _) => Destination::Address(ADDRESSES[index].parse().unwrap()),
            (To::Node(index), _) => Destination::Node(NODES[index].to_owned()),
            (To::Name(index), _) => {
                let (namespace, name) = service(index);
                let names =
                    [HOSTS[0].to_owned(), format!("{name}.{namespace}.svc.cluster.local"), "no.such".to_owned()];
                Destination::Name(names[index % 3].clone())
            }
        };
        let talks = self.protocol == Protocol::Tcp && !matches!(to, Destination::Name(_));
        Flow {
            from,
            to,
            protocol: self.protocol,
            port: (self.protocol != Protocol::Icmp).then_some(self.port),
            request: self.request().filter(|_| talks),
            tls: (self.tls && talks).then(|| HOSTS[0].to_owned()),
            after: Vec::new(),
        }
    }

    fn request(&self) -> Option<Request> {
        let (method, path, host, token) = self.request?;
        let token = token.map(|state| Token {
            issuer: "issuer".to_owned(),
            subject: "user".to_owned(),
            audiences: Vec::new(),
            claims: std::collections::BTreeMap::new(),
            state,
        });
        Some(Request {
            method: METHODS[method].to_owned(),
            path: PATHS[path].to_owned(),
            host: AUTHORITIES[host].to_owned(),
            headers: Vec::new(),
            token,
        })
    }
}

pub(super) fn flow() -> impl Strategy<Value = FlowSketch> {
    let from = prop_oneof![
        6 => (0..3_usize).prop_map(From::Pod),
        6 => (0..10_usize).prop_map(From::Pod),
        2 => Just(From::Outside),
        1 => (0..3_usize).prop_map(From::Node),
        1 => Just(From::Kubelet),
    ];
    let to = prop_oneof![
        7 => (0..2_usize).prop_map(To::Service),
        2 => (0..4_usize).prop_map(To::Service),
        3 => (0..3_usize).prop_map(To::Pod),
        1 => (0..10_usize).prop_map(To::Pod),
        4 => (0..2_usize).prop_map(To::Host),
        1 => (0..5_usize).prop_map(To::Address),
        4 => Just(To::Gateway),
        1 => (0..3_usize).prop_map(To::Node),
        1 => (0..4_usize).prop_map(To::Name),
    ];
    let fitting = (from, to, any::<prop::sample::Index>()).prop_map(|(from, to, pick)| {
        let ports: &[u16] = match to {
            To::Service(_) => &[80, 80, 80, 80, 80, 9000],
            To::Pod(_) => &[8080, 8080, 8080, 8080, 9090, 15008],
            To::Host(_) | To::Address(_) => &[443, 443, 80, 8080],
            To::Gateway => &[8080, 8080, 8080, 80],
            To::Node(_) => &[10250, 6443, 30080, 8080],
            To::Name(_) => &[53],
        };
        (from, to, *pick.get(ports))
    });
    let protocol = prop_oneof![20 => Just(Protocol::Tcp), 1 => Just(Protocol::Udp), 1 => Just(Protocol::Icmp)];
    let state = prop::sample::select(vec![TokenState::Valid, TokenState::Valid, TokenState::Expired]);
    let request = (
        0..2_usize,
        prop_oneof![10 => 0..3_usize, 1 => Just(3)],
        prop_oneof![3 => Just(0_usize), 2 => 0..3_usize],
        prop::option::weighted(0.4, state),
    );
    (fitting, protocol, prop::option::weighted(0.7, request), prop::bool::weighted(0.15))
        .prop_map(|((from, to, port), protocol, request, tls)| FlowSketch { from, to, port, protocol, request, tls })
}
