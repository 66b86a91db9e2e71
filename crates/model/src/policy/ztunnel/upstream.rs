//! Endpoints of Services and ServiceEntries as ztunnel balances over them
//! (ztunnel `src/state.rs`, `find_upstream_from_service`, `load_balance`).

use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::Object;
use airtight_manifest::istio::{Resolution, ServiceEntry, ServiceEntryEndpoint, ServiceEntryPort, since};
use airtight_manifest::located::Located;

use crate::world::{Pod, PodId, Protocol, Service, ServicePort, TargetPort, World};

/// One endpoint that ztunnel may choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upstream {
    /// Where it is.
    pub to: UpstreamAddress,
    /// Its port behind the service.
    pub port: u16,
    /// Whether ztunnel reaches it over HBONE; otherwise as plaintext.
    pub hbone: bool,
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamAddress {
    /// A pod.
    Pod(PodId),
    /// An address.
    Address(IpAddr),
    /// A name that ztunnel resolves from its own network namespace.
    Name(Arc<str>),
}

/// A pod as endpoint.
pub(super) fn pod(world: &World, id: PodId, port: u16) -> Upstream {
    Upstream { to: UpstreamAddress::Pod(id), port, hbone: world.pod(id).enrolment.accepts_hbone() }
}

/// Endpoints of a Service's port; none if the Service has no such TCP port.
pub(super) fn of_service(world: &World, service: &Service, port: u16) -> Vec<Upstream> {
    let Some(entry) = service.port(Protocol::Tcp, port) else { return Vec::new() };
    let pods = service.backends.iter().filter_map(|id| Some(pod(world, *id, target_port(world, entry, *id)?)));
    let outside = service.external_endpoints.iter().filter_map(|address| match entry.target {
        TargetPort::Number(port) => Some(plain(UpstreamAddress::Address(*address), port)),
        TargetPort::Name(_) => None,
    });
    pods.chain(outside).collect()
}

/// A port by name is looked up pod by pod.
fn target_port(world: &World, entry: &ServicePort, pod: PodId) -> Option<u16> {
    match &entry.target {
        TargetPort::Number(port) => Some(*port),
        TargetPort::Name(name) => {
            let ports = &world.pod(pod).ports;
            ports.iter().find(|port| port.name.as_deref() == Some(name)).map(|port| port.number)
        }
    }
}

/// Endpoints of a ServiceEntry's port as the name `host`; none if it has no such port.
#[must_use]
pub fn of_entry(world: &World, entry: &Object<ServiceEntry>, host: &str, port: u16) -> Vec<Upstream> {
    let spec = &entry.body.spec;
    let Some(port) = spec.port(port) else { return Vec::new() };
    if let Some(selector) = &spec.workload_selector {
        let selected = world.pods.iter().filter(|pod| {
            &*pod.namespace == entry.meta.namespace()
                && !selector.labels.is_empty()
                && selector.labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        });
        return selected.filter_map(|one| Some(pod(world, one.id, selected_port(world, one, port)?))).collect();
    }
    match spec.endpoints.as_deref().filter(|endpoints| !endpoints.is_empty()) {
        Some(endpoints) => endpoints.iter().filter_map(|one| endpoint(one, port)).collect(),
        None => match spec.resolution {
            Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns => {
                let to = UpstreamAddress::Name(Arc::from(host));
                u16::try_from(port.target()).map(|port| plain(to, port)).into_iter().collect()
            }
            Resolution::None | Resolution::Static => Vec::new(),
        },
    }
}

/// Without a `targetPort` the pod's port of the same name counts (1.26.5, 1.27.2 and later, Istio
/// `releasenotes/notes/57713.yaml`).
fn selected_port(world: &World, pod: &Pod, port: &Located<ServiceEntryPort>) -> Option<u16> {
    let istio = &world.stack.versions.istio;
    let by_name = since(istio, 1, 27, 2) || (istio.minor == 26 && since(istio, 1, 26, 5));
    let named = || pod.ports.iter().find(|own| own.name.as_deref() == Some(&*port.name)).map(|own| own.number);
    let named = if by_name && port.target_port.is_none() { named() } else { None };
    named.or_else(|| u16::try_from(port.target()).ok())
}

fn endpoint(endpoint: &ServiceEntryEndpoint, port: &Located<ServiceEntryPort>) -> Option<Upstream> {
    let number = endpoint.ports.get(&port.name).copied().unwrap_or_else(|| port.target());
    let to = match endpoint.address.parse() {
        Ok(address) => UpstreamAddress::Address(address),
        Err(_) => UpstreamAddress::Name(Arc::from(endpoint.address.as_str())),
    };
    Some(plain(to, u16::try_from(number).ok()?))
}

/// istiod takes endpoints that are no pods for plain TCP.
fn plain(to: UpstreamAddress, port: u16) -> Upstream {
    Upstream { to, port, hbone: false }
}
