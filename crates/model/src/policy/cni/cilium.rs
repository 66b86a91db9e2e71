//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy → entries
//! (Cilium `pkg/k8s/apis/cilium.io/utils/utils.go`, `pkg/policy/utils/parserules.go`).

use airtight_manifest::cilium::{
    CidrRule, CiliumCidrGroup, CiliumNetworkPolicy, CiliumRule, Direction, IcmpRule, L7Rules, PortItem, Section,
};
use airtight_manifest::{Located, Meta, Object, RuleRef};
use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::compilation::Compilation;
use super::entry::{Addresses, Entry, EntryVerdict, PeerMatch, Peers, PortEntry, Precedence, Subject};
use super::groups::GroupPeers;
use super::l7::{HttpMatch, Layer7};
use super::name::NamePattern;
use super::port::PortMatch;
use super::sanitize;
use super::selector::{CLUSTER, Key, NAMESPACE, NAMESPACE_LABELS, Selector, SelectorId, Source, Test, ambiguous_key};
use super::services;

/// Adds the entries of a policy, or the finding that no agent takes it.
pub(super) fn compile(compilation: &mut Compilation<'_>, object: &Object<CiliumNetworkPolicy>) {
    let namespaced = object.meta.object.namespace.is_some();
    if let Err(refusal) = sanitize::policy(&object.body, namespaced, compilation.dialect) {
        let at = refusal.at.unwrap_or(object.meta.at.position);
        compilation.ignored(&object.meta, &refusal.path, at, &refusal.message);
        return;
    }
    for (path, rule) in object.body.rules() {
        Rule::new(&object.meta, rule).compile(compilation, &path);
    }
}

/// One rule of a policy.
struct Rule<'a> {
    meta: &'a Meta,
    rule: &'a Located<CiliumRule>,
    /// Peers of a rule for initialising endpoints are not confined to a namespace.
    for_init: bool,
}

impl<'a> Rule<'a> {
    fn new(meta: &'a Meta, rule: &'a Located<CiliumRule>) -> Self {
        let init = Key::reserved("init");
        let for_init = rule
            .endpoint_selector
            .as_ref()
            .is_some_and(|selector| Selector::read(selector, None, str::to_owned).has(|key| *key == init));
        Self { meta, rule, for_init }
    }

    fn namespace(&self) -> Option<&str> {
        self.meta.object.namespace.as_deref()
    }

    fn compile(&self, compilation: &mut Compilation<'_>, path: &str) {
        let Some(subject) = self.subject(compilation) else { return };
        let non_default_deny = compilation.dialect.options.non_default_deny_policies;
        let isolates = [Direction::Ingress, Direction::Egress]
            .map(|direction| (direction, self.rule.isolates(direction, non_default_deny)));
        for section in self.rule.sections() {
            let isolates = isolates.iter().any(|(direction, on)| *direction == section.direction && *on);
            let place = format!("{path}.{}", section.path);
            self.section(compilation, subject, &section, isolates, &place);
        }
    }

    fn subject(&self, compilation: &mut Compilation<'_>) -> Option<Subject> {
        if let Some(nodes) = &self.rule.node_selector {
            if !compilation.dialect.options.host_firewall {
                compilation.warn(
                    "host-policy-without-firewall",
                    self.meta,
                    nodes.at,
                    "a policy for nodes does nothing: the host firewall is off",
                    "turn `hostFirewall.enabled` on in Cilium's values and in the stack's settings",
                );
            }
            let selector = Selector::read(nodes, None, str::to_owned);
            return Some(Subject::Nodes(compilation.selectors.intern(selector)));
        }
        let selector = Selector::read(self.rule.endpoint_selector.as_ref()?, None, str::to_owned);
        let selector = match self.namespace() {
            Some(namespace) => selector.in_namespace(namespace),
            None => selector,
        };
        Some(Subject::Endpoints(compilation.selectors.intern(selector)))
    }

    fn section(
        &self,
        compilation: &mut Compilation<'_>,
        subject: Subject,
        section: &Section<'_>,
        isolates: bool,
        place: &str,
    ) {
        let verdict = if section.deny { EntryVerdict::Deny } else { EntryVerdict::Allow };
        let (peers, doubt) = self.peers(compilation, section);
        let ambiguous =
            section.endpoints.iter().copied().flatten().chain(section.requires).find_map(|one| ambiguity(one));
        let subject_doubt = self.rule.endpoint_selector.as_deref().and_then(ambiguity);
        if let Some(why) = ambiguous.as_ref().or(subject_doubt.as_ref()) {
            compilation.warn("ambiguous-key", self.meta, section.at, why, "write the key once");
        }
        let requires = section.requires.iter().map(|selector| self.demand(compilation, selector)).collect();
        compilation.entries.push(Entry {
            precedence: Precedence::normal(verdict),
            direction: section.direction,
            subject,
            isolates,
            peers,
            ports: self.ports(compilation, section, place),
            authentication: section.authentication.map(|written| written.mode),
            rule: self.meta.rule(place, section.at),
            groups: groups_of(compilation, section),
            requires,
            subject_doubt,
            doubt: doubt.or(ambiguous),
        });
    }

