//! Service objects → services with their backends.

use std::net::IpAddr;

use airtight_manifest::kubernetes;
use airtight_manifest::{Labels, Object};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ServicePort as ApiPort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::addresses::Allocator;
use super::place::protocol;
use super::pod::{Pod, PodId};
use super::proxy::{Proxy, ServiceType};
use super::published::PublishedAddress;
use super::service::{ExternalTraffic, Service, ServicePort, TargetPort};

/// The service of an object; pods and slices are those of the whole world.
pub(super) fn service(
    object: &Object<kubernetes::Service>,
    published: Vec<PublishedAddress>,
    pods: &[Pod],
    slices: &[Object<kubernetes::EndpointSlice>],
    addresses: &mut Allocator,
) -> Service {
    let spec = &object.body.spec;
    let selector: Option<Labels> = spec.selector.clone().filter(|selector| !selector.is_empty());
    let (backends, external_endpoints) = match &selector {
        Some(selector) => {
            let selected = selected(object.meta.namespace(), selector, pods, spec.publish_not_ready_addresses);
            (selected, Vec::new())
        }
        None => sliced(object, pods, slices),
    };
    let selector_is_none = selector.is_none();
    Service {
        namespace: object.meta.namespace().into(),
        name: object.meta.name().into(),
        labels: object.meta.labels.clone(),
        annotations: object.meta.annotations.clone(),
        selector,
        cluster_ips: cluster_ips(spec, addresses),
        published,
        external_name: spec.external_name.clone().filter(|_| spec.type_.as_deref() == Some("ExternalName")),
        ports: spec.ports.iter().flatten().filter_map(port).map(|port| sliced_port(object, slices, port)).collect(),
        backends,
        external_endpoints,
        unlike_slices: selector_is_none && unlike_slices(object, slices),
        external_traffic: external_traffic(spec),
        internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        source_ranges: source_ranges(spec),
        origin: object.meta.whole(),
    }
}

/// The service that a controller makes for a Gateway's proxy.
pub(super) fn proxy_service(proxy: &Proxy, pods: &[Pod], addresses: &mut Allocator) -> Service {
    let selector = proxy.selector();
    Service {
        namespace: proxy.key.0.clone(),
        name: proxy.name.clone(),
        labels: Labels::new(),
        annotations: Labels::new(),
        backends: selected(&proxy.key.0, &selector, pods, None),
        selector: Some(selector),
        cluster_ips: addresses.next(),
        published: Vec::new(),
        external_name: None,
        ports: proxy.service_ports.clone(),
        external_endpoints: Vec::new(),
        unlike_slices: false,
        external_traffic: match proxy.service_type {
            ServiceType::ClusterIp => None,
            ServiceType::NodePort | ServiceType::LoadBalancer => Some(proxy.external_traffic),
        },
        internal_local: false,
        source_ranges: Vec::new(),
        origin: proxy.origin.clone(),
    }
}

fn external_traffic(spec: &ServiceSpec) -> Option<ExternalTraffic> {
    let published = matches!(spec.type_.as_deref(), Some("NodePort" | "LoadBalancer"))
        || spec.external_ips.as_ref().is_some_and(|addresses| !addresses.is_empty());
    published.then(|| ExternalTraffic::named(spec.external_traffic_policy.as_deref()))
}

/// What of `loadBalancerSourceRanges` is a range, of a Service that has a load balancer.
fn source_ranges(spec: &ServiceSpec) -> Vec<IpNet> {
    let balanced = spec.type_.as_deref() == Some("LoadBalancer");
    let ranges = spec.load_balancer_source_ranges.iter().flatten().filter(|_| balanced);
    ranges.filter_map(|text| text.trim().parse().ok()).collect()
}

/// Addresses that Services have written down, so that none is given away twice.
pub(super) fn written_addresses(spec: &ServiceSpec) -> Vec<IpAddr> {
    let listed = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let mut addresses: Vec<IpAddr> = listed.filter_map(|text| text.parse().ok()).collect();
    addresses.dedup();
    addresses
}

fn cluster_ips(spec: &ServiceSpec, addresses: &mut Allocator) -> Vec<IpAddr> {
    let headless = spec.cluster_ip.as_deref() == Some("None");
    if headless || spec.type_.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let written = written_addresses(spec);
    if written.is_empty() { addresses.next() } else { written }
}

