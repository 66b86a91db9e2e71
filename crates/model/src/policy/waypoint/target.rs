//! What the client of a waypoint aims at and sends.

use std::net::IpAddr;

use airtight_manifest::istio::{ServiceEntry, TargetKind};
use airtight_manifest::{Object, RuleRef};

use super::input::Input;
use super::protocol::PortProtocol;
use crate::policy::{MeshSource, Request};
use crate::world::{Pod, Protocol, Service};

/// What the client of a waypoint aims at.
#[derive(Debug, Clone, Copy)]
pub enum WaypointTarget<'a> {
    /// A Service's virtual address and port.
    Service {
        /// The Service.
        service: &'a Service,
        /// The Service's port.
        port: u16,
    },
    /// A ServiceEntry's virtual address and port.
    ServiceEntry {
        /// The ServiceEntry.
        entry: &'a Object<ServiceEntry>,
        /// Its port.
        port: u16,
        /// The address that the client dialled, if it is known.
        address: Option<IpAddr>,
    },
    /// A pod's own address.
    Workload {
        /// The pod.
        pod: &'a Pod,
        /// The pod's port.
        port: u16,
    },
}

/// What the client sends.
#[derive(Debug, Clone, Copy)]
pub enum WaypointPayload<'a> {
    /// An HTTP request in clear text.
    Http(&'a Request),
    /// A TLS handshake.
    Tls {
        /// The server name that it asks for.
        sni: &'a str,
    },
    /// Other bytes.
    Tcp,
}

impl<'a> WaypointTarget<'a> {
    /// The port's protocol; none if there is no filter chain for the port.
    pub(super) fn protocol(&self) -> Option<PortProtocol> {
        match self {
            Self::Service { service, port } => service.port(Protocol::Tcp, *port).map(PortProtocol::of_service),
            Self::ServiceEntry { entry, port, .. } => {
                entry.body.spec.port(*port).map(|port| PortProtocol::named(&port.protocol))
            }
            Self::Workload { .. } => Some(PortProtocol::Sniffed),
        }
    }

    pub(super) fn service(&self) -> Option<(TargetKind, &'a str, &'a str)> {
        match self {
            Self::Service { service, .. } => Some((TargetKind::Service, &service.namespace, &service.name)),
            Self::ServiceEntry { entry, .. } => {
                Some((TargetKind::ServiceEntry, entry.meta.namespace(), entry.meta.name()))
            }
            Self::Workload { .. } => None,
        }
    }

    pub(crate) fn namespace(&self) -> &'a str {
        match self {
            Self::Service { service, .. } => &service.namespace,
            Self::ServiceEntry { entry, .. } => entry.meta.namespace(),
            Self::Workload { pod, .. } => &pod.namespace,
        }
    }

    /// The object that says what it is.
    pub(super) fn origin(&self) -> RuleRef {
        match self {
            Self::Service { service, .. } => service.origin.clone(),
            Self::ServiceEntry { entry, .. } => entry.meta.whole(),
            Self::Workload { pod, .. } => pod.origin.clone(),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } | Self::ServiceEntry { port, .. } | Self::Workload { port, .. } => *port,
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Service { service, port } => format!("Service {}/{}:{port}", service.namespace, service.name),
            Self::ServiceEntry { entry, port, .. } => {
                format!("ServiceEntry {}/{}:{port}", entry.meta.namespace(), entry.meta.name())
            }
            Self::Workload { pod, port } => format!("pod {}/{}:{port}", pod.namespace, pod.name),
        }
    }

    pub(super) fn input<'b>(&self, source: &MeshSource, server_name: &'b str) -> Input<'b> {
        let same = |addresses: &[IpAddr]| {
            addresses.iter().find(|address| address.is_ipv4() == source.address.is_ipv4()).copied()
        };
        let destination = match self {
            Self::Service { service, .. } => same(&service.cluster_ips),
            Self::ServiceEntry { address, .. } => *address,
            Self::Workload { pod, .. } => same(&pod.addresses),
        };
        Input::connection(source, destination, self.port(), server_name)
    }
}
