//! How a flow goes through a tunnel of the mesh.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Target;

/// A tunnel (HBONE: HTTP/2 `CONNECT` over mutual TLS) from a proxy of the mesh to a pod in it, opened in the proxy's
/// stead with a certificate of its own.
///
/// ```
/// use airtight_probe::wire::{Member, Target, Tunnel};
/// let authority = Target { host: "istiod.istio-system.svc".to_owned(), port: 15012, family: Default::default() };
/// let tunnel = Tunnel { to: "10.244.1.7:8080".parse().unwrap(), port: 15008, member: Member::of(authority) };
/// let json = serde_json::to_string(&tunnel).unwrap();
/// assert_eq!(serde_json::from_str::<Tunnel>(&json).unwrap(), tunnel);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tunnel {
    /// The pod, and its port that is wanted.
    pub to: SocketAddr,
    /// The pod's port at which the tunnel ends.
    pub port: u16,
    /// As whom it is opened.
    pub member: Member,
}

/// A member of the mesh, as far as it takes to get its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// Who issues certificates (Istio's `IstioCertificateService`).
    pub authority: Target,
    /// The file with the token of its service account.
    pub token: String,
    /// The file with the certificates (PEM) that the authority's own is verified by.
    pub roots: String,
    /// The name of its cluster in the mesh; none: the authority's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

impl Member {
    /// A member whose files are where Istio's proxies have them
    /// (Istio `manifests/charts/istio-control/istio-discovery/files/waypoint.yaml`).
    #[must_use]
    pub fn of(authority: Target) -> Self {
        Self {
            authority,
            token: "/var/run/secrets/tokens/istio-token".to_owned(),
            roots: "/var/run/secrets/istio/root-cert.pem".to_owned(),
            cluster: None,
        }
    }
}
