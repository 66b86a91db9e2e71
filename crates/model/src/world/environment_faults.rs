//! What no cluster could have around it: one name or address for two things, and ranges that overlap.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

use airtight_manifest::{Diagnostic, Document, Node as Written, Position};
use ipnet::IpNet;

use super::environment::Environment;

/// The code of each.
const CODE: &str = "environment-conflict";

/// Everything about an environment that cannot be, each with its place in the document that it was read from.
pub(super) fn faults(environment: &Environment, document: &Document) -> Vec<Diagnostic> {
    let check = Check { environment, document, faults: Vec::new() };
    check.ranges().names().addresses().faults
}

struct Check<'a> {
    environment: &'a Environment,
    document: &'a Document,
    faults: Vec<Diagnostic>,
}

impl Check<'_> {
    /// Pods and Services are told apart by their ranges (Kubernetes `--cluster-cidr`, `--service-cluster-ip-range`).
    fn ranges(mut self) -> Self {
        let named = |field: &'static str, ranges: &[IpNet]| -> Vec<(&'static str, usize, IpNet)> {
            ranges.iter().enumerate().map(|(index, range)| (field, index, *range)).collect()
        };
        let mut all = named("podCidrs", &self.environment.pod_cidrs);
        all.extend(named("serviceCidrs", &self.environment.service_cidrs));
        for (index, (field, at, range)) in all.iter().enumerate() {
            let other = all[..index].iter().find(|(_, _, other)| overlap(range, other));
            if let Some((other_field, _, other)) = other {
                let place = self.item(field, *at);
                self.add(place, format!("{range} of {field} overlaps {other} of {other_field}"), "part the ranges");
            }
        }
        self
    }

    fn names(mut self) -> Self {
        let mut nodes = BTreeMap::new();
        for (index, node) in self.environment.nodes.iter().enumerate() {
            let place = self.item("nodes", index);
            self.once(&mut nodes, &*node.name, "node", index, (place, &format!("two nodes are called {}", node.name)));
        }
        let mut hosts = BTreeMap::new();
        for (index, host) in self.environment.hosts.iter().enumerate() {
            for name in &host.names {
                let place = self.item("hosts", index);
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let message = format!("{name} is a name of two hosts");
                self.once(&mut hosts, name, "host", index, (place, &message));
            }
        }
        self
    }

    /// A node has addresses of its own; hosts may share one, as those behind one balancer do. In some clouds pods have
    /// addresses of the network of nodes; no node and no host has one of a Service.
    fn addresses(mut self) -> Self {
        let mut owners: BTreeMap<IpAddr, (&str, usize)> = BTreeMap::new();
        let nodes = self.environment.nodes.iter().enumerate();
        let of_nodes = nodes.flat_map(|(index, node)| node.addresses.iter().map(move |one| ("nodes", index, *one)));
        let hosts = self.environment.hosts.iter().enumerate();
        let of_hosts = hosts.flat_map(|(index, host)| host.addresses.iter().map(move |one| ("hosts", index, *one)));
        for (field, index, address) in of_nodes.chain(of_hosts) {
            let place = self.item(field, index);
            if let Some(range) = self.environment.service_cidrs.iter().find(|range| range.contains(&address)) {
                let message = format!("{address} of {field} is an address of Services ({range})");
                self.add(place, message, "give it another, or narrow serviceCidrs");
            }
            let other = owners.insert(address, (field, index));
            if other.is_some_and(|(other, at)| (other, at) != (field, index) && (other == "nodes" || field == "nodes"))
            {
                self.add(place, format!("{address} is the address of two"), "give each its own");
            }
        }
        self
    }

    /// A fault where `key` is another's already.
    fn once<K: Ord>(
        &mut self,
        seen: &mut BTreeMap<K, usize>,
        key: K,
        what: &str,
        index: usize,
        (place, message): (Position, &dyn Display),
    ) {
        if seen.insert(key, index).is_some_and(|other| other != index) {
            self.add(place, message.to_string(), &format!("give each {what} names of its own"));
        }
    }

    fn add(&mut self, at: Position, message: String, hint: &str) {
        self.faults.push(Diagnostic::error(CODE, message).at(self.document.location(at)).hint(hint));
    }

    /// Where an item of a list of the document stands.
    fn item(&self, field: &str, index: usize) -> Position {
        let list = self.document.root.get("spec").and_then(|spec| spec.get(field));
        let item = list.and_then(Written::as_list).and_then(|list| list.get(index));
        item.or(list).map_or(self.document.root.at, |found| found.at)
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}
