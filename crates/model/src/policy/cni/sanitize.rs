//! What the agents refuse although the API server took it (Cilium `pkg/policy/api/rule_validation.go`).
//!
//! One fault makes every agent ignore the whole object.

use std::collections::BTreeMap;

use airtight_manifest::cilium::{
    CidrRule, CiliumNetworkPolicy, CiliumRule, Direction, L7Rules, PortItem, PortProtocol, PortProtocolName, Section,
};
use airtight_manifest::{Position, is_service_name, label_selector_errors};
use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::dialect::Dialect;
use super::l7::expression_error;
use super::port::parse_port;

const MAX_PORTS: usize = 40;

/// Why a policy is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) path: String,
    pub(super) at: Option<Position>,
    pub(super) message: String,
}

/// Checks a policy as an agent does before it takes it over.
///
/// # Errors
/// The first fault.
pub(super) fn policy(policy: &CiliumNetworkPolicy, namespaced: bool, dialect: &Dialect) -> Result<(), Refusal> {
    if policy.spec.is_none() && policy.specs.is_none() {
        return Err(Refusal { path: "spec".to_owned(), at: None, message: "the policy has no spec".to_owned() });
    }
    for (path, rule) in policy.rules() {
        let refused_here = path == "spec" || dialect.refuses_node_selector_in_specs();
        let check = Check { dialect, host: rule.node_selector.is_some() };
        if namespaced && rule.node_selector.is_some() && refused_here {
            let message = format!("Invalid CiliumNetworkPolicy {}: rule cannot have NodeSelector", field(&path));
            return Err(Refusal { path, at: Some(rule.at), message });
        }
        check.rule(rule).map_err(|message| Refusal { path: path.clone(), at: Some(rule.at), message })?;
        for section in rule.sections() {
            check.section(&section).map_err(|message| Refusal {
                path: format!("{path}.{}", section.path),
                at: Some(section.at),
                message,
            })?;
        }
    }
    Ok(())
}

fn field(path: &str) -> &str {
    path.split('[').next().unwrap_or(path)
}

struct Check<'a> {
    dialect: &'a Dialect,
    /// Whether the rule binds nodes.
    host: bool,
}

