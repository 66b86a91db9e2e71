//! Rules that are in force and lead nowhere, since something else cancels them: tried on the pods that they are for.

use std::collections::BTreeMap;

use airtight_manifest::cilium::{Direction, Entity};
use airtight_manifest::{Diagnostic, Severity};

use super::entry::{Entry, EntryVerdict, PeerMatch, Peers, PortEntry};
use super::hop::{CniHop, Payload};
use super::identity::Identity;
use super::l7::{Layer7, Match};
use super::policy::CniPolicy;
use super::port::{Transport, container_port};
use super::selector::{NAMESPACE, NAMESPACE_LABELS};
use crate::policy::{Decision, Effect, HBONE, Reason, Request};
use crate::world::{Endpoint, Pod, Protocol, Role, World};

/// Pairs of ends that one rule is tried on; of a rule with more of them nothing is said.
const PAIRS: usize = 4096;

/// Where the cluster's own workloads run.
const SYSTEM: &str = "kube-system";

/// A request that no rule means: what lets it through lets every request through.
const ANY_METHOD: &str = "MKCALENDAR";
const ANY_PATH: &str = "/anything/at/all";

impl CniPolicy {
    /// Allow rules of which others make nothing, as warnings.
    pub(crate) fn idle_rules(&self, world: &World) -> Vec<Diagnostic> {
        let mut people: BTreeMap<u32, (&Pod, &Identity)> = BTreeMap::new();
        for (pod, identity) in self.identities.iter_pods(world) {
            people.entry(identity.id.number()).or_insert((pod, identity));
        }
        let mut subjects: BTreeMap<u32, Vec<&Pod>> = BTreeMap::new();
        for (pod, identity) in people.values() {
            let rules = self.rules(identity);
            for index in rules.ingress.entries.iter().chain(&rules.egress.entries) {
                subjects.entry(*index).or_default().push(*pod);
            }
        }
        let mut idle = Idle { policy: self, world, people: people.into_values().collect(), found: Vec::new() };
        for (index, subjects) in subjects {
            let entry = &self.entries[index as usize];
            idle.entry(entry, &subjects);
            idle.system_namespace(entry);
        }
        idle.left_open();
        idle.found
    }
}

struct Idle<'a> {
    policy: &'a CniPolicy,
    world: &'a World,
    /// One pod of each identity.
    people: Vec<(&'a Pod, &'a Identity)>,
    found: Vec<Diagnostic>,
}

/// Two pods that an entry is for, in the direction of the flow, and a port that it opens between them.
#[derive(Clone, Copy)]
struct Pair<'a> {
    source: &'a Pod,
    destination: &'a Pod,
    port: u16,
}

impl Pair<'_> {
    /// Whether the CNI sees nothing of it but HBONE.
    fn is_tunnelled(self) -> bool {
        use crate::world::Enrolment::{Ambient, AmbientOutbound, Native, NativeOutbound, None, Sidecar};
        let speaks = match self.source.enrolment {
            Ambient | AmbientOutbound | Native | NativeOutbound | Sidecar => true,
            None => false,
        };
        speaks && self.destination.enrolment.accepts_hbone()
    }

    fn shown(self) -> String {
        let name = |pod: &Pod| format!("{}/{}", pod.namespace, pod.workload);
        format!("{} to {}", name(self.source), name(self.destination))
    }
}

