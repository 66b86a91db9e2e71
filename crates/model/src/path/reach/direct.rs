//! Flows straight from pod to pod: each side decides once for all peers that it cannot tell apart.

use std::collections::HashMap;

use airtight_manifest::cilium::Direction;

use super::basis::{Bases, BasisId};
use super::cells::Cells;
use super::class::ClassId;
use super::doubts::{Doubts, Which};
use super::grid::{Grid, Place, Row, Who};
use crate::path::checks::{Interception, application_check, check, doubt, interception};
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::trace::Wire;
use crate::policy::cni::{CniHop, Groups, Payload, PodPeers};
use crate::policy::waypoint::Binding;
use crate::policy::ztunnel::{Caller, Ruling};
use crate::policy::{Checkpoint, Effect};
use crate::world::{Endpoint, Enrolment, Pod, Protocol};

/// How many checkpoints such a flow can meet: admission's doubt about each end, unmodelled objects at each end,
/// CNI egress and ingress, ztunnel, the application.
pub(super) const SLOTS: usize = 8;

/// Settles every cell of the grid that is such a flow.
pub(super) fn fill(policies: &Policies<'_>, grid: &Grid, cells: &mut Cells) {
    let mut straight = Straight::new(policies, grid);
    let ends: Vec<Option<usize>> = grid
        .targets
        .iter()
        .map(|target| match target.place {
            Place::Class(class) => straight.end(class, target.protocol, target.port, &mut cells.bases),
            Place::Service(_) | Place::Host(_) | Place::Gateway(_) => None,
        })
        .collect();
    for row in 0..grid.rows.len() {
        let Some(mut start) = straight.start(grid.rows[row], &mut cells.bases) else { continue };
        for (target, end) in ends.iter().enumerate() {
            let Some(end) = end.filter(|_| grid.wanted(row, target)) else { continue };
            if let Some(met) = straight.travel(&mut start, end, Address::Pod, &mut cells.bases) {
                let verdict = cells.weigh(&met);
                cells.settle(row, target, verdict, &met);
            }
        }
    }
}

/// What the client dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// The pod's own address.
    Pod,
    /// That of a Service before it, which has no waypoint.
    Service,
}

/// One side's decisions about its peers, each made when it is first needed.
#[derive(Debug)]
struct Side {
    group_of: Vec<u32>,
    bases: Vec<BasisId>,
}

impl Side {
    fn of(groups: &Groups, peers: usize) -> Self {
        let mut group_of = vec![0; peers];
        for (group, set) in (0_u32..).zip(&groups.sets) {
            set.iter().for_each(|peer| group_of[peer] = group);
        }
        Self { group_of, bases: vec![BasisId::NONE; groups.sets.len()] }
    }

    fn basis(&mut self, peer: usize, decide: impl FnOnce() -> BasisId) -> BasisId {
        let basis = &mut self.bases[self.group_of[peer] as usize];
        if *basis == BasisId::NONE {
            *basis = decide();
        }
        *basis
    }
}

/// A source.
pub(super) struct Start<'w> {
    class: ClassId,
    peer: usize,
    pod: &'w Pod,
    certified: Caller,
    anonymous: Caller,
    doubts: [BasisId; 2],
    egress: HashMap<(Protocol, u16), Side>,
}

impl<'w> Start<'w> {
    pub(super) fn class(&self) -> ClassId {
        self.class
    }

    pub(super) fn pod(&self) -> &'w Pod {
        self.pod
    }
}

/// A destination and its port.
struct End<'w> {
    class: ClassId,
    peer: usize,
    pod: &'w Pod,
    protocol: Protocol,
    port: u16,
    doubts: [BasisId; 2],
    application: BasisId,
    ingress: HashMap<(Protocol, u16), Side>,
    rulings: HashMap<Ruling, BasisId>,
}

/// Travels straight ways.
pub(super) struct Straight<'a, 'w> {
    policies: &'a Policies<'w>,
    grid: &'a Grid,
    /// Indices among `peers` of classes in network namespaces of their own.
    peer_of: Vec<Option<usize>>,
    peers: PodPeers<'w>,
    ends: Vec<End<'w>>,
    known: HashMap<(ClassId, Protocol, u16), usize>,
    doubts: Doubts,
}

