//! The grid: sources as rows, destinations with their ports as targets.

use std::collections::BTreeSet;

use airtight_manifest::cilium::{Direction, PortItem};

use super::class::{Class, ClassId, classes, networks};
use super::scope::{Scope, View};
use crate::path::names;
use crate::path::peer::Peer;
use crate::path::policies::Policies;
use crate::path::target::target_port;
use crate::world::{GatewayKey, HostId, NodeId, Pod, PodId, Protocol, Role, World};

/// Where the ends of a cell run, if that makes a difference: one of them is in a node's network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// On one node.
    SameNode,
    /// On different nodes.
    OtherNode,
}

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// Pods.
    Class(ClassId),
    /// A process on a node that runs the API server, or on one that does not.
    Node {
        /// Whether it does.
        control_plane: bool,
    },
    /// A user on the Internet.
    Outside,
}

/// A source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// Who.
    pub who: Who,
    /// How near the destination is; none where it makes no difference.
    pub near: Option<Nearness>,
}

/// What flows aim at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The address of pods.
    Class(ClassId),
    /// The name of a Service, by its index in the world.
    Service(usize),
    /// The name of a host outside.
    Host(HostId),
    /// The address of a Gateway, as a user outside reaches it.
    Gateway(GatewayKey),
}

/// A destination and its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GridTarget {
    /// Where.
    pub place: Place,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port that the client dials.
    pub port: u16,
    /// How near the source is; none where it makes no difference.
    pub near: Option<Nearness>,
}

/// Rows and targets.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) classes: Vec<Class>,
    pub(super) rows: Vec<Row>,
    pub(super) targets: Vec<GridTarget>,
    pub(super) scope: Scope,
    pub(super) row_labels: Vec<String>,
    pub(super) target_labels: Vec<String>,
}

const BOTH: [Option<Nearness>; 2] = [Some(Nearness::SameNode), Some(Nearness::OtherNode)];

impl Grid {
    pub(super) fn of(policies: &Policies<'_>, scope: &Scope) -> Self {
        let world = policies.world;
        let mut grid = Self {
            classes: classes(policies),
            rows: Vec::new(),
            targets: Vec::new(),
            scope: scope.clone(),
            row_labels: Vec::new(),
            target_labels: Vec::new(),
        };
        grid.rows = grid.all_rows(world);
        grid.row_labels = grid.rows.iter().map(|row| grid.label_of(row.who)).collect();
        (grid.rows, grid.row_labels) =
            std::iter::zip(std::mem::take(&mut grid.rows), std::mem::take(&mut grid.row_labels))
                .filter(|(_, label)| scope.takes_source(label))
                .unzip();
        let targets = grid.all_targets(policies);
        let labelled = targets.into_iter().map(|target| (grid.label_to(world, &target.place), target));
        (grid.target_labels, grid.targets) =
            labelled.filter(|(label, target)| scope.takes_target(label, target.port)).unzip();
        grid
    }

    fn all_rows(&self, world: &World) -> Vec<Row> {
        let mut rows = Vec::new();
        for (id, class) in self.numbered() {
            let near: &[Option<Nearness>] = if class.host_network { &BOTH } else { &[None] };
            rows.extend(near.iter().map(|near| Row { who: Who::Class(id), near: *near }));
        }
        for control_plane in [false, true] {
            if world.nodes.iter().any(|node| node.control_plane == control_plane) {
                rows.extend(BOTH.map(|near| Row { who: Who::Node { control_plane }, near }));
            }
        }
        rows.push(Row { who: Who::Outside, near: None });
        rows
    }

    fn numbered(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        (0_u32..).map(ClassId).zip(&self.classes)
    }

    fn all_targets(&self, policies: &Policies<'_>) -> Vec<GridTarget> {
        let world = policies.world;
        let mut targets = match self.scope.view {
            View::Pod => self.pod_targets(),
            View::Service => service_targets(world),
            View::Everything => {
                let mut targets = service_targets(world);
                targets.extend(self.pod_targets());
                targets
            }
            View::Usual => {
                let mut targets = service_targets(world);
                targets.extend(self.pod_targets().into_iter().filter(|target| !self.is_served(world, target)));
                targets.retain(|target| !self.is_waypoint(world, target));
                targets
            }
        };
        targets.extend(gateway_targets(world));
        let mut hosts = host_targets(world);
        if self.scope.named_hosts && self.scope.to.is_empty() {
            let spoken_of = spoken_of(world);
            hosts.retain(|target| is_named(policies, &spoken_of, target));
        }
        targets.extend(hosts);
        targets
    }

