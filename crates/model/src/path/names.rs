//! Names: what those that a flow gives stand for in the world.

use std::net::{IpAddr, Ipv4Addr};

use super::flow::{Destination, FlowError, Source};
use super::peer::Peer;
use super::service_entry::service_entries_named;
use super::target::{DialTarget, host_named};
use crate::policy::waypoint::dns_captured;
use crate::world::{
    GatewayKey, NodeId, Pod, Protocol, Proxy, Resolver, Role, Service, World, is_service_host, service_host,
    service_of_host,
};

/// The pods of a workload, or the pod of this name; there is at least one.
pub(super) fn workload<'w>(world: &'w World, namespace: &str, name: &str) -> Result<Vec<&'w Pod>, FlowError> {
    let pods = world.pods.iter().filter(|pod| *pod.namespace == *namespace);
    let pods: Vec<&Pod> = pods.filter(|pod| *pod.workload == *name || *pod.name == *name).collect();
    let unknown = || FlowError::UnknownWorkload(namespace.to_owned(), name.to_owned());
    if pods.is_empty() { Err(unknown()) } else { Ok(pods) }
}

/// The node of this name.
pub(super) fn node(world: &World, name: &str) -> Result<NodeId, FlowError> {
    let index = world.nodes.iter().position(|node| &*node.name == name);
    index.and_then(|index| u32::try_from(index).ok()).map(NodeId).ok_or_else(|| FlowError::UnknownNode(name.to_owned()))
}

/// The Service of a cluster name such as `api.ns.svc.cluster.local`.
pub(super) fn service<'w>(world: &'w World, name: &str) -> Option<&'w Service> {
    let (namespace, name) = service_of_host(name)?;
    world.service(namespace, name)
}

/// The name that a client's resolver comes to an answer by: a name without a final dot and with few of them is looked up
/// in the namespace's own domain first, then among all Services, then in the cluster (`ndots: 5`, Kubernetes
/// `pkg/kubelet/network/dns/dns.go`). Letters' case is nobody's matter.
pub(super) fn looked_up(world: &World, from: &Peer<'_>, name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some(absolute) = lower.strip_suffix('.') {
        return absolute.to_owned();
    }
    let searching = from.pod.filter(|pod| pod.resolver == Resolver::Cluster && lower.matches('.').count() < NDOTS);
    let found = searching.and_then(|pod| {
        search_list(&pod.namespace).find_map(|domain| {
            let longer = format!("{lower}.{domain}");
            (service(world, &longer).is_some() || pod_named(world, &longer).is_some()).then_some(longer)
        })
    });
    found.unwrap_or(lower)
}

/// As many dots make a name one that is looked up as it stands first.
pub(super) const NDOTS: usize = 5;

/// The domains of a namespace's search list.
pub(super) fn search_list(namespace: &str) -> impl Iterator<Item = String> + use<> {
    [format!("{namespace}.svc.cluster.local"), "svc.cluster.local".to_owned(), "cluster.local".to_owned()].into_iter()
}

/// The address of a name that a pod has written down for itself (`hostAliases`), which it then looks up nowhere.
pub(super) fn written_down(from: &Peer<'_>, name: &str) -> Option<IpAddr> {
    let mut aliases = from.pod?.host_aliases.iter();
    aliases.find(|(own, _)| own.eq_ignore_ascii_case(name.trim_end_matches('.'))).map(|(_, address)| *address)
}

/// Whether a name of the cluster's own, in full, is that of a Service or of a pod that a Service names.
#[must_use]
pub fn is_cluster_name(world: &World, name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(alias_end(world, lower.trim_end_matches('.')), Resolved::Service(_) | Resolved::Pod(_))
}

