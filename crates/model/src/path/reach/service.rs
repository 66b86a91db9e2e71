//! Flows by the name of a Service: a lookup, and straight ways to its backends where no waypoint is in between.

use std::collections::{BTreeSet, HashMap};

use super::basis::{Bases, BasisId};
use super::cells::Cells;
use super::class::ClassId;
use super::direct::{Address, SLOTS, Start, Straight};
use super::doubts::unmodelled;
use super::grid::{Grid, GridTarget, Place};
use super::verdict::CellVerdict;
use crate::path::connection::Relay;
use crate::path::doubt::doubt_about;
use crate::path::lookup::lookup;
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::target::{is_dialled_by_pod, representatives, target_port};
use crate::policy::cni::NamePatterns;
use crate::policy::waypoint::Binding;
use crate::policy::ztunnel::{OutboundTarget, Route, UpstreamAddress, route};
use crate::policy::{Checkpoint, Effect};
use crate::world::{Endpoint, PodId, Protocol, Service, World, service_host};

/// Settles every cell of the grid that is such a flow.
pub(super) fn fill(policies: &Policies<'_>, grid: &Grid, cells: &mut Cells) {
    let mut straight = Straight::new(policies, grid);
    let classes = class_of(grid);
    let mut signatures = Signatures { patterns: policies.cni.name_patterns(), known: HashMap::new() };
    let ways: Vec<Option<Ways>> = grid
        .targets
        .iter()
        .map(|aim| match aim.place {
            Place::Service(index) => {
                let service = &policies.world.services[index];
                let bases = &mut cells.bases;
                Ways::of(policies, &classes, service, aim, &mut straight, &mut signatures, bases)
            }
            Place::Class(_) | Place::Host(_) | Place::Gateway(_) => None,
        })
        .collect();
    for row in 0..grid.rows.len() {
        let Some(mut start) = straight.start(grid.rows[row], &mut cells.bases) else { continue };
        let mut lookups = HashMap::new();
        for (target, ways) in ways.iter().enumerate() {
            let Some(ways) = ways.as_ref().filter(|_| grid.wanted(row, target)) else { continue };
            let Some(backends) = ways.from(policies.world, &start) else { continue };
            let looked_up =
                lookups.entry(ways.signature).or_insert_with(|| look_up(policies, &start, ways, &mut cells.bases));
            if let Some((verdict, met)) = travel(&mut straight, &mut start, backends, looked_up, cells) {
                cells.settle(row, target, verdict, &met);
            }
        }
    }
}

fn class_of(grid: &Grid) -> HashMap<PodId, ClassId> {
    let numbered = (0_u32..).map(ClassId).zip(&grid.classes);
    numbered.flat_map(|(id, class)| class.pods.iter().map(move |pod| (*pod, id))).collect()
}

/// The ends of a Service's port.
struct Ways {
    name: String,
    /// Names with equal numbers are treated alike by every DNS rule.
    signature: usize,
    /// Where ztunnel sends a TCP connection; none if the way is not straight.
    captured: Option<Vec<usize>>,
    /// Where the kernel sends a connection.
    plain: Option<Vec<usize>>,
    protocol: Protocol,
    port: u16,
    backends: BTreeSet<ClassId>,
}

impl Ways {
    fn of(
        policies: &Policies<'_>,
        classes: &HashMap<PodId, ClassId>,
        service: &Service,
        aim: &GridTarget,
        straight: &mut Straight<'_, '_>,
        signatures: &mut Signatures,
        bases: &mut Bases,
    ) -> Option<Self> {
        // Which backends there are is each client's own matter.
        if service.internal_local
            || service.unlike_slices
            || service.external_name.is_some()
            || is_dialled_by_pod(service)
        {
            return None;
        }
        let name = service_host(&service.namespace, &service.name);
        let mut ends = |pods: Option<Vec<(PodId, u16)>>| -> Option<Vec<usize>> {
            let distinct: BTreeSet<(ClassId, u16)> =
                pods?.into_iter().map(|(pod, port)| Some((*classes.get(&pod)?, port))).collect::<Option<_>>()?;
            distinct.into_iter().map(|(class, port)| straight.end(class, aim.protocol, port, bases)).collect()
        };
        let captured = ends(captured(policies, service, aim));
        let plain = ends(plain(policies, service, aim));
        if captured.is_none() && plain.is_none() {
            return None;
        }
        Some(Self {
            signature: signatures.of(&name),
            name,
            captured,
            plain,
            protocol: aim.protocol,
            port: aim.port,
            backends: service.backends.iter().filter_map(|pod| classes.get(pod)).copied().collect(),
        })
    }