    /// Whether a target is a proxy that stands before others, or the Service that was made for it.
    fn is_waypoint(&self, world: &World, target: &GridTarget) -> bool {
        let is_waypoint = |pod: &PodId| matches!(world.pod(*pod).role, Role::Waypoint(_));
        match &target.place {
            Place::Class(class) => self.class(*class).pods.iter().all(is_waypoint),
            Place::Service(index) => {
                let backends = &world.services[*index].backends;
                !backends.is_empty() && backends.iter().all(is_waypoint)
            }
            Place::Host(_) | Place::Gateway(_) => false,
        }
    }

    /// Whether a Service leads to a port of the pods of a target.
    fn is_served(&self, world: &World, target: &GridTarget) -> bool {
        let Place::Class(class) = target.place else { return false };
        let pod = world.pod(self.class(class).pods[0]);
        let mut services = world.services.iter().filter(|service| service.backends.contains(&pod.id));
        services.any(|service| {
            let ports = service.ports.iter().filter(|port| port.protocol == target.protocol);
            ports.into_iter().any(|port| target_port(port, pod) == Some(target.port))
        })
    }

    fn pod_targets(&self) -> Vec<GridTarget> {
        let mut targets = Vec::new();
        for (id, class) in self.numbered() {
            let ports: BTreeSet<(Protocol, u16)> =
                class.ports.iter().map(|port| (port.protocol, port.number)).collect();
            let near: &[Option<Nearness>] = if class.host_network { &BOTH } else { &[None] };
            for (protocol, port) in ports {
                let target =
                    |near: &Option<Nearness>| GridTarget { place: Place::Class(id), protocol, port, near: *near };
                targets.extend(near.iter().map(target));
            }
        }
        targets
    }

    pub(super) fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// Whether the cell is asked for.
    pub(super) fn wanted(&self, row: usize, target: usize) -> bool {
        self.scope.namespace.is_none() || self.scope.takes_pair(&self.row_labels[row], &self.target_labels[target])
    }

    fn label_of(&self, who: Who) -> String {
        match who {
            Who::Class(id) => self.class(id).name.clone(),
            Who::Node { control_plane: false } => "node".to_owned(),
            Who::Node { control_plane: true } => "control-plane node".to_owned(),
            Who::Outside => "outside".to_owned(),
        }
    }

    fn label_to(&self, world: &World, place: &Place) -> String {
        match place {
            Place::Class(id) => self.class(*id).name.clone(),
            Place::Service(index) => {
                let service = &world.services[*index];
                format!("{}/{}", service.namespace, service.name)
            }
            Place::Host(id) => host_name(world, *id),
            Place::Gateway((namespace, name)) => format!("{namespace}/{name}"),
        }
    }

    pub(super) fn row_name(&self, _world: &World, row: usize) -> String {
        with_nearness(self.row_labels[row].clone(), self.rows[row].near)
    }

    pub(super) fn target_name(&self, _world: &World, target: usize) -> String {
        let GridTarget { place, protocol, port, near } = &self.targets[target];
        let label = &self.target_labels[target];
        let name = match place {
            Place::Gateway(_) => format!("gateway {label}:{port}"),
            Place::Class(_) | Place::Service(_) | Place::Host(_) => format!("{label}:{port}"),
        };
        let name = if *protocol == Protocol::Tcp { name } else { format!("{name}/{protocol}") };
        with_nearness(name, *near)
    }

    /// A pair of different pods in the cell, as near to each other as it says.
    pub(super) fn pods<'w>(&self, world: &'w World, row: usize, target: usize) -> Option<(Peer<'w>, &'w Pod)> {
        let (row, target) = (self.rows[row], &self.targets[target]);
        let Place::Class(to) = target.place else { return None };
        let near = match (row.near, target.near) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        let fits = |from: NodeId, to: NodeId| match near {
            None => true,
            Some(Nearness::SameNode) => from == to,
            Some(Nearness::OtherNode) => from != to,
        };
        let ends = || self.class(to).pods.iter().map(|id| world.pod(*id));
        match row.who {
            Who::Class(from) => self.class(from).pods.iter().map(|id| world.pod(*id)).find_map(|one| {
                let mut others = ends().filter(|other| other.id != one.id);
                others.find_map(|other| {
                    let home = Peer::homes(world, one).find(|home| fits(*home, other.node))?;
                    Some((Peer::on(world, one, home), other))
                })
            }),
            Who::Node { control_plane } => nodes(world, control_plane).find_map(|node| {
                let other = ends().find(|other| fits(node, other.node))?;
                Some((Peer::node(world, node), other))
            }),
            Who::Outside => None,
        }
    }

    /// A pod in the network namespace of its own on each side: the first, or another one if both are of one class.
    pub(super) fn pair(&self, from: ClassId, to: ClassId) -> Option<(PodId, PodId)> {
        let source = self.class(from).pods[0];
        let destination = self.class(to).pods.iter().find(|id| **id != source)?;
        Some((source, *destination))
    }
}