impl<'a> Idle<'a> {
    fn entry(&mut self, entry: &'a Entry, subjects: &[&'a Pod]) {
        if entry.precedence.verdict != EntryVerdict::Allow || entry.doubt.is_some() || entry.subject_doubt.is_some() {
            return;
        }
        let peers = self.peers(entry);
        if subjects.len() * peers.len() > PAIRS {
            return;
        }
        let pairs: Vec<Pair<'a>> = subjects
            .iter()
            .flat_map(|subject| peers.iter().map(move |peer| (*subject, *peer)))
            .filter(|(subject, peer)| subject.id != peer.id)
            .flat_map(|(subject, peer)| Self::opened(entry, subject, peer))
            .collect();
        if pairs.is_empty() {
            return;
        }
        if entry.ports.iter().flatten().any(|item| matches!(item.layer7, Layer7::Http(_))) {
            self.cancelled(entry, &pairs);
        }
        if by_label(entry) && !self.forgets_hbone(entry, &pairs) {
            self.unanswered(entry, &pairs);
        }
    }

    /// Pods that the entry names, one of each identity.
    fn peers(&self, entry: &Entry) -> Vec<&'a Pod> {
        let named = |identity: &Identity| match &entry.peers {
            Peers::Nobody => false,
            Peers::Everyone => true,
            Peers::Any(list) => list.iter().any(|peer| match peer {
                PeerMatch::Labels(id) => identity.selected_by(&self.policy.selectors, *id),
                PeerMatch::Entity(entity) => matches!(entity, Entity::All | Entity::Cluster),
                PeerMatch::Addresses(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => false,
            }),
        };
        self.people.iter().filter(|(_, identity)| named(identity)).map(|(pod, _)| *pod).collect()
    }

    /// The TCP ports of the destination that the entry opens between two pods.
    fn opened(entry: &Entry, subject: &'a Pod, peer: &'a Pod) -> Vec<Pair<'a>> {
        let (source, destination) = match entry.direction {
            Direction::Ingress => (peer, subject),
            Direction::Egress => (subject, peer),
        };
        let pair = |port| Pair { source, destination, port };
        let listening = destination.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
        // ztunnel listens for every pod of the mesh.
        let tunnel = Some(HBONE).filter(|port| pair(*port).is_tunnelled());
        let ports = listening.map(|port| port.number).chain(tunnel);
        ports.filter(|port| takes(entry, destination, *port)).map(pair).collect()
    }

    fn hop<'h>(pair: Pair<'_>, port: u16, payload: Payload<'h>) -> CniHop<'h> {
        CniHop {
            source: Endpoint::Pod(pair.source.id),
            destination: Endpoint::Pod(pair.destination.id),
            protocol: Protocol::Tcp,
            port: Some(port),
            icmp_type: None,
            payload,
            resolved: None,
        }
    }

    fn decide(&self, direction: Direction, hop: &CniHop<'_>) -> Decision {
        match direction {
            Direction::Ingress => self.policy.ingress(self.world, hop),
            Direction::Egress => self.policy.egress(self.world, hop),
        }
    }

    /// HTTP rules beside a rule that lets every request of the same peers through
    /// (Cilium `pkg/policy/l4.go`, `PerSelectorPolicy`; `pkg/envoy/server.go`: rules of one port are alternatives).
    fn cancelled(&mut self, entry: &Entry, pairs: &[Pair<'a>]) {
        let request = Request {
            method: ANY_METHOD.to_owned(),
            path: ANY_PATH.to_owned(),
            host: "anything".to_owned(),
            headers: Vec::new(),
            token: None,
        };
        if entry.ports.iter().flatten().any(|item| takes_request(item, &request)) {
            return;
        }
        for pair in pairs.iter().filter(|pair| !pair.is_tunnelled() && restricts(entry, pair)) {
            let decision = self.decide(entry.direction, &Self::hop(*pair, pair.port, Payload::Http(&request)));
            let by = decision.rules.iter().find(|rule| **rule != entry.rule);
            if let (Effect::Allow, Some(other)) = (decision.effect, by) {
                let message = format!(
                    "its HTTP rules restrict nothing for {}:{}: {other} lets every request through",
                    pair.shown(),
                    pair.port
                );
                return self.tell(
                    "l7-cancelled",
                    entry,
                    &message,
                    "narrow the other rule, or give it the HTTP rules too",
                );
            }
        }
    }

    /// A port that no peer dials: all of them come over HBONE, and nothing lets that through.
    fn forgets_hbone(&mut self, entry: &Entry, pairs: &[Pair<'a>]) -> bool {
        let stopped = |pair: &Pair<'_>| {
            pair.is_tunnelled()
                && !takes(entry, pair.destination, HBONE)
                && is_silent(&self.decide(entry.direction, &Self::hop(*pair, HBONE, Payload::Hbone)))
        };
        if !pairs.iter().all(stopped) {
            return false;
        }
        let message = format!(
            "it opens port {}, and mesh traffic from {} comes to port {HBONE}, which nothing allows",
            pairs[0].port,
            pairs[0].shown()
        );
        self.tell(
            "hbone-forgotten",
            entry,
            &message,
            "allow TCP 15008 here, and restrict ports in an AuthorizationPolicy",
        );
        true
    }

    /// A rule of one end that the other end's policies leave without any effect.
    fn unanswered(&mut self, entry: &Entry, pairs: &[Pair<'a>]) {
        let (far, word) = match entry.direction {
            Direction::Ingress => (Direction::Egress, "egress"),
            Direction::Egress => (Direction::Ingress, "ingress"),
        };
        let stopped = |pair: &Pair<'_>| {
            let (port, payload) =
                if pair.is_tunnelled() { (HBONE, Payload::Hbone) } else { (pair.port, Payload::Opaque) };
            is_silent(&self.decide(far, &Self::hop(*pair, port, payload)))
        };
        if pairs.iter().all(stopped) {
            let message = format!(
                "nothing comes of this rule: the {word} policies of the other end allow none of it, such as {}",
                pairs[0].shown()
            );
            self.tell("one-sided", entry, &message, &format!("allow it in {word} too, or remove the rule"));
        }
    }

    /// Every pod of the system's namespace on every port, where a resolver was meant.
    fn system_namespace(&mut self, entry: &Entry) {
        let Peers::Any(peers) = &entry.peers else { return };
        let whole = peers.iter().any(|peer| {
            let PeerMatch::Labels(id) = peer else { return false };
            let named = self.policy.selectors.get(*id);
            let of_namespace = named.demands().len() == 1
                && named.has(|key| key.key == NAMESPACE || key.key.starts_with(NAMESPACE_LABELS));
            let mut taken =
                self.people.iter().filter(|(_, one)| one.selected_by(&self.policy.selectors, *id)).peekable();
            of_namespace && taken.peek().is_some() && taken.all(|(pod, _)| &*pod.namespace == SYSTEM)
        });
        let allows = entry.precedence.verdict == EntryVerdict::Allow && entry.direction == Direction::Egress;
        if allows && whole && entry.ports.is_none() {
            let message = format!("it opens every port of every pod of {SYSTEM}");
            let hint = "name the pods that are meant: `k8s-app: kube-dns` on port 53";
            self.tell("system-namespace-open", entry, &message, hint);
        }
    }

    /// Pods that no policy isolates, beside others of their namespace that one does.
    fn left_open(&mut self) {
        let policy = self.policy;
        let mut homes: BTreeMap<&str, (Vec<&Pod>, Option<&Entry>)> = BTreeMap::new();
        for (pod, identity) in self.people.iter().filter(|(pod, _)| pod.role == Role::Workload) {
            let bound = &policy.rules(identity).ingress;
            let (open, by) = homes.entry(&*pod.namespace).or_default();
            if bound.isolated {
                let mut entries = bound.entries.iter().map(|index| &*policy.entries[*index as usize]);
                let own = |entry: &&Entry| entry.isolates && entry.rule.object.namespace.is_some();
                *by = by.or_else(|| entries.find(own));
            } else {
                open.push(*pod);
            }
        }
        let told: Vec<(&Entry, String)> = homes
            .into_iter()
            .filter_map(|(home, (open, by))| {
                let first = open.first()?;
                Some((
                    by?,
                    format!("{} of namespace {home} are isolated by no policy, such as {}", open.len(), first.workload),
                ))
            })
            .collect();
        for (entry, what) in told {
            let object = &entry.rule.object;
            let message = format!("{object}: pods beside those that it isolates are open: {what}");
            let finding = Diagnostic::new(Severity::Note, "partly-isolated", message);
            let finding = finding.at(entry.rule.at.clone()).about(object);
            self.found
                .push(finding.hint("add a default deny for the whole namespace: a policy whose selector is empty"));
        }
    }

    fn tell(&mut self, code: &str, entry: &Entry, message: &str, hint: &str) {
        let place = entry.rule.rule.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        let finding = Diagnostic::warning(code, format!("{}{place}: {message}", entry.rule.object));
        self.found.push(finding.at(entry.rule.at.clone()).hint(hint).about(&entry.rule.object));
    }
}