    /// The peers, and why they are not certain.
    fn peers(&self, compilation: &mut Compilation<'_>, section: &Section<'_>) -> (Peers, Option<String>) {
        if section.groups {
            return (Peers::Everyone, Some("the addresses of a cloud's security groups are not known".to_owned()));
        }
        if names_nobody(section) {
            return (Peers::Nobody, None);
        }
        let mut peers: Vec<PeerMatch> = Vec::new();
        for selector in section.endpoints.iter().copied().flatten() {
            peers.push(PeerMatch::Labels(self.peer(compilation, selector)));
        }
        peers.extend(section.entities.iter().copied().flatten().map(|entity| PeerMatch::Entity(entity.value)));
        for text in section.cidr.iter().copied().flatten() {
            peers.extend(text.parse().ok().map(|net| within(vec![net], Vec::new())));
        }
        for rule in section.cidr_set.iter().copied().flatten() {
            peers.push(cidr_rule(compilation, rule));
        }
        let names = section.fqdns.iter().map(|name| NamePattern::of_rule(name, compilation.dialect));
        peers.extend(names.map(PeerMatch::Name));
        let followed = services::follow(compilation, self.meta, section);
        peers.extend(followed.peers);
        if !peers.is_empty() {
            return (Peers::Any(peers), followed.doubt);
        }
        if section.services.is_empty() && (!section.ports.is_empty() || !section.icmps.is_empty()) {
            return (Peers::Everyone, None);
        }
        unresolved(section, followed.doubt)
    }

    /// A selector of peers; one that names a reserved label is left as it is (`getEndpointSelector`).
    fn peer(&self, compilation: &mut Compilation<'_>, selector: &LabelSelector) -> SelectorId {
        let selector = Selector::read(selector, None, str::to_owned);
        if selector.has(|key| key.source == Some(Source::Reserved)) {
            return compilation.selectors.intern(selector);
        }
        self.intern_confined(compilation, selector)
    }

    /// A demand on peers, which is confined whatever it names (`getEndpointSelector`, without `addK8sPrefix`).
    fn demand(&self, compilation: &mut Compilation<'_>, selector: &LabelSelector) -> SelectorId {
        self.intern_confined(compilation, Selector::read(selector, None, str::to_owned))
    }

    fn intern_confined(&self, compilation: &mut Compilation<'_>, selector: Selector) -> SelectorId {
        let selector = self.confined(selector, compilation.dialect.local_cluster());
        compilation.selectors.intern(selector)
    }

    /// Adds what a peer's selector leaves open: namespace and cluster (`getEndpointSelector`).
    fn confined(&self, selector: Selector, cluster: Option<&str>) -> Selector {
        let names_namespace = selector.has(|key| key.is_k8s_or_any() && key.key == NAMESPACE);
        let names_labels = selector.has(|key| key.is_k8s_or_any() && key.key.starts_with(NAMESPACE_LABELS));
        let names_cluster = selector.has(|key| key.is_k8s_or_any() && key.key == CLUSTER);
        let selector = match self.namespace() {
            _ if names_namespace => selector,
            None if self.for_init => selector,
            None => selector.and(Key::k8s(NAMESPACE), Test::Exists),
            Some(_) if names_labels => selector,
            Some(namespace) => selector.and(Key::k8s(NAMESPACE), Test::Is(namespace.to_owned())),
        };
        match cluster {
            Some(cluster) if !names_cluster => selector.and(Key::k8s(CLUSTER), Test::Is(cluster.to_owned())),
            Some(_) | None => selector,
        }
    }

    fn ports(&self, compilation: &Compilation<'_>, section: &Section<'_>, place: &str) -> Option<Vec<PortEntry>> {
        if section.ports.is_empty() && section.icmps.is_empty() {
            return None;
        }
        let items = section.ports.iter().enumerate().map(|(index, item)| PortEntry {
            ports: item.ports.iter().map(|port| PortMatch::of(port, compilation.dialect)).collect(),
            layer7: self.layer7(compilation, item, &format!("{place}.toPorts[{index}].rules")),
        });
        Some(items.chain(section.icmps.iter().map(icmp)).collect())
    }

    fn layer7(&self, compilation: &Compilation<'_>, item: &PortItem<'_>, place: &str) -> Layer7 {
        if item.listener {
            return Layer7::Unmodelled("a listener of one's own");
        }
        if item.terminating_tls || item.originating_tls {
            return Layer7::Unmodelled("interception of TLS");
        }
        match item.rules {
            Some(rules) if rules.kafka.is_some() || rules.l7.is_some() || rules.l7proto.is_some() => {
                Layer7::Unmodelled("rules for Kafka or another protocol")
            }
            Some(rules) => self.rules(compilation, rules, place),
            None if item.server_names.is_empty() => Layer7::Open,
            None => {
                let wildcards = compilation.dialect.server_names();
                let read = |name: &String| NamePattern::server_name(name, wildcards);
                Layer7::ServerNames(item.server_names.iter().filter_map(read).collect())
            }
        }
    }

