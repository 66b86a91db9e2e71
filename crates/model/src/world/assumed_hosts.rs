//! Hosts outside the cluster that policies and Services name, for those who have not written down what is around their
//! cluster.
//!
//! A denied connection proves nothing where nobody would answer. So where no `Environment` is given, what egress rules,
//! ServiceEntries and Services with endpoints or a name outside name is assumed to exist and to answer on the ports that
//! are written there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use airtight_manifest::cilium::{CiliumNetworkPolicy, Direction, PortItem, Section};
use airtight_manifest::network::NetworkPolicy;
use airtight_manifest::{Diagnostic, Document, Resource, Severity, decode_resource};
use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::endpoint::{Host, StandsFor};
use super::environment::Environment;

/// Addresses for tests of networks (RFC 2544), which no host outside has.
const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 1]);

/// Who stands for the Internet, where nobody in particular is meant.
const ANYBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// Ports that are spoken in TLS from the first byte.
const TLS: &[u16] = &[443, 465, 636, 853, 993, 995, 5671, 6443, 8443];

/// What egress rules name, with the TCP ports that they admit.
#[derive(Debug, Default)]
pub(super) struct Named {
    names: BTreeMap<String, BTreeSet<u16>>,
    pub(super) ranges: BTreeMap<IpNet, BTreeSet<u16>>,
    /// Ranges that rules deny, or leave out of those that they admit.
    pub(super) left_out: BTreeMap<IpNet, BTreeSet<u16>>,
}

impl Environment {
    /// Adds the hosts that `documents` name and this environment does not have; the note says which.
    pub fn assume_hosts(&mut self, documents: &[Document]) -> Option<Diagnostic> {
        let named = Named::of(documents);
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

    /// Adds the hosts that another environment has and this one does not, so that a flow to each can be asked for in both.
    pub fn know_hosts_of(&mut self, other: &Self) {
        for host in &other.hosts {
            let same = |known: &&mut Host| {
                known.names == host.names && (!host.names.is_empty() || known.addresses == host.addresses)
            };
            if let Some(known) = self.hosts.iter_mut().find(same) {
                add_missing(&mut known.ports, &host.ports);
                add_missing(&mut known.tls_ports, &host.tls_ports);
                continue;
            }
            let taken =
                self.hosts.iter().flat_map(|known| &known.addresses).any(|known| host.addresses.contains(known));
            let addresses = if taken { vec![next_address(&self.hosts)] } else { host.addresses.clone() };
            self.hosts.push(Host { addresses, ..host.clone() });
        }
    }

    /// Adds a host that stands for all that no policy names: an address of those for documentation (RFC 5737), which answers
    /// on the ports of the web.
    pub fn assume_anybody(&mut self) {
        let anybody = IpAddr::V4(ANYBODY);
        if !self.is_inside(&anybody) && !self.hosts.iter().any(|host| host.addresses.contains(&anybody)) {
            self.hosts.push(Host { ports: vec![80], tls_ports: vec![443], ..host_at(anybody) });
        }
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

    pub(super) fn is_inside(&self, address: &IpAddr) -> bool {
        let ranges = self.pod_cidrs.iter().chain(&self.service_cidrs);
        ranges.into_iter().any(|range| range.contains(address))
            || self.nodes.iter().any(|node| node.addresses.contains(address))
    }
}

fn add_missing(ports: &mut Vec<u16>, others: &[u16]) {
    let missing: Vec<u16> = others.iter().filter(|port| !ports.contains(port)).copied().collect();
    ports.extend(missing);
}

/// Whether a name has a dot and not the form of a Service's.
fn is_outside(name: &str) -> bool {
    let in_cluster = name.ends_with(".cluster.local") || name.rsplit('.').next() == Some("svc");
    name.contains('.') && !in_cluster
}

pub(super) fn host_at(address: IpAddr) -> Host {
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
    pub(super) fn of(documents: &[Document]) -> Self {
        let mut named = Self::default();
        for resource in documents.iter().filter_map(|document| decode_resource(document).ok()) {
            named.add(&resource);
        }
        named
    }

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
            Resource::Service(object) => {
                let spec = &object.body.spec;
                let ports = spec.ports.iter().flatten().filter_map(|port| u16::try_from(port.port).ok()).collect();
                let alias = spec.external_name.as_ref().filter(|_| spec.type_.as_deref() == Some("ExternalName"));
                if let Some(name) = alias {
                    self.name(name, &ports);
                }
            }
            Resource::EndpointSlice(object) => {
                let ports = object.body.ports.iter().flatten().filter_map(|port| port.port);
                let ports: BTreeSet<u16> = ports.filter_map(|port| u16::try_from(port).ok()).collect();
                let written = object.body.endpoints.iter().filter(|endpoint| endpoint.target_ref.is_none());
                for text in written.flat_map(|endpoint| &endpoint.addresses) {
                    self.address(text, &ports);
                }
            }
            Resource::Endpoints(object) => {
                for subset in object.body.subsets.iter().flatten() {
                    let ports = subset.ports.iter().flatten().filter_map(|port| u16::try_from(port.port).ok());
                    let ports: BTreeSet<u16> = ports.collect();
                    for address in subset.addresses.iter().flatten().filter(|address| address.target_ref.is_none()) {
                        self.address(&address.ip, &ports);
                    }
                }
            }
            _ => {}
        }
    }