fn with_nearness(name: String, near: Option<Nearness>) -> String {
    match near {
        None => name,
        Some(Nearness::SameNode) => format!("{name} (same node)"),
        Some(Nearness::OtherNode) => format!("{name} (other node)"),
    }
}

pub(super) fn nodes(world: &World, control_plane: bool) -> impl Iterator<Item = NodeId> {
    (0_u32..)
        .zip(world.nodes.iter())
        .filter(move |(_, node)| node.control_plane == control_plane)
        .map(|(id, _)| NodeId(id))
}

pub(super) fn host_name(world: &World, id: HostId) -> String {
    let host = world.host(id);
    match (host.names.first(), host.addresses.first()) {
        (Some(name), _) => name.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "host".to_owned(),
    }
}

fn service_targets(world: &World) -> Vec<GridTarget> {
    let ports = world.services.iter().enumerate().flat_map(|(index, service)| {
        service.ports.iter().map(move |port| GridTarget {
            place: Place::Service(index),
            protocol: port.protocol,
            port: port.port,
            near: None,
        })
    });
    ports.collect()
}

/// Gateways that take traffic from users: each port of their Services.
fn gateway_targets(world: &World) -> Vec<GridTarget> {
    let keys: BTreeSet<&GatewayKey> = world
        .pods
        .iter()
        .filter_map(|pod| match &pod.role {
            Role::Gateway(key) => Some(key),
            Role::Waypoint(_) | Role::Workload => None,
        })
        .collect();
    let ports = keys.into_iter().flat_map(|key| {
        let service = names::gateway_service(world, key);
        service.into_iter().flat_map(|service| &service.ports).map(move |port| GridTarget {
            place: Place::Gateway(key.clone()),
            protocol: port.protocol,
            port: port.port,
            near: None,
        })
    });
    ports.collect()
}

/// Whether a policy speaks of a host: of its name, or of a range with its address that is not all there is.
fn is_named(policies: &Policies<'_>, spoken_of: &BTreeSet<String>, target: &GridTarget) -> bool {
    let Place::Host(id) = target.place else { return true };
    let host = policies.world.host(id);
    let patterns = policies.cni.name_patterns();
    let entries = policies.world.objects.service_entries.iter().flat_map(|object| &object.body.spec.hosts);
    let by_name = |name: &str| {
        patterns.signature(name).contains(&true)
            || entries.clone().any(|entry| entry.as_str() == name)
            || spoken_of.contains(name)
    };
    let networks = networks(policies);
    let in_range = |address| networks.iter().any(|network| network.prefix_len() > 0 && network.contains(address));
    host.names.iter().any(|name| by_name(name)) || host.addresses.iter().any(in_range)
}

/// Hosts that Cilium's egress rules name by what may be said to them.
fn spoken_of(world: &World) -> BTreeSet<String> {
    let objects = &world.objects;
    let policies = objects.cilium_policies.iter().chain(&objects.cilium_clusterwide_policies);
    let rules = policies.flat_map(|object| object.body.rules());
    let sections = rules.flat_map(|(_, rule)| rule.sections());
    let outward = sections.filter(|section| section.direction == Direction::Egress && section.leads_outside());
    outward.flat_map(|section| section.ports.iter().flat_map(PortItem::hosts).collect::<Vec<_>>()).collect()
}

fn host_targets(world: &World) -> Vec<GridTarget> {
    let numbered = (0_u32..).map(HostId).zip(world.hosts.iter());
    let ports = numbered.flat_map(|(id, host)| {
        let ports: BTreeSet<u16> = host.ports.iter().chain(&host.tls_ports).copied().collect();
        ports.into_iter().map(move |port| GridTarget {
            place: Place::Host(id),
            protocol: Protocol::Tcp,
            port,
            near: None,
        })
    });
    ports.collect()
}
