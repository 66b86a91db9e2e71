//! The smaller kinds, and Kgateway's TrafficPolicy.

use semver::Version;

use super::{Bundle, Checks, filter, http_route, parent};
use crate::gateway_api::{
    BackendObject, BackendTlsPolicy, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, ReferenceGrant, TlsRoute,
};
use crate::kgateway::TrafficPolicy;
use crate::{Diagnostic, Located, Object, Position};

pub(super) fn grpc_route(object: &Object<GrpcRoute>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    parent::parents(&mut checks, &spec.parent_refs);
    parent::hostnames(&mut checks, &spec.hostnames, 16);
    checks.demand(spec.rules.len() <= 16, object.meta.at.position, "spec.rules", "at most 16 rules are allowed");
    for (index, rule) in spec.rules.iter().enumerate() {
        grpc_rule(&mut checks, &format!("spec.rules[{index}]"), rule, bundle);
    }
    checks.findings
}

fn grpc_rule(checks: &mut Checks<'_>, path: &str, rule: &Located<GrpcRouteRule>, bundle: Bundle<'_>) {
    checks.since(rule.name.is_none() || bundle.at_least(1, 4), rule.at, &format!("{path}.name"), "1.4");
    for entry in &rule.matches {
        grpc_match(checks, path, entry);
    }
    let filters = rule.filters.iter().chain(rule.backend_refs.iter().flat_map(|backend| &backend.filters));
    for entry in filters {
        for modifier in [&entry.request_header_modifier, &entry.response_header_modifier].into_iter().flatten() {
            filter::headers(checks, entry.at, path, modifier);
        }
        if let Some(mirror) = &entry.request_mirror {
            filter::mirrored(checks, entry.at, path, mirror, bundle);
        }
    }
    for backend in &rule.backend_refs {
        needs_port(checks, backend.at, path, backend.object());
        http_route::weight(checks, backend.at, path, backend.weight);
    }
}

fn grpc_match(checks: &mut Checks<'_>, path: &str, entry: &Located<GrpcRouteMatch>) {
    let named = entry.method.as_ref().is_none_or(|method| method.service.is_some() || method.method.is_some());
    checks.demand(named, entry.at, path, "one or both of service or method must be set");
}

fn needs_port(checks: &mut Checks<'_>, at: Position, path: &str, object: BackendObject<'_>) {
    checks.object(object.group, object.kind, at, path);
    let is_service = object.group.is_empty() && object.kind == "Service";
    checks.demand(!is_service || object.port.is_some(), at, path, "must have port for Service reference");
}

pub(super) fn tls_route(object: &Object<TlsRoute>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    let top = object.meta.at.position;
    served(&mut checks, &object.meta.api_version, bundle, (1, 5));
    parent::parents(&mut checks, &spec.parent_refs);
    parent::hostnames(&mut checks, &spec.hostnames, 1024);
    if bundle.at_least(1, 5) {
        checks.demand(!spec.hostnames.is_empty(), top, "spec.hostnames", "there must be at least one host name");
        checks.demand(spec.rules.len() == 1, top, "spec.rules", "there must be exactly one rule");
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        checks.demand(!rule.backend_refs.is_empty(), rule.at, &path, "there must be at least one backend");
        for backend in &rule.backend_refs {
            needs_port(&mut checks, backend.at, &path, backend.object());
            http_route::weight(&mut checks, backend.at, &path, backend.weight);
        }
    }
    checks.findings
}

/// `v1` exists since a version, and the alpha versions are not served any more from there on.
fn served(checks: &mut Checks<'_>, api_version: &str, bundle: Bundle<'_>, since: (u64, u64)) {
    let top = checks.meta.at.position;
    let graduated = bundle.at_least(since.0, since.1);
    let is_stable = api_version.ends_with("/v1");
    if is_stable != graduated {
        let (major, minor) = since;
        let message = if graduated {
            format!("only v1 is served since Gateway API {major}.{minor}")
        } else {
            format!("v1 is served since Gateway API {major}.{minor}")
        };
        checks.refuse("unserved-version", top, "apiVersion", &message);
    }
}

