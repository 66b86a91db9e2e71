//! The four lists of a Cilium rule seen as one: what direction, what verdict, which peers and ports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::ports::{DnsRule, IcmpRule, L7Rules, PortProtocol};
use super::{
    Authentication, CidrRule, CiliumRule, EgressDenyRule, EgressRule, Entity, IngressDenyRule, IngressRule, ServicePeer,
};
use crate::located::Located;
use crate::source::Position;

/// Which way a rule looks at its subjects' traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What reaches them.
    Ingress,
    /// What they reach.
    Egress,
}

/// One item of `ingress`, `ingressDeny`, `egress` or `egressDeny`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is that of the rule types")]
pub struct Section<'a> {
    /// Path below the rule, such as `ingress[0]`.
    pub path: String,
    pub at: Position,
    pub direction: Direction,
    pub deny: bool,
    pub endpoints: Option<&'a [Located<LabelSelector>]>,
    pub nodes: Option<&'a [Located<LabelSelector>]>,
    pub requires: &'a [Located<LabelSelector>],
    pub entities: Option<&'a [Located<Entity>]>,
    pub cidr: Option<&'a [Located<String>]>,
    pub cidr_set: Option<&'a [Located<CidrRule>]>,
    pub fqdns: &'a [Located<DnsRule>],
    pub services: &'a [Located<ServicePeer>],
    pub groups: bool,
    pub ports: Vec<PortItem<'a>>,
    pub icmps: &'a [IcmpRule],
    pub authentication: Option<Authentication>,
}

/// One item of `toPorts`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is that of `PortRule`")]
pub struct PortItem<'a> {
    pub at: Position,
    pub ports: &'a [PortProtocol],
    pub rules: Option<&'a L7Rules>,
    pub server_names: &'a [String],
    pub listener: bool,
    pub terminating_tls: bool,
    pub originating_tls: bool,
}

impl Section<'_> {
    /// Whether a rule has somebody outside of the cluster among its peers.
    #[must_use]
    pub fn leads_outside(&self) -> bool {
        let mut entities = self.entities.into_iter().flatten();
        let is_outside = entities.any(|entity| matches!(**entity, Entity::All | Entity::World));
        is_outside || self.cidr.is_some() || self.cidr_set.is_some() || !self.fqdns.is_empty()
    }
}

impl PortItem<'_> {
    /// Hosts that are named by what may be said on the ports: in HTTP rules by an expression that takes one text alone, or
    /// as TLS server names.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let http = self.rules.iter().flat_map(|rules| rules.http.iter().flatten());
        let hosts = http.filter_map(|rule| only_text(rule.host.as_deref()?));
        hosts.chain(self.server_names.iter().cloned()).collect()
    }
}

/// The only text that an expression over host names takes; none where it takes several.
fn only_text(expression: &str) -> Option<String> {
    let name = expression.replace(r"\.", ".");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    name.chars().all(is_name).then_some(name)
}

impl CiliumRule {
    /// Every item of the four lists.
    #[must_use]
    pub fn sections(&self) -> Vec<Section<'_>> {
        let ingress = numbered(self.ingress.as_deref(), "ingress").map(|(path, rule)| ingress(path, rule));
        let ingress_deny =
            numbered(self.ingress_deny.as_deref(), "ingressDeny").map(|(path, rule)| ingress_deny(path, rule));
        let egress = numbered(self.egress.as_deref(), "egress").map(|(path, rule)| egress(path, rule));
        let egress_deny =
            numbered(self.egress_deny.as_deref(), "egressDeny").map(|(path, rule)| egress_deny(path, rule));
        ingress.chain(ingress_deny).chain(egress).chain(egress_deny).collect()
    }

    /// Whether the rule isolates its subjects (Cilium `pkg/policy/api/rule_validation.go`, `Rule.Sanitize`).
    ///
    /// `non_default_deny` is the agent's `enable-non-default-deny-policies`.
    #[must_use]
    pub fn isolates(&self, direction: Direction, non_default_deny: bool) -> bool {
        let (allow, deny, written) = match direction {
            Direction::Ingress => (
                self.ingress.as_ref().map_or(0, Vec::len),
                self.ingress_deny.as_ref().map_or(0, Vec::len),
                self.enable_default_deny.and_then(|written| written.ingress),
            ),
            Direction::Egress => (
                self.egress.as_ref().map_or(0, Vec::len),
                self.egress_deny.as_ref().map_or(0, Vec::len),
                self.enable_default_deny.and_then(|written| written.egress),
            ),
        };
        allow + deny > 0 && (written.unwrap_or(true) || !non_default_deny)
    }
}

