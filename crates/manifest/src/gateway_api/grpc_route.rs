//! GRPCRoute (`apis/v1/grpcroute_types.go`).

use serde::Deserialize;

use super::filter::GrpcRouteFilter;
use super::http_route::{MatchType, ValueMatch};
use super::reference::{ParentReference, backend_object};
use crate::Located;

/// GRPCRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrpcRoute {
    /// `spec`.
    pub spec: GrpcRouteSpec,
}

/// `GRPCRoute.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteSpec {
    /// What it wants to attach to.
    #[serde(default)]
    pub parent_refs: Vec<Located<ParentReference>>,
    /// Host names that it takes; every one if empty.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules.
    #[serde(default)]
    pub rules: Vec<Located<GrpcRouteRule>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteRule {
    /// Name (1.4 and later).
    pub name: Option<String>,
    /// Alternatives of which one must match; everything if empty.
    #[serde(default)]
    pub matches: Vec<Located<GrpcRouteMatch>>,
    /// Filters.
    #[serde(default)]
    pub filters: Vec<Located<GrpcRouteFilter>>,
    /// Where the request goes.
    #[serde(default)]
    pub backend_refs: Vec<Located<GrpcBackendRef>>,
}

/// What a call must look like; all fields must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct GrpcRouteMatch {
    /// Service and method; every one if absent.
    pub method: Option<GrpcMethodMatch>,
    /// Headers.
    #[serde(default)]
    pub headers: Vec<ValueMatch>,
}

/// The gRPC service and method of a call, which stand in its path as `/service/method`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrpcMethodMatch {
    /// `Exact` unless written.
    #[serde(rename = "type")]
    pub kind: Option<MatchType>,
    /// Service; every one if absent.
    pub service: Option<String>,
    /// Method; every one if absent.
    pub method: Option<String>,
}

/// A backend of a GRPCRoute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcBackendRef {
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
    /// Share of requests; 1 unless written.
    pub weight: Option<i32>,
    /// Filters for requests to this backend.
    #[serde(default)]
    pub filters: Vec<Located<GrpcRouteFilter>>,
}

backend_object!(GrpcBackendRef);
