//! Pods as controllers request them → pods as they run: node, address, ports, mesh.

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::stack::Stack;
use airtight_manifest::{Labels, Object, RuleRef, kubernetes};
use k8s_openapi::api::core::v1::{Container, ContainerPort as ApiPort, PodSpec, Probe as ApiProbe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::addresses::Allocator;
use super::build::Running;
use super::endpoint::{Node, NodeId};
use super::enrolment::enrolment;
use super::pod::{ContainerPort, DnsName, Enrolment, Pod, PodId, Probe, ProbeKind, Resolver, Role};
use super::proxy::{EnrolmentHint, Proxy};
use super::{Environment, Namespace, Protocol, World};

/// Places pods on nodes and gives them addresses.
pub(super) struct Placement<'a> {
    /// The pods so far; a pod's id is its index.
    pub(super) pods: Vec<Pod>,
    nodes: &'a [Node],
    addresses: Allocator,
    stack: Stack,
    next_node: usize,
}

impl<'a> Placement<'a> {
    pub(super) fn new(environment: &'a Environment, stack: Stack) -> Self {
        let addresses = Allocator::new(&environment.pod_cidrs);
        Self { pods: Vec::new(), nodes: &environment.nodes, addresses, stack, next_node: 0 }
    }

    /// Keeps addresses that pods have already from all others.
    pub(super) fn reserve<'i>(&mut self, addresses: impl Iterator<Item = &'i IpAddr>) {
        addresses.for_each(|address| self.addresses.take(*address));
    }

    /// Adds the pod as it runs, on a node and with addresses of its own if they are known.
    pub(super) fn place(
        &mut self,
        workload: Arc<str>,
        pod: &Object<kubernetes::Pod>,
        (node, running): (Option<&str>, &Running),
        namespace: Option<&Namespace>,
        origin: RuleRef,
    ) {
        let spec = &pod.body.spec;
        let host_network = spec.host_network == Some(true);
        let named = node.or(spec.node_name.as_deref());
        let is_placed = named.is_some_and(|name| self.named(name).is_some());
        let node = self.node(named);
        let placed = Pod {
            id: PodId(number(self.pods.len())),
            namespace: Arc::from(pod.meta.namespace()),
            name: Arc::from(pod.meta.name()),
            workload,
            labels: pod.meta.labels.clone(),
            annotations: pod.meta.annotations.clone(),
            service_account: Arc::from(spec.service_account_name.as_deref().unwrap_or("default")),
            addresses: self.addresses(running, host_network, node),
            node,
            is_placed,
            ready: running.ready,
            dns_name: dns_name(pod),
            resolver: resolver(spec),
            host_aliases: host_aliases(spec),
            host_network,
            ports: ports(spec),
            lists_not_all_ports: serving(spec).any(|container| container.ports.iter().flatten().next().is_none()),
            probes: probes(spec),
            enrolment: self.enrolment(&pod.meta.labels, &pod.meta.annotations, namespace, host_network),
            role: Role::Workload,
            origin,
        };
        self.pods.push(placed);
    }

    /// Adds the pods of a proxy: those that run already, else one.
    pub(super) fn of_proxy(&mut self, proxy: &Proxy, there: &[(&Object<kubernetes::Pod>, &Running)], world: &World) {
        // Wherever it is put: neither its name nor the other proxies may decide.
        let node = NodeId(number(self.workers().first().copied().unwrap_or(0)));
        let namespace = world.namespaces.get(&proxy.key.0);
        if there.is_empty() {
            let addresses = self.address(false, node);
            let pod = self.proxy_pod(proxy, namespace, (&proxy.labels, &proxy.annotations));
            let name = Arc::from(format!("{}-0", proxy.name));
            return self.pods.push(Pod { name, node, addresses, ..pod });
        }
        for (pod, running) in there {
            let node = self.node(pod.body.spec.node_name.as_deref());
            let addresses = self.addresses(running, false, node);
            let made = self.proxy_pod(proxy, namespace, (&pod.meta.labels, &pod.meta.annotations));
            let account = pod.body.spec.service_account_name.as_deref().map(Arc::from);
            let service_account = account.unwrap_or_else(|| Arc::clone(&made.service_account));
            let (name, ready) = (Arc::from(pod.meta.name()), running.ready);
            self.pods.push(Pod { name, service_account, node, ready, addresses, ..made });
        }
    }

    /// A proxy's pod, whose name, node and addresses are yet to be given.
    fn proxy_pod(&self, proxy: &Proxy, home: Option<&Namespace>, (labels, annotations): (&Labels, &Labels)) -> Pod {
        let enrolment = match proxy.enrolment {
            EnrolmentHint::ByLabels => self.enrolment(labels, annotations, home, false),
            EnrolmentHint::Native => Enrolment::Native,
            EnrolmentHint::NativeOutbound => Enrolment::NativeOutbound,
        };
        let key = proxy.key.clone();
        Pod {
            id: PodId(number(self.pods.len())),
            namespace: Arc::clone(&proxy.key.0),
            name: Arc::clone(&proxy.name),
            workload: Arc::clone(&proxy.key.1),
            labels: labels.clone(),
            annotations: annotations.clone(),
            service_account: Arc::clone(&proxy.service_account),
            addresses: Vec::new(),
            node: NodeId(0),
            is_placed: false,
            ready: true,
            dns_name: None,
            resolver: Resolver::Cluster,
            host_aliases: Vec::new(),
            host_network: false,
            ports: proxy.ports.clone(),
            lists_not_all_ports: false,
            probes: Vec::new(),
            enrolment,
            role: if proxy.is_waypoint { Role::Waypoint(key) } else { Role::Gateway(key) },
            origin: proxy.origin.clone(),
        }
    }

    fn enrolment(
        &self,
        labels: &Labels,
        annotations: &Labels,
        namespace: Option<&Namespace>,
        host_network: bool,
    ) -> Enrolment {
        let none = Labels::new();
        let (name, of_namespace) = namespace.map_or(("", &none), |namespace| (&*namespace.name, &namespace.labels));
        enrolment(labels, annotations, of_namespace, name, host_network, &self.stack)
    }

    fn named(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| &*node.name == name).map(|index| NodeId(number(index)))
    }

    /// Nodes that are no control plane, by index.
    fn workers(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| !self.nodes[*index].control_plane).collect()
    }

    /// The named node, or the next that is no control plane, in turn.
    fn node(&mut self, name: Option<&str>) -> NodeId {
        if let Some(known) = name.and_then(|name| self.named(name)) {
            return known;
        }
        let workers = self.workers();
        let index = workers.get(self.next_node % workers.len().max(1)).copied().unwrap_or(0);
        self.next_node += 1;
        NodeId(number(index))
    }

    fn addresses(&mut self, running: &Running, host_network: bool, node: NodeId) -> Vec<IpAddr> {
        if host_network || running.addresses.is_empty() {
            return self.address(host_network, node);
        }
        running.addresses.clone()
    }

    fn address(&mut self, host_network: bool, node: NodeId) -> Vec<IpAddr> {
        if host_network {
            self.nodes.get(node.0 as usize).map(|node| node.addresses.clone()).unwrap_or_default()
        } else {
            self.addresses.next()
        }
    }
}

