//! HTTPRoute (`config/crd/standard/gateway.networking.k8s.io_httproutes.yaml`).

use std::sync::LazyLock;

use regex::Regex;

use super::{Bundle, Checks, Pattern, filter, is_header_name, is_like, parent, repeated};
use crate::gateway_api::{
    HttpBackendRef, HttpFilterType, HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRule, PathMatchType,
};
use crate::{Diagnostic, Located, Object, Position};

static PATH: Pattern = LazyLock::new(|| Regex::new(r"^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$").ok());

pub(super) fn findings(object: &Object<HttpRoute>, bundle: Bundle<'_>) -> Vec<Diagnostic> {
    let mut checks = Checks::new(&object.meta);
    let spec = &object.body.spec;
    let top = object.meta.at.position;
    parent::parents(&mut checks, &spec.parent_refs);
    parent::hostnames(&mut checks, &spec.hostnames, 16);
    let Some(rules) = &spec.rules else { return checks.findings };
    let empty = rules.is_empty() && bundle.at_least(1, 5);
    checks.demand(!empty, top, "spec.rules", "there must be at least one rule (since Gateway API 1.5)");
    checks.demand(rules.len() <= 16, top, "spec.rules", "at most 16 rules are allowed");
    let total: usize = rules.iter().map(|rule| rule.matches.as_ref().map_or(1, Vec::len)).sum();
    checks.demand(total <= 128, top, "spec.rules", "all rules together may have at most 128 matches");
    for (index, entry) in rules.iter().enumerate() {
        rule(&mut checks, &format!("spec.rules[{index}]"), entry, bundle);
    }
    checks.findings
}

fn rule(checks: &mut Checks<'_>, path: &str, rule: &Located<HttpRouteRule>, bundle: Bundle<'_>) {
    checks.since(rule.name.is_none() || bundle.at_least(1, 4), rule.at, &format!("{path}.name"), "1.4");
    let matches = rule.matches.as_deref().unwrap_or_default();
    checks.demand(matches.len() <= 64, rule.at, path, "at most 64 matches are allowed");
    for (index, entry) in matches.iter().enumerate() {
        condition(checks, &format!("{path}.matches[{index}]"), entry);
    }
    let redirects = rule.filters.iter().any(|filter| filter.kind == HttpFilterType::RequestRedirect);
    let sends = !rule.backend_refs.is_empty();
    checks.demand(!(redirects && sends), rule.at, path, "RequestRedirect must not be used together with backendRefs");
    let prefix = has_one_prefix(matches);
    filter::filters(checks, &format!("{path}.filters"), &rule.filters, prefix, bundle);
    for (index, entry) in rule.backend_refs.iter().enumerate() {
        backend(checks, &format!("{path}.backendRefs[{index}]"), entry, prefix, bundle);
    }
}

/// The API server fills in one `PathPrefix` match of `/` where there is none.
fn has_one_prefix(matches: &[Located<HttpRouteMatch>]) -> bool {
    let is_prefix =
        |entry: &HttpRouteMatch| entry.path.as_ref().is_none_or(|path| path.kind() == PathMatchType::PathPrefix);
    match matches {
        [] => true,
        [only] => is_prefix(only),
        _ => false,
    }
}

fn condition(checks: &mut Checks<'_>, path: &str, entry: &Located<HttpRouteMatch>) {
    if let Some(own) = &entry.path {
        path_match(checks, entry.at, path, own);
    }
    for list in [&entry.headers, &entry.query_params] {
        let names = || list.iter().map(|value| value.name.as_str());
        checks.demand(repeated(names()).is_none(), entry.at, path, "a header or query parameter is named twice");
        checks.demand(names().all(is_header_name), entry.at, path, "a header or query parameter has an invalid name");
        checks.demand(list.len() <= 16, entry.at, path, "at most 16 headers or query parameters are allowed");
    }
}

fn path_match(checks: &mut Checks<'_>, at: Position, path: &str, own: &HttpPathMatch) {
    let value = own.value();
    checks.demand(value.len() <= 1024, at, path, "a path may have at most 1024 characters");
    if own.kind() == PathMatchType::RegularExpression {
        return;
    }
    checks.demand(value.starts_with('/'), at, path, "a path must be absolute and start with `/`");
    for part in ["//", "/./", "/../", "%2f", "%2F", "#"] {
        checks.demand(!value.contains(part), at, path, &format!("a path must not contain `{part}`"));
    }
    for end in ["/..", "/."] {
        checks.demand(!value.ends_with(end), at, path, &format!("a path must not end with `{end}`"));
    }
    checks.demand(is_like(&PATH, value), at, path, "a path must only contain valid characters");
}

fn backend(checks: &mut Checks<'_>, path: &str, backend: &Located<HttpBackendRef>, prefix: bool, bundle: Bundle<'_>) {
    let object = backend.object();
    checks.object(object.group, object.kind, backend.at, path);
    let is_service = object.group.is_empty() && object.kind == "Service";
    checks.demand(!is_service || object.port.is_some(), backend.at, path, "must have port for Service reference");
    checks.demand(object.port != Some(0), backend.at, path, "port must not be 0");
    weight(checks, backend.at, path, backend.weight);
    filter::filters(checks, &format!("{path}.filters"), &backend.filters, prefix, bundle);
}

pub(super) fn weight(checks: &mut Checks<'_>, at: Position, path: &str, weight: Option<i32>) {
    let valid = weight.is_none_or(|weight| (0..=1_000_000).contains(&weight));
    checks.demand(valid, at, path, "weight must be between 0 and 1000000");
}
