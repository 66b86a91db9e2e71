//! Addresses by which a Service is reached beside its own: those that its author wrote, and those of its load balancer.

use std::net::IpAddr;

use airtight_manifest::Object;
use airtight_manifest::kubernetes::Service;
use serde_json::Value;

/// An address outside of the Services' own range by which a Service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedAddress {
    /// The address.
    pub address: IpAddr,
    /// Who gave it.
    pub by: Publisher,
}

/// Who gave a Service an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// Its author: `externalIPs`.
    ExternalIps,
    /// Its load balancer, to which nodes themselves take the part (`status.loadBalancer`, `ipMode: VIP`).
    LoadBalancer,
    /// Its load balancer, to which clients inside leave the cluster as well (`ipMode: Proxy`).
    Proxy,
}

/// The published addresses of a Service, of which `status` is what was read from a cluster.
pub(super) fn published(service: &Object<Service>, status: Option<&Value>) -> Vec<PublishedAddress> {
    let written = service.body.spec.external_ips.iter().flatten();
    let written =
        written.filter_map(|text| Some(PublishedAddress { address: text.parse().ok()?, by: Publisher::ExternalIps }));
    let ingress = status.and_then(|status| status.pointer("/loadBalancer/ingress")).and_then(Value::as_array);
    written.chain(ingress.into_iter().flatten().filter_map(given)).collect()
}

/// What a load balancer gave; one that has a name alone tells no address.
fn given(ingress: &Value) -> Option<PublishedAddress> {
    let address = ingress["ip"].as_str()?.parse().ok()?;
    let by = if ingress["ipMode"] == "Proxy" { Publisher::Proxy } else { Publisher::LoadBalancer };
    Some(PublishedAddress { address, by })
}
