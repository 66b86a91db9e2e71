//! Filters of routes (`apis/v1/httproute_types.go`, `grpcroute_types.go`).

use serde::Deserialize;

use super::reference::{BackendObjectReference, LocalReference};
use crate::kubernetes::Skipped;

/// A filter of an HTTPRoute: the field of its type's name holds its settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// Which filter.
    #[serde(rename = "type")]
    pub kind: HttpFilterType,
    /// Changes request headers.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Changes response headers.
    pub response_header_modifier: Option<HeaderModifier>,
    /// Copies the request to another backend.
    pub request_mirror: Option<RequestMirror>,
    /// Answers with a redirect.
    pub request_redirect: Option<RequestRedirect>,
    /// Changes host and path.
    pub url_rewrite: Option<UrlRewrite>,
    /// A filter of the implementation.
    pub extension_ref: Option<LocalReference>,
    /// Answers preflight requests (1.5 and later).
    pub cors: Option<CorsFilter>,
}

/// Which filter of an HTTPRoute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[expect(missing_docs, reason = "each variant is the filter of its name")]
pub enum HttpFilterType {
    RequestHeaderModifier,
    ResponseHeaderModifier,
    RequestMirror,
    RequestRedirect,
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    ExtensionRef,
    #[serde(rename = "CORS")]
    Cors,
}

/// A filter of a GRPCRoute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrpcRouteFilter {
    /// Which filter.
    #[serde(rename = "type")]
    pub kind: GrpcFilterType,
    /// Changes request headers.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Changes response headers.
    pub response_header_modifier: Option<HeaderModifier>,
    /// Copies the request to another backend.
    pub request_mirror: Option<RequestMirror>,
    /// A filter of the implementation.
    pub extension_ref: Option<LocalReference>,
}

/// Which filter of a GRPCRoute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[expect(missing_docs, reason = "each variant is the filter of its name")]
pub enum GrpcFilterType {
    RequestHeaderModifier,
    ResponseHeaderModifier,
    RequestMirror,
    ExtensionRef,
}

/// Changes to headers: `set` replaces what the client sent, `add` appends to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct HeaderModifier {
    /// Replaced, or made if absent.
    #[serde(default)]
    pub set: Vec<HeaderValue>,
    /// Appended to the values that are there.
    #[serde(default)]
    pub add: Vec<HeaderValue>,
    /// Removed.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A header with its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeaderValue {
    /// Name; compares without case.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Copies the request to another backend; the answer of the copy is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// The other backend.
    pub backend_ref: BackendObjectReference,
    /// Share of requests in percent.
    pub percent: Option<u8>,
    /// Share of requests as a fraction.
    pub fraction: Option<Fraction>,
}

/// A fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Fraction {
    /// Numerator.
    pub numerator: u32,
    /// Denominator; 100 unless written.
    pub denominator: Option<u32>,
}

/// Answers with a redirect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`; the request's unless written.
    pub scheme: Option<String>,
    /// Host; the request's unless written.
    pub hostname: Option<String>,
    /// Path; the request's unless written.
    pub path: Option<PathModifier>,
    /// Port.
    pub port: Option<u16>,
    /// Status; 302 unless written.
    pub status_code: Option<u16>,
}

/// Changes host and path before the backend sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct UrlRewrite {
    /// New host.
    pub hostname: Option<String>,
    /// New path.
    pub path: Option<PathModifier>,
}

/// A change of the path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// Which change.
    #[serde(rename = "type")]
    pub kind: PathModifierType,
    /// The new path for `ReplaceFullPath`.
    pub replace_full_path: Option<String>,
    /// What replaces the matched prefix for `ReplacePrefixMatch`.
    pub replace_prefix_match: Option<String>,
}

/// Which change of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that the rule matched.
    ReplacePrefixMatch,
}

/// Answers preflight requests and adds response headers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsFilter {
    /// Origins.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Methods.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Whether cookies may be sent.
    pub allow_credentials: Option<Skipped>,
    /// Response headers.
    pub expose_headers: Option<Skipped>,
    /// Cache time of the answer.
    pub max_age: Option<Skipped>,
}
