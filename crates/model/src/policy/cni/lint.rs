//! Lint: policies that are in force and probably do not do what their authors think.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use airtight_manifest::cilium::{CiliumNetworkPolicy, CiliumRule, Direction, Section};
use airtight_manifest::stack::Component;
use airtight_manifest::{Diagnostic, Located, Location, Meta, Object, ObjectRef, Position, RuleRef};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;

use super::entry::{Entry, PeerMatch, Peers, PortEntry, Subject};
use super::hop::{CniHop, Payload};
use super::identity::reaches_identity;
use super::l7::Layer7;
use super::port::PortMatch;
use super::selector::{CLUSTER, Label, NAMESPACE, NAMESPACE_LABELS, SERVICE_ACCOUNT, SelectorId};
use super::{CniPolicy, identity::Class};
use crate::policy::Reason;
use crate::world::{Endpoint, Enrolment, Pod, PodId, Protocol, TargetPort, WITHOUT_EFFECT, World};

impl CniPolicy {
    /// What the policies of a world probably do not do as their authors think, as warnings; looks at every pod, so ask once.
    #[must_use]
    pub fn lint(&self, world: &World) -> Vec<Diagnostic> {
        let mut lint = Lint::new(self, world);
        for object in world.objects.cilium_policies.iter().chain(&world.objects.cilium_clusterwide_policies) {
            lint.cilium(object);
        }
        lint.alternatives();
        lint.unimplemented();
        let selected = self.selected_by_pods(world);
        let hidden = HiddenPorts::of(world);
        for entry in &self.entries {
            lint.entry(entry, &selected, &hidden);
        }
        lint.names_without_lookups();
        lint.probes();
        lint.found
    }

    /// Which selectors match at least one managed pod.
    fn selected_by_pods(&self, world: &World) -> BTreeSet<SelectorId> {
        let ids = (0_u32..).take(self.selectors.len()).map(SelectorId);
        let mut open: Vec<SelectorId> = ids.collect();
        let mut selected = BTreeSet::new();
        for (_, identity) in self.identities.iter_pods(world) {
            open.retain(|id| {
                let hit = identity.selected_by(&self.selectors, *id);
                if hit {
                    selected.insert(*id);
                }
                !hit
            });
        }
        selected
    }
}

/// Pods behind Services whose port is not the pod's own.
struct HiddenPorts(Vec<(PodId, u16, u16)>);

impl HiddenPorts {
    fn of(world: &World) -> Self {
        let mut list = Vec::new();
        for service in world.services.iter() {
            for port in &service.ports {
                let TargetPort::Number(target) = port.target else { continue };
                if target != port.port {
                    list.extend(service.backends.iter().map(|pod| (*pod, port.port, target)));
                }
            }
        }
        Self(list)
    }
}

struct Lint<'a> {
    policy: &'a CniPolicy,
    world: &'a World,
    found: Vec<Diagnostic>,
    /// Code, message and hint of what is found about rules.
    told: HashSet<[String; 3]>,
    /// Objects of which is told that a rule binds nobody.
    binding_nobody: HashSet<Arc<ObjectRef>>,
}

impl<'a> Lint<'a> {
    fn new(policy: &'a CniPolicy, world: &'a World) -> Self {
        Self { policy, world, found: Vec::new(), told: HashSet::new(), binding_nobody: HashSet::new() }
    }

    fn at(&mut self, code: &str, meta: &Meta, at: Position, message: &str, hint: &str) {
        let location = Location::new(&meta.at.file, at);
        self.found.push(
            Diagnostic::warning(code, format!("{}: {message}", meta.object))
                .at(location)
                .hint(hint)
                .about(&meta.object),
        );
    }

    fn rule(&mut self, code: &str, rule: &RuleRef, message: &str, hint: &str) {
        let place = rule.rule.as_deref().map(|path| format!(" {path}")).unwrap_or_default();
        let message = format!("{}{place}: {message}", rule.object);
        if self.told.insert([code.to_owned(), message.clone(), hint.to_owned()]) {
            let finding = Diagnostic::warning(code, message);
            self.found.push(finding.at(rule.at.clone()).hint(hint).about(&rule.object));
        }
    }

    fn cilium(&mut self, object: &Object<CiliumNetworkPolicy>) {
        for (_, rule) in object.body.rules() {
            self.isolation(&object.meta, rule);
            for section in rule.sections() {
                self.section(&object.meta, &section);
            }
        }
    }

