//! What the CNI sees of one leg of a flow's way.

use std::fmt;

use airtight_manifest::cilium::IcmpFamily;

use super::port::Transport;
use crate::policy::Request;
use crate::world::{Endpoint, Protocol, World};

/// One leg of a flow's way as the CNI sees it: after Services were resolved, before any proxy at the far end.
#[derive(Debug, Clone)]
pub struct CniHop<'a> {
    /// Where it begins.
    pub source: Endpoint,
    /// Where it ends: a backend, never a Service's address.
    pub destination: Endpoint,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The port at the destination; none for ICMP.
    pub port: Option<u16>,
    /// The ICMP type; none means an echo request.
    pub icmp_type: Option<u8>,
    /// What is said.
    pub payload: Payload<'a>,
    /// The name whose lookup gave the destination's address, if the DNS proxy learned it from this source.
    pub resolved: Option<&'a str>,
}

/// What is said on a connection, as far as a proxy of the CNI can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// An HTTP request in clear text.
    Http(&'a Request),
    /// A TLS connection, with the server name that the client asks for.
    Tls {
        /// The server name.
        sni: Option<&'a str>,
    },
    /// HBONE: mutual TLS of the mesh.
    Hbone,
    /// Anything else.
    Opaque,
}

impl CniHop<'_> {
    /// Layer 4 of it; the family of ICMP is that of the destination.
    pub(super) fn transport(&self, world: &World) -> Transport {
        let icmp = (self.protocol == Protocol::Icmp).then(|| {
            let (family, echo) = if self.is_v6(world) { (IcmpFamily::V6, 128) } else { (IcmpFamily::V4, 8) };
            (family, self.icmp_type.unwrap_or(echo))
        });
        Transport { protocol: self.protocol, port: self.port, icmp }
    }

    fn is_v6(&self, world: &World) -> bool {
        let only_v6 = |endpoint: Endpoint| match endpoint {
            Endpoint::Pod(id) | Endpoint::HostNetworkPod(id) => {
                let addresses = &world.pod(id).addresses;
                !addresses.is_empty() && addresses.iter().all(std::net::IpAddr::is_ipv6)
            }
            Endpoint::Node(id) | Endpoint::ProbeAddress(id) => {
                let addresses = &world.node(id).addresses;
                !addresses.is_empty() && addresses.iter().all(std::net::IpAddr::is_ipv6)
            }
            Endpoint::Host(_, address) | Endpoint::Address(address) => address.is_ipv6(),
        };
        only_v6(self.destination) || only_v6(self.source)
    }

    /// The hop for a reader: `a/x → b/y TCP 8080`.
    pub(super) fn shown<'w>(&'w self, world: &'w World) -> impl fmt::Display + 'w {
        fmt::from_fn(move |f| {
            write!(f, "{} → {}", name(self.source, world), name(self.destination, world))?;
            write!(f, " {}", self.protocol)?;
            match self.port {
                Some(port) => write!(f, " {port}"),
                None => Ok(()),
            }
        })
    }

    /// Protocol and port for a reader: `TCP 8080`.
    pub(super) fn service(&self) -> String {
        match self.port {
            Some(port) => format!("{} {port}", self.protocol),
            None => self.protocol.to_string(),
        }
    }
}

/// An endpoint for a reader.
pub(super) fn name(endpoint: Endpoint, world: &World) -> String {
    match endpoint {
        Endpoint::Pod(id) | Endpoint::HostNetworkPod(id) => {
            let pod = world.pod(id);
            format!("{}/{}", pod.namespace, pod.name)
        }
        Endpoint::Node(id) => format!("node {}", world.node(id).name),
        Endpoint::ProbeAddress(id) => format!("the probe address of node {}", world.node(id).name),
        Endpoint::Host(id, address) => match world.host(id).names.first() {
            Some(name) => format!("{name} ({address})"),
            None => address.to_string(),
        },
        Endpoint::Address(address) => address.to_string(),
    }
}