/// Whether a flow's destination is something of the cluster, so that nobody outside need be assumed for it.
#[must_use]
pub fn leads_inside(world: &World, from: &Source, to: &Destination) -> bool {
    match to {
        Destination::Host(name) => {
            let sender = match from {
                Source::Workload(namespace, name) => {
                    workload(world, namespace, name).ok().and_then(|pods| pods.first().copied())
                }
                Source::Outside | Source::Node(_) | Source::Kubelet | Source::User(_) => None,
            };
            let sender = sender.map_or_else(|| Peer::outside(world), Peer::pod);
            let name = looked_up(world, &sender, name);
            is_service_host(&name) || matches!(alias_end(world, &name), Resolved::Service(_) | Resolved::Pod(_))
        }
        Destination::Address(address) => {
            let published = world.services.iter().flat_map(|service| &service.published);
            !matches!(DialTarget::at(world, *address, None), DialTarget::External { .. })
                || published.into_iter().any(|given| given.address == *address)
        }
        Destination::Service(..)
        | Destination::Pod(..)
        | Destination::Gateway(..)
        | Destination::Node(_)
        | Destination::Name(_)
        | Destination::Object(_) => true,
    }
}

/// What a name leads to: the mesh's own address for a ServiceEntry where ztunnel answers, else the host. Several
/// ServiceEntries of other namespaces have the name in turn.
pub(super) fn targets<'w>(world: &'w World, from: &Peer<'w>, name: &str, port: Option<u16>) -> Vec<DialTarget<'w>> {
    let captured = from.pod.filter(|pod| dns_captured(&world.stack, pod));
    if let (Some(pod), Some(port)) = (captured, port) {
        let entries = service_entries_named(world, &pod.namespace, name);
        if !entries.is_empty() {
            let host = || name.to_owned();
            let target = |(namespace, name)| DialTarget::ServiceEntry { namespace, name, host: host(), port };
            return entries.into_iter().map(target).collect();
        }
    }
    match alias_end(world, name) {
        Resolved::Service(service) => vec![DialTarget::Service(service, port.unwrap_or_default())],
        Resolved::Pod(pod) => vec![DialTarget::Pod(pod, port)],
        Resolved::Outside(name) => at_each_address(external(world, &name, port), world, from),
        Resolved::Nowhere => vec![external(world, name, port)],
    }
}

/// What a Service's name leads to: the Service, or whatever its name stands for.
pub(super) fn of_service<'w>(
    world: &'w World,
    from: &Peer<'w>,
    service: &'w Service,
    port: Option<u16>,
) -> Vec<DialTarget<'w>> {
    if service.external_name.is_none() {
        return vec![DialTarget::Service(service, port.unwrap_or_default())];
    }
    targets(world, from, &service_host(&service.namespace, &service.name), port)
}

/// What the resolver's answer for a name stands for.
#[derive(Debug)]
pub(super) enum Resolved<'w> {
    /// A Service with addresses of its own, or of its pods.
    Service(&'w Service),
    /// A pod that a Service gives a name.
    Pod(&'w Pod),
    /// Whatever the world outside calls so.
    Outside(String),
    /// Nothing: aliases that go round, or end at no name.
    Nowhere,
}

/// How many aliases a resolver follows (`CoreDNS` `plugin/kubernetes`, which looks each up in turn).
const MOST_ALIASES: usize = 8;

/// What a name stands for once the aliases are followed that Services of type `ExternalName` are.
pub(super) fn alias_end<'w>(world: &'w World, name: &str) -> Resolved<'w> {
    let mut name = name.to_owned();
    for _ in 0..MOST_ALIASES {
        let Some(service) = service(world, &name) else {
            return pod_named(world, &name).map_or(Resolved::Outside(name), Resolved::Pod);
        };
        match &service.external_name {
            // An address is no name (CoreDNS `plugin/kubernetes`, which answers with a CNAME for names alone), and an alias
            // has no search list: the cluster's domain must be written.
            Some(alias) if alias.parse::<IpAddr>().is_ok() => return Resolved::Nowhere,
            Some(alias) => alias.trim_end_matches('.').clone_into(&mut name),
            None => return Resolved::Service(service),
        }
        if !is_service_host(&name) {
            return Resolved::Outside(name);
        }
    }
    Resolved::Nowhere
}

