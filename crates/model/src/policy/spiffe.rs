//! SPIFFE identities, as mesh certificates carry them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use airtight_manifest::stack::Stack;

use crate::world::Pod;

/// `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT` (Istio `pkg/spiffe/spiffe.go`).
///
/// ```
/// use airtight_model::policy::SpiffeId;
/// let id = SpiffeId::new("cluster.local", "app", "web");
/// assert_eq!(id.to_string(), "spiffe://cluster.local/ns/app/sa/web");
/// assert_eq!(id.principal(), "cluster.local/ns/app/sa/web");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    /// Trust domain.
    pub trust_domain: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Service account.
    pub service_account: Arc<str>,
}

impl SpiffeId {
    /// An identity from its parts.
    #[must_use]
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Self {
        Self {
            trust_domain: Arc::from(trust_domain),
            namespace: Arc::from(namespace),
            service_account: Arc::from(service_account),
        }
    }

    /// The identity that the mesh of `stack` gives to a pod.
    #[must_use]
    pub fn of(pod: &Pod, stack: &Stack) -> Self {
        Self {
            trust_domain: Arc::from(stack.istio.trust_domain.as_str()),
            namespace: Arc::clone(&pod.namespace),
            service_account: Arc::clone(&pod.service_account),
        }
    }

    /// The identity without `spiffe://`, as policies write it.
    #[must_use]
    pub fn principal(&self) -> String {
        format!("{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

/// The peer of a connection as a mesh proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeshSource {
    /// What its certificate says; none for plaintext.
    pub identity: Option<SpiffeId>,
    /// Its address.
    pub address: IpAddr,
}

impl MeshSource {
    /// A pod that speaks mTLS.
    #[must_use]
    pub fn authenticated(pod: &Pod, stack: &Stack, address: IpAddr) -> Self {
        Self { identity: Some(SpiffeId::of(pod, stack)), address }
    }

    /// A peer that speaks plaintext.
    #[must_use]
    pub fn plaintext(address: IpAddr) -> Self {
        Self { identity: None, address }
    }

    /// How a sentence calls it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.identity {
            Some(identity) => identity.principal(),
            None => format!("plaintext from {}", self.address),
        }
    }
}
