//! Kubernetes NetworkPolicy (networking.k8s.io/v1).

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use super::diagnostic::Diagnostic;
use super::located::Located;
use super::object::Object;
use super::source::{Location, Position};
use super::validation;

/// NetworkPolicy, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NetworkPolicy {
    /// `spec`.
    #[serde(default)]
    pub spec: NetworkPolicySpec,
}

/// Who is bound, and what reaches them or is reached by them.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// What the pods may reach.
    pub egress: Option<Vec<Located<NetworkPolicyEgressRule>>>,
    /// What may reach the pods.
    pub ingress: Option<Vec<Located<NetworkPolicyIngressRule>>>,
    /// The pods of the policy's namespace that are bound; absent or empty means all.
    #[serde(default)]
    pub pod_selector: LabelSelector,
    /// The directions in which they are isolated.
    pub policy_types: Option<Vec<Located<PolicyType>>>,
}

/// A direction in which a policy isolates its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum PolicyType {
    /// What reaches them.
    Ingress,
    /// What they reach.
    Egress,
}

/// One item of `ingress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NetworkPolicyIngressRule {
    /// Peers; absent or empty means everything.
    pub from: Option<Vec<Located<NetworkPolicyPeer>>>,
    /// Ports; absent or empty means all.
    pub ports: Option<Vec<Located<NetworkPolicyPort>>>,
}

/// One item of `egress`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct NetworkPolicyEgressRule {
    /// Ports; absent or empty means all.
    pub ports: Option<Vec<Located<NetworkPolicyPort>>>,
    /// Peers; absent or empty means everything.
    pub to: Option<Vec<Located<NetworkPolicyPeer>>>,
}

/// Everything for which the API server would refuse the object
/// (Kubernetes `pkg/apis/networking/validation/validation.go`).
#[must_use]
pub fn network_policy_findings(object: &Object<NetworkPolicy>) -> Vec<Diagnostic> {
    let mut check = Check { object, findings: Vec::new() };
    let spec = &object.body.spec;
    check.selector("spec.podSelector", &spec.pod_selector, object.meta.at.position);
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let path = format!("spec.ingress[{index}]");
        check.ports(&path, rule.ports.as_deref().unwrap_or_default());
        check.peers(&format!("{path}.from"), rule.from.as_deref().unwrap_or_default());
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let path = format!("spec.egress[{index}]");
        check.ports(&path, rule.ports.as_deref().unwrap_or_default());
        check.peers(&format!("{path}.to"), rule.to.as_deref().unwrap_or_default());
    }
    if let Some(third) = spec.policy_types.iter().flatten().nth(2) {
        check.refuse("spec.policyTypes", third.at, "may not contain more than two entries");
    }
    check.findings
}

struct Check<'a> {
    object: &'a Object<NetworkPolicy>,
    findings: Vec<Diagnostic>,
}

impl Check<'_> {
    fn refuse(&mut self, path: &str, at: Position, message: &str) {
        let location = Location::new(&self.object.meta.at.file, at);
        self.findings.push(
            Diagnostic::error("invalid-object", format!("{}: {path}: {message}", self.object.meta.object))
                .at(location)
                .hint("the API server refuses the object: correct the field"),
        );
    }

    fn selector(&mut self, path: &str, selector: &LabelSelector, at: Position) {
        for message in validation::label_selector(selector) {
            self.refuse(path, at, &message);
        }
    }

    fn ports(&mut self, path: &str, ports: &[Located<NetworkPolicyPort>]) {
        for (index, port) in ports.iter().enumerate() {
            for message in port_messages(port) {
                self.refuse(&format!("{path}.ports[{index}]"), port.at, &message);
            }
        }
    }

    fn peers(&mut self, path: &str, peers: &[Located<NetworkPolicyPeer>]) {
        for (index, peer) in peers.iter().enumerate() {
            self.peer(&format!("{path}[{index}]"), peer);
        }
    }

    fn peer(&mut self, path: &str, peer: &Located<NetworkPolicyPeer>) {
        let selectors = [&peer.pod_selector, &peer.namespace_selector];
        let written = selectors.iter().filter(|selector| selector.is_some()).count();
        if written == 0 && peer.ip_block.is_none() {
            self.refuse(path, peer.at, "must specify a peer");
        }
        if written > 0 && peer.ip_block.is_some() {
            self.refuse(path, peer.at, "may not specify both ipBlock and another peer");
        }
        for selector in selectors.into_iter().flatten() {
            self.selector(path, selector, peer.at);
        }
        if let Some(block) = &peer.ip_block {
            for message in validation::cidr_block(&block.cidr, block.except.as_deref().unwrap_or_default()) {
                self.refuse(&format!("{path}.ipBlock"), peer.at, &message);
            }
        }
    }
}

fn port_messages(port: &NetworkPolicyPort) -> Vec<String> {
    let mut messages = Vec::new();
    if let Some(protocol) = &port.protocol
        && !["TCP", "UDP", "SCTP"].contains(&protocol.as_str())
    {
        messages.push(format!("unsupported value \"{protocol}\": supported values are TCP, UDP and SCTP"));
    }
    match &port.port {
        Some(IntOrString::Int(number)) => {
            if !(1..=65535).contains(number) {
                messages.push(format!("port {number} must be between 1 and 65535"));
            }
            if port.end_port.is_some_and(|end| end < *number) {
                messages.push("endPort must be greater than or equal to port".to_owned());
            }
        }
        Some(IntOrString::String(name)) => {
            if !validation::is_port_name(name) {
                messages.push(format!("port name \"{name}\" must be an IANA service name of at most 15 characters"));
            }
            if port.end_port.is_some() {
                messages.push("endPort may not be specified when port is a name".to_owned());
            }
        }
        None if port.end_port.is_some() => messages.push("endPort may not be specified without port".to_owned()),
        None => {}
    }
    if port.end_port.is_some_and(|end| !(1..=65535).contains(&end)) {
        messages.push("endPort must be between 1 and 65535".to_owned());
    }
    messages
}
