//! Whether a waypoint reads the server names of TLS (Istio `pilot/pkg/networking/core/listener_waypoint.go`).

use std::collections::BTreeSet;

use airtight_manifest::istio::since;
use airtight_manifest::stack::Stack;

use super::binding::Bindings;
use super::protocol::PortProtocol;
use crate::world::{GatewayKey, Protocol, World};

/// Before 1.28.7, 1.29.1 and 1.30 a waypoint whose ports are all TLS has no TLS inspector (Istio
/// `releasenotes/notes/59028.yaml`): it knows no server name.
#[must_use]
pub fn reads_server_names(world: &World, bindings: &Bindings, waypoint: &GatewayKey) -> bool {
    if inspects_always(&world.stack) {
        return true;
    }
    let (mut tls, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut note = |number: u16, is_tls: bool| if is_tls { tls.insert(number) } else { others.insert(number) };
    for (namespace, name) in bindings.bound_to(waypoint) {
        for port in world.service(namespace, name).iter().flat_map(|service| &service.ports) {
            note(port.port, port.protocol == Protocol::Tcp && PortProtocol::of_service(port) == PortProtocol::Tls);
        }
        let entries = world.objects.service_entries.iter();
        let entry = entries.filter(|entry| entry.meta.namespace() == namespace && entry.meta.name() == name);
        for port in entry.flat_map(|entry| &entry.body.spec.ports) {
            let number = u16::try_from(port.number).unwrap_or_default();
            note(number, PortProtocol::named(&port.protocol) == PortProtocol::Tls);
        }
    }
    others.difference(&tls).next().is_some()
}

fn inspects_always(stack: &Stack) -> bool {
    let istio = &stack.versions.istio;
    match (istio.major, istio.minor) {
        (1, 28) => since(istio, 1, 28, 7),
        (1, 29) => since(istio, 1, 29, 1),
        (major, minor) => (major, minor) >= (1, 30),
    }
}
