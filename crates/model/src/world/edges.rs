//! Addresses at the edges of ranges, for those who ask what changes from one policy set to another: a range that grew or
//! shrank, or was broken up, tells at its ends and just outside of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use airtight_manifest::cilium::{Direction, Section};
use airtight_manifest::istio::Rule;
use airtight_manifest::{Document, Resource, decode_resource};
use ipnet::IpNet;

use super::assumed_hosts::{Named, host_at};
use super::endpoint::Host;
use super::environment::Environment;

impl Environment {
    /// Adds hosts at the edges of each range that egress rules of only one of two policy sets name, admit or leave out.
    pub fn assume_edges(&mut self, before: &[Document], after: &[Document]) {
        let [before, after] = [ranges(before), ranges(after)];
        let lonely = |one: &BTreeMap<IpNet, BTreeSet<u16>>, other: &BTreeMap<IpNet, BTreeSet<u16>>| {
            let lonely = one.iter().filter(|(range, _)| !other.contains_key(*range));
            lonely.map(|(range, ports)| (*range, ports.clone())).collect::<Vec<_>>()
        };
        for (range, ports) in lonely(&before, &after).into_iter().chain(lonely(&after, &before)) {
            for address in edges(&range) {
                self.assume_edge(address, &ports);
            }
        }
    }

    fn assume_edge(&mut self, address: IpAddr, ports: &BTreeSet<u16>) {
        if self.is_inside(&address) {
            return;
        }
        let edge = Host { ports: ports.iter().copied().collect(), ..host_at(address) };
        match self.hosts.iter_mut().find(|host| host.addresses.contains(&address)) {
            Some(known) => {
                let listens = |port: &u16| known.ports.contains(port) || known.tls_ports.contains(port);
                let missing: Vec<u16> = edge.ports.into_iter().filter(|port| !listens(port)).collect();
                known.ports.extend(missing);
            }
            None => self.hosts.push(edge),
        }
    }
}

/// The ranges outside that egress rules admit, leave out or deny, with the TCP ports that are spoken of.
fn ranges(documents: &[Document]) -> BTreeMap<IpNet, BTreeSet<u16>> {
    let named = Named::of(documents);
    let mut all = named.ranges;
    for (range, ports) in named.left_out {
        all.entry(range).or_default().extend(ports);
    }
    all
}

/// The first and the last address of a range, and their neighbours outside of it.
fn edges(range: &IpNet) -> Vec<IpAddr> {
    if range.prefix_len() == 0 {
        return Vec::new();
    }
    let (first, last) = (range.network(), range.broadcast());
    [Some(first), Some(last), beside(first, u128::checked_sub), beside(last, u128::checked_add)]
        .into_iter()
        .flatten()
        .collect()
}

fn beside(address: IpAddr, step: fn(u128, u128) -> Option<u128>) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let next = step(u128::from(u32::from(address)), 1)?;
            Some(IpAddr::V4(u32::try_from(next).ok()?.into()))
        }
        IpAddr::V6(address) => step(u128::from(address), 1).map(|next| IpAddr::V6(next.into())),
    }
}

/// The ranges by which policies tell users outside apart, as written: of them all, reachability knows one address.
#[must_use]
pub fn ranges_of_sources(documents: &[Document]) -> BTreeSet<String> {
    documents.iter().filter_map(|document| decode_resource(document).ok()).flat_map(|resource| of(&resource)).collect()
}

fn of(resource: &Resource) -> Vec<String> {
    match resource {
        Resource::NetworkPolicy(object) => {
            let rules = object.body.spec.ingress.iter().flatten();
            let blocks = rules.flat_map(|rule| rule.from.iter().flatten()).filter_map(|peer| peer.ip_block.as_ref());
            blocks.flat_map(|block| block.except.iter().flatten().chain([&block.cidr])).cloned().collect()
        }
        Resource::CiliumNetworkPolicy(object) | Resource::CiliumClusterwideNetworkPolicy(object) => {
            let rules = object.body.rules().map(|(_, rule)| rule);
            let sections: Vec<_> = rules.flat_map(|rule| rule.sections()).collect();
            let inward = sections.iter().filter(|section| section.direction == Direction::Ingress);
            inward.flat_map(of_section).collect()
        }
        Resource::AuthorizationPolicy(object) => {
            object.body.spec.rules().iter().flat_map(|rule| of_authorization(rule)).collect()
        }
        _ => Vec::new(),
    }
}

fn of_section(section: &Section<'_>) -> Vec<String> {
    let sets = section.cidr_set.into_iter().flatten();
    let single = section.cidr.into_iter().flatten().map(|range| range.as_str());
    let sets =
        sets.flat_map(|set| set.cidr.as_deref().into_iter().chain(set.except.iter().flatten().map(String::as_str)));
    single.chain(sets).map(str::to_owned).collect()
}

fn of_authorization(rule: &Rule) -> Vec<String> {
    let sources = rule.from.iter().flatten().filter_map(|from| from.source.as_ref());
    let blocks = sources.flat_map(|source| {
        [&source.ip_blocks, &source.not_ip_blocks, &source.remote_ip_blocks, &source.not_remote_ip_blocks]
    });
    let conditions = rule.when.iter().filter(|condition| ["source.ip", "remote.ip"].contains(&condition.key.as_str()));
    blocks
        .chain(conditions.flat_map(|condition| [&condition.values, &condition.not_values]))
        .flatten()
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lie_on_both_sides_of_each_end() {
        let told = |range: &str| {
            let range = range.parse();
            assert!(range.is_ok());
            range.map(|range| edges(&range).iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(told("10.0.0.0/9"), ["10.0.0.0", "10.127.255.255", "9.255.255.255", "10.128.0.0"]);
        assert_eq!(told("192.0.2.7/32"), ["192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"]);
        assert_eq!(told("255.255.255.255/32"), ["255.255.255.255", "255.255.255.255", "255.255.255.254"]);
        assert_eq!(told("0.0.0.0/0"), [""; 0]);
    }
}
