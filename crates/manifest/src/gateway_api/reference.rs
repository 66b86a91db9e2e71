//! References from one object to another (`apis/v1/shared_types.go`, `object_reference_types.go`).

use serde::Deserialize;

use super::GROUP;

/// What a route wants to attach to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// API group; `gateway.networking.k8s.io` unless written.
    pub group: Option<String>,
    /// Kind; `Gateway` unless written.
    pub kind: Option<String>,
    /// Namespace; the route's unless written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Name of a listener (for a Service: of a port).
    pub section_name: Option<String>,
    /// Port of a listener, or of a Service.
    pub port: Option<u16>,
}

impl ParentReference {
    /// API group, defaulted.
    #[must_use]
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(GROUP)
    }

    /// Kind, defaulted.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("Gateway")
    }

    /// Whether it names a Gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.group() == GROUP && self.kind() == "Gateway"
    }

    /// Whether it names a Service (GAMMA).
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.group().is_empty() && self.kind() == "Service"
    }
}

/// A backend as every route kind names it, defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendObject<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace as written.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// Port; of a Service its own port, not the backend pods'.
    pub port: Option<u16>,
}

/// A backend without weight, such as a mirror's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendObjectReference {
    /// API group; the core group unless written.
    pub group: Option<String>,
    /// Kind; `Service` unless written.
    pub kind: Option<String>,
    /// Namespace; the referring object's unless written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Port; needed for a Service.
    pub port: Option<u16>,
}

/// Gives a type with the fields of a backend reference its defaulted view.
macro_rules! backend_object {
    ($($ty:ty),*) => {$(
        impl $ty {
            /// The backend with its defaults filled in.
            #[must_use]
            pub fn object(&self) -> $crate::gateway_api::BackendObject<'_> {
                $crate::gateway_api::BackendObject {
                    group: self.group.as_deref().unwrap_or_default(),
                    kind: self.kind.as_deref().unwrap_or("Service"),
                    namespace: self.namespace.as_deref(),
                    name: &self.name,
                    port: self.port,
                }
            }
        }
    )*};
}
pub(super) use backend_object;

backend_object!(BackendObjectReference);

/// An object of the referring object's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LocalReference {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// An object of any namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ObjectReference {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; the referring object's unless written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// The parameters of a GatewayClass.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ParametersReference {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace, for a namespaced kind.
    pub namespace: Option<String>,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecretReference {
    /// API group; the core group unless written.
    pub group: Option<String>,
    /// Kind; `Secret` unless written.
    pub kind: Option<String>,
    /// Namespace; the Gateway's unless written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// What a policy attaches to, in its own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTarget {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Listener of a Gateway, rule of a route, port of a Service.
    pub section_name: Option<String>,
}
