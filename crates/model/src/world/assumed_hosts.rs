//! Hosts outside the cluster that policies name, for those who have not written down what is around their cluster.
//!
//! A denied connection proves nothing where nobody would answer. So where no `Environment` is given, what egress rules
//! and ServiceEntries name is assumed to exist and to answer on the ports of the rule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use airtight_manifest::cilium::{CiliumNetworkPolicy, Direction, Section};
use airtight_manifest::network::NetworkPolicy;
use airtight_manifest::{Diagnostic, Document, Resource, Severity, decode_resource};
use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::endpoint::{Host, StandsFor};
use super::environment::Environment;

/// Addresses for tests of networks (RFC 2544), which no host outside has.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 1]);

/// Ports that are spoken in TLS from the first byte.
const TLS: &[u16] = &[443, 465, 636, 853, 993, 995, 5671, 6443, 8443];

/// What egress rules name, with the TCP ports that they admit.
#[derive(Debug, Default)]
struct Named {
    names: BTreeMap<String, BTreeSet<u16>>,
    ranges: BTreeMap<IpNet, BTreeSet<u16>>,
}

impl Environment {
    /// Adds the hosts that `documents` name and this environment does not have; the note says which.
    pub fn assume_hosts(&mut self, documents: &[Document]) -> Option<Diagnostic> {
        let mut named = Named::default();
        for resource in documents.iter().filter_map(|document| decode_resource(document).ok()) {
            named.add(&resource);
        }
        let mut assumed = Vec::new();
        for (name, ports) in named.names {
            if self.hosts.iter().flat_map(|host| &host.names).any(|known| known.eq_ignore_ascii_case(&name)) {
                continue;
            }
            assumed.push(name.clone());
            let (tls_ports, ports) = ports.into_iter().partition(|port| TLS.contains(port));
            self.hosts.push(Host { ports, tls_ports, ..named_host(&name, next_address(&self.hosts)) });
        }
        for (range, ports) in named.ranges {
            let Some(address) = first_of(&range) else { continue };
            let known = self.hosts.iter().flat_map(|host| &host.addresses).any(|known| range.contains(known));
            if known || self.is_inside(&address) {
                continue;
            }
            assumed.push(address.to_string());
            self.hosts.push(Host { ports: ports.into_iter().collect(), ..host_at(address) });
        }
        note(&assumed)
    }

    /// Adds the host `name`, listening on `port`, for somebody who asks after it, unless it has the form of a Service's; the
    /// note says so.
    pub fn assume_name(&mut self, name: &str, port: u16) -> Option<Diagnostic> {
        if !is_outside(name) {
            return None;
        }
        let known = |host: &Host| host.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let at = next_address(&self.hosts);
        self.assume(known, port, || named_host(name, at)).then(|| asked(name, port))
    }

    /// Adds the host at `address`, listening on `port`, for somebody who asks after it, unless the address is inside the
    /// cluster; the note says so.
    pub fn assume_address(&mut self, address: IpAddr, port: u16) -> Option<Diagnostic> {
        let is_new = !self.is_inside(&address)
            && self.assume(|host| host.addresses.contains(&address), port, || host_at(address));
        is_new.then(|| asked(&address.to_string(), port))
    }

    /// Whether anything had to be added.
    fn assume(&mut self, known: impl Fn(&Host) -> bool, port: u16, new: impl FnOnce() -> Host) -> bool {
        let at = self.hosts.iter().position(known).unwrap_or_else(|| {
            self.hosts.push(new());
            self.hosts.len() - 1
        });
        let host = &mut self.hosts[at];
        let is_new = !host.ports.contains(&port) && !host.tls_ports.contains(&port);
        if is_new {
            let ports = if TLS.contains(&port) { &mut host.tls_ports } else { &mut host.ports };
            ports.push(port);
        }
        is_new
    }

    fn is_inside(&self, address: &IpAddr) -> bool {
        let ranges = self.pod_cidrs.iter().chain(&self.service_cidrs);
        ranges.into_iter().any(|range| range.contains(address))
            || self.nodes.iter().any(|node| node.addresses.contains(address))
    }
}

/// Whether a name has a dot and not the form of a Service's.
fn is_outside(name: &str) -> bool {
    let in_cluster = name.ends_with(".cluster.local") || name.rsplit('.').next() == Some("svc");
    name.contains('.') && !in_cluster
}

