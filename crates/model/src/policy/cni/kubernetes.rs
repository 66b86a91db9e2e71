//! NetworkPolicy → entries, with what Cilium does otherwise than the API says
//! (Cilium `pkg/k8s/network_policy.go`).

use airtight_manifest::cilium::Direction;
use airtight_manifest::network::{NetworkPolicy, NetworkPolicySpec, PolicyType};
use airtight_manifest::{Located, Object, Position};
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::cilium::within;
use super::compilation::Compilation;
use super::entry::{Entry, EntryVerdict, PeerMatch, Peers, PortEntry, Precedence, Subject};
use super::l7::Layer7;
use super::port::{PortMatch, Protocols};
use super::selector::{CLUSTER, Key, NAMESPACE, NAMESPACE_LABELS, Selector, SelectorId, Source, Test};
use crate::world::Protocol;

/// Adds the entries of a policy.
pub(super) fn compile(compilation: &mut Compilation<'_>, object: &Object<NetworkPolicy>) {
    let policy = Policy { object };
    let spec = &object.body.spec;
    let namespace = object.meta.namespace();
    let pods = labelled(&spec.pod_selector).in_namespace(namespace);
    let subject = Subject::Endpoints(compilation.selectors.intern(pods));
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let place = format!("spec.ingress[{index}]");
        policy.rule(
            compilation,
            subject,
            Direction::Ingress,
            &place,
            rule.at,
            rule.from.as_deref(),
            rule.ports.as_deref(),
        );
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let place = format!("spec.egress[{index}]");
        policy.rule(
            compilation,
            subject,
            Direction::Egress,
            &place,
            rule.at,
            rule.to.as_deref(),
            rule.ports.as_deref(),
        );
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        if isolates_without_rules(spec, direction) {
            compilation.entries.push(policy.isolation(subject, direction));
        }
        policy.note_unlisted_type(compilation, direction);
    }
}

fn rules(spec: &NetworkPolicySpec, direction: Direction) -> usize {
    match direction {
        Direction::Ingress => spec.ingress.as_ref().map_or(0, Vec::len),
        Direction::Egress => spec.egress.as_ref().map_or(0, Vec::len),
    }
}

fn lists(spec: &NetworkPolicySpec, wanted: PolicyType) -> bool {
    spec.policy_types.iter().flatten().any(|listed| listed.value == wanted)
}

/// `policyTypes` only counts where a list of rules is empty: rules are in force even in a direction
/// that it does not name (cilium/cilium#48703).
fn isolates_without_rules(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    rules(spec, direction) == 0
        && match direction {
            Direction::Ingress => lists(spec, PolicyType::Ingress) || !lists(spec, PolicyType::Egress),
            Direction::Egress => lists(spec, PolicyType::Egress),
        }
}

struct Policy<'a> {
    object: &'a Object<NetworkPolicy>,
}

