//! Filters of HTTPRoutes.

use super::{Bundle, Checks, is_header_name, repeated};
use crate::gateway_api::{
    HeaderModifier, HttpFilterType, HttpRouteFilter, PathModifier, PathModifierType, RequestMirror,
};
use crate::{Located, Position};

/// Checks the filters of a rule or backend; `prefix` tells whether the rule has exactly one `PathPrefix` match.
pub(super) fn filters(
    checks: &mut Checks<'_>,
    path: &str,
    filters: &[Located<HttpRouteFilter>],
    prefix: bool,
    bundle: Bundle<'_>,
) {
    let of = |kind| filters.iter().filter(|filter| filter.kind == kind).count();
    let Some(at) = filters.first().map(|filter| filter.at) else { return };
    checks.demand(filters.len() <= 16, at, path, "at most 16 filters are allowed");
    for kind in [
        HttpFilterType::RequestHeaderModifier,
        HttpFilterType::ResponseHeaderModifier,
        HttpFilterType::RequestRedirect,
        HttpFilterType::UrlRewrite,
        HttpFilterType::Cors,
    ] {
        checks.demand(of(kind) <= 1, at, path, &format!("filter {kind:?} cannot be repeated"));
    }
    let both = of(HttpFilterType::RequestRedirect) > 0 && of(HttpFilterType::UrlRewrite) > 0;
    checks.demand(!both, at, path, "either a redirect or a rewrite is allowed, but not both");
    for (index, entry) in filters.iter().enumerate() {
        filter(checks, &format!("{path}[{index}]"), entry, prefix, bundle);
    }
}

fn filter(checks: &mut Checks<'_>, path: &str, filter: &Located<HttpRouteFilter>, prefix: bool, bundle: Bundle<'_>) {
    let at = filter.at;
    let settings = [
        (HttpFilterType::RequestHeaderModifier, filter.request_header_modifier.is_some()),
        (HttpFilterType::ResponseHeaderModifier, filter.response_header_modifier.is_some()),
        (HttpFilterType::RequestMirror, filter.request_mirror.is_some()),
        (HttpFilterType::RequestRedirect, filter.request_redirect.is_some()),
        (HttpFilterType::UrlRewrite, filter.url_rewrite.is_some()),
        (HttpFilterType::ExtensionRef, filter.extension_ref.is_some()),
        (HttpFilterType::Cors, filter.cors.is_some()),
    ];
    for (kind, present) in settings {
        let message = format!("the settings of {kind:?} must be there for this type of filter, and for no other");
        checks.demand(present == (kind == filter.kind), at, path, &message);
    }
    for modifier in [&filter.request_header_modifier, &filter.response_header_modifier].into_iter().flatten() {
        headers(checks, at, path, modifier);
    }
    checks.since(filter.kind != HttpFilterType::Cors || bundle.at_least(1, 5), at, path, "1.5");
    if let Some(mirror) = &filter.request_mirror {
        mirrored(checks, at, path, mirror, bundle);
    }
    if let Some(redirect) = &filter.request_redirect {
        let status = redirect.status_code.unwrap_or(302);
        let known = matches!(status, 301 | 302) || (matches!(status, 303 | 307 | 308) && bundle.at_least(1, 5));
        checks.demand(known, at, path, "statusCode is not supported");
        checks.demand(
            redirect.scheme.as_deref().is_none_or(|scheme| matches!(scheme, "http" | "https")),
            at,
            path,
            "scheme must be http or https",
        );
        new_path(checks, at, path, redirect.path.as_ref(), prefix);
    }
    if let Some(rewrite) = &filter.url_rewrite {
        new_path(checks, at, path, rewrite.path.as_ref(), prefix);
        if let Some(host) = &rewrite.hostname {
            checks.host(host, at, path, false);
        }
    }
}

/// Header lists are maps by name: the API server refuses a name that is there twice.
pub(super) fn headers(checks: &mut Checks<'_>, at: Position, path: &str, modifier: &HeaderModifier) {
    for list in [&modifier.set, &modifier.add] {
        let names = || list.iter().map(|header| header.name.as_str());
        checks.demand(repeated(names()).is_none(), at, path, "a header is named twice");
        checks.demand(names().all(is_header_name), at, path, "a header has an invalid name");
        checks.demand(list.len() <= 16, at, path, "at most 16 headers are allowed");
        let printable = |value: &str| !value.contains(|c: char| c.is_control() && c != '\t');
        let values = list.iter().all(|header| printable(&header.value));
        checks.demand(values, at, path, "a header's value has a line break or another control character");
    }
    let removed = modifier.remove.iter().map(String::as_str);
    checks.demand(repeated(removed).is_none(), at, path, "a header is removed twice");
}

pub(super) fn mirrored(checks: &mut Checks<'_>, at: Position, path: &str, mirror: &RequestMirror, bundle: Bundle<'_>) {
    let object = mirror.backend_ref.object();
    let is_service = object.group.is_empty() && object.kind == "Service";
    checks.demand(!is_service || object.port.is_some(), at, path, "must have port for Service reference");
    let partial = mirror.percent.is_some() || mirror.fraction.is_some();
    checks.since(!partial || bundle.at_least(1, 3), at, path, "1.3");
    checks.demand(mirror.percent.is_none() || mirror.fraction.is_none(), at, path, "either percent or fraction");
}

fn new_path(checks: &mut Checks<'_>, at: Position, path: &str, modifier: Option<&PathModifier>, prefix: bool) {
    let Some(modifier) = modifier else { return };
    let (full, replaced) = (modifier.replace_full_path.is_some(), modifier.replace_prefix_match.is_some());
    let fits = match modifier.kind {
        PathModifierType::ReplaceFullPath => full && !replaced,
        PathModifierType::ReplacePrefixMatch => replaced && !full,
    };
    checks.demand(fits, at, path, "the field of the path modifier's type must be set, and no other");
    let needs_prefix = modifier.kind == PathModifierType::ReplacePrefixMatch;
    checks.demand(!needs_prefix || prefix, at, path, "replacePrefixMatch needs exactly one PathPrefix match");
}
