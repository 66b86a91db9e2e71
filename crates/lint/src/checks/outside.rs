//! Peers that were meant to be outside and are not.

use airtight_manifest::network::NetworkPolicyEgressRule;
use airtight_model::world::Protocol;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Checks;

impl Checks<'_, '_> {
    /// `namespaceSelector: {}` is every pod of the cluster and no host outside. On a port on which no pod listens the rule
    /// was meant for the Internet (Kubernetes `pkg/apis/networking/types.go`, `NetworkPolicyPeer`).
    pub(super) fn outsides(&mut self) {
        let world = self.world;
        for policy in &world.objects.network_policies {
            for rule in policy.body.spec.egress.iter().flatten() {
                let Some(ports) = ports(rule) else { continue };
                let everyone = rule.to.iter().flatten().find(|peer| {
                    let empty = peer.namespace_selector.as_ref().is_some_and(|selector| {
                        selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
                            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
                    });
                    empty && peer.pod_selector.is_none()
                });
                let outside = rule.to.iter().flatten().any(|peer| peer.ip_block.is_some());
                let Some(peer) = everyone.filter(|_| !outside && !self.is_served(&ports)) else { continue };
                let shown: Vec<String> = ports.iter().map(u16::to_string).collect();
                let message = format!(
                    "`namespaceSelector: {{}}` admits every pod of the cluster and no host outside, and no pod listens on {}",
                    shown.join(", ")
                );
                let hint = "for what is outside write an `ipBlock`, or `toFQDNs` in a CiliumNetworkPolicy";
                self.tell("pods-are-not-outside", &policy.meta.object, Self::at(&policy.meta, peer.at), &message, hint);
            }
        }
    }

    /// Whether any pod of a namespace of the user's own listens on one of these ports.
    fn is_served(&self, ports: &[u16]) -> bool {
        let listens = |pod: &airtight_model::world::Pod| {
            pod.ports.iter().any(|own| own.protocol == Protocol::Tcp && ports.contains(&own.number))
        };
        self.world.pods.iter().any(listens)
    }
}

/// The TCP ports of a rule, if it names some and all by number.
fn ports(rule: &NetworkPolicyEgressRule) -> Option<Vec<u16>> {
    let written = rule.ports.as_ref().filter(|ports| !ports.is_empty())?;
    written
        .iter()
        .map(|port| match (&port.port, port.protocol.as_deref(), port.end_port) {
            (Some(IntOrString::Int(number)), None | Some("TCP"), None) => u16::try_from(*number).ok(),
            _ => None,
        })
        .collect()
}