impl Check<'_> {
    fn rule(&self, rule: &CiliumRule) -> Result<(), String> {
        let lists = [
            rule.ingress.as_ref().map_or(0, Vec::len),
            rule.ingress_deny.as_ref().map_or(0, Vec::len),
            rule.egress.as_ref().map_or(0, Vec::len),
            rule.egress_deny.as_ref().map_or(0, Vec::len),
        ];
        if lists.iter().sum::<usize>() == 0 && self.dialect.since(17) {
            return Err("rule must have at least one of Ingress, IngressDeny, Egress, EgressDeny".to_owned());
        }
        match (&rule.endpoint_selector, &rule.node_selector) {
            (None, None) => Err("rule must have one of EndpointSelector or NodeSelector".to_owned()),
            (Some(_), Some(_)) => Err("rule cannot have both EndpointSelector and NodeSelector".to_owned()),
            (Some(selector), None) | (None, Some(selector)) => self.selector_keys(selector),
        }
    }

    fn section(&self, section: &Section<'_>) -> Result<(), String> {
        exclusive_peers(section)?;
        for selector in section.endpoints.iter().copied().flatten().chain(section.requires) {
            self.selector_keys(selector)?;
        }
        if section.nodes.is_some_and(|nodes| !nodes.is_empty()) {
            return Err(
                "FromNodes/ToNodes rules can only be applied when the \"enable-node-selector-labels\" flag is set"
                    .to_owned(),
            );
        }
        for rule in section.cidr_set.iter().copied().flatten() {
            self.cidr_rule(rule)?;
        }
        if !section.services.is_empty() && !section.ports.is_empty() && !self.dialect.services_by_selector() {
            return Err("combining ToServices and ToPorts is not supported yet".to_owned());
        }
        self.l7(section)?;
        if !section.icmps.is_empty() && !section.ports.is_empty() {
            return Err(
                "the ICMPs block may only be present without ToPorts. Define a separate rule to use ToPorts".to_owned()
            );
        }
        if section.icmps.iter().any(|rule| rule.fields.as_ref().is_some_and(|fields| fields.len() > MAX_PORTS)) {
            return Err(format!("too many types, the max is {MAX_PORTS}"));
        }
        section.ports.iter().try_for_each(|item| self.port_item(section, item))
    }

    /// An `except` shorter than its prefix went through until 1.19.
    fn cidr_rule(&self, rule: &CidrRule) -> Result<(), String> {
        let Some(text) = &rule.cidr else { return Ok(()) };
        let Ok(block) = text.parse::<IpNet>() else { return Err(format!("unable to parse CIDRRule \"{text}\"")) };
        for except in rule.except.iter().flatten() {
            let Ok(hole) = except.parse::<IpNet>() else { return Err(format!("unable to parse CIDR: {except}")) };
            let too_wide = self.dialect.since(20) && hole.prefix_len() < block.prefix_len();
            if too_wide || !block.contains(&hole.addr()) {
                return Err(format!("allow CIDR prefix {text} does not contain exclude CIDR prefix {except}"));
            }
        }
        Ok(())
    }

    fn l7(&self, section: &Section<'_>) -> Result<(), String> {
        let rules = || section.ports.iter().filter_map(|item| item.rules).filter(|rules| restricts(rules));
        if rules().next().is_none() {
            return Ok(());
        }
        if section.direction == Direction::Ingress && self.host {
            return Err("L7 policy is not supported on host ingress yet".to_owned());
        }
        if !self.dialect.options.l7_proxy {
            return Err("L7 policy is not supported since L7 proxy is not enabled".to_owned());
        }
        let has = |list: fn(&L7Rules) -> bool| rules().any(list);
        let dns = has(|rules| rules.dns.as_ref().is_some_and(|list| !list.is_empty()));
        let http = has(|rules| rules.http.as_ref().is_some_and(|list| !list.is_empty()));
        match section.direction {
            Direction::Ingress if dns => Err("L7 protocol DNS is not supported on ingress yet".to_owned()),
            Direction::Egress if http && self.host => {
                Err("L7 protocol HTTP is not supported on host egress yet".to_owned())
            }
            Direction::Ingress | Direction::Egress => Ok(()),
        }
    }

    fn port_item(&self, section: &Section<'_>, item: &PortItem<'_>) -> Result<(), String> {
        let rules = item.rules.filter(|rules| restricts(rules));
        let dns = rules.is_some_and(|rules| rules.dns.as_ref().is_some_and(|list| !list.is_empty()));
        if !item.server_names.is_empty() && rules.is_some() && !item.terminating_tls {
            return Err("ServerNames are not allowed with L7 rules without TLS termination".to_owned());
        }
        if item.server_names.iter().any(String::is_empty) {
            return Err("empty server name is not allowed".to_owned());
        }
        if item.ports.len() > MAX_PORTS {
            return Err(format!("too many ports, the max is {MAX_PORTS}"));
        }
        let mut zero = false;
        for port in item.ports {
            zero |= self.port(port, dns)?;
            if rules.is_some() && !dns && port.protocol != Some(PortProtocolName::Tcp) {
                let protocol = shown(port.protocol);
                return Err(format!("L7 rules can only apply to TCP (not {protocol}) except for DNS rules"));
            }
        }
        if item.listener && section.direction == Direction::Ingress {
            return Err("Listener is not allowed on ingress".to_owned());
        }
        if item.listener && rules.is_some() {
            return Err("Listener is not allowed with L7 rules".to_owned());
        }
        match rules {
            Some(_) if zero => Err("L7 rules can not be used when a port is 0".to_owned()),
            Some(rules) => l7_rules(rules, item.ports),
            None => Ok(()),
        }
    }

    /// Keys carry a source before a colon, which is no part of the name.
    fn selector_keys(&self, selector: &LabelSelector) -> Result<(), String> {
        let bare = |key: &str| key.split_once(':').map_or(key, |(_, key)| key).to_owned();
        let mut keys = selector.match_labels.iter().flat_map(BTreeMap::keys);
        if self.dialect.since(20) && keys.any(|key| key.starts_with(':')) {
            return Err("invalid label selector: a key has a colon in front, and no source".to_owned());
        }
        let mut plain = selector.clone();
        plain.match_labels =
            plain.match_labels.map(|labels| labels.into_iter().map(|(key, value)| (bare(&key), value)).collect());
        for requirement in plain.match_expressions.iter_mut().flatten() {
            requirement.key = bare(&requirement.key);
        }
        // A label of a namespace stands behind a prefix of its own, which a label key has no room for.
        let errors = label_selector_errors(&plain);
        match errors.into_iter().find(|error| !error.contains("io.cilium.k8s.namespace.labels.")) {
            Some(error) => Err(format!("invalid label selector: {error}")),
            None => Ok(()),
        }
    }

    /// Whether the port is zero.
    fn port(&self, port: &PortProtocol, dns: bool) -> Result<bool, String> {
        let text = port.port.as_deref().unwrap_or_default();
        if text.is_empty() {
            let must = if self.dialect.since(19) { "port must be specified" } else { "Port must be specified" };
            return Err(must.to_owned());
        }
        if text.len() <= 15 && is_service_name(text) {
            return Ok(false);
        }
        if text != "0" && port.protocol.is_some_and(without_ports) {
            return Err("port must be empty or 0".to_owned());
        }
        let Some(number) = parse_port(text) else {
            return Err(format!("unable to parse port: strconv.ParseUint: parsing \"{text}\""));
        };
        if dns && port.end_port.is_some_and(|end| end > i32::from(number)) {
            return Err("DNS rules do not support port ranges".to_owned());
        }
        Ok(number == 0)
    }
}