    fn isolation(&mut self, meta: &Meta, rule: &Located<CiliumRule>) {
        let lists = [
            (
                Direction::Ingress,
                "ingress",
                rule.ingress.as_ref().map_or(0, Vec::len),
                rule.ingress_deny.as_ref().map_or(0, Vec::len),
            ),
            (
                Direction::Egress,
                "egress",
                rule.egress.as_ref().map_or(0, Vec::len),
                rule.egress_deny.as_ref().map_or(0, Vec::len),
            ),
        ];
        let non_default_deny = self.policy.dialect.options.non_default_deny_policies;
        for (direction, name, allow, deny) in lists {
            let isolates = rule.isolates(direction, non_default_deny);
            let written = rule.enable_default_deny.and_then(|written| match direction {
                Direction::Ingress => written.ingress,
                Direction::Egress => written.egress,
            });
            if isolates && allow == 0 && deny > 0 && written.is_none() {
                let message = format!(
                    "the rule only denies, and yet isolates its subjects for {name}: everything else is denied as well"
                );
                self.at(
                    "deny-isolates",
                    meta,
                    rule.at,
                    &message,
                    "add `enableDefaultDeny` with `false` for this direction, or allow rules",
                );
            }
            if written == Some(true) && allow + deny == 0 {
                let message = format!("enableDefaultDeny has no effect for {name}, which has no rules");
                self.at("default-deny-without-rules", meta, rule.at, &message, "add an empty rule, `- {}`");
            }
            let everyone = rule.endpoint_selector.as_ref().is_some_and(|selector| {
                selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
                    && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
            });
            if isolates && everyone && meta.object.namespace.is_none() {
                let message = format!(
                    "the rule isolates every endpoint of the cluster for {name}, the resolver and Cilium's health checks among them"
                );
                self.at(
                    "cluster-isolated",
                    meta,
                    rule.at,
                    &message,
                    "leave system namespaces out with a positive selector, or set `enableDefaultDeny` to `false`",
                );
            }
        }
    }

    fn section(&mut self, meta: &Meta, section: &Section<'_>) {
        for item in &section.ports {
            let Some(rules) = item.rules else { continue };
            if rules.http.as_ref().is_some_and(Vec::is_empty) || rules.dns.as_ref().is_some_and(Vec::is_empty) {
                self.at(
                    "empty-l7-list",
                    meta,
                    item.at,
                    "an empty list of L7 rules restricts nothing",
                    "write at least one rule, or leave `rules` out",
                );
            }
            let tls_port = item.ports.iter().any(|port| port.port.as_deref() == Some("443"));
            if rules.http.is_some() && tls_port && !item.terminating_tls {
                self.at(
                    "http-on-tls-port",
                    meta,
                    item.at,
                    "HTTP rules on port 443 break TLS connections, which the proxy cannot read",
                    "use `toFQDNs` with `serverNames`, or terminate TLS",
                );
            }
        }
        for rule in section.cidr_set.iter().copied().flatten() {
            let known = |name: &String| self.world.objects.cidr_groups.iter().any(|group| group.meta.name() == name);
            if let Some(name) = rule.cidr_group_ref.clone().filter(|name| !known(name)) {
                let message = format!("there is no CiliumCIDRGroup `{name}`: this peer matches nothing");
                self.at("dangling-reference", meta, rule.at, &message, "add the group, or correct the name");
            }
        }
    }

    /// `namespaceSelector` and `podSelector` as two items mean either, as one item both.
    fn alternatives(&mut self) {
        let world = self.world;
        for object in &world.objects.network_policies {
            let spec = &object.body.spec;
            let from = spec.ingress.iter().flatten().map(|rule| &rule.from);
            let to = spec.egress.iter().flatten().map(|rule| &rule.to);
            for peers in from.chain(to).flatten() {
                for pair in peers.windows(2) {
                    if only_namespaces(&pair[0]) && only_pods(&pair[1]) {
                        self.at(
                            "peers-are-alternatives",
                            &object.meta,
                            pair[1].at,
                            "this item admits pods of the policy's own namespace, and the item before it every pod of the other namespaces",
                            "put namespaceSelector and podSelector into one item if both shall hold",
                        );
                    }
                }
            }
        }
    }

    fn unimplemented(&mut self) {
        let world = self.world;
        // What another CNI makes of them is told with the flows that they leave open.
        for rule in world.objects.unmodelled.iter().filter(|_| !world.stack.lacks(Component::Cilium)) {
            if WITHOUT_EFFECT.contains(&&*rule.object.kind) {
                self.rule(
                    "kind-without-effect",
                    rule,
                    "no version of Cilium implements this kind",
                    "use CiliumClusterwideNetworkPolicy",
                );
            }
        }
    }

    fn entry(&mut self, entry: &Entry, selected: &BTreeSet<SelectorId>, hidden: &HiddenPorts) {
        let Subject::Endpoints(subject) = entry.subject else { return };
        self.hidden_labels(&entry.rule, subject);
        self.subject(entry, subject, selected);
        if let Peers::Any(list) = &entry.peers {
            for peer in list {
                match peer {
                    PeerMatch::Labels(id) => self.peer(entry, *id, selected),
                    PeerMatch::Addresses(addresses) => self.addresses(entry, addresses),
                    PeerMatch::Entity(_) | PeerMatch::Groups(_) | PeerMatch::Name(_) => {}
                }
            }
        }
        for item in entry.ports.iter().flatten() {
            self.service_port(entry, item, hidden);
        }
    }