    /// Where a source's flows end; a source that may meet itself is no straight case.
    fn from(&self, world: &World, start: &Start<'_>) -> Option<&[usize]> {
        let answered = names::answered_by_ztunnel(world, start.pod(), self.protocol, Some(self.port));
        if answered || self.backends.contains(&start.class()) {
            return None;
        }
        let through_ztunnel = self.protocol == Protocol::Tcp && start.pod().enrolment.sends_through_ztunnel();
        if through_ztunnel { self.captured.as_deref() } else { self.plain.as_deref() }
    }
}

/// Numbers for names that DNS rules treat alike.
struct Signatures {
    patterns: NamePatterns,
    known: HashMap<Vec<bool>, usize>,
}

impl Signatures {
    fn of(&mut self, name: &str) -> usize {
        let next = self.known.len();
        *self.known.entry(self.patterns.signature(name)).or_insert(next)
    }
}

/// Pods and ports among which ztunnel chooses; none if a waypoint is in between, or an endpoint is no pod.
fn captured(policies: &Policies<'_>, service: &Service, aim: &GridTarget) -> Option<Vec<(PodId, u16)>> {
    let world = policies.world;
    match policies.bindings.service(&service.namespace, &service.name) {
        Binding::None | Binding::Unset { .. } => {}
        Binding::Bound { .. } | Binding::Unknown { .. } => return None,
    }
    let source = world.pods.iter().find(|pod| pod.enrolment.sends_through_ztunnel())?;
    let target =
        OutboundTarget::ServiceVip { namespace: service.namespace.clone(), name: service.name.clone(), port: aim.port };
    let (Route::Direct(upstreams), _) = route(world, &policies.bindings, source.id, &target) else { return None };
    let pods = upstreams.iter().map(|upstream| match upstream.to {
        UpstreamAddress::Pod(pod) => Some((pod, upstream.port)),
        UpstreamAddress::Address(_) | UpstreamAddress::Name(_) => None,
    });
    pods.collect()
}

/// Pods and ports among which the kernel chooses; none if there is none, or an endpoint is no pod.
fn plain(policies: &Policies<'_>, service: &Service, aim: &GridTarget) -> Option<Vec<(PodId, u16)>> {
    let entry = service.port(aim.protocol, aim.port)?;
    let first = service.backends.first()?;
    if !service.external_endpoints.is_empty() {
        return None;
    }
    let pods = representatives(policies.world, service, Endpoint::Pod(*first));
    pods.into_iter().map(|pod| Some((pod.id, target_port(entry, pod)?))).collect()
}

/// What the lookup of a name meets.
fn look_up(policies: &Policies<'_>, start: &Start<'_>, ways: &Ways, bases: &mut Bases) -> Vec<BasisId> {
    let lookup = lookup(policies, &Peer::pod(start.pod()), &ways.name, Relay::Client);
    let mut met: Vec<BasisId> =
        doubt_about(policies.world, &lookup.hops).map(|rule| unmodelled(rule, bases)).into_iter().collect();
    for hop in lookup.hops {
        for check in hop.checkpoints {
            let idle = check.decision.effect == Effect::Allow
                && (check.decision.rules.is_empty() || check.checkpoint == Checkpoint::Application);
            if !idle {
                met.push(bases.add(hop.wire, check));
            }
        }
    }
    met
}

/// The verdict about all backends, and what flows meet on their way.
fn travel<'w>(
    straight: &mut Straight<'_, 'w>,
    start: &mut Start<'w>,
    backends: &[usize],
    looked_up: &[BasisId],
    cells: &mut Cells,
) -> Option<(CellVerdict, Vec<BasisId>)> {
    let mut bases = looked_up.to_vec();
    let mut verdicts = Vec::with_capacity(backends.len());
    for end in backends {
        let met: [BasisId; SLOTS] = straight.travel(start, *end, Address::Service, &mut cells.bases)?;
        verdicts.push(cells.weigh(looked_up.iter().chain(&met)));
        bases.extend(met);
    }
    Some((CellVerdict::whichever(verdicts), bases))
}