fn without_ports(protocol: PortProtocolName) -> bool {
    match protocol {
        PortProtocolName::Tcp | PortProtocolName::Udp | PortProtocolName::Sctp | PortProtocolName::Any => false,
        PortProtocolName::Vrrp
        | PortProtocolName::Igmp
        | PortProtocolName::Gre
        | PortProtocolName::Ipip
        | PortProtocolName::Ipv6
        | PortProtocolName::Esp
        | PortProtocolName::Ah => true,
    }
}

fn shown(protocol: Option<PortProtocolName>) -> String {
    protocol.map_or_else(|| "ANY".to_owned(), |name| format!("{name:?}").to_uppercase())
}

/// Lists of peers of two kinds exclude each other.
fn exclusive_peers(section: &Section<'_>) -> Result<(), String> {
    let prefix = match section.direction {
        Direction::Ingress => "From",
        Direction::Egress => "To",
    };
    let present = [
        ("Endpoints", section.endpoints.is_some_and(|list| !list.is_empty())),
        ("CIDR", section.cidr.is_some_and(|list| !list.is_empty())),
        ("CIDRSet", section.cidr_set.is_some_and(|list| !list.is_empty())),
        ("Entities", section.entities.is_some_and(|list| !list.is_empty())),
        ("Nodes", section.nodes.is_some_and(|list| !list.is_empty())),
        ("FQDNs", !section.fqdns.is_empty()),
        ("Services", !section.services.is_empty()),
        ("Groups", section.groups),
    ];
    let mut kinds = present.iter().filter(|(_, present)| *present).map(|(kind, _)| kind);
    match (kinds.next(), kinds.next()) {
        (Some(first), Some(second)) => {
            Err(format!("combining {prefix}{first} and {prefix}{second} is not supported yet"))
        }
        (None | Some(_), _) => Ok(()),
    }
}

/// Whether there is at least one rule: empty lists restrict nothing.
fn restricts(rules: &L7Rules) -> bool {
    rules.http.as_ref().is_some_and(|list| !list.is_empty())
        || rules.dns.as_ref().is_some_and(|list| !list.is_empty())
        || rules.kafka.is_some()
        || rules.l7proto.is_some()
}

fn l7_rules(rules: &L7Rules, ports: &[PortProtocol]) -> Result<(), String> {
    if rules.dns.is_some() && ports.is_empty() {
        return Err("port 53 must be specified for DNS rules".to_owned());
    }
    if rules.l7.is_some() && rules.l7proto.is_none() {
        return Err("'l7' may only be specified when a 'l7proto' is also specified".to_owned());
    }
    let kinds = [rules.http.is_some(), rules.dns.is_some(), rules.kafka.is_some(), rules.l7proto.is_some()];
    if kinds.iter().filter(|present| **present).count() > 1 {
        return Err("multiple L7 protocol rule types specified in single rule".to_owned());
    }
    if rules.l7.iter().flatten().any(|rule| rule.contains_key("")) {
        return Err("Empty key not allowed".to_owned());
    }
    for rule in rules.http.iter().flatten() {
        for text in rule.path.iter().chain(&rule.method) {
            if let Some(error) = expression_error(text) {
                return Err(format!("error parsing regexp: {error}: `{text}`"));
            }
        }
        if rule.header_matches.iter().flatten().any(|header| header.name.is_empty()) {
            return Err("Header name missing".to_owned());
        }
    }
    Ok(())
}