    /// An endpoint that somebody wrote for a Service, and that is no object's.
    fn address(&mut self, text: &str, ports: &BTreeSet<u16>) {
        if let Ok(address) = text.parse::<IpAddr>() {
            self.ranges.entry(IpNet::from(address)).or_default().extend(ports);
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
            for block in blocks {
                add_range(&mut self.ranges, &block.cidr, &ports);
                block.except.iter().flatten().for_each(|range| add_range(&mut self.left_out, range, &ports));
            }
        }
    }

    fn cilium(&mut self, policy: &CiliumNetworkPolicy) {
        for (_, rule) in policy.rules() {
            let sections = rule.sections();
            for section in sections.iter().filter(|section| section.direction == Direction::Egress) {
                self.section(section);
            }
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        let written = section.ports.iter().flat_map(|item| item.ports).filter_map(|port| port.port.as_ref());
        let ports: BTreeSet<u16> = written.filter_map(|port| port.parse().ok()).filter(|port| *port > 0).collect();
        let sets = || section.cidr_set.into_iter().flatten();
        let single = section.cidr.into_iter().flatten().map(|range| range.as_str());
        let written = single.chain(sets().filter_map(|rule| rule.cidr.as_deref()));
        let ranges = if section.deny { &mut self.left_out } else { &mut self.ranges };
        written.for_each(|range| add_range(ranges, range, &ports));
        let except = sets().flat_map(|rule| rule.except.iter().flatten());
        except.for_each(|range| add_range(&mut self.left_out, range, &ports));
        for name in section.fqdns.iter().filter(|_| !section.deny) {
            let pattern = name.match_pattern.as_deref().map(|pattern| pattern.replace("**.", "x.").replace('*', "x"));
            name.match_name.clone().or(pattern).into_iter().for_each(|name| self.name(&name, &ports));
        }
        if !section.deny && section.leads_outside() {
            section.ports.iter().for_each(|item| self.spoken_of(item));
        }
    }

    /// Hosts that a rule names by what is said on its ports, and not by whom it leads to.
    fn spoken_of(&mut self, item: &PortItem<'_>) {
        let ports: BTreeSet<u16> = item.ports.iter().filter_map(|port| port.port.as_ref()?.parse().ok()).collect();
        item.hosts().iter().for_each(|name| self.name(name, &ports));
    }

    /// Where a rule names no port, the host serves the web.
    fn name(&mut self, name: &str, ports: &BTreeSet<u16>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.contains('*') || !is_outside(&name) || name.parse::<IpAddr>().is_ok() {
            return;
        }
        let usual = BTreeSet::from([80, 443]);
        self.names.entry(name).or_default().extend(if ports.is_empty() { &usual } else { ports });
    }
}

fn add_range(ranges: &mut BTreeMap<IpNet, BTreeSet<u16>>, text: &str, ports: &BTreeSet<u16>) {
    let usual = BTreeSet::from([80, 443]);
    if let Ok(range) = text.parse() {
        ranges.entry(range).or_default().extend(if ports.is_empty() { &usual } else { ports });
    }
}
