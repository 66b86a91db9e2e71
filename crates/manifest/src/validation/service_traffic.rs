//! Who may reach a Service, and by which family of addresses (Kubernetes `pkg/apis/core/validation/validation.go`,
//! `ValidateService`; `pkg/registry/core/service`).

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};

use super::fields::{Path, Refusals};

const POLICIES: &[&str] = &["Cluster", "Local"];
const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const FAMILY_POLICIES: &[&str] = &["SingleStack", "PreferDualStack", "RequireDualStack"];

pub(super) fn check(refusals: &mut Refusals<'_>, path: &Path, spec: &ServiceSpec, kind: &str) {
    refusals.one_of(spec.internal_traffic_policy.as_deref(), POLICIES, &path.field("internalTrafficPolicy"));
    external_policy(refusals, &path.field("externalTrafficPolicy"), spec, kind);
    source_ranges(refusals, &path.field("loadBalancerSourceRanges"), spec, kind);
    families(refusals, path, spec);
    node_ports(refusals, &path.field("ports"), spec.ports.as_deref().unwrap_or_default());
}

fn external_policy(refusals: &mut Refusals<'_>, path: &Path, spec: &ServiceSpec, kind: &str) {
    let Some(policy) = spec.external_traffic_policy.as_deref().filter(|policy| !policy.is_empty()) else { return };
    let addressed = kind == "ClusterIP" && spec.external_ips.as_ref().is_some_and(|addresses| !addresses.is_empty());
    if matches!(kind, "NodePort" | "LoadBalancer") || addressed {
        refusals.one_of(Some(policy), POLICIES, path);
    } else {
        refusals.refuse(path, format!("may not be set for a {kind} that nobody outside reaches"));
    }
}

fn source_ranges(refusals: &mut Refusals<'_>, path: &Path, spec: &ServiceSpec, kind: &str) {
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    if kind != "LoadBalancer" && !ranges.is_empty() {
        refusals.refuse(path, format!("may only be set for a LoadBalancer, not for a {kind}"));
        return;
    }
    for (index, range) in ranges.iter().enumerate() {
        let fits = range.trim().parse::<IpNet>().is_ok();
        refusals.unless(fits, &path.index(index), format!("\"{range}\" is no range such as 192.0.2.0/24"));
    }
}

fn families(refusals: &mut Refusals<'_>, path: &Path, spec: &ServiceSpec) {
    refusals.one_of(spec.ip_family_policy.as_deref(), FAMILY_POLICIES, &path.field("ipFamilyPolicy"));
    let families = spec.ip_families.as_deref().unwrap_or_default();
    for (index, family) in families.iter().enumerate() {
        refusals.one_of(Some(family), FAMILIES, &path.field("ipFamilies").index(index));
    }
    let places = families.iter().enumerate();
    refusals.unique(places.map(|(index, family)| (path.field("ipFamilies").index(index), family.as_str())));
    let addresses = spec.cluster_ips.iter().flatten().filter(|address| *address != "None").enumerate();
    let mut seen: Vec<bool> = Vec::new();
    for (index, address) in addresses {
        let (path, parsed) = (path.field("clusterIPs").index(index), address.parse::<IpAddr>());
        let another = parsed.as_ref().is_ok_and(|address| !seen.contains(&address.is_ipv6()));
        refusals.unless(another, &path, format!("\"{address}\" is no address of another family than those before"));
        seen.extend(parsed.map(|address| address.is_ipv6()));
    }
}

/// A port on the nodes is one Service port's for each protocol.
fn node_ports(refusals: &mut Refusals<'_>, path: &Path, ports: &[ServicePort]) {
    let numbered = ports.iter().enumerate().filter_map(|(index, port)| {
        let number = port.node_port.filter(|number| *number != 0)?;
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        Some((path.index(index).field("nodePort"), format!("{protocol} {number}")))
    });
    let numbered: Vec<(Path, String)> = numbered.collect();
    refusals.unique(numbered.iter().map(|(path, number)| (path.clone(), number.as_str())));
}
