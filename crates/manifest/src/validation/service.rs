//! Services and EndpointSlices (Kubernetes `pkg/apis/core/validation/validation.go`, `pkg/apis/discovery/validation`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fields::{Path, Refusals};
use super::formats::{is_label, is_label_key, is_label_value, is_subdomain};
use super::{pod, service_traffic};
use crate::kubernetes::{EndpointSlice, Endpoints};

/// The ports on nodes that Services have, as an API server hands them out unless it is told otherwise.
const NODE_PORTS: std::ops::RangeInclusive<i32> = 30000..=32767;

/// Most addresses that one endpoint may have.
const ADDRESSES: usize = 100;

pub(super) fn check(refusals: &mut Refusals<'_>, spec: &ServiceSpec) {
    let path = Path::of(&["spec"]);
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    refusals.one_of(Some(kind), &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], &path.field("type"));
    refusals.one_of(spec.session_affinity.as_deref(), &["ClientIP", "None"], &path.field("sessionAffinity"));
    addresses(refusals, &path, spec, kind);
    service_traffic::check(refusals, &path, spec, kind);
    let balanced = kind == "LoadBalancer";
    let message = "may only be used when `type` is LoadBalancer";
    refusals.unless(balanced || spec.load_balancer_class.is_none(), &path.field("loadBalancerClass"), message);
    let local = balanced && spec.external_traffic_policy.as_deref() == Some("Local");
    let checked = spec.health_check_node_port.is_some_and(|port| port != 0);
    let message = "may only be set when `type` is LoadBalancer and `externalTrafficPolicy` is Local";
    refusals.unless(local || !checked, &path.field("healthCheckNodePort"), message);
    for (key, value) in spec.selector.iter().flatten() {
        let fits = is_label_key(key) && is_label_value(value);
        refusals.unless(
            fits,
            &path.field("selector").key(key),
            format!("no label is \"{key}\" with value \"{value}\""),
        );
    }
    let ports = spec.ports.as_deref().unwrap_or_default();
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let needed = !headless && kind != "ExternalName";
    refusals.unless(!needed || !ports.is_empty(), &path.field("ports"), "a port is required");
    for (index, port) in ports.iter().enumerate() {
        one_port(refusals, &path.field("ports").index(index), port, ports.len() > 1);
        let outward = matches!(kind, "NodePort" | "LoadBalancer");
        if let (Some(number), false) = (port.node_port.filter(|number| *number != 0), outward) {
            let message = format!("{number} may not be used when `type` is {kind}");
            refusals.refuse(&path.field("ports").index(index).field("nodePort"), message);
        }
    }
    let named = ports.iter().enumerate().filter_map(|(index, port)| {
        Some((path.field("ports").index(index).field("name"), port.name.as_deref().filter(|name| !name.is_empty())?))
    });
    refusals.unique(named);
    let numbers: Vec<(Path, String)> = ports
        .iter()
        .enumerate()
        .map(|(index, port)| {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            (path.field("ports").index(index), format!("{protocol} {}", port.port))
        })
        .collect();
    refusals.unique(numbers.iter().map(|(path, number)| (path.clone(), number.as_str())));
}

fn addresses(refusals: &mut Refusals<'_>, path: &Path, spec: &ServiceSpec, kind: &str) {
    let address = spec.cluster_ip.as_deref().filter(|address| !address.is_empty());
    if kind == "ExternalName" {
        let name = spec.external_name.as_deref().unwrap_or_default();
        let fits = is_subdomain(name.strip_suffix('.').unwrap_or(name));
        refusals.unless(fits, &path.field("externalName"), format!("\"{name}\" is no DNS name"));
        refusals.unless(address.is_none(), &path.field("clusterIP"), "may not be set for an ExternalName");
        return;
    }
    if let Some(address) = address {
        let fits = address == "None" || address.parse::<IpAddr>().is_ok();
        refusals.unless(fits, &path.field("clusterIP"), format!("\"{address}\" is neither an address nor None"));
        let headless_outward = address == "None" && matches!(kind, "NodePort" | "LoadBalancer");
        refusals.unless(!headless_outward, &path.field("clusterIP"), format!("may not be None for a {kind}"));
    }
    for (index, address) in spec.external_ips.iter().flatten().enumerate() {
        let fits = address.parse::<IpAddr>().is_ok_and(|address| !is_special(&address));
        refusals.unless(fits, &path.field("externalIPs").index(index), format!("\"{address}\" is no such address"));
    }
}

