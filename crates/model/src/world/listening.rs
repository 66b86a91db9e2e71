//! What pods listen on that do not say it: `ports` of a container is a remark (Kubernetes API, `Container.ports`: "not
//! specifying a port here does not prevent that port from being exposed"). So a pod with a container that lists none is
//! taken to listen where a Service, a probe, a policy or a scenario sends something, and what it does on any other port
//! is not known.

use std::collections::BTreeSet;

use airtight_manifest::cilium::{CiliumNetworkPolicy, Direction, PortProtocolName};
use airtight_manifest::istio::AuthorizationPolicy;
use airtight_manifest::network::NetworkPolicy;
use airtight_manifest::{Object, selects};
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::api_server::Namespaces;
use super::place::protocol;
use super::{ContainerPort, Objects, Pod, Protocol, Service, TargetPort};

/// A port of a workload (or of a pod by its own name) that somebody who knows it has named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPort {
    /// Namespace.
    pub namespace: String,
    /// Name of the workload or pod.
    pub workload: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Number.
    pub port: u16,
}

/// The mesh's own port, which no workload opens.
const HBONE_PORT: u16 = 15008;

type Port = (Protocol, u16);

/// Adds the ports on which pods that do not list theirs are taken to listen.
pub(super) fn assume(
    pods: &mut [Pod],
    services: &[Service],
    objects: &Objects,
    namespaces: &Namespaces,
    named: &[NamedPort],
) {
    for pod in pods.iter_mut().filter(|pod| pod.lists_not_all_ports) {
        let mut ports: BTreeSet<Port> = pod.probes.iter().map(|probe| (Protocol::Tcp, probe.port)).collect();
        ports.extend(of_services(pod, services));
        ports.extend(objects.network_policies.iter().flat_map(|policy| of_network_policy(pod, policy, namespaces)));
        ports.extend(objects.cilium_policies.iter().flat_map(|policy| of_cilium_policy(pod, policy)));
        ports.extend(objects.authorization_policies.iter().flat_map(|policy| of_authorization(pod, policy)));
        ports.extend(named.iter().filter(|named| is_of(named, pod)).map(|named| (named.protocol, named.port)));
        ports.remove(&(Protocol::Tcp, HBONE_PORT));
        for (protocol, number) in ports {
            if !pod.ports.iter().any(|port| port.number == number && port.protocol == protocol) {
                pod.ports.push(ContainerPort { name: None, number, protocol, host: None });
            }
        }
    }
}

/// What a pod is taken to listen on, by the name of its workload.
pub(super) fn named(pod: &Pod) -> impl Iterator<Item = NamedPort> {
    pod.ports.iter().map(|port| NamedPort {
        namespace: pod.namespace.to_string(),
        workload: pod.workload.to_string(),
        protocol: port.protocol,
        port: port.number,
    })
}

/// Whether a port is the pod's, and not yet known.
pub(super) fn is_news(named: &NamedPort, pod: &Pod) -> bool {
    let known = pod.ports.iter().any(|port| port.number == named.port && port.protocol == named.protocol);
    pod.lists_not_all_ports && is_of(named, pod) && !known
}

fn is_of(named: &NamedPort, pod: &Pod) -> bool {
    *pod.namespace == *named.namespace && (*pod.workload == *named.workload || *pod.name == *named.workload)
}

fn of_services(pod: &Pod, services: &[Service]) -> Vec<Port> {
    let behind = services.iter().filter(|service| service.backends.contains(&pod.id));
    let ports = behind.flat_map(|service| &service.ports).filter_map(|port| match port.target {
        TargetPort::Number(number) => Some((port.protocol, number)),
        TargetPort::Name(_) => None,
    });
    ports.collect()
}