fn by_label(entry: &Entry) -> bool {
    matches!(&entry.peers, Peers::Any(list) if list.iter().all(|peer| matches!(peer, PeerMatch::Labels(_))))
}

fn takes(entry: &Entry, destination: &Pod, port: u16) -> bool {
    entry.ports.as_ref().is_none_or(|items| items.iter().any(|item| takes_port(item, destination, port)))
}

fn takes_port(item: &PortEntry, destination: &Pod, port: u16) -> bool {
    let transport = Transport { protocol: Protocol::Tcp, port: Some(port), icmp: None };
    let named = |name: &str, protocol| container_port(&destination.ports, name, protocol);
    item.ports.iter().any(|wanted| wanted.takes(transport, named))
}

/// Whether the entry has something to say about requests on the pair's port.
fn restricts(entry: &Entry, pair: &Pair<'_>) -> bool {
    let mut items = entry.ports.iter().flatten().filter(|item| takes_port(item, pair.destination, pair.port));
    items.any(|item| matches!(item.layer7, Layer7::Http(_)))
}

fn takes_request(item: &PortEntry, request: &Request) -> bool {
    match &item.layer7 {
        Layer7::Http(rules) => rules.iter().any(|rule| rule.takes(request) != Match::No),
        Layer7::Open | Layer7::Dns(_) | Layer7::ServerNames(_) | Layer7::Unmodelled(_) => false,
    }
}

/// Whether it ends because nobody allows it. What a rule denies was meant.
fn is_silent(decision: &Decision) -> bool {
    decision.effect == Effect::Deny && decision.reason == Reason::DefaultDeny
}
