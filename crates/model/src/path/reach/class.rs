//! Classes: pods that no policy can tell apart.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::RuleRef;
use airtight_manifest::istio::Rule;
use ipnet::IpNet;

use crate::path::policies::Policies;
use crate::policy::waypoint::Binding;
use crate::policy::ztunnel::Workload;
use crate::world::{ContainerPort, Enrolment, Pod, PodId, Resolver, Role, World};

/// Index of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

/// Pods of one workload that every layer sees alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Their namespace.
    pub namespace: Arc<str>,
    /// `NAMESPACE/WORKLOAD`; with a number, if pods of the workload differ.
    pub name: String,
    /// The pods; at least one.
    pub pods: Vec<PodId>,
    /// How the mesh sees them.
    pub enrolment: Enrolment,
    /// Whether they share their nodes' network namespaces.
    pub host_network: bool,
    /// What they listen on.
    pub ports: Vec<ContainerPort>,
}

/// Everything about a pod that a decision can depend on; where its node counts, only whether it runs the API server.
#[derive(PartialEq, Eq, Hash)]
struct Traits<'a> {
    home: (&'a str, &'a str),
    cni_identity: u32,
    listed: &'a Workload,
    waypoint: Option<&'a (Arc<str>, Arc<str>)>,
    unbound: Option<String>,
    service_account: &'a str,
    enrolment: Enrolment,
    gateway: Option<(bool, &'a str, &'a str)>,
    host: Option<bool>,
    ready: bool,
    resolver: &'a Resolver,
    host_aliases: &'a [(Arc<str>, IpAddr)],
    ports: Vec<(Option<&'a str>, u16, u8)>,
    addresses: Vec<(bool, Vec<u32>)>,
    doubts: Option<&'a [RuleRef]>,
}

/// The classes of a world in the order of namespaces and names.
pub(super) fn classes(policies: &Policies<'_>) -> Vec<Class> {
    let world = policies.world;
    let networks = networks(policies);
    let mut known: HashMap<Traits<'_>, usize> = HashMap::new();
    let mut classes: Vec<Class> = Vec::new();
    for pod in world.pods.iter() {
        let index = *known.entry(traits(policies, &networks, pod)).or_insert_with(|| {
            classes.push(class(pod));
            classes.len() - 1
        });
        classes[index].pods.push(pod.id);
    }
    classes.sort_by(|a, b| (&a.name, &a.pods).cmp(&(&b.name, &b.pods)));
    number(&mut classes);
    classes
}

fn class(pod: &Pod) -> Class {
    Class {
        namespace: Arc::clone(&pod.namespace),
        name: format!("{}/{}", pod.namespace, pod.workload),
        pods: Vec::new(),
        enrolment: pod.enrolment,
        host_network: pod.host_network,
        ports: pod.ports.clone(),
    }
}

/// Tells classes of one workload apart.
fn number(classes: &mut [Class]) {
    for group in classes.chunk_by_mut(|a, b| a.name == b.name) {
        if group.len() > 1 {
            for (index, class) in group.iter_mut().enumerate() {
                class.name = format!("{}#{}", class.name, index + 1);
            }
        }
    }
}

fn traits<'a>(policies: &'a Policies<'_>, networks: &[IpNet], pod: &'a Pod) -> Traits<'a> {
    let world: &'a World = policies.world;
    let binding = policies.bindings.pod(pod.id);
    Traits {
        home: (&pod.namespace, &pod.workload),
        cni_identity: policies.cni.identity_of(pod.id),
        listed: policies.ztunnel.listed_on(pod.id),
        waypoint: match binding {
            Binding::Bound { gateway, .. } | Binding::Unset { gateway, .. } => Some(gateway),
            Binding::None | Binding::Unknown { .. } => None,
        },
        unbound: match binding {
            Binding::Unset { problem, .. } => Some(problem.to_string()),
            Binding::Unknown { detail, .. } => Some(detail.clone()),
            Binding::None | Binding::Bound { .. } => None,
        },
        service_account: &pod.service_account,
        enrolment: pod.enrolment,
        gateway: match &pod.role {
            Role::Workload => None,
            Role::Gateway((namespace, name)) => Some((false, namespace, name)),
            Role::Waypoint((namespace, name)) => Some((true, namespace, name)),
        },
        host: pod.host_network.then(|| world.node(pod.node).control_plane),
        ready: pod.ready,
        resolver: &pod.resolver,
        host_aliases: &pod.host_aliases,
        ports: pod.ports.iter().map(|port| (port.name.as_deref(), port.number, port.protocol as u8)).collect(),
        addresses: pod.addresses.iter().map(|address| seen(*address, networks)).collect(),
        doubts: world.doubts.get(&pod.id).map(Vec::as_slice),
    }
}

/// The family of an address, and the prefixes that contain it.
fn seen(address: IpAddr, networks: &[IpNet]) -> (bool, Vec<u32>) {
    let within = (0_u32..).zip(networks).filter(|(_, network)| network.contains(&address)).map(|(index, _)| index);
    (address.is_ipv4(), within.collect())
}

/// Every prefix by which a rule could tell two pods apart.
pub(super) fn networks(policies: &Policies<'_>) -> Vec<IpNet> {
    let rules = policies.world.objects.authorization_policies.iter().flat_map(|policy| policy.body.spec.rules());
    let written = rules.flat_map(|rule| addresses_of(rule));
    let ranges = written.filter_map(|text| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)));
    let mut networks: Vec<IpNet> = ranges.chain(policies.cni.networks()).collect();
    networks.sort();
    networks.dedup();
    networks
}

fn addresses_of(rule: &Rule) -> impl Iterator<Item = &str> {
    let sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
    let blocks = sources.flat_map(|source| {
        [&source.ip_blocks, &source.not_ip_blocks, &source.remote_ip_blocks, &source.not_remote_ip_blocks]
    });
    let conditions = rule.when.iter().flat_map(|condition| [&condition.values, &condition.not_values]);
    blocks.chain(conditions).flatten().map(String::as_str)
}