impl<'a, 'w> Straight<'a, 'w> {
    pub(super) fn new(policies: &'a Policies<'w>, grid: &'a Grid) -> Self {
        let mut pods = Vec::new();
        let peer_of = grid.classes.iter().map(|class| {
            (!class.host_network).then(|| {
                pods.push(class.pods[0]);
                pods.len() - 1
            })
        });
        let peer_of = peer_of.collect();
        Self {
            peers: policies.cni.pod_peers(policies.world, &pods),
            policies,
            grid,
            peer_of,
            ends: Vec::new(),
            known: HashMap::new(),
            doubts: Doubts::default(),
        }
    }

    /// The source of a row; none if its flows do not go straight.
    pub(super) fn start(&mut self, row: Row, bases: &mut Bases) -> Option<Start<'w>> {
        let Who::Class(class) = row.who else { return None };
        let peer = self.peer_of[class.0 as usize]?;
        let pod = self.policies.world.pod(self.grid.class(class).pods[0]);
        let sender = Peer::pod(pod);
        Some(Start {
            class,
            peer,
            pod,
            certified: Caller::of(sender.mesh_source(self.policies.world)),
            anonymous: Caller::of(sender.anonymous()),
            doubts: self.doubts_about(Which::Start, pod, bases),
            egress: HashMap::new(),
        })
    }

    /// The index of a destination; none if flows to it do not go straight.
    pub(super) fn end(&mut self, class: ClassId, protocol: Protocol, port: u16, bases: &mut Bases) -> Option<usize> {
        let peer = self.peer_of[class.0 as usize]?;
        if let Some(index) = self.known.get(&(class, protocol, port)) {
            return Some(*index);
        }
        let pod = self.policies.world.pod(self.grid.class(class).pods[0]);
        // A gateway has more to say of its listeners than that they are there.
        if protocol == Protocol::Tcp && names::listens_for_routes(self.policies.world, pod, port) {
            return None;
        }
        let answer = application_check(pod, protocol, Some(port));
        let application = match answer.decision.effect {
            Effect::Allow => BasisId::NONE,
            Effect::Deny | Effect::Unknown => bases.add(Wire::Plain { protocol, port: Some(port) }, answer),
        };
        let doubts = self.doubts_about(Which::End, pod, bases);
        let (ingress, rulings) = (HashMap::new(), HashMap::new());
        self.ends.push(End { class, peer, pod, protocol, port, doubts, application, ingress, rulings });
        self.known.insert((class, protocol, port), self.ends.len() - 1);
        Some(self.ends.len() - 1)
    }

    fn doubts_about(&mut self, which: Which, pod: &Pod, bases: &mut Bases) -> [BasisId; 2] {
        let world = self.policies.world;
        let wire = Wire::Plain { protocol: Protocol::Tcp, port: None };
        let admission = doubt(world, pod).map(|check| bases.add(wire, check));
        let unmodelled = self.doubts.about(world, which, pod, bases);
        [unmodelled.unwrap_or(BasisId::NONE), admission.unwrap_or(BasisId::NONE)]
    }

    /// What a flow meets on its way; none if it does not go straight, or there is no pair of pods.
    pub(super) fn travel(
        &mut self,
        start: &mut Start<'w>,
        end: usize,
        address: Address,
        bases: &mut Bases,
    ) -> Option<[BasisId; SLOTS]> {
        let Self { policies, grid, peers, ends, .. } = self;
        let end = &mut ends[end];
        if address == Address::Pod
            && names::answered_by_ztunnel(policies.world, start.pod, end.protocol, Some(end.port))
        {
            return None;
        }
        let wire = wire(policies, start.pod, end, address)?;
        let other = if start.class == end.class { grid.pair(start.class, end.class)?.1 } else { end.pod.id };
        let pair = Pair { policies, from: start.pod, to: policies.world.pod(other), wire };
        let (protocol, port) = wire.seen_by_cni();
        let port = port.unwrap_or(end.port);
        let size = peers.len();
        let egress = start.egress.entry((protocol, port)).or_insert_with(|| {
            Side::of(&policies.cni.groups(Direction::Egress, start.pod, (protocol, port), peers), size)
        });
        let egress = egress.basis(end.peer, || pair.cni(Direction::Egress, protocol, port, bases));
        let subject = end.pod;
        let ingress = end.ingress.entry((protocol, port)).or_insert_with(|| {
            Side::of(&policies.cni.groups(Direction::Ingress, subject, (protocol, port), peers), size)
        });
        let ingress = ingress.basis(start.peer, || pair.cni(Direction::Ingress, protocol, port, bases));
        let ztunnel = pair.ztunnel(start, end, bases);
        let [unmodelled, admission] = start.doubts;
        let [unmodelled_there, admission_there] = end.doubts;
        Some([unmodelled, unmodelled_there, admission, admission_there, egress, ingress, ztunnel, end.application])
    }
}

