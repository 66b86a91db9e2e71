//! The DNS proxy: which lookups go through it, and what it says to them (Cilium `pkg/fqdn/dnsproxy`).

use airtight_manifest::RuleRef;

use super::CniPolicy;
use super::decide::{Level4, Matched, Side, rules};
use super::explain;
use super::hop::{CniHop, Payload};
use super::l7::Layer7;
use crate::policy::{Decision, Effect, Outcome, Rcode};
use crate::world::{Endpoint, Pod, Protocol, TargetPort, World};

/// Namespace and label of the cluster's resolver.
const RESOLVER: (&str, &str, &str) = ("kube-system", "k8s-app", "kube-dns");

/// The hop of a lookup: to the first resolver pod, over UDP, to the port that its Service forwards to.
///
/// None if the world has no pod of the cluster's resolver.
#[must_use]
pub fn lookup_hop(world: &World, source: Endpoint) -> Option<CniHop<'static>> {
    let (namespace, key, value) = RESOLVER;
    let is_resolver =
        |pod: &&Pod| &*pod.namespace == namespace && pod.labels.get(key).is_some_and(|label| label == value);
    let pod = world.pods.iter().find(is_resolver)?;
    let destination = if pod.host_network { Endpoint::HostNetworkPod(pod.id) } else { Endpoint::Pod(pod.id) };
    Some(CniHop {
        source,
        destination,
        protocol: Protocol::Udp,
        port: Some(resolver_port(world, pod)),
        icmp_type: None,
        payload: Payload::Opaque,
        resolved: None,
    })
}

fn resolver_port(world: &World, pod: &Pod) -> u16 {
    let services = world.services.iter().filter(|service| service.backends.contains(&pod.id));
    let target = services.filter_map(|service| service.port(Protocol::Udp, 53)).map(|port| &port.target).next();
    match target {
        Some(TargetPort::Number(number)) => *number,
        Some(TargetPort::Name(name)) => super::port::container_port(&pod.ports, name, Protocol::Udp).unwrap_or(53),
        None => 53,
    }
}

impl CniPolicy {
    /// What happens to a lookup of `name` by `source` on its way to the cluster's resolver.
    ///
    /// - [`Reason::NameAllowed`](crate::policy::Reason::NameAllowed): the DNS proxy lets it through, and the
    ///   answer's addresses are learned for `toFQDNs`;
    /// - any other allow: the proxy does not see it, and nothing is learned;
    /// - [`Reason::NameRefused`](crate::policy::Reason::NameRefused): the proxy answers REFUSED;
    /// - any other denial: the query is dropped before, and times out.
    #[must_use]
    pub fn dns(&self, world: &World, source: Endpoint, name: &str) -> Decision {
        match lookup_hop(world, source) {
            Some(hop) => self.dns_at(world, &hop, name),
            None => {
                Decision::unknown(Vec::new(), format!("no pod of this world answers lookups such as that of {name}"))
            }
        }
    }

    /// The same for a given hop to a resolver.
    #[must_use]
    pub fn dns_at(&self, world: &World, hop: &CniHop<'_>, name: &str) -> Decision {
        let decision = match self.side(world, hop, airtight_manifest::cilium::Direction::Egress) {
            Ok(side) => side.decide(|level4| asked(&side, level4, name)),
            Err(decision) => *decision,
        };
        timed_out(decision)
    }
}

/// A query that is dropped is a lookup that times out.
fn timed_out(mut decision: Decision) -> Decision {
    if decision.effect == Effect::Deny && decision.symptom == Some(Outcome::Timeout) {
        decision.symptom = Some(Outcome::DnsFailure(Rcode::Timeout));
    }
    decision
}

fn asked<'a>(side: &Side<'a>, level4: Level4<'a>, name: &str) -> Decision {
    match level4 {
        Level4::Allowed(by) => proxied(side, &by, name),
        Level4::Denied(_) | Level4::Silent => side.settle(level4),
    }
}

/// What matching allow rules mean for a lookup.
#[derive(Default)]
struct Lookup {
    taking: Vec<RuleRef>,
    refusing: Vec<RuleRef>,
    /// Rules that name the port and nothing above it: every name, within the proxy.
    open: Vec<RuleRef>,
    /// Rules without ports: whether the proxy knows them is not certain.
    portless: bool,
    other: bool,
}

impl Lookup {
    fn of(by: &[Matched<'_>], name: &str) -> Self {
        let mut lookup = Self::default();
        for matched in by {
            match matched.item.map(|item| &item.layer7) {
                None => lookup.portless = true,
                Some(Layer7::Open) => lookup.open.push(matched.entry.rule.clone()),
                Some(Layer7::Dns(names)) => lookup.names(names, name),
                Some(Layer7::Http(_) | Layer7::ServerNames(_) | Layer7::Unmodelled(_)) => lookup.other = true,
            }
        }
        lookup
    }

    fn names(&mut self, names: &[(super::name::NamePattern, RuleRef)], name: &str) {
        for (pattern, rule) in names {
            if pattern.matches(name) { self.taking.push(rule.clone()) } else { self.refusing.push(rule.clone()) }
        }
    }
}

fn proxied<'a>(side: &Side<'a>, by: &[Matched<'a>], name: &str) -> Decision {
    let lookup = Lookup::of(by, name);
    if lookup.other {
        return Decision::unknown(rules(by), format!("rules of another protocol meet the lookup of {name}"));
    }
    if lookup.taking.is_empty() && lookup.refusing.is_empty() {
        let mut decision = side.settle(Level4::Allowed(by.to_vec()));
        decision.detail.push_str("; no DNS rule applies, so the proxy does not see the lookup and learns nothing");
        return decision;
    }
    if !lookup.taking.is_empty() {
        return explain::name_allowed(side, name, lookup.taking);
    }
    if !side.isolated() && side.policy.dialect.l7_leaves_unisolated_alone() {
        return explain::name_allowed(side, name, lookup.refusing);
    }
    if !lookup.open.is_empty() {
        return explain::name_allowed(side, name, lookup.open);
    }
    if lookup.portless {
        let why = "a rule without ports allows the resolver, and the DNS proxy may not know of it:";
        return Decision::unknown(rules(by), format!("{why} lookup of {name}"));
    }
    explain::name_refused(side, name, lookup.refusing)
}
