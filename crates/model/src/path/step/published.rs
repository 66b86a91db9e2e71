//! An address by which a Service is published: who turns it into one of the Service's backends, and when.
//!
//! A client outside comes to a load balancer or a node, which hands on. For one inside, Cilium in kube-proxy's place
//! translates the address before it asks any policy, as it does a Service's own (Cilium `bpf/bpf_lxc.c`,
//! `__per_packet_lb_svc_xlate_4`); kube-proxy does it behind the policies of the client, and may hide the client
//! (Kubernetes `pkg/proxy/iptables/proxier.go`, the chains for external destinations), which is not modelled.

use super::leg::Step;
use super::service;
use crate::path::checks::check;
use crate::path::dial::Dial;
use crate::policy::{Checkpoint, Decision};
use crate::world::{Endpoint, ExternalTraffic, PublishedAddress, Publisher, Service};

/// What becomes of a dial to such an address.
pub(super) fn steps<'w>(dial: Dial<'_, 'w>, service: &'w Service, given: PublishedAddress, port: u16) -> Vec<Step<'w>> {
    if let Some(open) = service::doubt(dial, service, port) {
        return vec![Step::Ends(open)];
    }
    if let Some(other) = also_published(dial, service, given, port) {
        let detail = format!(
            "{} is an address of Services {}/{} and {}/{} alike, and which of them gets port {port} is not known",
            given.address, service.namespace, service.name, other.namespace, other.name
        );
        let rules = vec![service.origin.clone(), other.origin.clone()];
        let checks = vec![check(Checkpoint::Application, Decision::unknown(rules, detail))];
        return vec![Step::Ends(dial.nowhere(&given.address.to_string(), Some(port), checks))];
    }
    if is_translated_at_once(dial, service, given) {
        return service::steps(dial, service, port, false);
    }
    let detail = format!(
        "{} is an address of Service {}/{}, and who translates it for a client inside, and when, is not modelled here",
        given.address, service.namespace, service.name
    );
    let checks = vec![check(Checkpoint::Application, Decision::unknown(vec![service.origin.clone()], detail))];
    vec![Step::Ends(dial.nowhere(&given.address.to_string(), Some(port), checks))]
}

/// Another Service with the same address and port.
fn also_published<'w>(
    dial: Dial<'_, 'w>,
    service: &Service,
    given: PublishedAddress,
    port: u16,
) -> Option<&'w Service> {
    let protocol = dial.connection.protocol;
    dial.world().services.iter().find(|other| {
        let is_other = (&other.namespace, &other.name) != (&service.namespace, &service.name);
        is_other
            && other.published.iter().any(|own| own.address == given.address)
            && other.port(protocol, port).is_some()
    })
}

fn is_translated_at_once(dial: Dial<'_, '_>, service: &Service, given: PublishedAddress) -> bool {
    match dial.from.endpoint {
        Endpoint::Host(_, _) | Endpoint::Address(_) => true,
        Endpoint::Pod(_) | Endpoint::HostNetworkPod(_) | Endpoint::Node(_) | Endpoint::ProbeAddress(_) => {
            let spread = service.external_traffic != Some(ExternalTraffic::Local);
            let replaced = dial.world().stack.cilium.kube_proxy_replacement;
            let by_nodes = match given.by {
                Publisher::ExternalIps | Publisher::LoadBalancer => true,
                Publisher::Proxy => false,
            };
            replaced && spread && by_nodes
        }
    }
}