/// How a flow looks to the CNI if it goes straight; a pod's own waypoint stands before its address only.
fn wire(policies: &Policies<'_>, from: &Pod, end: &End<'_>, address: Address) -> Option<Wire> {
    let hbone = match (from.enrolment, end.protocol) {
        (Enrolment::Ambient | Enrolment::AmbientOutbound, Protocol::Tcp) if address == Address::Pod => {
            match policies.bindings.pod(end.pod.id) {
                Binding::None | Binding::Unset { .. } => end.pod.enrolment.accepts_hbone(),
                Binding::Bound { .. } | Binding::Unknown { .. } => return None,
            }
        }
        (
            Enrolment::Ambient | Enrolment::AmbientOutbound | Enrolment::Native | Enrolment::NativeOutbound,
            Protocol::Tcp,
        ) => end.pod.enrolment.accepts_hbone(),
        // What the sidecar makes of it is not known, and nobody tells it here.
        (Enrolment::Sidecar, Protocol::Tcp) => return None,
        (_, Protocol::Tcp | Protocol::Udp | Protocol::Sctp | Protocol::Icmp) => false,
    };
    Some(if hbone {
        Wire::Hbone { inner: end.port }
    } else {
        Wire::Plain { protocol: end.protocol, port: Some(end.port) }
    })
}

/// Two pods, and how the traffic between them looks.
struct Pair<'a, 'w> {
    policies: &'a Policies<'w>,
    from: &'a Pod,
    to: &'a Pod,
    wire: Wire,
}

impl Pair<'_, '_> {
    fn cni(&self, direction: Direction, protocol: Protocol, port: u16, bases: &mut Bases) -> BasisId {
        let hop = CniHop {
            source: Endpoint::Pod(self.from.id),
            destination: Endpoint::Pod(self.to.id),
            protocol,
            port: Some(port),
            icmp_type: None,
            payload: match self.wire {
                Wire::Hbone { .. } => Payload::Hbone,
                Wire::Plain { .. } => Payload::Opaque,
            },
            resolved: None,
        };
        let world = self.policies.world;
        let check = match direction {
            Direction::Egress => check(Checkpoint::CniEgress, self.policies.cni.egress(world, &hop)),
            Direction::Ingress => check(Checkpoint::CniIngress, self.policies.cni.ingress(world, &hop)),
        };
        bases.add(self.wire, check)
    }

    fn ztunnel(&self, start: &Start<'_>, end: &mut End<'_>, bases: &mut Bases) -> BasisId {
        let world = self.policies.world;
        let from = Endpoint::Pod(self.from.id);
        let caller = match interception(world, from, self.to, self.wire) {
            Interception::Tunnel => &start.certified,
            Interception::Plaintext => &start.anonymous,
            Interception::Bypassed(_) | Interception::Nothing => return BasisId::NONE,
        };
        let ruling = self.policies.ztunnel.ruling(world, self.to.id, end.port, caller);
        *end.rulings.entry(ruling).or_insert_with(|| {
            let decision = self.policies.ztunnel.inbound(world, self.to.id, end.port, caller.source());
            bases.add(self.wire, check(Checkpoint::ZtunnelInbound, decision))
        })
    }
}