pub(super) fn reference_grant(object: &Object<ReferenceGrant>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let top = object.meta.at.position;
    let spec = &object.body.spec;
    if object.meta.api_version.ends_with("/v1") && !bundle.at_least(1, 5) {
        checks.refuse("unserved-version", top, "apiVersion", "v1 is served since Gateway API 1.5; use v1beta1");
    }
    checks.demand((1..=16).contains(&spec.from.len()), top, "spec.from", "there must be 1 to 16 entries");
    checks.demand((1..=16).contains(&spec.to.len()), top, "spec.to", "there must be 1 to 16 entries");
    checks.findings
}

pub(super) fn backend_tls_policy(object: &Object<BackendTlsPolicy>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    served(&mut checks, &object.meta.api_version, bundle, (1, 4));
    let top = object.meta.at.position;
    checks.demand((1..=16).contains(&spec.target_refs.len()), top, "spec.targetRefs", "there must be 1 to 16 targets");
    let validation = &spec.validation;
    let named = !validation.ca_certificate_refs.is_empty();
    let known = validation.well_known_ca_certificates.as_deref().is_some_and(|text| !text.is_empty());
    let message = "exactly one of caCertificateRefs and wellKnownCACertificates must be set";
    checks.demand(named != known, validation.at, "spec.validation", message);
    checks.host(&validation.hostname, validation.at, "spec.validation.hostname", false);
    checks.findings
}

/// Fields by version (kgateway's CRDs of 2.0.3, 2.3.0 and 2.4; release notes for 2.1 and 2.2).
pub(super) fn traffic_policy(object: &Object<TrafficPolicy>, kgateway: &Version) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    let top = object.meta.at.position;
    let minor = if kgateway.major > 2 { u64::MAX } else { kgateway.minor };
    let fields = [
        ("rbac", spec.rbac.is_some(), 1, u64::MAX),
        ("targetSelectors", !spec.target_selectors.is_empty(), 1, u64::MAX),
        ("autoHostRewrite", spec.auto_host_rewrite.is_some(), 1, u64::MAX),
        ("buffer", spec.buffer.is_some(), 1, u64::MAX),
        ("cors", spec.cors.is_some(), 1, u64::MAX),
        ("csrf", spec.csrf.is_some(), 1, u64::MAX),
        ("headerModifiers", spec.header_modifiers.is_some(), 1, u64::MAX),
        ("retry", spec.retry.is_some(), 1, u64::MAX),
        ("timeouts", spec.timeouts.is_some(), 1, u64::MAX),
        ("ai", spec.ai.is_some(), 0, 1),
        ("jwt", spec.jwt.is_some(), 1, 1),
        ("jwtAuth", spec.jwt_auth.is_some(), 2, u64::MAX),
        ("apiKeyAuth", spec.api_key_auth.is_some(), 2, u64::MAX),
        ("basicAuth", spec.basic_auth.is_some(), 2, u64::MAX),
        ("oauth2", spec.oauth2.is_some(), 2, u64::MAX),
        ("urlRewrite", spec.url_rewrite.is_some(), 2, u64::MAX),
        ("compression", spec.compression.is_some(), 2, u64::MAX),
        ("acl", spec.acl.is_some(), 3, u64::MAX),
        ("faultInjection", spec.fault_injection.is_some(), 3, u64::MAX),
        ("tracing", spec.tracing.is_some(), 3, u64::MAX),
        ("internalRedirect", spec.internal_redirect.is_some(), 4, u64::MAX),
        ("statPrefix", spec.stat_prefix.is_some(), 4, u64::MAX),
    ];
    for (name, present, first, last) in fields {
        if present && !(first..=last).contains(&minor) {
            let message = format!("Kgateway {kgateway} does not have this field");
            checks.refuse("unknown-field", top, &format!("spec.{name}"), &message);
        }
    }
    for target in spec.target_refs.iter().filter(|target| target.section_name.is_some() && minor == 0) {
        checks.refuse("unknown-field", target.at, "spec.targetRefs", "Kgateway 2.0 does not have `sectionName` here");
    }
    checks.findings
}