/// Ports by number at which a policy lets something in to the pod, or lets something out to it.
fn of_network_policy(pod: &Pod, policy: &Object<NetworkPolicy>, namespaces: &Namespaces) -> Vec<Port> {
    let home = policy.meta.namespace();
    let spec = &policy.body.spec;
    let bound = home == &*pod.namespace && selects(&spec.pod_selector, &pod.labels);
    let inward = spec.ingress.iter().flatten().filter(|_| bound).flat_map(|rule| rule.ports.iter().flatten());
    let outward = spec
        .egress
        .iter()
        .flatten()
        .filter(|rule| rule.to.iter().flatten().any(|peer| is_peer(peer, pod, home, namespaces)));
    let ports = inward.chain(outward.flat_map(|rule| rule.ports.iter().flatten()));
    ports.filter_map(|port| number(port)).collect()
}

fn is_peer(peer: &NetworkPolicyPeer, pod: &Pod, home: &str, namespaces: &Namespaces) -> bool {
    let in_namespace = match &peer.namespace_selector {
        Some(selector) => namespaces.get(&pod.namespace).is_some_and(|home| selects(selector, &home.labels)),
        None => home == &*pod.namespace,
    };
    // A rule for all pods of a namespace says nothing of any one of them.
    peer.pod_selector.as_ref().is_some_and(|selector| !is_empty(selector) && selects(selector, &pod.labels))
        && in_namespace
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().next().is_none()
        && selector.match_expressions.iter().flatten().next().is_none()
}

fn number(port: &NetworkPolicyPort) -> Option<Port> {
    match &port.port {
        Some(IntOrString::Int(number)) => Some((protocol(port.protocol.as_deref())?, u16::try_from(*number).ok()?)),
        Some(IntOrString::String(_)) | None => None,
    }
}

/// The same of a Cilium policy that selects the pod by its own labels.
fn of_cilium_policy(pod: &Pod, policy: &Object<CiliumNetworkPolicy>) -> Vec<Port> {
    if policy.meta.namespace() != &*pod.namespace {
        return Vec::new();
    }
    let rules = policy.body.rules().map(|(_, rule)| rule);
    let bound =
        rules.filter(|rule| rule.endpoint_selector.as_ref().is_some_and(|selector| selects(selector, &pod.labels)));
    let mut ports = Vec::new();
    for rule in bound {
        let sections = rule.sections();
        let inward = sections.iter().filter(|section| section.direction == Direction::Ingress && !section.deny);
        let items = inward.flat_map(|section| &section.ports).flat_map(|item| item.ports);
        ports.extend(items.filter_map(|port| Some((transport(port.protocol)?, port.port.as_ref()?.parse().ok()?))));
    }
    ports.retain(|(_, number)| *number > 0);
    ports
}

/// The protocol of a port; TCP where a rule takes any.
fn transport(protocol: Option<PortProtocolName>) -> Option<Protocol> {
    match protocol {
        None | Some(PortProtocolName::Any | PortProtocolName::Tcp) => Some(Protocol::Tcp),
        Some(PortProtocolName::Udp) => Some(Protocol::Udp),
        Some(PortProtocolName::Sctp) => Some(Protocol::Sctp),
        Some(
            PortProtocolName::Vrrp
            | PortProtocolName::Igmp
            | PortProtocolName::Gre
            | PortProtocolName::Ipip
            | PortProtocolName::Ipv6
            | PortProtocolName::Esp
            | PortProtocolName::Ah,
        ) => None,
    }
}

/// The same of an AuthorizationPolicy.
fn of_authorization(pod: &Pod, policy: &Object<AuthorizationPolicy>) -> Vec<Port> {
    let spec = &policy.body.spec;
    let selected = spec.selector.as_ref().is_some_and(|selector| {
        let mut wanted = selector.match_labels.iter().flatten();
        wanted.all(|(key, value)| pod.labels.get(key) == Some(value))
    });
    if policy.meta.namespace() != &*pod.namespace || !selected {
        return Vec::new();
    }
    let operations =
        spec.rules().iter().flat_map(|rule| rule.to.iter().flatten()).filter_map(|to| to.operation.as_ref());
    let ports = operations.flat_map(|operation| operation.ports.iter());
    ports.filter_map(|port| Some((Protocol::Tcp, port.parse().ok()?))).collect()
}