/// Pods of a selector to which a Service sends: ready ones, unless it publishes all.
fn selected(namespace: &str, selector: &Labels, pods: &[Pod], all: Option<bool>) -> Vec<PodId> {
    pods.iter()
        .filter(|pod| pod.ready || all == Some(true))
        .filter(|pod| {
            &*pod.namespace == namespace && selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        })
        .map(|pod| pod.id)
        .collect()
}

/// Backends of a Service without selector: what its EndpointSlices list (`kubernetes.io/service-name`).
fn sliced(
    object: &Object<kubernetes::Service>,
    pods: &[Pod],
    slices: &[Object<kubernetes::EndpointSlice>],
) -> (Vec<PodId>, Vec<IpAddr>) {
    let addresses = own(object, slices)
        .flat_map(|slice| &slice.body.endpoints)
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true))
        .flat_map(|endpoint| &endpoint.addresses)
        .filter_map(|text| text.parse::<IpAddr>().ok());
    let mut backends = (Vec::new(), Vec::new());
    for address in addresses {
        match pods.iter().find(|pod| pod.addresses.contains(&address)) {
            Some(pod) => backends.0.push(pod.id),
            None => backends.1.push(address),
        }
    }
    backends
}

fn own<'s>(
    object: &Object<kubernetes::Service>,
    slices: &'s [Object<kubernetes::EndpointSlice>],
) -> impl Iterator<Item = &'s Object<kubernetes::EndpointSlice>> {
    let (namespace, name) = (object.meta.namespace().to_owned(), object.meta.name().to_owned());
    slices.iter().filter(move |slice| {
        *slice.meta.namespace() == *namespace
            && slice.meta.labels.get("kubernetes.io/service-name").is_some_and(|own| *own == name)
    })
}

/// Whether a Service without selector has a port that its slices do not all serve by one number: then each endpoint has
/// ports of its own.
fn unlike_slices(object: &Object<kubernetes::Service>, slices: &[Object<kubernetes::EndpointSlice>]) -> bool {
    let ports = object.body.spec.ports.iter().flatten().filter_map(port);
    own(object, slices).next().is_some() && ports.into_iter().any(|port| number_in(object, slices, &port).is_none())
}

/// A Service's port with the number that its slices give it by its name, if it has no selector: that is the one which is
/// dialled, whatever `targetPort` says (Kubernetes `pkg/proxy/endpointslicecache.go`).
fn sliced_port(
    object: &Object<kubernetes::Service>,
    slices: &[Object<kubernetes::EndpointSlice>],
    port: ServicePort,
) -> ServicePort {
    let selects = object.body.spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    let number = number_in(object, slices, &port).filter(|_| !selects);
    ServicePort { target: number.map_or(port.target, TargetPort::Number), ..port }
}

/// The one number by which all slices of a Service serve a port of this name.
fn number_in(
    object: &Object<kubernetes::Service>,
    slices: &[Object<kubernetes::EndpointSlice>],
    wanted: &ServicePort,
) -> Option<u16> {
    let name = wanted.name.as_deref().unwrap_or_default();
    let mut numbers = own(object, slices).map(|slice| {
        let listed = slice.body.ports.iter().flatten();
        let mut same = listed.filter(|port| {
            port.name.as_deref().unwrap_or_default() == name
                && protocol(port.protocol.as_deref()) == Some(wanted.protocol)
        });
        let number = same.next()?.port.and_then(|port| u16::try_from(port).ok());
        if same.next().is_none() { number } else { None }
    });
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

fn port(port: &ApiPort) -> Option<ServicePort> {
    let number = u16::try_from(port.port).ok()?;
    let target = match &port.target_port {
        // As the API server's defaults have it (`SetDefaults_Service`).
        None | Some(IntOrString::Int(0)) => TargetPort::Number(number),
        Some(IntOrString::String(name)) if name.is_empty() => TargetPort::Number(number),
        Some(IntOrString::Int(target)) => TargetPort::Number(u16::try_from(*target).ok()?),
        Some(IntOrString::String(name)) => TargetPort::Name(name.clone()),
    };
    Some(ServicePort {
        name: port.name.clone(),
        port: number,
        target,
        protocol: protocol(port.protocol.as_deref())?,
        app_protocol: port.app_protocol.clone(),
        node_port: port.node_port.and_then(|port| u16::try_from(port).ok()),
    })
}