impl Policy<'_> {
    #[expect(clippy::too_many_arguments, reason = "ingress and egress rules are the same but for the names of fields")]
    fn rule(
        &self,
        compilation: &mut Compilation<'_>,
        subject: Subject,
        direction: Direction,
        place: &str,
        at: Position,
        peers: Option<&[Located<NetworkPolicyPeer>]>,
        ports: Option<&[Located<NetworkPolicyPort>]>,
    ) {
        let written = peers.unwrap_or_default();
        let mut list = Vec::new();
        for peer in written {
            self.peer(compilation, direction, peer, &mut list);
        }
        let entry = Entry {
            precedence: Precedence::normal(EntryVerdict::Allow),
            direction,
            subject,
            isolates: true,
            peers: if written.is_empty() { Peers::Everyone } else { Peers::Any(list) },
            ports: port_entries(ports.unwrap_or_default()),
            authentication: None,
            rule: self.object.meta.rule(place, at),
            groups: Vec::new(),
            requires: Vec::new(),
            subject_doubt: None,
            doubt: None,
        };
        self.note_leak(compilation, direction, written, &entry);
        compilation.entries.push(entry);
    }

    fn isolation(&self, subject: Subject, direction: Direction) -> Entry {
        Entry {
            precedence: Precedence::normal(EntryVerdict::Allow),
            direction,
            subject,
            isolates: true,
            peers: Peers::Nobody,
            ports: None,
            authentication: None,
            rule: self.object.meta.whole(),
            groups: Vec::new(),
            requires: Vec::new(),
            subject_doubt: None,
            doubt: None,
        }
    }

    fn peer(
        &self,
        compilation: &mut Compilation<'_>,
        direction: Direction,
        peer: &NetworkPolicyPeer,
        list: &mut Vec<PeerMatch>,
    ) {
        if let Some(block) = &peer.ip_block {
            let except = block.except.iter().flatten().filter_map(|text| text.parse().ok()).collect();
            list.push(within(block.cidr.parse().into_iter().collect(), except));
            if direction == Direction::Ingress && compilation.dialect.ip_block_admits_namespace() {
                list.push(PeerMatch::Labels(self.whole_namespace(compilation)));
            }
            return;
        }
        let pods = peer.pod_selector.as_ref().map(labelled).unwrap_or_default();
        let pods = match compilation.dialect.local_cluster() {
            Some(cluster) if !pods.has(|key| key.key == CLUSTER) => {
                pods.and(Key::k8s(CLUSTER), Test::Is(cluster.to_owned()))
            }
            Some(_) | None => pods,
        };
        let selector = match &peer.namespace_selector {
            Some(namespaces) => pods.and_all(in_namespaces(namespaces)),
            None => pods.in_namespace(self.object.meta.namespace()),
        };
        list.push(PeerMatch::Labels(compilation.selectors.intern(selector)));
    }

    fn whole_namespace(&self, compilation: &mut Compilation<'_>) -> SelectorId {
        compilation.selectors.intern(Selector::default().in_namespace(self.object.meta.namespace()))
    }

    /// CVE-2026-56743: an `ipBlock` of an ingress rule admits the whole namespace.
    fn note_leak(
        &self,
        compilation: &mut Compilation<'_>,
        direction: Direction,
        peers: &[Located<NetworkPolicyPeer>],
        entry: &Entry,
    ) {
        let Some(block) = peers.iter().find(|peer| peer.ip_block.is_some()) else { return };
        if direction != Direction::Ingress {
            return;
        }
        if compilation.dialect.ip_block_admits_namespace() {
            compilation.warn(
                "cve-2026-56743",
                &self.object.meta,
                block.at,
                format!(
                    "with Cilium {} this ipBlock also admits every pod of the policy's namespace",
                    compilation.dialect.version
                ),
                "upgrade Cilium to 1.19.5 or later, or write the rule as a CiliumNetworkPolicy with fromCIDR",
            );
        } else if compilation.dialect.ip_block_may_admit_namespace() {
            let namespace = self.whole_namespace(compilation);
            compilation.entries.push(Entry {
                isolates: false,
                peers: Peers::Any(vec![PeerMatch::Labels(namespace)]),
                doubt: Some("an ipBlock may admit the policy's whole namespace (CVE-2026-56743)".to_owned()),
                ..entry.clone()
            });
        }
    }

    fn note_unlisted_type(&self, compilation: &mut Compilation<'_>, direction: Direction) {
        let spec = &self.object.body.spec;
        let (wanted, name) = match direction {
            Direction::Ingress => (PolicyType::Ingress, "ingress"),
            Direction::Egress => (PolicyType::Egress, "egress"),
        };
        if spec.policy_types.as_ref().is_some_and(|types| !types.is_empty())
            && !lists(spec, wanted)
            && rules(spec, direction) > 0
        {
            compilation.warn(
                "policy-types",
                &self.object.meta,
                self.object.meta.at.position,
                format!("Cilium enforces the {name} rules although policyTypes does not list them"),
                "list the direction in policyTypes, or remove the rules (cilium/cilium#48703)",
            );
        }
    }
}

/// A selector of Kubernetes labels.
pub(super) fn labelled(selector: &LabelSelector) -> Selector {
    Selector::read(selector, Some(&Source::K8s), str::to_owned)
}

/// A selector of namespaces as one of pods; an empty one means pods of any namespace.
pub(super) fn in_namespaces(selector: &LabelSelector) -> Selector {
    let selector = Selector::read(selector, Some(&Source::K8s), |key| format!("{NAMESPACE_LABELS}{key}"));
    if selector.is_empty() { selector.and(Key::k8s(NAMESPACE), Test::Exists) } else { selector }
}

fn port_entries(ports: &[Located<NetworkPolicyPort>]) -> Option<Vec<PortEntry>> {
    if ports.is_empty() {
        return None;
    }
    let ports = ports.iter().map(|port| port_match(port)).collect();
    Some(vec![PortEntry { ports, layer7: Layer7::Open }])
}

fn port_match(port: &NetworkPolicyPort) -> PortMatch {
    let protocol = match port.protocol.as_deref().unwrap_or("TCP") {
        "TCP" => Protocols::one(Protocol::Tcp),
        "UDP" => Protocols::one(Protocol::Udp),
        "SCTP" => Protocols::one(Protocol::Sctp),
        _ => Protocols::OTHER,
    };
    match &port.port {
        None => PortMatch::All(protocol),
        Some(IntOrString::Int(number)) => match u16::try_from(*number) {
            Ok(number) => PortMatch::numbered(protocol, number, port.end_port),
            Err(_) => PortMatch::Nothing,
        },
        Some(IntOrString::String(name)) => PortMatch::Named(protocol, name.to_ascii_lowercase()),
    }
}
