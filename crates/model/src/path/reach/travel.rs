//! Ways that are travelled hop by hop, as a trace travels them, once for each cell.

use std::cmp::Reverse;

use super::basis::BasisId;
use super::cells::Cells;
use super::class::ClassId;
use super::doubts::unmodelled;
use super::grid::{Grid, GridTarget, Nearness, Place, Who, host_name, nodes};
use super::verdict::CellVerdict;
use crate::path::branch::{Branch, to_others};
use crate::path::connection::{Connection, Relay};
use crate::path::destination::{by_name, to_host};
use crate::path::doubt::doubt_about;
use crate::path::names::{self, Resolved};
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::target::DialTarget;
use crate::path::walk::Walk;
use crate::policy::waypoint::{Binding, WaypointTarget};
use crate::policy::{Checkpoint, Effect, Layer, Request};
use crate::world::{GatewayKey, HostId, NodeId, PodId, Protocol, Role, Service, service_host};

/// Settles every cell that is open yet.
pub(super) fn fill(policies: &Policies<'_>, grid: &Grid, cells: &mut Cells) {
    let traveller = Traveller { policies, walk: Walk::through(policies), grid };
    for row in 0..grid.rows.len() {
        for target in 0..grid.targets.len() {
            if !cells.is_open(row, target) || !grid.wanted(row, target) {
                continue;
            }
            if let Some((verdict, branches)) = traveller.travel(row, target) {
                let bases = bases(policies, &branches, cells);
                cells.settle(row, target, verdict, &bases);
            }
        }
    }
}

/// The bases of all branches, each once, and that of a doubt.
fn bases(policies: &Policies<'_>, branches: &[Branch], cells: &mut Cells) -> Vec<BasisId> {
    let mut bases = Vec::new();
    for branch in branches {
        if let Some(rule) = doubt_about(policies.world, &branch.hops) {
            bases.push(unmodelled(rule, &mut cells.bases));
        }
        for hop in &branch.hops {
            let telling = hop.checkpoints.iter().filter(|check| {
                check.decision.effect != Effect::Allow
                    || (!check.decision.rules.is_empty() && check.checkpoint != Checkpoint::Application)
            });
            bases.extend(telling.map(|check| cells.bases.add(hop.wire, check.clone())));
        }
    }
    bases
}

struct Traveller<'a, 'w> {
    policies: &'a Policies<'w>,
    walk: Walk<'a, 'w>,
    grid: &'a Grid,
}

