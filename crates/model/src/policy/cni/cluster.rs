//! ClusterNetworkPolicy → entries (Cilium `pkg/k8s/cluster_network_policy.go`, 1.20 and later).

use airtight_manifest::cilium::{
    ClusterAction, ClusterEgressPeer, ClusterEgressRule, ClusterIngressPeer, ClusterIngressRule, ClusterNetworkPolicy,
    ClusterProtocol, ClusterTier, ClusterTransport, Direction, NamespacedPods,
};
use airtight_manifest::{Located, Object, Position};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::cilium::within;
use super::compilation::Compilation;
use super::entry::{Entry, EntryVerdict, PeerMatch, Peers, PortEntry, Precedence, Subject, Tier};
use super::kubernetes::{in_namespaces, labelled};
use super::l7::Layer7;
use super::name::NamePattern;
use super::port::{PortMatch, Protocols};
use super::selector::{CLUSTER, Key, Selector, SelectorId, Test};
use crate::world::Protocol;

/// Adds the entries of a policy, or the finding that no agent takes it.
pub(super) fn compile(compilation: &mut Compilation<'_>, object: &Object<ClusterNetworkPolicy>) {
    let at = object.meta.at.position;
    if !compilation.dialect.cluster_network_policy() {
        let why = "ClusterNetworkPolicy needs Cilium 1.20 or later and k8sClusterNetworkPolicy.enabled";
        compilation.ignored(&object.meta, "spec", at, why);
        return;
    }
    if let Some((path, at, why)) = refusal(compilation, object) {
        compilation.ignored(&object.meta, &path, at, why);
        return;
    }
    let Some(subject) = subject(compilation, object) else { return };
    let policy = Policy { object, subject };
    for (index, rule) in object.body.spec.ingress.iter().flatten().enumerate() {
        policy.ingress(compilation, index, rule);
    }
    for (index, rule) in object.body.spec.egress.iter().flatten().enumerate() {
        policy.egress(compilation, index, rule);
    }
}

/// Why the agents refuse the whole policy.
fn refusal(
    compilation: &Compilation<'_>,
    object: &Object<ClusterNetworkPolicy>,
) -> Option<(String, Position, &'static str)> {
    object.body.spec.egress.iter().flatten().enumerate().find_map(|(index, rule)| {
        let path = format!("spec.egress[{index}]");
        rule.to.iter().find_map(|peer| {
            let why = if peer.nodes.is_some() {
                "egress.to.nodes is not supported since node selector labels are disabled"
            } else if peer.domain_names.is_none() {
                return None;
            } else if rule.action != ClusterAction::Accept {
                "egress.to.domainNames is only supported for egress.action=Accept"
            } else if !compilation.dialect.options.l7_proxy {
                "egress.to.domainNames is not supported since L7 proxy is disabled"
            } else {
                return None;
            };
            Some((path.clone(), peer.at, why))
        })
    })
}

fn subject(compilation: &mut Compilation<'_>, object: &Object<ClusterNetworkPolicy>) -> Option<Subject> {
    let wanted = &object.body.spec.subject;
    let selector = match (&wanted.namespaces, &wanted.pods) {
        (Some(namespaces), _) => in_namespaces(namespaces),
        (None, Some(pods)) => in_namespaces(&pods.namespace_selector).and_all(labelled(&pods.pod_selector)),
        (None, None) => return None,
    };
    Some(Subject::Endpoints(compilation.selectors.intern(selector)))
}

struct Policy<'a> {
    object: &'a Object<ClusterNetworkPolicy>,
    subject: Subject,
}