fn numbered<'a, T>(
    list: Option<&'a [Located<T>]>,
    name: &'static str,
) -> impl Iterator<Item = (String, &'a Located<T>)> {
    list.unwrap_or_default().iter().enumerate().map(move |(index, rule)| (format!("{name}[{index}]"), rule))
}

fn ingress(path: String, rule: &Located<IngressRule>) -> Section<'_> {
    Section {
        path,
        at: rule.at,
        direction: Direction::Ingress,
        deny: false,
        endpoints: rule.from_endpoints.as_deref(),
        nodes: rule.from_nodes.as_deref(),
        requires: rule.from_requires.as_deref().unwrap_or_default(),
        entities: rule.from_entities.as_deref(),
        cidr: rule.from_cidr.as_deref(),
        cidr_set: rule.from_cidr_set.as_deref(),
        fqdns: &[],
        services: &[],
        groups: rule.from_groups.is_some(),
        ports: rule.to_ports.iter().flatten().map(port_item).collect(),
        icmps: rule.icmps.as_deref().unwrap_or_default(),
        authentication: rule.authentication.map(|written| written.value),
    }
}

fn ingress_deny(path: String, rule: &Located<IngressDenyRule>) -> Section<'_> {
    Section {
        path,
        at: rule.at,
        direction: Direction::Ingress,
        deny: true,
        endpoints: rule.from_endpoints.as_deref(),
        nodes: rule.from_nodes.as_deref(),
        requires: rule.from_requires.as_deref().unwrap_or_default(),
        entities: rule.from_entities.as_deref(),
        cidr: rule.from_cidr.as_deref(),
        cidr_set: rule.from_cidr_set.as_deref(),
        fqdns: &[],
        services: &[],
        groups: rule.from_groups.is_some(),
        ports: rule.to_ports.iter().flatten().map(|item| deny_item(item.at, item.ports.as_deref())).collect(),
        icmps: rule.icmps.as_deref().unwrap_or_default(),
        authentication: None,
    }
}

fn egress(path: String, rule: &Located<EgressRule>) -> Section<'_> {
    Section {
        path,
        at: rule.at,
        direction: Direction::Egress,
        deny: false,
        endpoints: rule.to_endpoints.as_deref(),
        nodes: rule.to_nodes.as_deref(),
        requires: rule.to_requires.as_deref().unwrap_or_default(),
        entities: rule.to_entities.as_deref(),
        cidr: rule.to_cidr.as_deref(),
        cidr_set: rule.to_cidr_set.as_deref(),
        fqdns: rule.to_fqdns.as_deref().unwrap_or_default(),
        services: rule.to_services.as_deref().unwrap_or_default(),
        groups: rule.to_groups.is_some(),
        ports: rule.to_ports.iter().flatten().map(port_item).collect(),
        icmps: rule.icmps.as_deref().unwrap_or_default(),
        authentication: rule.authentication.map(|written| written.value),
    }
}

fn egress_deny(path: String, rule: &Located<EgressDenyRule>) -> Section<'_> {
    Section {
        path,
        at: rule.at,
        direction: Direction::Egress,
        deny: true,
        endpoints: rule.to_endpoints.as_deref(),
        nodes: rule.to_nodes.as_deref(),
        requires: rule.to_requires.as_deref().unwrap_or_default(),
        entities: rule.to_entities.as_deref(),
        cidr: rule.to_cidr.as_deref(),
        cidr_set: rule.to_cidr_set.as_deref(),
        fqdns: &[],
        services: rule.to_services.as_deref().unwrap_or_default(),
        groups: rule.to_groups.is_some(),
        ports: rule.to_ports.iter().flatten().map(|item| deny_item(item.at, item.ports.as_deref())).collect(),
        icmps: rule.icmps.as_deref().unwrap_or_default(),
        authentication: None,
    }
}

fn port_item(item: &Located<super::PortRule>) -> PortItem<'_> {
    PortItem {
        at: item.at,
        ports: item.ports.as_deref().unwrap_or_default(),
        rules: item.rules.as_ref().map(|rules| &rules.value),
        server_names: item.server_names.as_deref().unwrap_or_default(),
        listener: item.listener.is_some(),
        terminating_tls: item.terminating_tls.is_some(),
        originating_tls: item.originating_tls.is_some(),
    }
}

fn deny_item(at: Position, ports: Option<&[PortProtocol]>) -> PortItem<'_> {
    PortItem {
        at,
        ports: ports.unwrap_or_default(),
        rules: None,
        server_names: &[],
        listener: false,
        terminating_tls: false,
        originating_tls: false,
    }
}