impl<'w> Traveller<'_, 'w> {
    /// The verdict of a cell and the branches behind it; none if there is no pair of ends.
    fn travel(&self, row: usize, target: usize) -> Option<(CellVerdict, Vec<Branch>)> {
        let aim = &self.grid.targets[target];
        match &aim.place {
            Place::Class(class) => {
                if self.grid.rows[row].who == Who::Outside {
                    return self.to_nodes_port(*class, aim);
                }
                let (from, to) = self.grid.pods(self.policies.world, row, target)?;
                Some(self.judged(self.walk.dial(&from, &DialTarget::Pod(to, Some(aim.port)), bare(aim.protocol))))
            }
            Place::Service(index) => {
                let service = &self.policies.world.services[*index];
                if self.grid.rows[row].who == Who::Outside {
                    return self.to_published(service, aim);
                }
                Some(self.to_service(&self.peer_near(row, service)?, service, aim))
            }
            Place::Host(id) => Some(self.to_host(&self.inside(row)?, *id, aim.port)),
            Place::Gateway(key) => self.to_gateway(row, key, aim),
        }
    }

    /// A flow whose ways end differently depends on the choice; one in doubt is open.
    fn judged(&self, branches: Vec<Branch>) -> (CellVerdict, Vec<Branch>) {
        let (branches, _) = to_others(branches);
        let doubtful = branches.iter().any(|branch| doubt_about(self.policies.world, &branch.hops).is_some());
        let verdict = if doubtful {
            CellVerdict::Unknown
        } else {
            CellVerdict::whichever(branches.iter().map(CellVerdict::of_branch))
        };
        (verdict, branches)
    }

    fn peer(&self, row: usize) -> Option<Peer<'w>> {
        let world = self.policies.world;
        match self.grid.rows[row].who {
            Who::Class(class) => Some(Peer::pod(world.pod(self.grid.class(class).pods[0]))),
            Who::Node { control_plane } => nodes(world, control_plane).next().map(|node| Peer::node(world, node)),
            Who::Outside => None,
        }
    }

    /// A source as near to a Service's backends as the row says, to as many of them as can be; none if there is none.
    fn peer_near(&self, row: usize, service: &Service) -> Option<Peer<'w>> {
        let world = self.policies.world;
        let Some(near) = self.grid.rows[row].near.filter(|_| !service.backends.is_empty()) else {
            return self.peer(row);
        };
        let fitting = |node: NodeId| {
            let homes = service.backends.iter().map(|pod| world.pod(*pod).node);
            homes.filter(|home| (*home == node) == (near == Nearness::SameNode)).count()
        };
        let sources: Vec<(NodeId, Peer<'w>)> = match self.grid.rows[row].who {
            Who::Class(class) => {
                let pods = self.grid.class(class).pods.iter().map(|id| world.pod(*id));
                pods.flat_map(|pod| Peer::homes(world, pod).map(move |home| (home, Peer::on(world, pod, home))))
                    .collect()
            }
            Who::Node { control_plane } => {
                nodes(world, control_plane).map(|node| (node, Peer::node(world, node))).collect()
            }
            Who::Outside => return None,
        };
        let there = sources.into_iter().filter(|(node, _)| fitting(*node) > 0);
        there.min_by_key(|(node, _)| Reverse(fitting(*node))).map(|(_, peer)| peer)
    }

    /// A source in the cluster.
    fn inside(&self, row: usize) -> Option<Peer<'w>> {
        match self.grid.rows[row].who {
            Who::Class(_) => self.peer(row),
            Who::Node { .. } | Who::Outside => None,
        }
    }

    fn to_service(&self, from: &Peer<'w>, service: &'w Service, aim: &GridTarget) -> (CellVerdict, Vec<Branch>) {
        let name = service_host(&service.namespace, &service.name);
        let send = |connection: &Connection| {
            let targets = names::of_service(self.policies.world, from, service, Some(aim.port)).into_iter();
            self.judged(targets.flat_map(|to| self.look_up(from, &name, to, connection)).collect())
        };
        let (verdict, branches) = send(&bare(aim.protocol));
        if aim.protocol != Protocol::Tcp || !judged_by_waypoint(&branches) {
            return (verdict, branches);
        }
        let get = Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: name.clone(),
            headers: Vec::new(),
            token: None,
        };
        let (requested, with_request) = send(&Connection { request: Some(get), ..bare(aim.protocol) });
        match (verdict, requested) {
            (CellVerdict::Unknown | CellVerdict::Allowed | CellVerdict::Absent, _) => (verdict, branches),
            (CellVerdict::Denied(layer), _) if layer != Layer::Waypoint => (verdict, branches),
            (
                CellVerdict::ByRequest | CellVerdict::Denied(_),
                CellVerdict::Denied(Layer::Waypoint) | CellVerdict::Allowed,
            ) if self.reads_requests(from, self.behind(service, &name), aim.port) => {
                (CellVerdict::ByRequest, with_request)
            }
            (CellVerdict::ByRequest | CellVerdict::Denied(_), _) => (requested, with_request),
        }
    }

    /// The Service that another stands for.
    fn behind(&self, service: &'w Service, name: &str) -> &'w Service {
        match names::alias_end(self.policies.world, name) {
            Resolved::Service(end) => end,
            Resolved::Pod(_) | Resolved::Outside(_) | Resolved::Nowhere => service,
        }
    }

    /// Whether a Service's waypoint decides by more than who calls.
    fn reads_requests(&self, from: &Peer<'w>, service: &'w Service, port: u16) -> bool {
        let Binding::Bound { gateway, .. } = self.policies.bindings.service(&service.namespace, &service.name) else {
            return true;
        };
        let Some(waypoint) = self.policies.waypoint(gateway) else { return true };
        let target = WaypointTarget::Service { service, port };
        let sources = [from.mesh_source(self.policies.world), from.anonymous()];
        self.policies.waypoints.reads_requests(self.policies.world, waypoint, &target, &sources)
    }

    /// A lookup, and on to what the name stands for.
    fn look_up(&self, from: &Peer<'w>, name: &str, to: DialTarget<'w>, connection: &Connection) -> Vec<Branch> {
        self.walk.from(by_name(self.policies, from.clone(), name, to, connection))
    }

    fn to_host(&self, from: &Peer<'w>, id: HostId, port: u16) -> (CellVerdict, Vec<Branch>) {
        let world = self.policies.world;
        let host = world.host(id);
        let name = host_name(world, id);
        let tls = host.tls_ports.contains(&port).then(|| name.clone());
        let connection = Connection { tls, ..bare(Protocol::Tcp) };
        if host.names.is_empty() {
            let branches = host
                .addresses
                .first()
                .map(|address| self.walk.dial(from, &DialTarget::at(world, *address, Some(port)), connection));
            return self.judged(branches.unwrap_or_default());
        }
        let steps = to_host(self.policies, from, &name, Some(port), &connection).into_iter();
        self.judged(steps.flat_map(|step| self.walk.from(step)).collect())
    }

    /// Users come to what pods listen on in their nodes' network, and to ports of nodes that lead to pods.
    fn to_nodes_port(&self, class: ClassId, aim: &GridTarget) -> Option<(CellVerdict, Vec<Branch>)> {
        let world = self.policies.world;
        let pod = world.pod(self.grid.class(class).pods[0]);
        let to = if pod.host_network {
            DialTarget::Pod(pod, Some(aim.port))
        } else {
            let mut ports = pod.ports.iter().filter(|port| (port.protocol, port.number) == (aim.protocol, aim.port));
            DialTarget::Node(pod.node, Some(ports.find_map(|port| port.host)?))
        };
        Some(self.judged(self.walk.dial(&Peer::outside(world), &to, bare(aim.protocol))))
    }

    /// Users come to what a Service publishes; that of a Gateway's proxy is its Gateway's own address.
    fn to_published(&self, service: &'w Service, aim: &GridTarget) -> Option<(CellVerdict, Vec<Branch>)> {
        let world = self.policies.world;
        let is_gateway = |pod: &PodId| matches!(world.pod(*pod).role, Role::Gateway(_));
        if service.external_traffic.is_none() || service.backends.iter().any(is_gateway) {
            return None;
        }
        let to = DialTarget::Service(service, aim.port);
        Some(self.judged(self.walk.dial(&Peer::outside(world), &to, bare(aim.protocol))))
    }

    /// Only users come to a Gateway's own address.
    fn to_gateway(&self, row: usize, key: &GatewayKey, aim: &GridTarget) -> Option<(CellVerdict, Vec<Branch>)> {
        if self.grid.rows[row].who != Who::Outside {
            return None;
        }
        let world = self.policies.world;
        let service = names::gateway_service(world, key)?;
        let branches =
            self.walk.dial(&Peer::outside(world), &DialTarget::Service(service, aim.port), bare(aim.protocol));
        Some(self.judged(branches))
    }
}

fn judged_by_waypoint(branches: &[Branch]) -> bool {
    let checks = branches.iter().flat_map(|branch| &branch.hops).flat_map(|hop| &hop.checkpoints);
    checks.into_iter().any(|check| check.checkpoint == Checkpoint::Waypoint)
}

/// A bare connection.
fn bare(protocol: Protocol) -> Connection {
    Connection { protocol, request: None, tls: None, originated: None, resolved: None, relay: Relay::Client }
}