    /// Beyond its namespace a subject that nobody is says that pods were meant, and that they are bound by nothing here.
    fn subject(&mut self, entry: &Entry, id: SelectorId, selected: &BTreeSet<SelectorId>) {
        let selector = self.policy.selectors.get(id);
        if selected.contains(&id)
            || !selector.has(|key| key.key != NAMESPACE)
            || selector.has(|key| !key.is_k8s_or_any())
        {
            return;
        }
        // One of its rules is enough to say so.
        if !self.binding_nobody.insert(Arc::clone(&entry.rule.object)) {
            return;
        }
        let whole = RuleRef { rule: None, ..entry.rule.clone() };
        let identities = &self.policy.identities;
        let is_meant = |pod: &&Pod| identities.get(identities.pod(pod.id)).selected_by(&self.policy.selectors, id);
        if let Some(pod) = self.world.pods.iter().filter(|pod| pod.host_network).find(is_meant) {
            let message = format!(
                "its selector selects pods in their host's network alone, such as {}/{}, which no policy for pods binds",
                pod.namespace, pod.workload
            );
            let hint =
                "bind their nodes: a CiliumClusterwideNetworkPolicy with `nodeSelector`, with the host firewall on";
            return self.rule("selects-nobody", &whole, &message, hint);
        }
        let nearest = self.policy.nearest_to(self.world, id);
        let hint = nearest.as_deref().unwrap_or("compare its labels with those of the pods that it is meant for");
        self.rule("selects-nobody", &whole, "its selector selects no pod of this world, so that it binds nobody", hint);
    }

    fn peer(&mut self, entry: &Entry, id: SelectorId, selected: &BTreeSet<SelectorId>) {
        self.hidden_labels(&entry.rule, id);
        let selector = self.policy.selectors.get(id);
        let outside = selector.is_negative() && selector.matches(&[Label::reserved("world")]);
        let reserved = selector.has(|key| !key.is_k8s_or_any());
        if selector.is_negative() && self.policy.dialect.aggregates_identities() {
            self.rule(
                "negative-peer",
                &entry.rule,
                "a peer by negative demands alone selects every pod since Cilium 1.20, and everything without these labels",
                "add `{key: k8s:io.kubernetes.pod.namespace, operator: Exists}`",
            );
        } else if outside {
            self.rule(
                "negative-peer",
                &entry.rule,
                "a peer by negative demands alone also selects everything without these labels: nodes and the outside",
                "add `{key: k8s:io.kubernetes.pod.namespace, operator: Exists}`",
            );
        } else if !selected.contains(&id) && !reserved {
            let nearest = self.policy.nearest_to(self.world, id);
            let hint = nearest.as_deref().unwrap_or(
                "compare its labels with those of pods and namespaces; a namespace has no label `name` unless someone sets it",
            );
            self.rule("peer-matches-nobody", &entry.rule, "a peer of this rule matches no pod of this world", hint);
        }
    }

    fn hidden_labels(&mut self, rule: &RuleRef, id: SelectorId) {
        let selector = self.policy.selectors.get(id);
        let hidden = selector.demands().iter().map(|(key, _)| key).find(|key| {
            key.is_k8s_or_any()
                && key.key != NAMESPACE
                && !key.key.starts_with(NAMESPACE_LABELS)
                // Pods cannot give themselves these labels, and the agent gives them to every one.
                && ![CLUSTER, SERVICE_ACCOUNT].contains(&key.key.as_str())
                && !reaches_identity(&key.key, &self.policy.dialect)
        });
        if let Some(key) = hidden {
            let message = format!("label `{}` is no part of any identity, so that selectors cannot see it", key.key);
            self.rule("hidden-label", rule, &message, "select by another label");
        }
    }

    /// Address rules never match pods, nodes or Services, whatever their range.
    fn addresses(&mut self, entry: &Entry, addresses: &super::entry::Addresses) {
        if addresses.within.iter().any(|net| net.prefix_len() == 0) {
            return;
        }
        let policy = self.policy;
        let inside = |list: &[std::net::IpAddr]| list.iter().any(|address| addresses.contain(*address));
        let pods = !policy.has_address_identity(Class::Pod)
            && self.world.pods.iter().any(|pod| !pod.host_network && inside(&pod.addresses));
        let nodes = !policy.has_address_identity(Class::RemoteNode)
            && self.world.nodes.iter().any(|node| inside(&node.addresses));
        let services = self.world.services.iter().any(|service| inside(&service.cluster_ips));
        let what = match (pods, nodes, services) {
            (true, _, _) => "pods",
            (false, true, _) => "nodes",
            (false, false, true) => "Services",
            (false, false, false) => return,
        };
        let message = format!("this address range contains {what}, which address rules never match");
        self.rule(
            "range-without-effect",
            &entry.rule,
            &message,
            "select pods by label, nodes with entities, and Services by their pods",
        );
    }

