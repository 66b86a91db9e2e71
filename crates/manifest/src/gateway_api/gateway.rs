//! GatewayClass and Gateway (`apis/v1/gatewayclass_types.go`, `gateway_types.go`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

use super::reference::{LocalReference, ParametersReference, SecretReference};
use crate::kubernetes::Skipped;
use crate::{Labels, Located, Unmodelled};

/// GatewayClass, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayClass {
    /// `spec`.
    pub spec: GatewayClassSpec,
}

/// `GatewayClass.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// The controller that serves the class, such as `kgateway.dev/kgateway`.
    pub controller_name: String,
    /// For people.
    pub description: Option<Skipped>,
    /// Parameters for all Gateways of the class.
    pub parameters_ref: Option<Located<ParametersReference>>,
}

/// Gateway, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Gateway {
    /// `spec`.
    pub spec: GatewaySpec,
}

/// `Gateway.spec`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Name of its GatewayClass.
    pub gateway_class_name: String,
    /// Its listeners.
    pub listeners: Vec<Located<Listener>>,
    /// Addresses that it asks for.
    #[serde(default)]
    pub addresses: Vec<GatewayAddress>,
    /// What the controller puts on the pods and Services that it makes.
    pub infrastructure: Option<Infrastructure>,
    /// Which ListenerSets may add listeners (1.5 and later); ListenerSets themselves are not modelled.
    pub allowed_listeners: Option<Skipped>,
    /// TLS of all listeners and backends (1.5 and later).
    pub tls: Option<GatewayTls>,
}

/// An address that a Gateway asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayAddress {
    /// `IPAddress` unless written.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The address; the controller's choice if absent (1.3 and later).
    pub value: Option<String>,
}

/// What the controller puts on the pods and Services that it makes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Labels.
    pub labels: Option<Labels>,
    /// Annotations.
    pub annotations: Option<Labels>,
    /// Parameters for this Gateway.
    pub parameters_ref: Option<Located<LocalReference>>,
}

/// TLS of all listeners and backends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayTls {
    /// The client certificate that the proxy shows to backends.
    pub backend: Option<Unmodelled>,
    /// The client certificates that the proxy demands.
    pub frontend: Option<Unmodelled>,
}

/// One listener of a Gateway.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name, unique in the Gateway.
    pub name: String,
    /// Host name that it takes, such as `*.example.com`; every one if absent.
    pub hostname: Option<String>,
    /// Port.
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or an implementation's own, such as `HBONE` or `istio.io/PROXY`.
    pub protocol: String,
    /// TLS settings.
    pub tls: Option<Located<ListenerTls>>,
    /// Which routes may attach.
    pub allowed_routes: Option<AllowedRoutes>,
}

impl Listener {
    /// Host name that it takes; none for every one (an empty host name is the same as none).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.hostname.as_deref().filter(|host| !host.is_empty())
    }

    /// Which namespaces its routes may come from; `Same` unless written.
    #[must_use]
    pub fn from_namespaces(&self) -> FromNamespaces {
        self.namespaces().and_then(|namespaces| namespaces.from).unwrap_or_default()
    }

    /// The selector of namespaces for `from: Selector`.
    #[must_use]
    pub fn namespace_selector(&self) -> Option<&LabelSelector> {
        self.namespaces().and_then(|namespaces| namespaces.selector.as_ref())
    }

    fn namespaces(&self) -> Option<&RouteNamespaces> {
        self.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref())
    }
}

/// TLS settings of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// `Terminate` unless written.
    pub mode: Option<TlsMode>,
    /// Certificates.
    #[serde(default)]
    pub certificate_refs: Vec<Located<SecretReference>>,
    /// Options of the implementation (Istio's can demand client certificates).
    pub options: Option<Unmodelled>,
}

/// Where a listener's TLS ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TlsMode {
    /// At the proxy.
    #[default]
    Terminate,
    /// At the backend.
    Passthrough,
}

/// Which routes may attach to a listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AllowedRoutes {
    /// From which namespaces.
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds; those of the protocol if empty.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RouteNamespaces {
    /// `Same` unless written.
    pub from: Option<FromNamespaces>,
    /// Labels of the namespaces for `Selector`.
    pub selector: Option<LabelSelector>,
}

/// From which namespaces routes may attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum FromNamespaces {
    /// Every namespace.
    All,
    /// Those that the selector selects.
    Selector,
    /// The Gateway's own.
    #[default]
    Same,
}

/// A kind of route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RouteGroupKind {
    /// API group; `gateway.networking.k8s.io` unless written.
    pub group: Option<String>,
    /// Kind.
    pub kind: String,
}
