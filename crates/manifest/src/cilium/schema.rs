//! What the API server refuses: the schemas of Cilium's CRDs, by version.
//!
//! Sources: `ciliumnetworkpolicies.yaml` and `ciliumclusterwidenetworkpolicies.yaml` as the operator of
//! each version installs them (Cilium `pkg/k8s/apis/cilium.io/client/crds/v2`).

use std::sync::LazyLock;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use regex::Regex;
use semver::Version;

use super::ports::{DnsRule, IcmpRule, PortProtocol, PortProtocolName};
use super::section::{PortItem, Section};
use super::{CiliumCidrGroup, CiliumNetworkPolicy, CiliumRule, ClusterNetworkPolicy, Entity};
use crate::diagnostic::Diagnostic;
use crate::located::Located;
use crate::object::{Meta, Object};
use crate::source::{Location, Position};
use crate::validation::{is_label_value, is_subdomain, label_selector, not_a_cidr};

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([-a-zA-Z0-9_]+[.]?)+$").ok());
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([-a-zA-Z0-9_*]+[.]?)+$").ok());
static SNI_PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(\*?\*\.)?([-a-zA-Z0-9_]+\.?)+$").ok());
/// The alternatives are anchored at one end only, so `70000` and `80x` pass here and fail in the agent.
static PORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$",
    )
    .ok()
});

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// Everything for which the API server of a cluster with this Cilium would refuse a
/// CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy.
///
/// What the schema lets through may still be ignored by every agent; that is not found here.
#[must_use]
pub fn crd_findings(object: &Object<CiliumNetworkPolicy>, cilium: &Version) -> Vec<Diagnostic> {
    let mut check = Check::new(&object.meta, cilium);
    if object.body.spec.is_none() && object.body.specs.is_none() && check.since(1, 20) {
        check.refuse("spec", object.meta.at.position, "spec or specs must be provided");
    }
    for (path, rule) in object.body.rules() {
        check.rule(&path, rule);
    }
    check.findings
}

/// Everything for which the API server would refuse a CiliumCIDRGroup.
#[must_use]
pub fn cidr_group_findings(object: &Object<CiliumCidrGroup>, cilium: &Version) -> Vec<Diagnostic> {
    let mut check = Check::new(&object.meta, cilium);
    for (index, prefix) in object.body.spec.external_cidrs.iter().enumerate() {
        check.cidr(&format!("spec.externalCIDRs[{index}]"), prefix.at, prefix);
    }
    check.findings
}

/// Everything for which the API server would refuse a ClusterNetworkPolicy.
#[must_use]
pub fn cluster_network_policy_findings(object: &Object<ClusterNetworkPolicy>, cilium: &Version) -> Vec<Diagnostic> {
    let mut check = Check::new(&object.meta, cilium);
    let spec = &object.body.spec;
    let at = object.meta.at.position;
    if !(0..=1000).contains(&spec.priority) {
        check.refuse("spec.priority", at, "must be between 0 and 1000");
    }
    if spec.subject.namespaces.is_some() == spec.subject.pods.is_some() {
        check.refuse("spec.subject", at, "exactly one of namespaces and pods must be set");
    }
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let path = format!("spec.ingress[{index}]");
        if rule.from.is_empty() || rule.from.len() > 25 {
            check.refuse(&format!("{path}.from"), rule.at, "must have 1 to 25 items");
        }
        for (index, peer) in rule.from.iter().enumerate() {
            if peer.namespaces.is_some() == peer.pods.is_some() {
                check.refuse(
                    &format!("{path}.from[{index}]"),
                    peer.at,
                    "exactly one of namespaces and pods must be set",
                );
            }
        }
        check.protocols(&path, rule.at, rule.protocols.as_deref());
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let path = format!("spec.egress[{index}]");
        if rule.to.is_empty() || rule.to.len() > 25 {
            check.refuse(&format!("{path}.to"), rule.at, "must have 1 to 25 items");
        }
        for (index, peer) in rule.to.iter().enumerate() {
            check.egress_peer(&format!("{path}.to[{index}]"), peer);
        }
        check.protocols(&path, rule.at, rule.protocols.as_deref());
    }
    check.findings
}