    /// An empty list restricts nothing (`L7Rules.IsEmpty`).
    fn rules(&self, compilation: &Compilation<'_>, rules: &L7Rules, place: &str) -> Layer7 {
        let http = rules.http.as_deref().unwrap_or_default();
        let dns = rules.dns.as_deref().unwrap_or_default();
        if !http.is_empty() {
            let rule = |(index, rule): (usize, &Located<_>)| {
                HttpMatch::of(rule, self.meta.rule(format!("{place}.http[{index}]"), rule.at))
            };
            return Layer7::Http(http.iter().enumerate().map(rule).collect());
        }
        if dns.is_empty() {
            return Layer7::Open;
        }
        let rule = |(index, rule): (usize, &Located<_>)| -> (NamePattern, RuleRef) {
            let place = self.meta.rule(format!("{place}.dns[{index}]"), rule.at);
            (NamePattern::of_rule(rule, compilation.dialect), place)
        };
        Layer7::Dns(dns.iter().enumerate().map(rule).collect())
    }
}

/// No peers and no ports select no one. Neither do Services that lead nowhere, but with ports the
/// agent's code then sees a rule without any peers, which means everyone (`createL4Filter`).
fn unresolved(section: &Section<'_>, doubt: Option<String>) -> (Peers, Option<String>) {
    if section.services.is_empty() || (section.ports.is_empty() && section.icmps.is_empty()) {
        let peers = if doubt.is_some() { Peers::Everyone } else { Peers::Nobody };
        return (peers, doubt);
    }
    let why = "toServices leads to no endpoint, and Cilium may then read the rule as one for every destination";
    (Peers::Everyone, Some(doubt.unwrap_or_else(|| why.to_owned())))
}

/// What is to be said of a selector that Cilium reads in one of two ways.
fn ambiguity(selector: &LabelSelector) -> Option<String> {
    let key = ambiguous_key(selector)?;
    Some(format!("`matchLabels` has the key `{key}` twice, and which one Cilium keeps is chance"))
}

/// A list of peers that is present and empty selects no one (since 1.16).
fn names_nobody(section: &Section<'_>) -> bool {
    section.endpoints.is_some_and(<[_]>::is_empty)
        || section.nodes.is_some_and(<[_]>::is_empty)
        || section.entities.is_some_and(<[_]>::is_empty)
        || section.cidr.is_some_and(<[_]>::is_empty)
        || section.cidr_set.is_some_and(<[_]>::is_empty)
}

pub(super) fn within(within: Vec<IpNet>, except: Vec<IpNet>) -> PeerMatch {
    PeerMatch::Addresses(Addresses { within, except })
}

fn cidr_rule(compilation: &Compilation<'_>, rule: &CidrRule) -> PeerMatch {
    let except = rule.except.iter().flatten().filter_map(|text| text.parse().ok()).collect();
    if let Some(selector) = &rule.cidr_group_selector {
        let groups = compilation.world.objects.cidr_groups.iter();
        return PeerMatch::Groups(GroupPeers::of(selector, except, groups, compilation.dialect));
    }
    let written = rule.cidr.iter().filter_map(|text| text.parse().ok());
    let grouped = groups(compilation, rule).flat_map(|group| &group.body.spec.external_cidrs);
    within(written.chain(grouped.filter_map(|text| text.parse().ok())).collect(), except)
}

fn groups<'a>(compilation: &Compilation<'a>, rule: &'a CidrRule) -> impl Iterator<Item = &'a Object<CiliumCidrGroup>> {
    compilation.world.objects.cidr_groups.iter().filter(|group| {
        let by_name = rule.cidr_group_ref.as_deref() == Some(group.meta.name());
        let by_label = |wanted| airtight_manifest::selects(wanted, &group.meta.labels);
        by_name || rule.cidr_group_selector.as_ref().is_some_and(by_label)
    })
}

/// The groups that a section refers to.
fn groups_of(compilation: &Compilation<'_>, section: &Section<'_>) -> Vec<RuleRef> {
    let written = section.cidr_set.iter().copied().flatten();
    written.flat_map(|rule| groups(compilation, rule)).map(|group| group.meta.whole()).collect()
}

fn icmp(rule: &IcmpRule) -> PortEntry {
    let fields = rule.fields.iter().flatten().map(|field| match field.number() {
        Some((family, number)) => PortMatch::icmp(family, number),
        None => PortMatch::Nothing,
    });
    PortEntry { ports: fields.collect(), layer7: Layer7::Open }
}