fn dns_name(pod: &Object<kubernetes::Pod>) -> Option<DnsName> {
    let spec = &pod.body.spec;
    let written = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Arc::from);
    Some(DnsName { hostname: written(&spec.hostname)?, subdomain: written(&spec.subdomain)? })
}

/// A pod in its host's network without a word about it has a policy of its own, which its node decides about too: it is
/// asked as if it were `ClusterFirstWithHostNet`.
fn resolver(spec: &PodSpec) -> Resolver {
    match spec.dns_policy.as_deref() {
        Some("Default") => Resolver::Node,
        Some("None") => {
            let servers = spec.dns_config.iter().flat_map(|config| config.nameservers.iter().flatten());
            Resolver::Own(servers.filter_map(|text| text.parse().ok()).collect())
        }
        Some(_) | None => Resolver::Cluster,
    }
}

fn host_aliases(spec: &PodSpec) -> Vec<(Arc<str>, IpAddr)> {
    let aliases = spec.host_aliases.iter().flatten();
    let named = aliases.filter_map(|alias| Some((alias.ip.parse().ok()?, alias.hostnames.iter().flatten())));
    named.flat_map(|(address, names)| names.map(move |name| (Arc::from(name.as_str()), address))).collect()
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Containers that run while the pod serves: the ordinary ones and sidecar-style init containers.
fn serving(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|init| init.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars)
}

fn ports(spec: &PodSpec) -> Vec<ContainerPort> {
    serving(spec).flat_map(|container| container.ports.iter().flatten()).filter_map(port).collect()
}

fn port(port: &ApiPort) -> Option<ContainerPort> {
    Some(ContainerPort {
        name: port.name.clone(),
        number: u16::try_from(port.container_port).ok()?,
        protocol: protocol(port.protocol.as_deref())?,
        host: port.host_port.and_then(|number| u16::try_from(number).ok()),
    })
}

/// `protocol` of the Kubernetes API; TCP where it is not written.
pub(super) fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text.unwrap_or("TCP") {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    }
}

fn probes(spec: &PodSpec) -> Vec<Probe> {
    serving(spec).flat_map(container_probes).collect()
}

fn container_probes(container: &Container) -> Vec<Probe> {
    [
        (ProbeKind::Startup, &container.startup_probe),
        (ProbeKind::Readiness, &container.readiness_probe),
        (ProbeKind::Liveness, &container.liveness_probe),
    ]
    .into_iter()
    .filter_map(|(kind, probe)| network_probe(kind, probe.as_ref()?, container))
    .collect()
}

fn network_probe(kind: ProbeKind, probe: &ApiProbe, container: &Container) -> Option<Probe> {
    if let Some(http) = &probe.http_get {
        let path = http.path.clone().unwrap_or_else(|| "/".to_owned());
        return Some(Probe { kind, port: probe_port(&http.port, container)?, path: Some(path) });
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Some(Probe { kind, port: probe_port(&tcp.port, container)?, path: None });
    }
    let grpc = probe.grpc.as_ref()?;
    Some(Probe { kind, port: u16::try_from(grpc.port).ok()?, path: None })
}

fn probe_port(port: &IntOrString, container: &Container) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let port = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name))?;
            u16::try_from(port.container_port).ok()
        }
    }
}
