//! ServiceEntries: names outside the cluster that the mesh knows.

use super::engine::Engine;
use crate::manifest::Object;
use crate::manifest::istio::ServiceEntry;
use crate::policy::waypoint::{VirtualAddress, virtual_address};

impl<'w> Engine<'w> {
    /// The ServiceEntry of this namespace and name.
    pub(super) fn service_entry(&self, namespace: &str, name: &str) -> Option<&'w Object<ServiceEntry>> {
        let entries = &self.world.objects.service_entries;
        entries.iter().find(|entry| entry.meta.namespace() == namespace && entry.meta.name() == name)
    }

    /// Namespace and name of the ServiceEntry that gives `host` an address of the mesh (and has `port`).
    pub(super) fn service_entry_named(&self, host: &str, port: Option<u16>) -> Option<(String, String)> {
        let entries = self.world.objects.service_entries.iter();
        entries
            .filter(|entry| entry.body.spec.hosts.iter().any(|known| known.value.eq_ignore_ascii_case(host)))
            .filter(|entry| virtual_address(&self.world.stack, entry, host) != VirtualAddress::None)
            .find(|entry| {
                port.is_none_or(|port| entry.body.spec.ports.iter().any(|entry| entry.number == u32::from(port)))
            })
            .map(|entry| (entry.meta.namespace().to_owned(), entry.meta.name().to_owned()))
    }

    /// The port behind a ServiceEntry's port.
    pub(super) fn service_entry_target_port(&self, entry: (&str, &str), port: u16) -> u16 {
        self.service_entry(entry.0, entry.1)
            .and_then(|object| object.body.spec.ports.iter().find(|entry| entry.number == u32::from(port)))
            .and_then(|entry| entry.target_port)
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(port)
    }
}
