//! HTTPRoute (`apis/v1/httproute_types.go`).

use serde::Deserialize;

use super::filter::HttpRouteFilter;
use super::reference::{ParentReference, backend_object};
use crate::Located;
use crate::kubernetes::Skipped;

/// HTTPRoute, all but `metadata` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HttpRoute {
    /// `spec`.
    pub spec: HttpRouteSpec,
}

/// `HTTPRoute.spec`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// What it wants to attach to.
    #[serde(default)]
    pub parent_refs: Vec<Located<ParentReference>>,
    /// Host names that it takes; every one if empty.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// Its rules; one that matches everything and has no backend if absent.
    pub rules: Option<Vec<Located<HttpRouteRule>>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    /// Name (1.4 and later).
    pub name: Option<String>,
    /// Alternatives of which one must match; everything if absent or empty.
    pub matches: Option<Vec<Located<HttpRouteMatch>>>,
    /// Filters.
    #[serde(default)]
    pub filters: Vec<Located<HttpRouteFilter>>,
    /// Where the request goes.
    #[serde(default)]
    pub backend_refs: Vec<Located<HttpBackendRef>>,
    /// Deadlines.
    pub timeouts: Option<Skipped>,
}

/// What a request must look like; all fields must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteMatch {
    /// Path; prefix `/` if absent.
    pub path: Option<HttpPathMatch>,
    /// Headers; of equal names only the first entry counts.
    #[serde(default)]
    pub headers: Vec<ValueMatch>,
    /// Query parameters; of equal names only the first entry counts.
    #[serde(default)]
    pub query_params: Vec<ValueMatch>,
    /// Method.
    pub method: Option<HttpMethod>,
}

/// What the path must look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HttpPathMatch {
    /// `PathPrefix` unless written.
    #[serde(rename = "type")]
    pub kind: Option<PathMatchType>,
    /// `/` unless written.
    pub value: Option<String>,
}

impl HttpPathMatch {
    /// How the value compares, defaulted.
    #[must_use]
    pub fn kind(&self) -> PathMatchType {
        self.kind.unwrap_or_default()
    }

    /// The value, defaulted.
    #[must_use]
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or("/")
    }
}

/// How a path compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum PathMatchType {
    /// Byte for byte.
    Exact,
    /// Path element by path element.
    #[default]
    PathPrefix,
    /// As a regular expression of the implementation.
    RegularExpression,
}

/// What a header or query parameter must look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ValueMatch {
    /// `Exact` unless written.
    #[serde(rename = "type")]
    pub kind: Option<MatchType>,
    /// Name; of a header without case, of a query parameter with case.
    pub name: String,
    /// Value.
    pub value: String,
}

/// How a value compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum MatchType {
    /// Byte for byte.
    #[default]
    Exact,
    /// As a regular expression of the implementation.
    RegularExpression,
}

/// A method that an HTTPRoute can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "each variant is the method of its name")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

impl HttpMethod {
    /// The method on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

/// A backend of an HTTPRoute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackendRef {
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
    pub filters: Vec<Located<HttpRouteFilter>>,
}

backend_object!(HttpBackendRef);
