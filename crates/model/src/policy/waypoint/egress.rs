//! ServiceEntries as a way out: virtual addresses and TLS towards the outside.

use std::net::IpAddr;

use airtight_manifest::istio::{ClientTlsMode, DestinationRule, Resolution, ServiceEntry, TrafficPolicy, go_bool};
use airtight_manifest::located::Located;
use airtight_manifest::stack::{Stack, at_least};
use airtight_manifest::{Object, RuleRef};
use ipnet::IpNet;

use crate::policy::istio::{is_foreign, parse_range};
use crate::world::{Pod, World, service_host};

/// What the name of a ServiceEntry resolves to for a client whose DNS is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VirtualAddress {
    /// An address of 240.240.0.0/16 that istiod allocates.
    Allocated,
    /// Addresses or ranges that the ServiceEntry itself has.
    Written(Vec<IpNet>),
    /// None: the name resolves to its real address, which the mesh does not know.
    None,
}

/// The virtual address of `host` (Istio `pilot/pkg/networking/serviceentry/ip_autoallocation.go`,
/// `pilot/pkg/serviceregistry/ambient/services.go`, `constructServiceEntries`).
#[must_use]
pub fn virtual_address(stack: &Stack, entry: &Object<ServiceEntry>, host: &str) -> VirtualAddress {
    let spec = &entry.body.spec;
    let istio = &stack.versions.istio;
    if !spec.addresses.is_empty() {
        // Before 1.30 one range makes istiod drop the whole ServiceEntry.
        let written: Vec<IpNet> = spec.addresses.iter().filter_map(|address| parse_range(address)).collect();
        let ranges = written.iter().any(|range| range.prefix_len() != range.max_prefix_len());
        return if ranges && !at_least(istio, 1, 30) { VirtualAddress::None } else { VirtualAddress::Written(written) };
    }
    let refused = entry.meta.labels.get("networking.istio.io/enable-autoallocate-ip");
    let refused = refused.is_some_and(|value| value.eq_ignore_ascii_case("false"));
    let wildcard = host.starts_with('*') && spec.resolution != Resolution::DynamicDns;
    if refused || wildcard || spec.resolution == Resolution::None || !at_least(istio, 1, 25) {
        VirtualAddress::None
    } else {
        VirtualAddress::Allocated
    }
}

/// Whether ztunnel answers a pod's DNS questions (Istio `cni/pkg/nodeagent/net.go`); a pod's annotation beats the mesh.
#[must_use]
pub fn dns_captured(stack: &Stack, pod: &Pod) -> bool {
    let own = pod.annotations.get("ambient.istio.io/dns-capture").and_then(|value| go_bool(value));
    pod.enrolment.sends_through_ztunnel() && own.unwrap_or(stack.istio.dns_capture)
}

/// The rule for which a proxy in `proxy_namespace` speaks TLS to `port` of `host`, a name of a service in
/// `service_namespace` (Istio `pilot/pkg/model/push_context.go`, `destinationRule`). TLS of a subset does not count.
#[must_use]
pub fn originates_tls(
    world: &World,
    proxy_namespace: &str,
    service_namespace: &str,
    host: &str,
    port: u16,
) -> Option<RuleRef> {
    let root = world.stack.istio.root_namespace.as_str();
    let own = |rule: &Object<DestinationRule>| rule.meta.namespace() == proxy_namespace;
    let exported = |rule: &Object<DestinationRule>, namespace: &str| {
        rule.meta.namespace() == namespace && is_exported(rule, proxy_namespace)
    };
    // In the root namespace, rules are meant for the whole mesh unless they are exported to nobody else.
    let local = |rule: &Object<DestinationRule>| {
        own(rule) && (proxy_namespace != root || rule.body.spec.export_to.iter().any(|to| to == "."))
    };
    let rule = most_specific(world, host, local)
        .or_else(|| most_specific(world, host, |rule| exported(rule, service_namespace)))
        .or_else(|| most_specific(world, host, |rule| exported(rule, root)))?;
    tls_of(rule, port)
}

fn is_exported(rule: &Object<DestinationRule>, namespace: &str) -> bool {
    let to = &rule.body.spec.export_to;
    to.is_empty()
        || to.iter().any(|one| one == "*" || one == namespace || (one == "." && rule.meta.namespace() == namespace))
}

/// The rule with the longest host that covers `host`; the oldest of several.
fn most_specific<'a>(
    world: &'a World,
    host: &str,
    candidate: impl Fn(&Object<DestinationRule>) -> bool,
) -> Option<&'a Object<DestinationRule>> {
    let rules = world
        .objects
        .destination_rules
        .iter()
        .filter(|rule| !is_foreign(&world.stack, &rule.meta))
        .filter(|rule| candidate(rule) && rule.body.spec.workload_selector.is_none() && covers(&fqdn(rule), host));
    rules.min_by_key(|rule| {
        let written = fqdn(rule);
        let created = rule.meta.created.clone().unwrap_or_default();
        (written.starts_with('*'), std::cmp::Reverse(written.len()), created, rule.meta.name().to_owned())
    })
}

/// A name without dots is short for a Service of the rule's namespace.
fn fqdn(rule: &Object<DestinationRule>) -> String {
    let host = &rule.body.spec.host.value;
    if host.contains('.') || host.starts_with('*') { host.clone() } else { service_host(rule.meta.namespace(), host) }
}

fn covers(pattern: &str, host: &str) -> bool {
    pattern == host || pattern.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix))
}

/// Settings of the port replace those of the service.
fn tls_of(rule: &Object<DestinationRule>, port: u16) -> Option<RuleRef> {
    let policy = rule.body.spec.traffic_policy.as_ref()?;
    let (path, tls) = match port_settings(policy, port) {
        Some((index, tls)) => (format!("spec.trafficPolicy.portLevelSettings[{index}].tls"), tls?),
        None => ("spec.trafficPolicy.tls".to_owned(), policy.tls.as_ref()?),
    };
    match tls.mode {
        ClientTlsMode::Simple | ClientTlsMode::Mutual => Some(rule.meta.rule(path, tls.at)),
        ClientTlsMode::Disable | ClientTlsMode::IstioMutual => None,
    }
}

type ClientTls = Located<airtight_manifest::istio::ClientTls>;

fn port_settings(policy: &TrafficPolicy, port: u16) -> Option<(usize, Option<&ClientTls>)> {
    let settings = policy.port_level_settings.iter().enumerate();
    let mut matching = settings.filter(|(_, one)| one.port.is_some_and(|own| own.number == u32::from(port)));
    matching.next().map(|(index, one)| (index, one.tls.as_ref()))
}

impl VirtualAddress {
    /// The first single address, if one is written.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Written(ranges) => {
                ranges.iter().find(|range| range.prefix_len() == range.max_prefix_len()).map(IpNet::addr)
            }
            Self::Allocated | Self::None => None,
        }
    }
}