/// The pod that a Service gives a name: its host name before the Service's, which is its subdomain (Kubernetes DNS
/// specification, 2.4.1; `staging/src/k8s.io/endpointslice/utils.go`, `shouldSetHostname`; a StatefulSet sets both). `CoreDNS`
/// answers whether the Service is headless or not (`plugin/kubernetes`).
fn pod_named<'w>(world: &'w World, name: &str) -> Option<&'w Pod> {
    let (rest, hostname) = service_of_host(name)?;
    let (subdomain, namespace) = rest.split_once('.')?;
    let service = world.service(namespace, subdomain)?;
    let mut pods = service.backends.iter().map(|id| world.pod(*id));
    pods.find(|pod| pod.dns_name.as_ref().is_some_and(|own| *own.hostname == *hostname && *own.subdomain == *subdomain))
}

/// A client tries one address after the other until one answers (RFC 8305), so that each of its families counts.
fn at_each_address<'w>(to: DialTarget<'w>, world: &'w World, from: &Peer<'w>) -> Vec<DialTarget<'w>> {
    let DialTarget::External { host: Some(host), name, port, .. } = &to else { return vec![to] };
    let speaks = |address: &&IpAddr| {
        from.pod.is_none_or(|pod| pod.addresses.iter().any(|own| own.is_ipv4() == address.is_ipv4()))
    };
    let each = world.host(*host).addresses.iter().filter(speaks);
    let targets: Vec<DialTarget<'w>> = each
        .map(|address| DialTarget::External { address: *address, host: Some(*host), name: name.clone(), port: *port })
        .collect();
    if targets.is_empty() { vec![to] } else { targets }
}

/// The host outside of this name.
pub(super) fn external<'w>(world: &'w World, name: &str, port: Option<u16>) -> DialTarget<'w> {
    let host = host_named(world, name);
    let address = host.and_then(|id| world.host(id).addresses.first().copied());
    DialTarget::External {
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        host,
        name: Some(name.to_owned()),
        port,
    }
}

/// A pod of the proxy that serves a Gateway.
pub(super) fn proxy_pod<'w>(world: &'w World, key: &GatewayKey) -> Option<&'w Pod> {
    world.pods.iter().find(|pod| match &pod.role {
        Role::Gateway(k) | Role::Waypoint(k) => k == key,
        Role::Workload => false,
    })
}

/// The proxy that serves a Gateway.
pub(super) fn proxy<'w>(world: &'w World, key: &GatewayKey) -> Option<&'w Proxy> {
    world.proxies.iter().find(|proxy| proxy.key == *key)
}

/// The Service of a Gateway, which need not have its name: Istio adds the class, and Kgateway shortens it.
pub(super) fn gateway_service<'w>(world: &'w World, key: &GatewayKey) -> Option<&'w Service> {
    world.service(&key.0, proxy(world, key).map_or(&key.1, |proxy| &proxy.name))
}

/// Whether a pod's port is that of a gateway's listener.
pub(super) fn listens_for_routes(world: &World, pod: &Pod, port: u16) -> bool {
    match &pod.role {
        Role::Gateway(key) => proxy(world, key).is_some_and(|proxy| !proxy.listener_ports(port).is_empty()),
        Role::Waypoint(_) | Role::Workload => false,
    }
}

/// Whether ztunnel answers what a pod sends to this port itself: its lookups are captured, on UDP and TCP, whatever
/// server they are for (Istio `cni/pkg/iptables/iptables.go`; seen on 1.26.2, where servers answer that do not exist).
pub(super) fn answered_by_ztunnel(world: &World, pod: &Pod, protocol: Protocol, port: Option<u16>) -> bool {
    let lookup = port == Some(53) && matches!(protocol, Protocol::Udp | Protocol::Tcp);
    lookup && !pod.host_network && dns_captured(&world.stack, pod)
}