    /// Policies look at the pod's own port, never at the Service's.
    fn service_port(&mut self, entry: &Entry, item: &PortEntry, hidden: &HiddenPorts) {
        for port in &item.ports {
            let PortMatch::Range(protocols, first, last) = port else { continue };
            if first != last || !protocols.contain(Protocol::Tcp) {
                continue;
            }
            let behind = hidden.0.iter().find(|(pod, service, _)| {
                service == first && self.concerns(entry, *pod) && !listens(self.world.pod(*pod), *first)
            });
            if let Some((_, service, target)) = behind {
                let message = format!(
                    "port {service} is a Service's port; its pods listen on {target}, which is what policies look at"
                );
                self.rule("service-port", &entry.rule, &message, "write the targetPort");
            }
        }
    }

    /// Whether an entry means a pod as the destination.
    fn concerns(&self, entry: &Entry, pod: PodId) -> bool {
        let identity = self.policy.identities.get(self.policy.identities.pod(pod));
        let is = |id: SelectorId| identity.selected_by(&self.policy.selectors, id);
        match (entry.direction, entry.subject, &entry.peers) {
            (Direction::Ingress, Subject::Endpoints(subject), _) => is(subject),
            (Direction::Egress, _, Peers::Any(list)) => {
                list.iter().any(|peer| matches!(peer, PeerMatch::Labels(id) if is(*id)))
            }
            (_, _, _) => false,
        }
    }

    /// `toFQDNs` without a DNS rule for the same pod: nothing is ever learned.
    fn names_without_lookups(&mut self) {
        let policy = self.policy;
        for (pod, identity) in policy.identities.iter_pods(self.world) {
            let bound: Vec<&Entry> =
                policy.rules(identity).egress.entries.iter().map(|index| &*policy.entries[*index as usize]).collect();
            let looks_up = bound
                .iter()
                .flat_map(|entry| entry.ports.iter().flatten())
                .any(|item| matches!(item.layer7, Layer7::Dns(_)));
            let by_name = |entry: &&&Entry| matches!(&entry.peers, Peers::Any(list) if list.iter().any(|peer| matches!(peer, PeerMatch::Name(_))));
            if let (false, Some(entry)) = (looks_up, bound.iter().find(by_name)) {
                let message = format!(
                    "toFQDNs allows nothing for {}/{}: no DNS rule lets Cilium learn addresses",
                    pod.namespace, pod.workload
                );
                self.rule(
                    "names-never-learned",
                    &entry.rule,
                    &message,
                    "allow the resolver on port 53 with `rules: {dns: […]}`",
                );
            }
        }
    }

    /// Ambient pods are probed from 169.254.7.127, which no exemption covers.
    fn probes(&mut self) {
        for pod in self.world.pods.iter() {
            let ambient = matches!(pod.enrolment, Enrolment::Ambient | Enrolment::AmbientOutbound);
            let Some(probe) = pod.probes.first().filter(|_| ambient && !pod.host_network) else { continue };
            let hop = CniHop {
                source: Endpoint::ProbeAddress(pod.node),
                destination: Endpoint::Pod(pod.id),
                protocol: Protocol::Tcp,
                port: Some(probe.port),
                icmp_type: None,
                payload: Payload::Opaque,
                resolved: None,
            };
            let decision = self.policy.ingress(self.world, &hop);
            let dropped = matches!(decision.reason, Reason::DefaultDeny | Reason::ExplicitDeny);
            if let Some(rule) = decision.rules.first().filter(|_| dropped) {
                let message = format!(
                    "kubelet probes of ambient pod {}/{} are denied: they come from 169.254.7.127",
                    pod.namespace, pod.workload
                );
                self.rule(
                    "probes-denied",
                    rule,
                    &message,
                    "allow fromCIDR 169.254.7.127/32 in a policy that does not isolate",
                );
            }
        }
    }
}

fn only_namespaces(peer: &NetworkPolicyPeer) -> bool {
    peer.namespace_selector.is_some() && peer.pod_selector.is_none()
}

fn only_pods(peer: &NetworkPolicyPeer) -> bool {
    peer.pod_selector.is_some() && peer.namespace_selector.is_none()
}

fn listens(pod: &Pod, port: u16) -> bool {
    pod.lists_not_all_ports || pod.ports.iter().any(|own| own.number == port)
}