fn one_port(refusals: &mut Refusals<'_>, path: &Path, port: &ServicePort, several: bool) {
    let name = port.name.as_deref().unwrap_or_default();
    match name {
        "" if several => refusals.refuse(&path.field("name"), "is required where a Service has several ports"),
        "" => {}
        name => refusals.unless(is_label(name), &path.field("name"), format!("\"{name}\" is no DNS label")),
    }
    refusals.within(port.port, 1..=65535, &path.field("port"));
    pod::protocol(refusals, &path.field("protocol"), port.protocol.as_deref());
    if let Some(target) = port.target_port.as_ref().filter(|target| !is_default(target)) {
        pod::target(refusals, &path.field("targetPort"), target);
    }
    if let Some(number) = port.node_port.filter(|number| *number != 0) {
        refusals.within(number, NODE_PORTS, &path.field("nodePort"));
    }
    let application = port.app_protocol.as_deref().is_none_or(is_label_key);
    refusals.unless(application, &path.field("appProtocol"), "must be a qualified name");
}

/// A target that is the Service's own port.
fn is_default(target: &IntOrString) -> bool {
    match target {
        IntOrString::Int(number) => *number == 0,
        IntOrString::String(name) => name.is_empty(),
    }
}

pub(super) fn endpoint_slice(refusals: &mut Refusals<'_>, slice: &EndpointSlice) {
    let family = slice.address_type.as_str();
    refusals.one_of(Some(family), &["IPv4", "IPv6", "FQDN"], &Path::of(&["addressType"]));
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        let path = Path::of(&["endpoints"]).index(index).field("addresses");
        let count = endpoint.addresses.len();
        refusals.unless((1..=ADDRESSES).contains(&count), &path, format!("1 to {ADDRESSES} are needed, not {count}"));
        for (index, address) in endpoint.addresses.iter().enumerate() {
            let fits = match family {
                "IPv4" => address.parse::<Ipv4Addr>().is_ok_and(|address| !is_special(&address.into())),
                "IPv6" => address.parse::<Ipv6Addr>().is_ok_and(|address| !is_special(&address.into())),
                _ => is_subdomain(address),
            };
            refusals.unless(fits, &path.index(index), format!("\"{address}\" is no address of an endpoint"));
        }
    }
    for (index, port) in slice.ports.iter().flatten().enumerate() {
        let path = Path::of(&["ports"]).index(index);
        pod::protocol(refusals, &path.field("protocol"), port.protocol.as_deref());
        let name = port.name.as_deref().unwrap_or_default();
        refusals.unless(name.is_empty() || is_label(name), &path.field("name"), "must be a DNS label");
    }
}

/// Kubernetes `pkg/apis/core/validation/validation.go`, `ValidateEndpoints`.
pub(super) fn endpoints(refusals: &mut Refusals<'_>, endpoints: &Endpoints) {
    for (index, subset) in endpoints.subsets.iter().flatten().enumerate() {
        let path = Path::of(&["subsets"]).index(index);
        for (field, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)]
        {
            for (index, address) in addresses.iter().flatten().enumerate() {
                let path = path.field(field).index(index).field("ip");
                let fits = address.ip.parse::<IpAddr>().is_ok_and(|address| !is_special(&address));
                refusals.unless(fits, &path, format!("\"{}\" is no address of an endpoint", address.ip));
            }
        }
        let listed = |list: &Option<Vec<_>>| list.iter().flatten().next().is_some();
        let reached = listed(&subset.addresses) || listed(&subset.not_ready_addresses);
        refusals.unless(reached, &path, "must specify `addresses` or `notReadyAddresses`".to_owned());
        let ports = subset.ports.iter().flatten();
        let several = subset.ports.iter().flatten().count() > 1;
        for (index, port) in ports.enumerate() {
            let path = path.field("ports").index(index);
            pod::protocol(refusals, &path.field("protocol"), port.protocol.as_deref());
            let name = port.name.as_deref().unwrap_or_default();
            let named = if name.is_empty() { !several } else { is_label(name) };
            refusals.unless(
                named,
                &path.field("name"),
                "must be a DNS label, and there where ports are several".to_owned(),
            );
            let in_range = (1..=65535).contains(&port.port);
            refusals.unless(in_range, &path.field("port"), format!("{} is not between 1 and 65535", port.port));
        }
    }
}

/// Addresses behind which no endpoint of another host can be (`ValidateNonSpecialIP`).
fn is_special(address: &IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff02
        }
    };
    address.is_unspecified() || address.is_loopback() || link_local
}