struct Check<'a> {
    meta: &'a Meta,
    cilium: &'a Version,
    findings: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn new(meta: &'a Meta, cilium: &'a Version) -> Self {
        Self { meta, cilium, findings: Vec::new() }
    }

    fn since(&self, major: u64, minor: u64) -> bool {
        (self.cilium.major, self.cilium.minor) >= (major, minor)
    }

    fn refuse(&mut self, path: &str, at: Position, message: impl AsRef<str>) {
        self.findings.push(
            Diagnostic::error("invalid-object", format!("{}: {path}: {}", self.meta.object, message.as_ref()))
                .at(Location::new(&self.meta.at.file, at))
                .hint(format!("the API server refuses the object with the CRDs of Cilium {}", self.cilium)),
        );
    }

    fn rule(&mut self, path: &str, rule: &Located<CiliumRule>) {
        match (&rule.endpoint_selector, &rule.node_selector) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => self.refuse(
                path,
                rule.at,
                "exactly one of endpointSelector and nodeSelector must be set, and neither is",
            ),
            (Some(_), Some(node)) => {
                self.refuse(
                    path,
                    node.at,
                    "exactly one of endpointSelector and nodeSelector must be set, and both are",
                );
            }
        }
        if rule.ingress.is_none() && rule.ingress_deny.is_none() && rule.egress.is_none() && rule.egress_deny.is_none()
        {
            self.refuse(path, rule.at, "at least one of ingress, ingressDeny, egress and egressDeny must be present");
        }
        if rule.log.is_some() && !self.since(1, 18) {
            self.refuse(&format!("{path}.log"), rule.at, "the field exists since Cilium 1.18 only");
        }
        for selector in rule.endpoint_selector.iter().chain(&rule.node_selector) {
            self.selector(path, selector);
        }
        for section in rule.sections() {
            self.section(&format!("{path}.{}", section.path), &section);
        }
    }

    /// The schema restricts values and operators, not keys.
    fn selector(&mut self, path: &str, selector: &Located<LabelSelector>) {
        for value in selector.match_labels.iter().flat_map(|labels| labels.values()) {
            if !is_label_value(value) {
                self.refuse(path, selector.at, format!("\"{value}\" is not a valid label value"));
            }
        }
        for requirement in selector.match_expressions.iter().flatten() {
            if !["In", "NotIn", "Exists", "DoesNotExist"].contains(&requirement.operator.as_str()) {
                let message =
                    format!("unsupported operator \"{}\": use In, NotIn, Exists or DoesNotExist", requirement.operator);
                self.refuse(path, selector.at, message);
            }
        }
    }

    fn section(&mut self, path: &str, section: &Section<'_>) {
        let peers = section.endpoints.iter().copied().flatten().chain(section.nodes.iter().copied().flatten());
        for selector in peers.chain(section.requires) {
            self.selector(path, selector);
        }
        if !section.requires.is_empty() && self.since(1, 19) {
            self.refuse(path, section.at, "fromRequires and toRequires must be empty since Cilium 1.19");
        }
        for entity in section.entities.iter().copied().flatten() {
            if entity.value == Entity::ClusterMesh && !self.since(1, 20) {
                self.refuse(path, entity.at, "unsupported value \"cluster-mesh\": the entity exists since Cilium 1.20");
            }
        }
        for cidr in section.cidr.iter().copied().flatten() {
            self.cidr(path, cidr.at, cidr);
        }
        self.cidr_set(path, section);
        for name in section.fqdns {
            self.name(path, name);
        }
        for item in &section.ports {
            self.port_item(path, item, section.deny);
        }
        self.icmps(path, section.at, section.icmps);
    }

    fn cidr(&mut self, path: &str, at: Position, text: &str) {
        if text.parse::<IpNet>().is_err() {
            self.refuse(path, at, not_a_cidr(text));
        }
    }

    fn cidr_set(&mut self, path: &str, section: &Section<'_>) {
        for rule in section.cidr_set.iter().copied().flatten() {
            let sources = [rule.cidr.is_some(), rule.cidr_group_ref.is_some(), rule.cidr_group_selector.is_some()];
            if sources.iter().filter(|present| **present).count() != 1 {
                self.refuse(path, rule.at, "exactly one of cidr, cidrGroupRef and cidrGroupSelector must be set");
            }
            for text in rule.cidr.iter().chain(rule.except.iter().flatten()) {
                self.cidr(path, rule.at, text);
            }
            if let Some(name) = rule.cidr_group_ref.as_deref().filter(|name| !is_subdomain(name)) {
                self.refuse(path, rule.at, format!("\"{name}\" is not a valid name of a CiliumCIDRGroup"));
            }
        }
    }

    fn name(&mut self, path: &str, name: &Located<DnsRule>) {
        if name.match_name.is_some() == name.match_pattern.is_some() {
            self.refuse(path, name.at, "exactly one of matchName and matchPattern must be set");
        }
        if let Some(text) = name.match_name.as_deref().filter(|text| text.len() > 255 || !fits(&NAME, text)) {
            self.refuse(
                path,
                name.at,
                format!("\"{text}\" is not a valid matchName: a wildcard belongs in matchPattern"),
            );
        }
        if let Some(text) = name.match_pattern.as_deref().filter(|text| text.len() > 255 || !fits(&PATTERN, text)) {
            self.refuse(path, name.at, format!("\"{text}\" is not a valid matchPattern"));
        }
    }

    fn port_item(&mut self, path: &str, item: &PortItem<'_>, deny: bool) {
        if !deny && item.ports.len() > 40 {
            self.refuse(path, item.at, "must have at most 40 ports");
        }
        for port in item.ports {
            self.port(path, item.at, port);
        }
        self.server_names(path, item);
        let Some(rules) = item.rules else { return };
        let protocols = [rules.http.is_some(), rules.kafka.is_some(), rules.dns.is_some(), rules.l7proto.is_some()];
        if protocols.iter().filter(|present| **present).count() != 1 {
            self.refuse(&format!("{path}.rules"), item.at, "exactly one of the protocols (http, dns, …) must be set");
        }
        if self.since(1, 20) && (rules.kafka.is_some() || rules.l7.is_some() || rules.l7proto.is_some()) {
            self.refuse(&format!("{path}.rules"), item.at, "kafka, l7 and l7proto are gone since Cilium 1.20");
        }
        for name in rules.dns.iter().flatten() {
            self.name(&format!("{path}.rules.dns"), name);
        }
    }

    fn port(&mut self, path: &str, at: Position, port: &PortProtocol) {
        match &port.port {
            None if !self.since(1, 19) => self.refuse(path, at, "port is required"),
            Some(text) if !fits(&PORT, text) => self.refuse(path, at, format!("\"{text}\" is not a valid port")),
            Some(_) | None => {}
        }
        if port.end_port.is_some_and(|end| !(0..=65535).contains(&end)) {
            self.refuse(path, at, "endPort must be between 0 and 65535");
        }
        if let Some((protocol, minor)) = port.protocol.and_then(introduced)
            && !self.since(1, minor)
        {
            self.refuse(path, at, format!("unsupported protocol {protocol}: it exists since Cilium 1.{minor}"));
        }
    }

    fn server_names(&mut self, path: &str, item: &PortItem<'_>) {
        // 1.18 brought the patterns; before, any text went through.
        let pattern = match (self.since(1, 20), self.since(1, 18)) {
            (true, _) => &PATTERN,
            (false, true) => &SNI_PREFIX,
            (false, false) => return,
        };
        for name in item.server_names {
            if name.len() > 255 || !fits(pattern, name) {
                self.refuse(&format!("{path}.serverNames"), item.at, format!("\"{name}\" is not a valid server name"));
            }
        }
    }

    fn icmps(&mut self, path: &str, at: Position, rules: &[IcmpRule]) {
        for rule in rules {
            let fields = rule.fields.as_deref().unwrap_or_default();
            if fields.len() > 40 {
                self.refuse(&format!("{path}.icmps"), at, "must have at most 40 fields");
            }
            for field in fields.iter().filter(|field| field.number().is_none()) {
                let shown = match &field.type_ {
                    IntOrString::Int(number) => number.to_string(),
                    IntOrString::String(text) => text.clone(),
                };
                self.refuse(&format!("{path}.icmps"), at, format!("\"{shown}\" is no ICMP type of this family"));
            }
        }
    }

    fn protocols(&mut self, path: &str, at: Position, protocols: Option<&[super::ClusterProtocol]>) {
        for protocol in protocols.unwrap_or_default() {
            let set = [
                protocol.tcp.is_some(),
                protocol.udp.is_some(),
                protocol.sctp.is_some(),
                protocol.destination_named_port.is_some(),
            ];
            if set.iter().filter(|present| **present).count() != 1 {
                self.refuse(&format!("{path}.protocols"), at, "exactly one protocol must be set in each item");
            }
        }
    }

    fn egress_peer(&mut self, path: &str, peer: &Located<super::ClusterEgressPeer>) {
        let set = [
            peer.namespaces.is_some(),
            peer.pods.is_some(),
            peer.nodes.is_some(),
            peer.networks.is_some(),
            peer.domain_names.is_some(),
        ];
        if set.iter().filter(|present| **present).count() != 1 {
            self.refuse(path, peer.at, "exactly one kind of peer must be set");
        }
        for selector in peer.namespaces.iter().chain(&peer.nodes) {
            for message in label_selector(selector) {
                self.refuse(path, peer.at, message);
            }
        }
        for network in peer.networks.iter().flatten() {
            self.cidr(path, peer.at, network);
        }
    }
}

/// The minor version of Cilium 1 that brought a protocol, for those that are not as old as the API.
fn introduced(protocol: PortProtocolName) -> Option<(&'static str, u64)> {
    match protocol {
        PortProtocolName::Tcp | PortProtocolName::Udp | PortProtocolName::Sctp | PortProtocolName::Any => None,
        PortProtocolName::Vrrp => Some(("VRRP", 19)),
        PortProtocolName::Igmp => Some(("IGMP", 19)),
        PortProtocolName::Gre => Some(("GRE", 20)),
        PortProtocolName::Ipip => Some(("IPIP", 20)),
        PortProtocolName::Ipv6 => Some(("IPV6", 20)),
        PortProtocolName::Esp => Some(("ESP", 20)),
        PortProtocolName::Ah => Some(("AH", 20)),
    }
}