impl Policy<'_> {
    fn precedence(&self, index: usize, action: ClusterAction) -> Precedence {
        let tier = match self.object.body.spec.tier {
            ClusterTier::Admin => Tier::Admin,
            ClusterTier::Baseline => Tier::Baseline,
        };
        let verdict = match action {
            ClusterAction::Accept => EntryVerdict::Allow,
            ClusterAction::Deny => EntryVerdict::Deny,
            ClusterAction::Pass => EntryVerdict::Pass,
        };
        let base = u32::try_from(self.object.body.spec.priority).unwrap_or(0).saturating_mul(100);
        Precedence { tier, priority: base.saturating_add(u32::try_from(index).unwrap_or(u32::MAX)), verdict }
    }

    fn ingress(&self, compilation: &mut Compilation<'_>, index: usize, rule: &Located<ClusterIngressRule>) {
        let peers: Vec<PeerMatch> = rule.from.iter().filter_map(|peer| ingress_peer(compilation, peer)).collect();
        let peers = if rule.from.is_empty() { Peers::Everyone } else { Peers::Any(peers) };
        let ports = protocols(rule.protocols.as_deref());
        let place = format!("spec.ingress[{index}]");
        let precedence = self.precedence(index, rule.action);
        compilation.entries.push(self.entry(precedence, Direction::Ingress, peers, ports, &place, rule.at));
    }

    fn egress(&self, compilation: &mut Compilation<'_>, index: usize, rule: &Located<ClusterEgressRule>) {
        let precedence = self.precedence(index, rule.action);
        let place = format!("spec.egress[{index}]");
        let mut peers = Vec::new();
        for (number, peer) in rule.to.iter().enumerate() {
            egress_peer(compilation, peer, &mut peers);
            if let Some(names) = &peer.domain_names {
                let place = format!("{place}.to[{number}].domainNames");
                let entry = self.lookups(compilation, precedence, names, &place, peer.at);
                compilation.entries.push(entry);
            }
        }
        let peers = if rule.to.is_empty() { Peers::Everyone } else { Peers::Any(peers) };
        let ports = protocols(rule.protocols.as_deref());
        compilation.entries.push(self.entry(precedence, Direction::Egress, peers, ports, &place, rule.at));
    }

    /// A rule for names comes with one that lets their lookups through the DNS proxy.
    fn lookups(
        &self,
        compilation: &mut Compilation<'_>,
        precedence: Precedence,
        names: &[String],
        place: &str,
        at: Position,
    ) -> Entry {
        let resolver =
            Selector::default().and(Key { source: None, key: "k8s-app".to_owned() }, Test::Is("kube-dns".to_owned()));
        let peers = Peers::Any(vec![PeerMatch::Labels(compilation.selectors.intern(resolver))]);
        let rule = self.object.meta.rule(place, at);
        let names = names.iter().map(|name| (domain(name), rule.clone())).collect();
        let port = |name: &str| PortMatch::Named(Protocols::ANY, name.to_owned());
        let ports = PortEntry { ports: vec![port("dns"), port("dns-tcp")], layer7: Layer7::Dns(names) };
        self.entry(precedence, Direction::Egress, peers, Some(vec![ports]), place, at)
    }

    fn entry(
        &self,
        precedence: Precedence,
        direction: Direction,
        peers: Peers,
        ports: Option<Vec<PortEntry>>,
        place: &str,
        at: Position,
    ) -> Entry {
        Entry {
            precedence,
            direction,
            subject: self.subject,
            isolates: false,
            peers,
            ports,
            authentication: None,
            rule: self.object.meta.rule(place, at),
            groups: Vec::new(),
            requires: Vec::new(),
            subject_doubt: None,
            doubt: None,
        }
    }
}

fn ingress_peer(compilation: &mut Compilation<'_>, peer: &ClusterIngressPeer) -> Option<PeerMatch> {
    by_labels(compilation, peer.namespaces.as_ref(), peer.pods.as_ref()).map(PeerMatch::Labels)
}

fn egress_peer(compilation: &mut Compilation<'_>, peer: &ClusterEgressPeer, list: &mut Vec<PeerMatch>) {
    list.extend(by_labels(compilation, peer.namespaces.as_ref(), peer.pods.as_ref()).map(PeerMatch::Labels));
    if let Some(networks) = &peer.networks {
        list.push(within(networks.iter().filter_map(|text| text.parse().ok()).collect(), Vec::new()));
    }
    list.extend(peer.domain_names.iter().flatten().map(|name| PeerMatch::Name(domain(name))));
}

/// Pods are confined to the local cluster by default, whole namespaces are not.
fn by_labels(
    compilation: &mut Compilation<'_>,
    namespaces: Option<&LabelSelector>,
    pods: Option<&NamespacedPods>,
) -> Option<SelectorId> {
    let selector = match (namespaces, pods) {
        (_, Some(pods)) => {
            let selector = in_namespaces(&pods.namespace_selector).and_all(labelled(&pods.pod_selector));
            match compilation.dialect.local_cluster() {
                Some(cluster) if !selector.has(|key| key.key == CLUSTER) => {
                    selector.and(Key::k8s(CLUSTER), Test::Is(cluster.to_owned()))
                }
                Some(_) | None => selector,
            }
        }
        (Some(namespaces), None) => in_namespaces(namespaces),
        (None, None) => return None,
    };
    Some(compilation.selectors.intern(selector))
}

/// `*.` stands for one or more labels here, which is `**.` to Cilium.
fn domain(name: &str) -> NamePattern {
    match name.strip_prefix("*.") {
        Some(rest) => NamePattern::pattern(&format!("**.{rest}"), true),
        None => NamePattern::literal(name),
    }
}

fn protocols(protocols: Option<&[ClusterProtocol]>) -> Option<Vec<PortEntry>> {
    let protocols = protocols.filter(|list| !list.is_empty())?;
    let ports = protocols.iter().map(protocol).collect();
    Some(vec![PortEntry { ports, layer7: Layer7::Open }])
}

fn protocol(protocol: &ClusterProtocol) -> PortMatch {
    let transports = [(Protocol::Tcp, &protocol.tcp), (Protocol::Udp, &protocol.udp), (Protocol::Sctp, &protocol.sctp)];
    for (kind, transport) in transports {
        if let Some(transport) = transport {
            return ports(Protocols::one(kind), transport);
        }
    }
    match &protocol.destination_named_port {
        Some(name) => PortMatch::Named(Protocols::ANY, name.to_ascii_lowercase()),
        None => PortMatch::Nothing,
    }
}

fn ports(protocols: Protocols, transport: &ClusterTransport) -> PortMatch {
    let Some(port) = &transport.destination_port else { return PortMatch::All(protocols) };
    let (first, end) = match (port.range, port.number) {
        (Some(range), _) => (range.start, Some(range.end)),
        (None, Some(number)) => (number, None),
        (None, None) => return PortMatch::All(protocols),
    };
    match u16::try_from(first) {
        Ok(first) => PortMatch::numbered(protocols, first, end),
        Err(_) => PortMatch::Nothing,
    }
}
