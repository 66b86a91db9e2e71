//! Which filter chain a waypoint has for a port
//! (Istio `pkg/config/kube/conversion.go`, `pkg/config/protocol/instance.go`).

use crate::world::ServicePort;

/// What a waypoint expects on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortProtocol {
    /// HTTP of any version, gRPC among them.
    Http,
    /// TLS, of which only the server name is seen.
    Tls,
    /// Any other bytes.
    Tcp,
    /// HTTP or other bytes, as the first bytes show.
    Sniffed,
}

/// Ports that are never sniffed: SMTP, DNS, MySQL and MongoDB.
const WELL_KNOWN: [u16; 4] = [25, 53, 3306, 27017];

impl PortProtocol {
    /// The protocol by `appProtocol`, else by the prefix of the port's name.
    pub(super) fn of_service(port: &ServicePort) -> Self {
        let name = port.app_protocol.as_deref().or(port.name.as_deref()).unwrap_or_default();
        match port.app_protocol.as_deref() {
            Some("kubernetes.io/h2c" | "kubernetes.io/ws") => return Self::Http,
            Some("kubernetes.io/wss") => return Self::Tls,
            Some(_) | None => {}
        }
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("grpc-web") {
            return Self::Http;
        }
        match Self::named(lower.split('-').next().unwrap_or_default()) {
            Self::Sniffed if WELL_KNOWN.contains(&port.port) => Self::Tcp,
            protocol => protocol,
        }
    }

    /// The protocol of a name, whatever its case; any other name means that the bytes decide.
    pub(super) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "http" | "http2" | "http_proxy" | "grpc" | "grpc-web" => Self::Http,
            "https" | "tls" => Self::Tls,
            "tcp" | "mongo" | "redis" | "mysql" => Self::Tcp,
            _ => Self::Sniffed,
        }
    }
}

/// What the name of a Service's port says of those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredProtocol {
    /// HTTP in clear text.
    Http,
    /// TLS.
    Tls,
    /// Nothing, or only that it is TCP.
    Other,
}

impl DeclaredProtocol {
    /// By `appProtocol`, else by the prefix of the port's name.
    #[must_use]
    pub fn of(port: &ServicePort) -> Self {
        match PortProtocol::of_service(port) {
            PortProtocol::Http => Self::Http,
            PortProtocol::Tls => Self::Tls,
            PortProtocol::Tcp | PortProtocol::Sniffed => Self::Other,
        }
    }
}
