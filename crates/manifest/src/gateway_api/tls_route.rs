//! TLSRoute (`apis/v1/tlsroute_types.go`; in the standard channel since 1.5).

use serde::Deserialize;

use super::reference::{ParentReference, backend_object};
use crate::Located;

/// TLSRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TlsRoute {
    /// `spec`.
    pub spec: TlsRouteSpec,
}

/// `TLSRoute.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// What it wants to attach to.
    #[serde(default)]
    pub parent_refs: Vec<Located<ParentReference>>,
    /// Server names that it takes; needed since v1.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules; exactly one since v1.
    pub rules: Vec<Located<TlsRouteRule>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteRule {
    /// Name.
    pub name: Option<String>,
    /// Where the connection goes.
    #[serde(default)]
    pub backend_refs: Vec<Located<TlsBackendRef>>,
}

/// A backend of a TLSRoute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TlsBackendRef {
    /// API group; the core group unless written.
    pub group: Option<String>,
    /// Kind; `Service` unless written.
    pub kind: Option<String>,
    /// Namespace; the route's unless written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Port; needed for a Service.
    pub port: Option<u16>,
    /// Share of connections; 1 unless written.
    pub weight: Option<i32>,
}

backend_object!(TlsBackendRef);