fn host_at(address: IpAddr) -> Host {
    Host {
        names: Vec::new(),
        addresses: vec![address],
        ports: Vec::new(),
        tls_ports: Vec::new(),
        stands_for: StandsFor::Any,
    }
}

fn named_host(name: &str, address: IpAddr) -> Host {
    Host { names: vec![name.into()], ..host_at(address) }
}

fn note(assumed: &[String]) -> Option<Diagnostic> {
    let first: Vec<&str> = assumed.iter().take(5).map(String::as_str).collect();
    let more = match assumed.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("policies name hosts outside, which are assumed to answer: {}{more}", first.join(", "));
    (!assumed.is_empty()).then(|| assumption(message))
}

fn asked(host: &str, port: u16) -> Diagnostic {
    assumption(format!("{host} is assumed to be there and to answer on port {port}"))
}

fn assumption(message: String) -> Diagnostic {
    let hint = "add a document of kind Environment to say which hosts there are, and what they listen on";
    Diagnostic::new(Severity::Note, "assumed-hosts", message).hint(hint)
}

fn next_address(hosts: &[Host]) -> IpAddr {
    let taken: BTreeSet<IpAddr> = hosts.iter().flat_map(|host| &host.addresses).copied().collect();
    let mut candidates = (FIRST..).map(|number| IpAddr::V4(Ipv4Addr::from(number)));
    candidates.find(|address| !taken.contains(address)).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The first address that a host can have; the whole Internet needs no host of its own.
fn first_of(range: &IpNet) -> Option<IpAddr> {
    (range.prefix_len() > 0).then(|| range.hosts().next()).flatten()
}

impl Named {
    fn add(&mut self, resource: &Resource) {
        match resource {
            Resource::NetworkPolicy(object) => self.network_policy(&object.body),
            Resource::CiliumNetworkPolicy(object) | Resource::CiliumClusterwideNetworkPolicy(object) => {
                self.cilium(&object.body);
            }
            Resource::ServiceEntry(object) => {
                let ports = object.body.spec.ports.iter().filter_map(|port| u16::try_from(port.target()).ok());
                let ports: BTreeSet<u16> = ports.collect();
                for host in &object.body.spec.hosts {
                    self.name(host, &ports);
                }
            }
            _ => {}
        }
    }

    fn network_policy(&mut self, policy: &NetworkPolicy) {
        for rule in policy.spec.egress.iter().flatten() {
            let numbers =
                rule.ports.iter().flatten().filter(|port| port.protocol.as_deref().is_none_or(|p| p == "TCP"));
            let numbers = numbers.filter_map(|port| match &port.port {
                Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
                Some(IntOrString::String(_)) | None => None,
            });
            let ports: BTreeSet<u16> = numbers.collect();
            let blocks = rule.to.iter().flatten().filter_map(|peer| peer.ip_block.as_ref());
            blocks.for_each(|block| self.range(&block.cidr, &ports));
        }
    }

    fn cilium(&mut self, policy: &CiliumNetworkPolicy) {
        for (_, rule) in policy.rules() {
            let sections = rule.sections();
            for section in sections.iter().filter(|section| section.direction == Direction::Egress && !section.deny) {
                self.section(section);
            }
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        let written = section.ports.iter().flat_map(|item| item.ports).filter_map(|port| port.port.as_ref());
        let ports: BTreeSet<u16> = written.filter_map(|port| port.parse().ok()).filter(|port| *port > 0).collect();
        for name in section.fqdns {
            let pattern = name.match_pattern.as_deref().map(|pattern| pattern.replace("**.", "x.").replace('*', "x"));
            name.match_name.clone().or(pattern).into_iter().for_each(|name| self.name(&name, &ports));
        }
        for range in section.cidr.into_iter().flatten() {
            self.range(range, &ports);
        }
        for range in section.cidr_set.into_iter().flatten().filter_map(|rule| rule.cidr.as_ref()) {
            self.range(range, &ports);
        }
    }

    /// Where a rule names no port, the host serves the web.
    fn name(&mut self, name: &str, ports: &BTreeSet<u16>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.contains('*') || !is_outside(&name) {
            return;
        }
        let usual = BTreeSet::from([80, 443]);
        self.names.entry(name).or_default().extend(if ports.is_empty() { &usual } else { ports });
    }

    fn range(&mut self, text: &str, ports: &BTreeSet<u16>) {
        let usual = BTreeSet::from([80, 443]);
        if let Ok(range) = text.parse() {
            self.ranges.entry(range).or_default().extend(if ports.is_empty() { &usual } else { ports });
        }
    }
}
