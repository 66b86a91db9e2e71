//! ServiceEntries: names outside the cluster that the mesh knows.

use std::net::IpAddr;

use airtight_manifest::Object;
use airtight_manifest::istio::{Resolution, ServiceEntry};
use airtight_manifest::stack::at_least;

use super::target::{DialTarget, host_at};
use crate::policy::is_foreign_to_ztunnel;
use crate::policy::waypoint::{VirtualAddress, virtual_address};
use crate::world::{Pod, Role, World};

/// The ServiceEntries that ztunnel hears of.
fn known(world: &World) -> impl Iterator<Item = &Object<ServiceEntry>> {
    world.objects.service_entries.iter().filter(|entry| !is_foreign_to_ztunnel(&world.stack, &entry.meta))
}

/// The ServiceEntry of this namespace and name.
pub(super) fn service_entry<'w>(world: &'w World, namespace: &str, name: &str) -> Option<&'w Object<ServiceEntry>> {
    known(world).find(|entry| entry.meta.namespace() == namespace && entry.meta.name() == name)
}

/// Namespace and name of the ServiceEntries that may give `host` its address in the mesh: that of the client's own
/// namespace, if there is one, else any (ztunnel `src/dns/server.rs`, `find_server`).
pub(super) fn service_entries_named(world: &World, from: &str, host: &str) -> Vec<(String, String)> {
    let named = known(world)
        .filter(|entry| entry.body.spec.hosts.iter().any(|known| known.value.eq_ignore_ascii_case(host)))
        .filter(|entry| virtual_address(&world.stack, entry, host) != VirtualAddress::None);
    let mut all: Vec<_> =
        named.map(|entry| (entry.meta.namespace().to_owned(), entry.meta.name().to_owned())).collect();
    if let Some(own) = all.iter().position(|(namespace, _)| namespace == from) {
        all = vec![all.swap_remove(own)];
    }
    all
}

/// The port behind a ServiceEntry's port.
pub(super) fn service_entry_target_port(world: &World, entry: (&str, &str), port: u16) -> u16 {
    service_entry(world, entry.0, entry.1)
        .and_then(|object| object.body.spec.ports.iter().find(|entry| entry.number == u32::from(port)))
        .and_then(|entry| entry.target_port)
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(port)
}

/// The ServiceEntries that claim the address of `to` by their `addresses`, if that makes a difference: ztunnel looks an
/// address up among virtual addresses before it takes it for unknown, and knows no name any more (ztunnel `src/state.rs`,
/// `fetch_upstream`). The narrowest range wins; of several of one address, since 1.30 that of the pod's own namespace
/// (ztunnel `src/state/service.rs`, `get_best_by_vip`), and up to 1.29 the one that came last.
pub(super) fn claims<'w>(world: &'w World, from: &Pod, to: &DialTarget<'w>) -> Vec<DialTarget<'w>> {
    let Some((address, name, port)) = dialled(world, to).filter(|_| !matches!(from.role, Role::Waypoint(_))) else {
        return Vec::new();
    };
    let mut all: Vec<(u8, &Object<ServiceEntry>)> =
        known(world).filter_map(|entry| Some((claim(world, entry, address)?, entry))).collect();
    let narrowest = all.iter().map(|(length, _)| *length).max();
    all.retain(|(length, _)| Some(*length) == narrowest);
    let own = |entry: &Object<ServiceEntry>| entry.meta.namespace() == &*from.namespace;
    if at_least(&world.stack.versions.istio, 1, 30) && all.iter().any(|(_, entry)| own(entry)) {
        all.retain(|(_, entry)| own(entry));
    }
    if let ([(_, only)], DialTarget::ServiceEntry { namespace, name, .. }) = (all.as_slice(), to)
        && (only.meta.namespace(), only.meta.name()) == (namespace, name)
    {
        return Vec::new();
    }
    let target = |entry: &Object<ServiceEntry>| {
        let host = host_behind(world, entry, name, address)?;
        let (namespace, name) = (entry.meta.namespace().to_owned(), entry.meta.name().to_owned());
        Some(DialTarget::ServiceEntry { namespace, name, host, port })
    };
    all.into_iter().filter_map(|(_, entry)| target(entry)).collect()
}

/// The address that a client dials, with the name that it looked up; none where nobody could share it.
fn dialled<'t>(world: &World, to: &'t DialTarget<'_>) -> Option<(IpAddr, Option<&'t str>, u16)> {
    match to {
        DialTarget::External { address, name, port: Some(port), .. } => Some((*address, name.as_deref(), *port)),
        DialTarget::ServiceEntry { namespace, name, host, port } => {
            let entry = service_entry(world, namespace, name)?;
            let VirtualAddress::Written(ranges) = virtual_address(&world.stack, entry, host) else { return None };
            let whole = ranges.iter().find(|range| range.prefix_len() == range.max_prefix_len())?;
            Some((whole.addr(), Some(host), *port))
        }
        DialTarget::External { .. }
        | DialTarget::Service(_, _)
        | DialTarget::Published(_, _, _)
        | DialTarget::Pod(_, _)
        | DialTarget::Node(_, _) => None,
    }
}

/// The length of the narrowest range of `entry` around `address`.
fn claim(world: &World, entry: &Object<ServiceEntry>, address: IpAddr) -> Option<u8> {
    let host = entry.body.spec.hosts.first()?;
    match virtual_address(&world.stack, entry, &host.value) {
        VirtualAddress::Written(ranges) => {
            ranges.iter().filter(|range| range.contains(&address)).map(ipnet::IpNet::prefix_len).max()
        }
        VirtualAddress::Allocated | VirtualAddress::None => None,
    }
}

/// The name under which the entry goes on: resolution NONE keeps the address that was dialled.
fn host_behind(world: &World, entry: &Object<ServiceEntry>, name: Option<&str>, address: IpAddr) -> Option<String> {
    let spec = &entry.body.spec;
    if spec.resolution == Resolution::None {
        return world.host(host_at(world, address)?).names.first().map(ToString::to_string);
    }
    let named = name.filter(|name| spec.hosts.iter().any(|host| host.value.eq_ignore_ascii_case(name)));
    named.or_else(|| spec.hosts.first().map(|host| host.value.as_str())).map(str::to_owned)
}
