//! The checks that several kinds share, and which kind has which.

use std::sync::LazyLock;

use regex::Regex;
use semver::Version;

use super::{gateway, http_route, others};
use crate::{Diagnostic, Meta, Position, Resource};

/// For what the API server refuses an object of a Gateway API or Kgateway kind; empty for any other kind.
///
/// `gateway_api` is the version of the CRD bundle, `kgateway` that of Kgateway.
#[must_use]
pub fn crd_findings(resource: &Resource, gateway_api: &Version, kgateway: &Version) -> Vec<Diagnostic> {
    let bundle = Bundle(gateway_api);
    match resource {
        Resource::Gateway(object) => gateway::findings(object, bundle),
        Resource::GatewayClass(object) => gateway::class(object),
        Resource::HttpRoute(object) => http_route::findings(object, bundle),
        Resource::GrpcRoute(object) => others::grpc_route(object, bundle),
        Resource::TlsRoute(object) => others::tls_route(object, bundle),
        Resource::ReferenceGrant(object) => others::reference_grant(object, bundle),
        Resource::BackendTlsPolicy(object) => others::backend_tls_policy(object, bundle),
        Resource::TrafficPolicy(object) => others::traffic_policy(object, kgateway),
        _ => Vec::new(),
    }
}

/// Version of the CRD bundle.
#[derive(Clone, Copy)]
pub(super) struct Bundle<'a>(&'a Version);

impl Bundle<'_> {
    pub(super) fn at_least(self, major: u64, minor: u64) -> bool {
        (self.0.major, self.0.minor) >= (major, minor)
    }
}

/// Collects what is refused of one object.
pub(super) struct Checks<'a> {
    pub(super) meta: &'a Meta,
    pub(super) findings: Vec<Diagnostic>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(meta: &'a Meta) -> Self {
        Self { meta, findings: Vec::new() }
    }

    /// Refuses the value at `path` unless `holds`.
    pub(super) fn demand(&mut self, holds: bool, at: Position, path: &str, message: &str) {
        if !holds {
            self.refuse("invalid-value", at, path, message);
        }
    }

    /// Refuses a field that the bundle's version does not have.
    pub(super) fn since(&mut self, exists: bool, at: Position, path: &str, version: &str) {
        if !exists {
            let message = format!("the field exists since Gateway API {version}");
            self.refuse("unknown-field", at, path, &message);
        }
    }

    pub(super) fn refuse(&mut self, code: &str, at: Position, path: &str, message: &str) {
        let finding = Diagnostic::error(code, format!("{} {path}: {message}", self.meta.object))
            .at(self.meta.rule(path, at).at)
            .hint("the API server refuses this object: it would not exist");
        self.findings.push(finding);
    }

    /// Group and kind of a reference, by the CRDs' patterns.
    pub(super) fn object(&mut self, group: &str, kind: &str, at: Position, path: &str) {
        let group_holds = group.is_empty() || (is_subdomain(group) && group.len() <= 253);
        self.demand(group_holds, at, path, &format!("`{group}` is not a group"));
        self.demand(kind.len() <= 63 && is_like(&KIND, kind), at, path, &format!("`{kind}` is not a kind"));
    }

    pub(super) fn host(&mut self, host: &str, at: Position, path: &str, wildcard: bool) {
        let bare = if wildcard { host.strip_prefix("*.").unwrap_or(host) } else { host };
        let valid = is_subdomain(bare) && host.len() <= 253;
        self.demand(valid, at, path, &format!("`{host}` is not a host name"));
    }
}

static KIND: Pattern = LazyLock::new(|| Regex::new("^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$").ok());

/// RFC 1123 subdomain in lower case.
pub(super) fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label =
        |label: &str| !label.is_empty() && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-');
    text.split('.').all(label)
}

/// A header's name by the CRDs' pattern.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// An expression of the CRDs, read when it is asked first.
pub(super) type Pattern = LazyLock<Option<Regex>>;

/// Whether a value of `pattern`, an expression of the CRDs, is `text`; a pattern that cannot be read accepts.
pub(super) fn is_like(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// The first value that occurs twice.
pub(super) fn repeated<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    values.into_iter().find(|value| !seen.insert(*value))
}
